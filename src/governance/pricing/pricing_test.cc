// Publishing, finding and rating prices.
#include "governance/pricing/notice.h"
#include "governance/pricing/pricing.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/random.h"

namespace bessemer::pricing {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr Currency eur{{'E', 'U', 'R'}};
constexpr Instant start{1'800'000'000'000'000'000};

Context at(Instant now) { return {.now = now, .occurred_at = now}; }

Money dollars(std::int64_t nano) { return {nano, usd}; }

Publish book(std::uint64_t id) {
  return {.id = {1, id},
          .name = "standard",
          .currency = usd,
          .prices = {{Meter::gpu_time, "h200", dollars(2'500'000'000), {}},
                     {Meter::gpu_time, "*", dollars(1'000'000'000), {}},
                     {Meter::gpu_time, "sim-*", {500'000'000, simulated_currency}, {}},
                     {Meter::output_tokens, "tiny", dollars(37'500'000), {}}}};
}

State published(const Publish& command, Instant now = start) {
  State state;
  auto events = judge(state, command, at(now));
  EXPECT_TRUE(events) << to_text(events.error());
  for (const auto& event : *events) apply(state, event, at(now));
  return state;
}

std::string refused(const State& state, const Publish& command, Instant now = start) {
  const auto events = judge(state, command, at(now));
  return events ? "accepted" : to_text(events.error());
}

TEST(Pricing, RefusesStepByStep) {
  Publish command;
  const State none;
  EXPECT_NE(refused(none, command).find("id"), std::string::npos);
  command.id = {1, 1};
  EXPECT_NE(refused(none, command).find("name"), std::string::npos);
  command.name = "standard";
  EXPECT_NE(refused(none, command).find("real currency"), std::string::npos);
  command.currency = simulated_currency;
  EXPECT_NE(refused(none, command).find("real currency"), std::string::npos);
  command.currency = usd;
  EXPECT_NE(refused(none, command).find("at least one price"), std::string::npos);
  command.prices = {{Meter::requests, "Bad Sku", dollars(1), {}}};
  EXPECT_NE(refused(none, command).find("prices[0].sku"), std::string::npos);
  command.prices[0].sku = included_sku;
  EXPECT_NE(refused(none, command).find("by itself"), std::string::npos);
  command.prices[0].sku = "tiny";
  command.prices[0].per = 0;
  EXPECT_NE(refused(none, command).find("prices[0].per"), std::string::npos);
  command.prices[0].per = max_per + 1;
  EXPECT_NE(refused(none, command).find("prices[0].per"), std::string::npos);
  command.prices[0].per = 1;
  command.prices[0].amount.nano = -1;
  EXPECT_NE(refused(none, command).find("prices[0].amount"), std::string::npos);
  command.prices[0].amount = {1, eur};
  EXPECT_NE(refused(none, command).find("must be in USD"), std::string::npos);
  command.prices[0].sku = "sim-h200";
  EXPECT_NE(refused(none, command).find("must be in SIM"), std::string::npos);
  command.prices[0] = {Meter::requests, "tiny", dollars(1), {}};
  command.prices.push_back(command.prices[0]);
  EXPECT_NE(refused(none, command).find("twice"), std::string::npos);
  command.prices.pop_back();
  command.effective_from = start - nanoseconds(1);
  EXPECT_NE(refused(none, command).find("past"), std::string::npos);
  command.effective_from = start;
  EXPECT_EQ(refused(none, command), "accepted");
}

TEST(Pricing, SaysTheSameTwiceIsDoneAndOtherwiseConflict) {
  const State state = published(book(1));
  const auto again = judge(state, book(1), at(start + hours(1)));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->empty());
  Publish other = book(1);
  other.prices[0].amount.nano += 1;
  EXPECT_EQ(judge(state, other, at(start)).error().code, Code::conflict);
}

TEST(Pricing, TakesEffectNoSoonerThanALeaseLives) {
  State state = published(book(1));
  Publish next = book(2);
  next.effective_from = start + price_notice - nanoseconds(1);
  EXPECT_NE(refused(state, next).find("60s ahead"), std::string::npos);
  next.effective_from = start + price_notice;
  next.prices[3].amount.nano = 3'000'000'000;
  const auto events = judge(state, next, at(start));
  ASSERT_TRUE(events);
  apply(state, events->front(), at(start));
  next.id = {1, 3};
  EXPECT_EQ(refused(state, next, start - hours(1)), refused(state, next));  // not before the last
  next.effective_from = std::nullopt;
  next.currency = eur;
  for (auto& price : next.prices) {
    if (price.amount.currency == usd) price.amount.currency = eur;
  }
  EXPECT_NE(refused(state, next).find("the book is in USD"), std::string::npos);

  EXPECT_EQ(in_force(state, "standard", start - nanoseconds(1)), nullptr);
  EXPECT_EQ(in_force(state, "standard", start)->number, 1u);
  EXPECT_EQ(in_force(state, "standard", start + price_notice - nanoseconds(1))->number, 1u);
  EXPECT_EQ(in_force(state, "standard", start + price_notice)->number, 2u);
  EXPECT_EQ(in_force(state, "other", start), nullptr);
  EXPECT_EQ(find(state, {1, 2})->number, 2u);
  EXPECT_EQ(find(state, {1, 9}), nullptr);
  const Instant change = start + price_notice;
  EXPECT_EQ(changes_between(state, "standard", start, change + hours(1)),
            std::vector<Instant>{change});
  EXPECT_TRUE(changes_between(state, "standard", start, change).empty());
  EXPECT_TRUE(changes_between(state, "standard", change, change + hours(1)).empty());
}

// Work is paid for ahead: who holds money for it must know what the time will cost.
TEST(Pricing, ChangesAPriceOfTimeNoSoonerThanWorkIsPaidFor) {
  const State state = published(book(1));
  for (const std::size_t changed : {0u, 1u, 2u}) {
    Publish next = book(2);
    next.prices[changed].amount.nano += 1;
    next.effective_from = start + time_price_notice - nanoseconds(1);
    EXPECT_NE(refused(state, next).find("660s ahead"), std::string::npos) << changed;
    next.effective_from = start + time_price_notice;
    EXPECT_EQ(refused(state, next), "accepted") << changed;
    next.effective_from.reset();
    const auto events = judge(state, next, at(start));
    ASSERT_TRUE(events);
    EXPECT_EQ(std::get<PriceBookPublished>(events->front()).version.effective_from,
              start + time_price_notice);
  }
  Publish more = book(2), less = book(2);
  more.prices.push_back({Meter::cpu_time, "*", dollars(1), {}});
  less.prices.erase(less.prices.begin());  // "*" stands for it then
  for (Publish next : {more, less}) {
    next.effective_from = start + price_notice;
    EXPECT_NE(refused(state, next).find("660s ahead"), std::string::npos);
  }
}

TEST(Pricing, FindsTheExactSkuThenTheRestAndNeverCrossesIntoSimulation) {
  const State state = published(book(1));
  const Version& version = *in_force(state, "standard", start);
  EXPECT_EQ(find_price(version, Meter::gpu_time, "h200")->amount, dollars(2'500'000'000));
  EXPECT_EQ(find_price(version, Meter::gpu_time, "a100")->amount, dollars(1'000'000'000));
  EXPECT_EQ(find_price(version, Meter::gpu_time, "sim-h200")->amount.currency, simulated_currency);
  EXPECT_EQ(find_price(version, Meter::output_tokens, "tiny")->per, 1'000'000);
  EXPECT_EQ(find_price(version, Meter::output_tokens, "large"), nullptr);
  EXPECT_EQ(find_price(version, Meter::output_tokens, "sim-tiny"), nullptr);
  EXPECT_EQ(find_price(version, Meter::input_tokens, "tiny"), nullptr);
  EXPECT_EQ(find_price(version, Meter::input_tokens, included_sku)->amount, dollars(0));
}

TEST(Pricing, RatesTheAggregateHalfToEvenOnce) {
  const Price price{Meter::output_tokens, "tiny", dollars(37'500'000), 1'000'000};  // 37.5 a token
  struct Row { Wide quantity; std::int64_t nano; };
  for (const Row row : {Row{0, 0}, {1, 38}, {2, 75}, {3, 112}, {1'000'000, 37'500'000},
                        {-1, -38}, {-3, -112}}) {
    EXPECT_EQ(rate(price, row.quantity)->nano, row.nano) << to_text(row.quantity);
  }
  EXPECT_EQ(hold_amount(price, 3)->nano, 113);
  EXPECT_EQ(hold_amount(price, 2)->nano, 75);
  const Price hour{Meter::gpu_time, "h200", dollars(2'500'000'000),
                   unit_of(Meter::gpu_time).quantity};
  EXPECT_EQ(to_text(*rate(hour, Wide{500} * 3'600'000'000'000 * 3)), "3.75 USD");  // half, 3 hours
}

TEST(Pricing, RefusesAmountsThatWouldOverflowInsteadOfStopping) {
  const Price dear{Meter::requests, "x", {max_amount_nano, usd}, 1};
  EXPECT_EQ(rate(dear, 1)->nano, max_amount_nano);
  EXPECT_FALSE(rate(dear, 2));
  EXPECT_FALSE(rate(dear, max_quantity));
  EXPECT_FALSE(rate(dear, -max_quantity));
  EXPECT_FALSE(rate(dear, max_quantity + 1));
  const Price widest{Meter::storage_time, "x", {max_amount_nano, usd}, max_per};
  EXPECT_EQ(rate(widest, max_quantity)->nano, max_amount_nano);
  Random random(7);
  for (int i = 0; i < 20'000; ++i) {  // no check may abort, whatever the bounds let through
    const auto wide = [&](Wide limit) {
      const Wide high = static_cast<Wide>(random.next() >> 1) << 64;
      return (high | static_cast<Wide>(random.next())) % ((limit >> random.below(120)) + 1);
    };
    const Price price{Meter::requests, "x", {wide(max_amount_nano * 2) % max_amount_nano, usd},
                      1 + wide(max_per * 2) % max_per};
    const Wide quantity = wide(max_quantity * 4);
    if (const auto money = rate(price, quantity)) {
      EXPECT_LE(money->nano, max_amount_nano);
      const auto held = hold_amount(price, quantity);
      EXPECT_TRUE(!held || held->nano >= money->nano);
    }
  }
}

TEST(Pricing, HoldsOfPartsCoverTheRateOfTheWhole) {
  Random random(11);
  for (int round = 0; round < 500; ++round) {
    const Price price{Meter::output_tokens, "x", dollars(random.between(0, 1'000'000)),
                      random.between(1, 1'000'000)};
    Wide total = 0, held = 0;
    for (int part = 0; part < 20; ++part) {
      const Wide quantity = random.between(0, 5000);
      total += quantity;
      held += hold_amount(price, quantity)->nano;
      ASSERT_LE(rate(price, total)->nano, held);
    }
  }
}

TEST(Pricing, GoesThroughSnapshotAndJson) {
  const State state = published(book(1));
  const auto copy = codec::decode<State>(codec::encode(state));
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->books, state.books);
  EXPECT_EQ(copy->places, state.places);
  const auto command = json::read<Publish>(
      R"({"id":"","name":"standard","currency":"USD","effective_from":"2026-01-01T00:00:00Z",
          "prices":[{"meter":"gpu_time","sku":"h200","amount":"2.50 USD"},
                    {"meter":"output_tokens","sku":"*","amount":"0.0375 USD","per":"1000000"}]})");
  ASSERT_TRUE(command) << to_text(command.error());
  EXPECT_EQ(command->prices[1].amount, dollars(37'500'000));
  EXPECT_EQ(*command->prices[1].per, 1'000'000);
}

}  // namespace
}  // namespace bessemer::pricing
