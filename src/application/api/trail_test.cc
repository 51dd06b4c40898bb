// What is behind a line and behind a transfer, found among other facts.
#include "application/api/trail.h"

#include <gtest/gtest.h>

#include "application/factory/charge.h"

namespace bessemer::api {
namespace {

constexpr Currency euro{{'E', 'U', 'R'}};

metering::LineKey line_of(std::uint64_t project) {
  metering::LineKey key;
  key.tenant = {1, 1};
  key.project = {1, project};
  key.meter = pricing::Meter::gpu_time;
  key.sku = "h100";
  return key;
}

metering::Posting posting(std::uint64_t project, std::int64_t quantity, std::int64_t nano) {
  metering::Posting one;
  one.line = line_of(project);
  one.quantity = quantity;
  one.amount = {nano, euro};
  return one;
}

struct Story {
  std::vector<factory::Fact> facts;
  void tell(std::int64_t at, factory::Event event) {
    factory::Fact fact;
    fact.sequence = facts.size() + 1;
    fact.context.now = Instant{at};
    fact.event = std::move(event);
    facts.push_back(std::move(fact));
  }
  Trail played(Trail trail) const {
    for (const auto& fact : facts) trail.take(fact);
    return trail;
  }
};

Story two_steps() {
  Story story;
  const auto accrued = [&](std::int64_t at, std::vector<metering::Posting> postings) {
    story.tell(at, metering::Event(metering::IntervalAccrued{"alc_1", {}, std::move(postings)}));
  };
  const auto moved = [&](std::int64_t at, std::uint64_t id) {
    ledger::TransferredFrom step{{"metering", id}, {}};
    const AccountId payer =
        factory::account_id({1, 1}, ledger::AccountKind::receivable, euro);
    step.transfers.push_back({{9, id}, payer, {2, 2}, {5, euro}});
    story.tell(at, ledger::Event(step));
  };
  accrued(1, {});  // of another command, which came to nothing
  metering::Posting another = posting(3, 1000, 900);  // tenant's, in the same step
  another.line.tenant = {1, 2};
  accrued(2, {posting(1, 10, 3), posting(2, 20, 2), another});
  moved(2, 1);
  story.tell(3, metering::Event(metering::UsageRecorded{"gateway/gw_1/1", 7, {posting(1, 5, 2)}}));
  moved(3, 2);
  return story;
}

TEST(Trail, ALineIsItsPostings) {
  const Trail trail = two_steps().played(Trail::of_line(line_of(1)));
  ASSERT_EQ(trail.count(), 2u);
  EXPECT_EQ(trail.quantity(), 15);
  EXPECT_EQ(trail.nano(), 5);
  EXPECT_EQ(trail.records()[0].sequence, 2u);
  EXPECT_EQ(trail.records()[0].source, "alc_1");
  EXPECT_EQ(trail.records()[1].source, "gateway/gw_1/1 up to record 7");
  EXPECT_EQ(two_steps().played(Trail::of_line(line_of(3))).count(), 0u);
}

// Use that costs nothing has no transfers: it is not gathered for ever.
TEST(Trail, WhatCostsNothingIsForgotten) {
  Trail trail = Trail::of_transfer({9, 1});
  for (std::int64_t at = 1; at <= 1000; ++at) {
    factory::Fact fact;
    fact.context.now = Instant{at};
    fact.event = metering::Event(metering::IntervalAccrued{"alc_1", {}, {posting(1, 10, 0)}});
    trail.take(fact);
    EXPECT_EQ(trail.pending(), 1u);
  }
  EXPECT_FALSE(trail.is_complete());
}

TEST(Trail, ATransferIsWhatWasMeteredInItsStep) {
  const Trail first = two_steps().played(Trail::of_transfer({9, 1}));
  ASSERT_TRUE(first.transfer());
  EXPECT_TRUE(first.is_complete());
  EXPECT_EQ(first.pending(), 0u);
  EXPECT_EQ(first.sequence(), 3u);
  EXPECT_EQ(first.source().stream, "metering");
  EXPECT_EQ(first.count(), 2u);
  EXPECT_EQ(first.nano(), 5);
  const Trail second = two_steps().played(Trail::of_transfer({9, 2}));
  EXPECT_EQ(second.count(), 1u);
  EXPECT_EQ(second.records()[0].quantity, 5);
  EXPECT_FALSE(two_steps().played(Trail::of_transfer({9, 3})).transfer());
}

TEST(Trail, ShowsTheFirstAndCountsAll) {
  Story story;
  for (int i = 0; i < 700; ++i) {
    story.tell(i, metering::Event(metering::IntervalAccrued{"alc_1", {}, {posting(1, 1, 1)}}));
  }
  const Trail trail = story.played(Trail::of_line(line_of(1)));
  EXPECT_EQ(trail.records().size(), shown_records);
  EXPECT_EQ(trail.count(), 700u);
  EXPECT_EQ(trail.quantity(), 700);
}

TEST(Trail, KnowsWhichFactsMatter) {
  EXPECT_TRUE(Trail::concerns(metering::UsageRecorded::fact));
  EXPECT_TRUE(Trail::concerns(ledger::Transferred::fact));
  EXPECT_FALSE(Trail::concerns(metering::IntervalBegan::fact));
}

}  // namespace
}  // namespace bessemer::api
