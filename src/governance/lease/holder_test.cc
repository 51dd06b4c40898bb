// The holder by itself: admission, slices, time, recalls, recovery.
#include "governance/lease/holder.h"

#include <gtest/gtest.h>

namespace bessemer::lease {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr GatewayId gateway{1, 1};
constexpr LeaseId dollars{2, 1}, token_lease{2, 2};
constexpr Instant start{1'800'000'000'000'000'000};
const Period window{start, start + days(30)};

Lease lease(LeaseId id, SpendUnit unit, Wide granted, std::uint64_t revision = 1) {
  return {.id = id, .gateway = gateway, .epoch = 1, .budget = {3, id.low}, .window = window,
          .unit = unit, .currency = unit == SpendUnit::money ? usd : Currency{},
          .granted = granted, .revision = revision};
}

Terms terms() {  // 1 nano an input token, 10 an output token
  return {.payer = {{4, 1}, {4, 2}, {}}, .sku = "tiny", .version = {9, 1},
          .prices = {{pricing::Meter::input_tokens, "tiny", {1, usd}, 1},
                     {pricing::Meter::output_tokens, "tiny", {10, usd}, 1}},
          .leases = {dollars, token_lease}};
}

struct Desk {
  Holder holder;
  Duration boot = seconds(100);
  Instant now = start;

