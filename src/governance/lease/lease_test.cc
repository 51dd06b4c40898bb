// The lender by itself: epochs, grants, recalls, reports, closing and writing off.
#include "governance/lease/lease.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "governance/lease/absence.h"

namespace bessemer::lease {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{1, 1};
constexpr KeyId key{2, 1};
constexpr BudgetId whole{3, 1}, keyed{3, 2};
constexpr GatewayId one{4, 1}, two{4, 2};
constexpr Instant start{1'800'000'000'000'000'000};

struct Desk {
  State state;
  budget::State budgets;
  std::uint64_t seeds = 0;

  Context at() const { return {.now = start, .occurred_at = start}; }
  void set(BudgetId id, Wide limit, KeyId with = {}) {
    const budget::Budget budget{.id = id, .name = "b" + std::to_string(id.low),
                                .scope = {.node = tenant, .key = with}, .currency = usd,
                                .limit = limit, .warn_percents = {50}};
    const auto events = budget::judge(budgets, budget::Set{budget}, at());
    ASSERT_TRUE(events);
    for (const auto& event : *events) budget::apply(budgets, event, at());
  }
  Result<Decision> give(const Command& command) {
    auto decision = judge(state, budgets, command, at());
    if (decision) {
      for (const auto& event : decision->events) apply(state, event, at());
      for (const auto& event : decision->budget_events) budget::apply(budgets, event, at());
    }
    EXPECT_EQ(audit(state, budgets), "");
    return decision;
  }
  std::string said(const Command& command) {
    const auto decision = give(command);
    if (!decision) return to_text(decision.error());
    if (decision->outcome == Outcome::wait) return "wait";
    return decision->events.empty() ? "already done" : "done";
  }
  Borrow borrow(GatewayId gateway, std::int64_t nano, std::uint64_t epoch = 1) {
    return {.gateway = gateway, .epoch = epoch, .seed = {5, ++seeds * 1000},
            .spender = {.path = {tenant}, .key = key}, .need = spend_money({nano, usd})};
  }
  budget::Counters counters(BudgetId id) {
    const auto& budget = budgets.budgets.at(id);
    return budget::counters_of(budgets, id, budget::window_of(budgets, budget, start).from);
  }
};

Desk opened(Wide limit) {
  Desk desk;
  desk.set(whole, limit);
  EXPECT_EQ(desk.said(OpenEpoch{one, 1}), "done");
  EXPECT_EQ(desk.said(OpenEpoch{two, 1}), "done");
  return desk;
}

TEST(Lender, OpensEpochsInOrder) {
  Desk desk;
  EXPECT_NE(desk.said(OpenEpoch{}).find("gateway"), std::string::npos);
  EXPECT_NE(desk.said(OpenEpoch{one, 2}).find("is 1"), std::string::npos);
  EXPECT_EQ(desk.said(OpenEpoch{one, 1}), "done");
  EXPECT_EQ(desk.said(OpenEpoch{one, 1}), "already done");
  EXPECT_EQ(desk.said(Lose{one, 1}), "done");
  EXPECT_EQ(desk.said(Lose{one, 1}), "already done");
  EXPECT_EQ(owed(desk.state).size(), 1u);
  EXPECT_EQ(desk.said(OpenEpoch{one, 1}), "done");  // the connection is back
  EXPECT_TRUE(owed(desk.state).empty());
  EXPECT_EQ(desk.said(OpenEpoch{one, 2}), "done");
  EXPECT_EQ(owed(desk.state), (std::vector<EpochKey>{{one, 1}}));
  EXPECT_NE(desk.said(desk.borrow(one, 1)).find("epoch is over"), std::string::npos);
  EXPECT_EQ(desk.said(Close{one, 1, 0}), "done");
  EXPECT_EQ(desk.said(Close{one, 1, 0}), "already done");
  EXPECT_NE(desk.said(Close{one, 9, 0}).find("no such epoch"), std::string::npos);
  EXPECT_EQ(desk.said(Close{one, 2, 0}), "done");
  EXPECT_NE(desk.said(OpenEpoch{one, 2}).find("open the next one"), std::string::npos);
}

TEST(Lender, AFenceEndsEpochsThatNoFactSpeaksOf) {
  Desk desk = opened(1000);
  ASSERT_TRUE(desk.give(desk.borrow(one, 10)));
  const auto lent = desk.counters(whole).leased;
  EXPECT_NE(desk.said(Fence{1}).find("above every epoch"), std::string::npos);
  EXPECT_EQ(desk.said(Fence{500}), "done");
  EXPECT_EQ(desk.said(Fence{500}), "already done");
  EXPECT_NE(desk.said(Fence{499}).find("above every epoch"), std::string::npos);
  EXPECT_NE(desk.said(desk.borrow(one, 10, 1)).find("epoch is over"), std::string::npos);
  EXPECT_NE(desk.said(OpenEpoch{one, 1}).find("is 501"), std::string::npos);
  EXPECT_NE(desk.said(OpenEpoch{one, 2}).find("is 501"), std::string::npos);
  EXPECT_NE(desk.said(OpenEpoch{one, 500}).find("open the next one"), std::string::npos);
  EXPECT_EQ(owed(desk.state), (std::vector<EpochKey>{{one, 1}, {two, 1}}));
  EXPECT_EQ(desk.counters(whole).leased, lent);  // until its log is recovered
  EXPECT_EQ(desk.said(OpenEpoch{one, 501}), "done");
  EXPECT_EQ(desk.said(Close{one, 1, 0}), "done");
  EXPECT_EQ(desk.counters(whole).leased, 0);
  EXPECT_EQ(newest_epoch(desk.state, one), 501u);
}

TEST(Lender, LendsAPartAndThenSingleHolds) {
  Desk desk = opened(1000);
  const auto first = desk.give(desk.borrow(one, 10));
  ASSERT_TRUE(first);
  ASSERT_EQ(first->leases.size(), 1u);
  EXPECT_EQ(first->leases[0].granted, 125);  // an eighth: two holders
  EXPECT_EQ(desk.counters(whole).leased, 125);
  Wide lent = 125;
  while (true) {  // each whole answer leaves less; at the end exactly the holds
    Borrow more = desk.borrow(one, 10);
    const auto decision = desk.give(more);
    if (!decision || decision->outcome == Outcome::wait) break;
    EXPECT_EQ(decision->leases[0].id, first->leases[0].id);
    lent = decision->leases[0].granted;
  }
  EXPECT_GT(lent, 990);  // all but less than one hold
}

TEST(Lender, LendsExactlyWhatIsNeededWhenLittleIsLeft) {
  Desk desk = opened(400);
  EXPECT_EQ(desk.give(desk.borrow(one, 100))->leases[0].granted, 100);
  EXPECT_EQ(desk.give(desk.borrow(two, 1))->leases[0].granted, 1);  // not an eighth of the rest
}

TEST(Lender, CountsWhatTheBorrowerHasFree) {
  Desk desk = opened(100);
  desk.set(keyed, 10'000, key);
  const auto first = desk.give(desk.borrow(one, 50));
  ASSERT_TRUE(first);
  ASSERT_EQ(first->leases.size(), 2u);
  Borrow again = desk.borrow(one, 50);
  again.idle = {{first->leases[0].id, 50}};
  const Wide keyed_before = desk.counters(keyed).leased;
  EXPECT_EQ(desk.said(again), "done");
  EXPECT_EQ(desk.counters(whole).leased, 50);  // nothing was missing there
  EXPECT_GT(desk.counters(keyed).leased, keyed_before);
  again = desk.borrow(one, 50);
  again.idle = {{first->leases[0].id, 5'000}};  // never believed beyond what is outstanding
  EXPECT_EQ(desk.said(again), "done");
}

TEST(Lender, LendsOnAllBudgetsOrOnNone) {
  Desk desk = opened(1000);
  desk.set(keyed, 5, key);
  const auto refused = desk.give(desk.borrow(one, 10));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "budget_exhausted");
  EXPECT_NE(refused.error().what.find("\"b2\""), std::string::npos);
  EXPECT_EQ(desk.counters(whole).leased, 0);
  Borrow other = desk.borrow(one, 10);
  other.spender.key = {};
  EXPECT_EQ(desk.said(other), "done");
  Borrow nobody = desk.borrow(one, 10);
  nobody.spender.path = {{1, 77}};
  EXPECT_EQ(desk.said(nobody), "already done");  // no budget limits it
}

TEST(Lender, RecallsBeforeItRefuses) {
  Desk desk = opened(100);
  const auto first = desk.give(desk.borrow(one, 100));
  ASSERT_TRUE(first);
  const Lease lease = first->leases[0];
  EXPECT_EQ(lease.granted, 100);
  EXPECT_EQ(desk.said(desk.borrow(two, 30)), "wait");
  EXPECT_EQ(desk.said(desk.borrow(two, 30)), "wait");
  ASSERT_EQ(recalled(desk.state, one).size(), 1u);
  EXPECT_TRUE(recalled(desk.state, two).empty());
  EXPECT_NE(desk.said(Reduce{lease.id, 60, 2, two}).find("no such lease of this gateway"),
            std::string::npos);  // only its holder gives it back
  EXPECT_NE(desk.said(Reduce{lease.id, 60, 0, one}).find("later grant"), std::string::npos);
  EXPECT_NE(desk.said(Reduce{lease.id, 101, 2, one}).find("between"), std::string::npos);
  EXPECT_EQ(desk.said(Reduce{lease.id, 60, 2, one}), "done");
  EXPECT_EQ(desk.said(Reduce{lease.id, 60, 2, one}), "already done");
  EXPECT_TRUE(recalled(desk.state, one).empty());
  EXPECT_EQ(desk.said(desk.borrow(two, 30)), "done");
  EXPECT_EQ(desk.counters(whole).leased, 90);
  EXPECT_EQ(desk.said(desk.borrow(two, 100)), "wait");
  EXPECT_EQ(desk.give(desk.borrow(two, 101)).error().code, Code::exhausted);
  EXPECT_EQ(desk.said(Report{one, 1, 7, {{lease.id, 60, 60}}}), "done");
  EXPECT_EQ(desk.give(desk.borrow(two, 100)).error().reason, "budget_exhausted");
}

TEST(Lender, ReportsAreCumulativeAndCountedOnce) {
  Desk desk = opened(100);
  const Lease lease = desk.give(desk.borrow(one, 60))->leases[0];
  const auto reported = desk.give(Report{one, 1, 5, {{lease.id, 55, 54}}});
  ASSERT_TRUE(reported);
  EXPECT_EQ(reported->budget_events.size(), 2u);  // and half of the budget is reached
  EXPECT_EQ(desk.counters(whole), (budget::Counters{.used = 54, .leased = 5, .warned = 50}));
  EXPECT_EQ(desk.said(Report{one, 1, 5, {{lease.id, 55, 54}}}), "already done");
  EXPECT_NE(desk.said(Report{one, 1, 6, {{lease.id, 54, 0}}}).find("go back"), std::string::npos);
  EXPECT_NE(desk.said(Report{two, 1, 6, {{lease.id, 56, 1}}}).find("no such lease"),
            std::string::npos);
  EXPECT_NE(desk.said(Report{one, 1, 6, {{lease.id, 56, 1}, {lease.id, 57, 1}}}).find("twice"),
            std::string::npos);
  EXPECT_EQ(desk.said(Report{one, 1, 6, {{lease.id, 70, 16}}}), "done");  // a broken bound
  EXPECT_EQ(desk.counters(whole), (budget::Counters{.used = 70, .leased = 0, .warned = 50}));
  EXPECT_NE(desk.said(Close{one, 1, 5}).find("reported up to 6"), std::string::npos);
  EXPECT_EQ(desk.said(Close{one, 1, 6}), "done");
  EXPECT_EQ(desk.said(Report{one, 1, 9, {}}), "already done");
  EXPECT_EQ(desk.said(Reduce{lease.id, 1, 9, one}), "already done");
}

// What a lease lacks after a broken bound is lent on top of it, once, and of no other budget.
TEST(Lender, LendsWhatABrokenBoundLeftMissing) {
  for (const bool reported : {false, true}) {
    Desk desk = opened(300);
    desk.set(keyed, 110, key);
    const auto leases = desk.give(desk.borrow(one, 100))->leases;
    ASSERT_EQ(leases.size(), 2u);
    ASSERT_GE(leases[0].granted, 100);
    ASSERT_EQ(leases[1].granted, 100);
    // Of the first lease 50 more than was granted are used; the second's holder knows of 100 free.
    const Wide used = leases[0].granted + 50;
    if (reported) {
      EXPECT_EQ(desk.said(Report{one, 1, 5, {{leases[0].id, used, used}}}), "done");
    }
    Borrow more = desk.borrow(one, 10);
    more.idle = {{leases[0].id, -50}, {leases[1].id, 100}};
    const auto lent = desk.give(more);
    ASSERT_TRUE(lent) << to_text(lent.error());
    ASSERT_EQ(lent->outcome, Outcome::done);
    EXPECT_GE(lent->leases[0].granted, used + 10);
    EXPECT_LT(lent->leases[0].granted, used + 60);  // and not what is lent already once more
    EXPECT_EQ(lent->leases[1].granted, 100);
  }
  Desk desk = opened(300);
  Borrow absurd = desk.borrow(one, 10);
  absurd.idle = {{{9, 9}, -budget::max_limit - 1}};
  EXPECT_EQ(desk.give(absurd).error().field, "idle");
}

TEST(Lender, NothingButTheLogOrAnOperatorEndsALostEpoch) {
  Desk desk = opened(100);
  const Lease lease = desk.give(desk.borrow(one, 60))->leases[0];
  EXPECT_NE(desk.said(WriteOff{one, 1, "disk lost"}).find("is alive"), std::string::npos);
  EXPECT_NE(desk.said(WriteOff{one, 1, ""}).find("reason"), std::string::npos);
  EXPECT_EQ(desk.said(OpenEpoch{one, 2}), "done");
  EXPECT_EQ(desk.counters(whole).leased, 60);
  EXPECT_EQ(desk.said(desk.borrow(two, 70)), "wait");  // not exhausted: it may come back
  const auto lost = desk.give(WriteOff{one, 1, "disk lost"});
  ASSERT_TRUE(lost);
  EXPECT_EQ(std::get<EpochWrittenOff>(lost->events[0]).outstanding[0].amount, 60);
  EXPECT_EQ(desk.counters(whole).leased, 0);
  EXPECT_EQ(desk.said(WriteOff{one, 1, "disk lost"}), "already done");
  EXPECT_EQ(desk.give(Report{one, 1, 5, {{lease.id, 1, 1}}}).error().reason, "written_off");
  EXPECT_EQ(desk.said(Close{one, 1, 0}), "done");
}

TEST(Lender, GoesThroughASnapshot) {
  Desk desk = opened(100);
  (void)desk.give(desk.borrow(one, 60));
  const std::string bytes = codec::encode(desk.state);
  const auto copy = codec::decode<State>(bytes);
  ASSERT_TRUE(copy);
  EXPECT_EQ(codec::encode(*copy), bytes);
}

TEST(Lease, WhoIsNotHeardOfForALifetimeIsLost) {
  Desk desk = opened(100);
  Absence absence;
  const auto due = [&](Duration after, const std::set<EpochKey>& connected) {
    return absence.due(desk.state, connected, start + after);
  };
  EXPECT_TRUE(due(seconds(0), {{one, 1}}).empty());
  EXPECT_TRUE(due(seconds(60), {{one, 1}}).empty());
  EXPECT_EQ(due(seconds(61), {{one, 1}}), (std::vector<EpochKey>{{two, 1}}));
  EXPECT_EQ(desk.said(Lose{two, 1}), "done");
  EXPECT_TRUE(due(seconds(200), {{one, 1}}).empty());
  EXPECT_TRUE(due(seconds(230), {}).empty());
  EXPECT_TRUE(due(seconds(270), {{one, 1}}).empty());  // it was heard of again
  EXPECT_TRUE(due(seconds(300), {}).empty());
}

}  // namespace
}  // namespace bessemer::lease
