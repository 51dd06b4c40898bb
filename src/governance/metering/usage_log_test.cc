// The fold of a gateway's log: sums, misfits, and what becomes usage.
#include "governance/metering/usage_log.h"

#include <gtest/gtest.h>

#include "base/codec.h"

namespace bessemer::metering {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr GatewayId gateway{1, 1};
constexpr LeaseId dollars{2, 1}, tokens{2, 2};
constexpr Instant start{1'800'000'000'000'000'000};

Terms terms() {
  return {.payer = {{3, 1}, {3, 2}, {4, 1}}, .subject = {}, .sku = "tiny", .version = {9, 1},
          .prices = {{Meter::input_tokens, "tiny", {10, usd}, 1},
                     {Meter::output_tokens, "tiny", {75, usd}, 2}},
          .leases = {dollars, tokens}};
}

LeaseTaken taken(LeaseId lease, SpendUnit unit, Wide granted) {
  return {.lease = lease, .budget = {5, lease.low}, .window = {{}, start + days(1)}, .unit = unit,
          .currency = unit == SpendUnit::money ? usd : Currency{}, .granted = granted,
          .revision = 1};
}

struct Desk {
  Log log;
  std::vector<Settlement> settlements;

  std::string said(const LogRecord& record) {
    const Log before = log;
    // What is written is what is folded: through the bytes of the log.
    const auto read = codec::decode<LogRecord>(codec::encode(record));
    EXPECT_TRUE(read);
    const auto folded = fold(log, *read);
    if (!folded) {
      EXPECT_EQ(log, before);
      return folded.error().what;
    }
    if (*folded) settlements.push_back(**folded);
    return "done";
  }
};

Desk opened() {
  Desk desk;
  EXPECT_EQ(desk.said(LogOpened{gateway, 1, start}), "done");
  EXPECT_EQ(desk.said(taken(dollars, SpendUnit::money, 10'000)), "done");
  EXPECT_EQ(desk.said(taken(tokens, SpendUnit::tokens, 500)), "done");
  EXPECT_EQ(desk.said(TermsDefined{1, terms()}), "done");
  return desk;
}

HoldOpened hold(std::uint64_t number) {
  return {.hold = number, .request = {6, number}, .terms = 1, .money = 1000, .tokens = 60,
          .slice_money = 380, .slice_tokens = 10, .at = start};
}

TEST(UsageLog, CostsRoundUpByMeter) {
  EXPECT_EQ(*cost_of(terms(), {.input = 3, .output = 1}), 30 + 38);
  EXPECT_EQ(*cost_of(terms(), {.cached_input = 9, .requests = 1}), 0);
  EXPECT_FALSE(cost_of(terms(), {.input = max_request_tokens + 1}));
}

TEST(UsageLog, AHoldTakesFromEachLeaseInItsUnit) {
  Desk desk = opened();
  EXPECT_EQ(desk.said(hold(1)), "done");
  EXPECT_EQ(desk.log.leases.at(dollars).held, 1000);
  EXPECT_EQ(desk.log.leases.at(dollars).sliced, 380);
  EXPECT_EQ(desk.log.leases.at(tokens).held, 60);
  EXPECT_EQ(desk.said(HoldExtended{.hold = 1, .delivered = {.input = 3, .output = 50},
                                   .money = 1380, .tokens = 70}),
            "done");
  EXPECT_EQ(desk.log.leases.at(dollars).held, 1380);
  EXPECT_EQ(desk.log.leases.at(dollars).sliced, 0);
  EXPECT_EQ(desk.said(HoldSettled{.hold = 1, .counts = {.input = 3, .output = 5}, .money = 218}),
            "done");
  EXPECT_EQ(desk.log.leases.at(dollars).held, 0);
  EXPECT_EQ(desk.log.leases.at(dollars).consumed, 218);
  EXPECT_EQ(desk.log.leases.at(tokens).consumed, 8);
  EXPECT_EQ(desk.said(hold(2)), "done");
  EXPECT_EQ(desk.said(HoldVoided{2, VoidReason::upstream_failed}), "done");
  EXPECT_EQ(desk.log.leases.at(tokens).held, 0);
  EXPECT_EQ(desk.log.settled, 1u);
  EXPECT_EQ(desk.log.voided, 1u);
  EXPECT_EQ(desk.said(LogClosed{start}), "done");
  EXPECT_NE(desk.said(hold(3)).find("after the close"), std::string::npos);
}

TEST(UsageLog, RefusesRecordsThatDoNotFit) {
  Desk fresh;
  EXPECT_NE(fresh.said(hold(1)).find("opening"), std::string::npos);
  Desk desk = opened();
  EXPECT_NE(desk.said(LogOpened{gateway, 2, start}).find("twice"), std::string::npos);
  EXPECT_NE(desk.said(taken(dollars, SpendUnit::money, 10'000)).find("grow"), std::string::npos);
  EXPECT_NE(desk.said(taken(dollars, SpendUnit::tokens, 20'000)).find("grow"), std::string::npos);
  EXPECT_NE(desk.said(TermsDefined{3, terms()}).find("order"), std::string::npos);
  Terms foreign = terms();
  foreign.leases = {{2, 9}};
  EXPECT_NE(desk.said(TermsDefined{2, foreign}).find("unknown lease"), std::string::npos);
  EXPECT_NE(desk.said(hold(2)).find("out of order"), std::string::npos);
  HoldOpened wrong = hold(1);
  wrong.terms = 2;
  EXPECT_NE(desk.said(wrong).find("unknown terms"), std::string::npos);
  wrong = hold(1);
  wrong.money = -1;
  EXPECT_NE(desk.said(wrong).find("out of range"), std::string::npos);
  EXPECT_EQ(desk.said(hold(1)), "done");
  EXPECT_NE(desk.said(HoldExtended{.hold = 1, .money = 999, .tokens = 60}).find("less"),
            std::string::npos);
  EXPECT_NE(desk.said(HoldExtended{.hold = 9}).find("unknown"), std::string::npos);
  EXPECT_NE(desk.said(HoldSettled{.hold = 1, .counts = {.input = 1}, .money = 9}).find("wrong sum"),
            std::string::npos);
  EXPECT_NE(desk.said(HoldSettled{.hold = 9}).find("unknown"), std::string::npos);
  EXPECT_NE(desk.said(HoldVoided{.hold = 9}).find("unknown"), std::string::npos);
  EXPECT_NE(desk.said(LeaseReduced{dollars, 999}).find("below what it holds"), std::string::npos);
  EXPECT_NE(desk.said(LeaseReduced{{2, 9}, 1}).find("unknown"), std::string::npos);
  EXPECT_EQ(desk.said(LeaseReduced{dollars, 1000}), "done");
  EXPECT_NE(desk.said(LogClosed{start}).find("open holds"), std::string::npos);
}

TEST(UsageLog, SettlementsBecomeUsageByTermsAndQuarterHour) {
  Desk desk = opened();
  UsageSums sums;
  EXPECT_TRUE(sums.empty());
  sums.add({.terms = 1, .counts = {.input = 3, .output = 5, .requests = 1},
            .opened_at = start + seconds(9)});
  sums.add({.terms = 1, .counts = {.input = 4, .requests = 1}, .opened_at = start + seconds(5)});
  sums.add({.terms = 1, .counts = {.requests = 1}, .opened_at = start + minutes(15)});
  const auto usages = sums.usages(desk.log);
  ASSERT_EQ(usages.usages.size(), 4u);
  EXPECT_EQ(usages.usages[0].meter, Meter::input_tokens);
  EXPECT_EQ(usages.usages[0].amount, 7);
  EXPECT_EQ(usages.usages[0].from, start + seconds(5));
  EXPECT_EQ(usages.usages[0].version, (PriceBookId{9, 1}));
  EXPECT_EQ(usages.usages[1].amount, 5);
  EXPECT_EQ(usages.usages[2].amount, 2);
  EXPECT_EQ(usages.usages[3].from, start + minutes(15));
  EXPECT_EQ(usages.terms_of, (std::vector<std::uint32_t>{1, 1, 1, 1}));
  EXPECT_LE(stream_of(gateway, ~std::uint64_t{0}).size(), max_stream_name);
}

TEST(UsageLog, ARequestTakesFewBytesUnsealed) {
  const std::size_t bytes =
      codec::encode(LogRecord{hold(1)}).size() +
      codec::encode(LogRecord{HoldSettled{.hold = 1, .counts = {.input = 3, .output = 5},
                                          .money = 218, .at = start}}).size();
  EXPECT_LE(bytes, 200u);
}

}  // namespace
}  // namespace bessemer::metering