  void take(const LogRecord& record) { apply(holder, record); }
  bool take(const Result<LogRecord>& record) {
    if (record) apply(holder, *record);
    return record.has_value();
  }
  Result<LogRecord> open(std::uint64_t input, std::uint64_t output, std::uint64_t slice = 0) {
    return lease::open(holder,
                       {.request = {5, 1}, .terms = 1, .first = {.input = input, .output = output},
                        .slice = {.output = slice}},
                       now, boot);
  }
  Wide held() { return holder.log.leases.at(dollars).held; }
};

Desk opened(Wide money = 1000, Wide tokens = 10'000) {
  Desk desk;
  desk.take(open_log(gateway, 1, start));
  for (const auto& record : take(desk.holder, {lease(dollars, SpendUnit::money, money),
                                               lease(token_lease, SpendUnit::tokens, tokens)})) {
    desk.take(record);
  }
  EXPECT_TRUE(desk.take(define_terms(desk.holder, terms())));
  renew(desk.holder, desk.boot);
  return desk;
}

TEST(Holder, DefinesOnlyTermsItCanKeep) {
  Desk desk = opened();
  Terms bad = terms();
  bad.leases.push_back({2, 9});
  EXPECT_FALSE(define_terms(desk.holder, bad));
  bad = terms();
  bad.prices[1].amount.currency = simulated_currency;
  EXPECT_FALSE(define_terms(desk.holder, bad));
  bad = terms();
  bad.prices[0].meter = pricing::Meter::gpu_time;
  EXPECT_FALSE(define_terms(desk.holder, bad));
}

TEST(Holder, AdmitsWhileEachLeaseCarriesIt) {
  Desk desk = opened();
  EXPECT_TRUE(desk.take(desk.open(100, 90)));
  EXPECT_EQ(desk.held(), 1000);
  const auto refused = desk.open(1, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "lease_short");
  EXPECT_EQ(refused.error().code, Code::unavailable);
  const auto ask = ask_for(desk.holder, terms(), {.first = {.input = 1}});
  ASSERT_TRUE(ask);
  EXPECT_EQ(amount_of(ask->need, SpendUnit::money, usd), 1);
  EXPECT_EQ(ask->idle, (std::vector<Idle>{{dollars, 0}, {token_lease, 9810}}));
  EXPECT_TRUE(desk.take(settle(desk.holder, 1, {.input = 100, .output = 2}, false, start)));
  EXPECT_EQ(desk.holder.log.leases.at(dollars).consumed, 120);
  EXPECT_TRUE(desk.open(80, 80));
  EXPECT_FALSE(desk.open(81, 80));
  EXPECT_FALSE(settle(desk.holder, 1, {}, false, start));
  Desk few = opened(100'000, 50);  // the tokens end first
  EXPECT_FALSE(few.open(50, 1));
  EXPECT_TRUE(few.open(49, 1));
}

TEST(Holder, RefusesWhatItDoesNotKnowOrCannotCount) {
  Desk desk = opened();
  Opening opening{.terms = 2, .first = {.input = 1}};
  EXPECT_EQ(lease::open(desk.holder, opening, start, desk.boot).error().code, Code::invalid);
  opening = {.terms = 1, .first = {.input = metering::max_request_tokens + 1}};
  EXPECT_EQ(lease::open(desk.holder, opening, start, desk.boot).error().code, Code::invalid);
  opening = {.terms = 1, .slice = {.output = ~std::uint64_t{0}}};
  EXPECT_EQ(lease::open(desk.holder, opening, start, desk.boot).error().code, Code::invalid);
  EXPECT_EQ(void_hold(desk.holder, 1, metering::VoidReason::refused).error().code,
            Code::not_found);
  EXPECT_EQ(extend(desk.holder, 1, {}, {}, {}, desk.boot).error().code, Code::not_found);
}

TEST(Holder, KeepsASliceForEachOpenStream) {
  Desk desk = opened();
  EXPECT_TRUE(desk.take(desk.open(0, 30, 20)));  // holds 300, will ask for 200
  EXPECT_TRUE(desk.take(desk.open(0, 30, 20)));
  EXPECT_EQ(desk.open(1, 0).error().reason, "lease_short");  // 400 are free, and promised
  EXPECT_TRUE(desk.take(extend(desk.holder, 1, {.output = 30}, {.output = 50}, {.output = 20},
                               desk.boot)));
  EXPECT_TRUE(desk.take(extend(desk.holder, 2, {.output = 30}, {.output = 50}, {}, desk.boot)));
  EXPECT_EQ(desk.held(), 1000);
  const auto refused = extend(desk.holder, 1, {.output = 50}, {.output = 70}, {}, desk.boot);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "lease_short");
  const auto ask = ask_for(desk.holder, 1, {.output = 70});
  EXPECT_EQ(amount_of(ask->need, SpendUnit::money, usd), 200);
  EXPECT_FALSE(extend(desk.holder, 1, {.output = 50}, {.output = 49}, {}, desk.boot));
  EXPECT_FALSE(extend(desk.holder, 1, {.output = 60}, {.output = 50}, {}, desk.boot));
  EXPECT_TRUE(desk.take(settle(desk.holder, 2, {.output = 10}, false, start)));
  EXPECT_TRUE(extend(desk.holder, 1, {.output = 50}, {.output = 70}, {}, desk.boot));
}

TEST(Holder, ChargesABrokenBoundAndMarksIt) {
  Desk desk = opened();
  EXPECT_TRUE(desk.take(desk.open(0, 100)));
  const auto settled = settle(desk.holder, 1, {.output = 110}, true, start);
  ASSERT_TRUE(settled);
  EXPECT_TRUE(std::get<metering::HoldSettled>(*settled).bound_violation);
  EXPECT_TRUE(std::get<metering::HoldSettled>(*settled).estimated);
  desk.take(*settled);
  EXPECT_EQ(desk.holder.log.leases.at(dollars).consumed, 1100);
  EXPECT_FALSE(desk.open(1, 0));
  const auto ask = ask_for(desk.holder, terms(), {.first = {.input = 1}});
  // Each lease tells what it lacks itself: a lack of money asks for no tokens.
  EXPECT_EQ(amount_of(ask->need, SpendUnit::money, usd), 1);
  EXPECT_EQ(amount_of(ask->need, SpendUnit::tokens, {}), 1);
  EXPECT_EQ(ask->idle, (std::vector<Idle>{{dollars, -100}, {token_lease, 10'000 - 110}}));
}

TEST(Holder, TimeStopsItFromSpendingAndFromNothingElse) {
  Desk desk = opened();
  EXPECT_TRUE(desk.take(desk.open(0, 10, 10)));
  desk.boot = desk.boot + lifetime - margin;
  EXPECT_EQ(desk.open(1, 1).error().reason, "lease_expired");
  EXPECT_EQ(extend(desk.holder, 1, {}, {.output = 20}, {}, desk.boot).error().reason,
            "lease_expired");
  EXPECT_TRUE(desk.take(settle(desk.holder, 1, {.output = 5}, false, start)));
  renew(desk.holder, desk.boot);
  renew(desk.holder, seconds(1));  // an older answer takes nothing away
  EXPECT_TRUE(desk.open(1, 1));
  desk.now = window.until;
  EXPECT_EQ(desk.open(1, 1).error().reason, "lease_window_over");
}

TEST(Holder, ARecallBindsAndAnOldGrantDoesNotUndoIt) {
  Desk desk = opened();
  EXPECT_TRUE(desk.take(desk.open(0, 30, 20)));
  const auto records = give_back(desk.holder, dollars);
  ASSERT_EQ(records.size(), 1u);
  desk.take(records[0]);
  EXPECT_EQ(reduced(desk.holder, dollars), (Reduce{dollars, 500, 2, desk.holder.log.gateway}));
  EXPECT_TRUE(give_back(desk.holder, dollars).empty());
  EXPECT_EQ(desk.open(1, 0).error().reason, "lease_short");
  EXPECT_TRUE(take(desk.holder, {lease(dollars, SpendUnit::money, 5000, 2)}).empty());
  EXPECT_EQ(take(desk.holder, {lease(dollars, SpendUnit::money, 600, 3)}).size(), 1u);
  Lease foreign = lease(dollars, SpendUnit::money, 600, 3);
  foreign.epoch = 2;
  EXPECT_TRUE(take(desk.holder, {foreign}).empty());
}

TEST(Holder, RecoveryResolvesEveryHold) {
  Desk desk = opened();
  EXPECT_TRUE(desk.take(desk.open(0, 10, 10)));
  EXPECT_TRUE(desk.take(desk.open(7, 10, 10)));
  EXPECT_TRUE(desk.take(extend(desk.holder, 2, {.input = 7, .output = 10},
                               {.input = 7, .output = 20}, {}, desk.boot)));
  for (const auto& record : recover(desk.holder.log, start)) desk.take(record);
  EXPECT_TRUE(desk.holder.log.closed);
  EXPECT_TRUE(desk.holder.log.holds.empty());
  EXPECT_EQ(desk.holder.log.voided, 1u);
  EXPECT_EQ(desk.holder.log.partial, 1u);
  EXPECT_EQ(desk.holder.log.leases.at(dollars).consumed, 107);
  EXPECT_EQ(desk.held(), 0);
  EXPECT_TRUE(recover(desk.holder.log, start).empty());
}

}  // namespace
}  // namespace bessemer::lease
