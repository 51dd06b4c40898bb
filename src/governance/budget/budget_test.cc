// Reservations over sets, limits by class, windows, thresholds; and counters that always add up.
#include "governance/budget/budget.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::budget {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{1, 1}, project{1, 2};
constexpr KeyId key{2, 1}, other_key{2, 2};
constexpr BudgetId whole{3, 1}, keyed{3, 2}, hours_budget{3, 3}, token_budget{3, 4};

Instant utc(std::string_view text) { return *from_text(std::type_identity<Instant>{}, text); }
const Instant start = utc("2026-05-10T00:00:00Z");

HoldId hold_id(std::uint64_t n, Instant when = start) { return make_id<HoldTag>(when, 0, n); }

Spender spender(KeyId with = key) { return {.path = {tenant, project}, .key = with}; }
Spend money(std::int64_t nano) { return spend_money({nano, usd}); }

struct Desk {
  State state;
  Instant now = start;

  Result<std::vector<Event>> give(const Command& command) {
    const Context at{.now = now, .occurred_at = now};
    auto events = judge(state, command, at);
    if (events) {
      for (const auto& event : *events) apply(state, event, at);
    }
    return events;
  }
  std::string said(const Command& command) {
    const auto events = give(command);
    if (!events) return to_text(events.error());
    return events->empty() ? "already done" : "done";
  }
  Counters counters(BudgetId id) {
    return counters_of(state, id, window_of(state, state.budgets.at(id), now).from);
  }
};

Budget budget(BudgetId id, Wide limit, KeyId with = {}) {
  return {.id = id, .name = "b" + std::to_string(id.low), .scope = {.node = tenant, .key = with},
          .currency = usd, .limit = limit};
}

Desk two_budgets() {
  Desk desk;
  EXPECT_EQ(desk.said(Set{budget(whole, 100)}), "done");
  EXPECT_EQ(desk.said(Set{budget(keyed, 40, key)}), "done");
  return desk;
}

TEST(Budget, RefusesStepByStep) {
  Desk desk;
  Budget one;
  const auto refused = [&](std::string_view why) {
    const std::string said = desk.said(Set{one});
    EXPECT_NE(said.find(why), std::string::npos) << said;
  };
  refused("id: must not be empty");
  one.id = whole;
  refused("name: ");
  one.name = "cap";
  refused("scope.node");
  one.scope.node = tenant;
  refused("currency: belongs to money");
  one.currency = usd;
  one.zone = "Europe/Berlin";
  refused("no such time zone");
  one.zone = "UTC";
  one.limit = -1;
  refused("limit");
  one.limit = max_limit + 1;
  refused("limit");
  one.limit = 100;
  one.overdraft = -1;
  refused("overdraft");
  one.overdraft = 0;
  one.warn_percents = {80, 50};
  refused("ascend");
  one.warn_percents = {50, 201};
  refused("ascend");
  one.warn_percents = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  refused("at most 8");
  one.warn_percents = {50, 80};
  EXPECT_EQ(desk.said(Set{one}), "done");
  EXPECT_EQ(desk.said(Set{one}), "already done");
  one.limit = 50;
  EXPECT_EQ(desk.said(Set{one}), "done");
  one.term = Term::total;
  refused("stay as they are");
}

TEST(Budget, ReservesOnEveryMatchingBudgetOrOnNone) {
  Desk desk = two_budgets();
  EXPECT_EQ(matching(desk.state, spender()).size(), 2u);
  EXPECT_EQ(matching(desk.state, spender(other_key)).size(), 1u);
  EXPECT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::job, money(40)}), "done");
  const auto refused = desk.give(Reserve{hold_id(2), spender(), WorkloadClass::job, money(1)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(refused.error().reason, "budget_exhausted");
  EXPECT_NE(refused.error().what.find("\"b2\" has 0 USD left of 0.00000004 USD"), std::string::npos)
      << refused.error().what;
  EXPECT_EQ(desk.counters(whole).held, 40);
  EXPECT_EQ(desk.said(Reserve{hold_id(3), spender(other_key), WorkloadClass::job, money(60)}),
            "done");
  EXPECT_EQ(explain(desk.state, spender(), WorkloadClass::job, money(1), desk.now).size(), 2u);
  EXPECT_EQ(desk.said(Settle{hold_id(1), money(10)}), "done");
  EXPECT_EQ(desk.counters(keyed), (Counters{.used = 10}));
  EXPECT_EQ(desk.counters(whole), (Counters{.used = 10, .held = 60}));
  EXPECT_EQ(desk.said(Settle{hold_id(1), money(10)}), "already done");
  EXPECT_EQ(desk.said(Void{hold_id(3)}), "done");
  EXPECT_EQ(desk.said(Void{hold_id(3)}), "already done");
  EXPECT_EQ(desk.counters(whole), (Counters{.used = 10}));
}

TEST(Budget, IsIdempotentByHold) {
  Desk desk = two_budgets();
  const Reserve reserve{hold_id(1), spender(), WorkloadClass::job, money(10)};
  EXPECT_EQ(desk.said(reserve), "done");
  EXPECT_EQ(desk.said(reserve), "already done");
  EXPECT_NE(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::job, money(11)})
                .find("other content"),
            std::string::npos);
  EXPECT_EQ(desk.said(Settle{hold_id(1), money(10)}), "done");
  EXPECT_EQ(desk.said(reserve), "already done");
  EXPECT_NE(desk.said(Extend{hold_id(1), money(1)}).find("closed"), std::string::npos);
  EXPECT_NE(desk.said(Extend{hold_id(7), money(1)}).find("no such hold"), std::string::npos);
  desk.now = start + hold_id_life + seconds(1);
  EXPECT_EQ(desk.said(Reserve{hold_id(8, desk.now), spender(), WorkloadClass::job, money(1)}),
            "done");
  EXPECT_EQ(desk.said(Void{hold_id(8, desk.now)}), "done");  // forgets what is older than a day
  EXPECT_NE(desk.said(reserve).find("more than a day ago"), std::string::npos);
}

TEST(Budget, ExtendsDrawsAndChargesBeyondTheHold) {
  Desk desk = two_budgets();
  EXPECT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::job, money(10)}), "done");
  EXPECT_EQ(desk.said(Extend{hold_id(1), money(20)}), "done");
  EXPECT_NE(desk.said(Extend{hold_id(1), money(20)}).find("are needed"), std::string::npos);
  EXPECT_EQ(desk.said(Draw{hold_id(1), money(12), money(12)}), "done");
  EXPECT_EQ(desk.counters(keyed), (Counters{.used = 12, .held = 18}));
  EXPECT_EQ(desk.said(Draw{hold_id(1), money(1), money(1000)}), "done");  // gives back what it has
  EXPECT_EQ(desk.counters(keyed), (Counters{.used = 13}));
  EXPECT_EQ(desk.said(Settle{hold_id(1), money(50)}), "done");  // the work was done: charged whole
  EXPECT_EQ(desk.counters(keyed), (Counters{.used = 63}));
  EXPECT_EQ(available(desk.state, desk.state.budgets.at(keyed), utc("2026-05-01T00:00:00Z"),
                      WorkloadClass::job, Purpose::admission),
            0);
}

TEST(Budget, EachClassHasItsOwnEnd) {
  struct Row { AtLimit action; WorkloadClass of; Wide admission, continuation; };
  const Row rows[] = {
      {AtLimit::notice_stop, WorkloadClass::job, 100, 100},
      {AtLimit::warn, WorkloadClass::job, unbounded, unbounded},
      {AtLimit::block_new, WorkloadClass::job, 100, unbounded},
      {AtLimit::stop_preemptible, WorkloadClass::job, 100, unbounded},
      {AtLimit::stop_preemptible, WorkloadClass::preemptible, 100, 100},
      {AtLimit::overdraft, WorkloadClass::service, 130, 130},
      {AtLimit::overdraft, WorkloadClass::inference, 130, 130},
  };
  for (const Row& row : rows) {
    Desk desk;
    Budget one = budget(whole, 100);
    one.overdraft = 30;
    one.at_limit = {row.action, row.action, row.action, row.action};
    EXPECT_EQ(desk.said(Set{one}), "done");
    const Instant window = window_of(desk.state, one, desk.now).from;
    EXPECT_EQ(available(desk.state, one, window, row.of, Purpose::admission), row.admission);
    EXPECT_EQ(available(desk.state, one, window, row.of, Purpose::continuation), row.continuation);
  }
}

TEST(Budget, CountsItsOwnUnitAndCurrency) {
  Desk desk;
  Budget gpu = budget(hours_budget, Wide{1000} * hours(2).ns);
  gpu.unit = SpendUnit::gpu_time;
  gpu.currency = {};
  Budget tokens = budget(token_budget, 500);
  tokens.unit = SpendUnit::tokens;
  tokens.currency = {};
  Budget simulated = budget(whole, 100);
  simulated.currency = simulated_currency;
  EXPECT_EQ(desk.said(Set{gpu}), "done");
  EXPECT_EQ(desk.said(Set{tokens}), "done");
  EXPECT_EQ(desk.said(Set{simulated}), "done");
  Spend spend = money(1'000'000);  // real money: no budget here counts it
  spend.gpu_time = Wide{1000} * hours(1).ns;
  spend.tokens = 500;
  EXPECT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::job, spend}), "done");
  EXPECT_EQ(desk.counters(whole).held, 0);
  EXPECT_EQ(desk.counters(token_budget).held, 500);
  spend.tokens = 0;
  EXPECT_EQ(desk.said(Reserve{hold_id(2), spender(), WorkloadClass::job, spend}), "done");
  const auto refused = desk.give(Reserve{hold_id(3), spender(), WorkloadClass::job, spend});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("0 GPU-hours left of 2 GPU-hours, 1 GPU-hours"),
            std::string::npos)
      << refused.error().what;
}

TEST(Budget, MonthsEndInTheBudgetsZone) {
  Desk desk;
  const Zone zone{"Test/Plus2", {{Instant{0}, 7200}}};
  EXPECT_EQ(desk.said(DefineZone{zone}), "done");
  EXPECT_EQ(desk.said(DefineZone{zone}), "already done");
  Zone changed = zone;
  changed.offsets.push_back({start + days(30), 3600});
  EXPECT_EQ(desk.said(DefineZone{changed}), "done");
  changed.offsets[0].seconds = 0;
  EXPECT_NE(desk.said(DefineZone{changed}).find("past"), std::string::npos);
  Budget one = budget(whole, 100);
  one.zone = "Test/Plus2";
  EXPECT_EQ(desk.said(Set{one}), "done");
  desk.now = utc("2026-05-31T21:59:59Z");
  EXPECT_EQ(desk.said(Reserve{hold_id(1, desk.now), spender(), WorkloadClass::job, money(100)}),
            "done");
  desk.now = utc("2026-05-31T22:00:00Z");  // a new window; the old hold stays in its own
  EXPECT_EQ(desk.counters(whole), Counters{});
  EXPECT_EQ(desk.said(Reserve{hold_id(2, desk.now), spender(), WorkloadClass::job, money(100)}),
            "done");
  EXPECT_EQ(desk.said(Settle{hold_id(1, utc("2026-05-31T21:59:59Z")), money(100)}), "done");
  EXPECT_EQ(desk.counters(whole), (Counters{.held = 100}));
  EXPECT_EQ(counters_of(desk.state, whole, utc("2026-04-30T22:00:00Z")).used, 100);
}

TEST(Budget, AnnouncesEachThresholdOnce) {
  Desk desk;
  Budget one = budget(whole, 100);
  one.warn_percents = {50, 80, 100};
  EXPECT_EQ(desk.said(Set{one}), "done");
  const auto reached = [&](std::int64_t nano) -> std::uint32_t {
    const auto events = desk.give(Charge{spender(), money(nano), desk.now});
    const auto* said = std::get_if<BudgetThresholdReached>(&events->back());
    return said == nullptr ? 0 : said->percent;
  };
  EXPECT_EQ(reached(49), 0u);
  EXPECT_EQ(reached(1), 50u);
  EXPECT_EQ(reached(1), 0u);
  EXPECT_EQ(reached(49), 100u);
  EXPECT_EQ(reached(500), 0u);
  EXPECT_EQ(desk.counters(whole).used, 600);
  EXPECT_EQ(reached(-550), 0u);
  EXPECT_EQ(desk.counters(whole).used, 50);
}

TEST(Budget, SaysLentWhenGatewaysHoldTheRest) {
  Desk desk;
  EXPECT_EQ(desk.said(Set{budget(whole, 100)}), "done");
  const Context at{.now = start, .occurred_at = start};
  const Instant window = window_of(desk.state, desk.state.budgets.at(whole), start).from;
  apply(desk.state, BudgetLent{{{whole, window, 80}}}, at);
  const auto refused = desk.give(Reserve{hold_id(1), spender(), WorkloadClass::job, money(30)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(refused.error().reason, "budget_lent");
  EXPECT_EQ(desk.give(Reserve{hold_id(1), spender(), WorkloadClass::job, money(101)}).error().code,
            Code::exhausted);
  apply(desk.state, BudgetRepaid{{{whole, window, 80, 75}}}, at);
  EXPECT_EQ(desk.counters(whole), (Counters{.used = 75}));
}

TEST(Budget, IsRemovedOnlyWhenNothingIsOpen) {
  Desk desk = two_budgets();
  EXPECT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::job, money(0)}), "done");
  EXPECT_NE(desk.said(Remove{keyed}).find("is open"), std::string::npos);
  EXPECT_EQ(desk.said(Extend{hold_id(1), money(1)}), "done");
  EXPECT_NE(desk.said(Remove{keyed}).find("holds money"), std::string::npos);
  EXPECT_EQ(desk.said(Void{hold_id(1)}), "done");
  EXPECT_EQ(desk.said(Remove{keyed}), "done");
  EXPECT_NE(desk.said(Remove{keyed}).find("no such budget"), std::string::npos);
  EXPECT_EQ(matching(desk.state, spender()).size(), 1u);
}

// Any reservations, extensions, settlements: what could be refused never passes a limit, and the
// counters are the sums of the open holds.
TEST(Budget, NeverOverspendsForAnySeed) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Desk desk = two_budgets();
    for (int step = 0; step < 80; ++step) {
      const HoldId id = hold_id(1 + random.below(20));
      const KeyId with = random.chance(1, 2) ? key : other_key;
      const Spend spend = money(random.between(0, 30));
      const auto held = desk.state.holds.find(id);
      switch (random.below(4)) {
        case 0: (void)desk.give(Reserve{id, spender(with), WorkloadClass::job, spend}); break;
        case 1: (void)desk.give(Extend{id, spend}); break;
        case 2: (void)desk.give(Void{id}); break;
        default:
          if (held == desk.state.holds.end() || held->second.legs.empty()) break;
          (void)desk.give(Settle{id, money(random.between(0, held->second.legs[0].amount))});
      }
      for (const auto& [budget_id, one] : desk.state.budgets) {
        Wide sum = 0;
        for (const auto& [_, hold] : desk.state.holds) {
          for (const Leg& leg : hold.legs) sum += leg.budget == budget_id ? leg.amount : 0;
        }
        const Counters now = desk.counters(budget_id);
        ASSERT_EQ(now.held, sum) << seed;
        ASSERT_LE(now.used + now.held, one.limit) << seed;
      }
    }
    const std::string bytes = codec::encode(desk.state);
    const auto copy = codec::decode<State>(bytes);
    ASSERT_TRUE(copy);
    ASSERT_EQ(codec::encode(*copy), bytes);
  }
}

Work work(HoldId hold, std::vector<Piece> pieces, bool closes = false) {
  return {hold, spender(), std::move(pieces), closes};
}

TEST(Budget, CountsUseInTheWindowInWhichItOccurred) {
  Desk desk = two_budgets();
  ASSERT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::service, money(30)}), "done");
  const Instant june = utc("2026-06-01T00:00:00Z");
  const auto used = [&](BudgetId id, Instant window) {
    return counters_of(desk.state, id, window).used;
  };
  const Instant may = utc("2026-05-01T00:00:00Z");
  desk.now = june + minutes(5);
  ASSERT_EQ(desk.said(Count{{work(hold_id(1), {{june - minutes(1), june, money(7)},
                                               {june, desk.now, money(5)}})}}),
            "done");
  EXPECT_EQ(used(whole, may), 7);
  EXPECT_EQ(used(whole, june), 5);
  EXPECT_EQ(used(keyed, june), 5);
  EXPECT_EQ(counters_of(desk.state, whole, may).held, 23);  // the hold is of May
  // A budget that was made since counts too, and credits come back where they were counted.
  ASSERT_EQ(desk.said(Set{budget({3, 9}, 50)}), "done");
  const Instant later = desk.now + minutes(1);
  ASSERT_EQ(desk.said(Count{{work(hold_id(1), {{june, later, money(3)},
                                               {june - minutes(1), june, money(-2)}}, true)}}),
            "done");
  EXPECT_EQ(used({3, 9}, june), 3);
  EXPECT_EQ(used({3, 9}, may), 0);  // what comes back was never counted there
  EXPECT_EQ(used(whole, june), 8);
  EXPECT_EQ(used(whole, may), 5);
  EXPECT_EQ(counters_of(desk.state, whole, may).held, 0);
  EXPECT_TRUE(desk.state.holds.empty());
  // Without a hold, or after it, use counts all the same.
  ASSERT_EQ(desk.said(Count{{work({}, {{june, later, money(1)}}),
                              work(hold_id(1), {{june, later, money(1)}})}}),
            "done");
  EXPECT_EQ(used(whole, june), 10);
  ASSERT_EQ(desk.said(Count{{work({}, {{june, desk.now, money(-4)}})}}), "done");
  EXPECT_EQ(used(whole, june), 6);
  EXPECT_EQ(used({3, 9}, june), 5);  // it was set when that use had ended
  EXPECT_NE(desk.said(Count{{work(hold_id(2), {}), work(hold_id(2), {})}}).find("twice"),
            std::string::npos);
}

TEST(Budget, ReholdsOnWhatMatchesNowOrKeepsWhatItHad) {
  Desk desk;
  ASSERT_EQ(desk.said(Set{budget(whole, 40)}), "done");
  ASSERT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::service, money(30)}), "done");
  EXPECT_TRUE(is_current(desk.state, hold_id(1), spender(), desk.now));
  ASSERT_EQ(desk.said(Set{budget(keyed, 20, key)}), "done");
  EXPECT_FALSE(is_current(desk.state, hold_id(1), spender(), desk.now));
  EXPECT_FALSE(is_current(desk.state, {}, spender(), desk.now));
  EXPECT_TRUE(is_current(desk.state, {}, {.path = {OrgId{9, 9}}, .key = {}}, desk.now));
  const auto rehold = [&](std::uint64_t from, std::uint64_t to, std::int64_t amount) {
    return desk.said(Rehold{hold_id(from), hold_id(to), spender(), WorkloadClass::service,
                            money(amount)});
  };
  EXPECT_NE(rehold(1, 2, 25).find("budget \"b2\" has"), std::string::npos);
  EXPECT_EQ(desk.counters(whole).held, 30);  // refused: nothing has changed
  // 35 would not fit beside the 30 that it replaces.
  ASSERT_EQ(desk.said(Set{budget(keyed, 60, key)}), "done");
  EXPECT_EQ(rehold(1, 2, 35), "done");
  EXPECT_EQ(desk.counters(whole).held, 35);
  EXPECT_EQ(desk.counters(keyed).held, 35);
  EXPECT_TRUE(is_current(desk.state, hold_id(2), spender(), desk.now));
  EXPECT_NE(rehold(2, 1, 5).find("there already"), std::string::npos);
  EXPECT_NE(rehold(7, 8, 5).find("no such hold"), std::string::npos);
  desk.now = utc("2026-06-01T00:00:00Z");
  EXPECT_FALSE(is_current(desk.state, hold_id(2), spender(), desk.now));
  EXPECT_EQ(desk.said(Rehold{hold_id(2), hold_id(3, desk.now), spender(), WorkloadClass::service,
                             money(40)}),
            "done");
  EXPECT_EQ(counters_of(desk.state, whole, utc("2026-05-01T00:00:00Z")).held, 0);
  EXPECT_EQ(desk.counters(whole).held, 40);
}

TEST(Budget, AWalletIsAHardLimitOnEverythingThatItsTenantPaysFor) {
  Desk desk;
  const BudgetId id{3, 9};
  const auto follow = [&](Wide balance) {
    follow_wallet(desk.state, {id, tenant, "acme", usd, balance});
  };
  follow(100);
  const auto left = [&](WorkloadClass of) {
    return available(desk.state, desk.state.budgets.at(id), {}, of, Purpose::continuation);
  };
  EXPECT_EQ(desk.said(Reserve{hold_id(1), spender(), WorkloadClass::job, money(60)}), "done");
  for (const auto of : {WorkloadClass::inference, WorkloadClass::job, WorkloadClass::preemptible,
                        WorkloadClass::service}) {
    EXPECT_EQ(left(of), 40);
  }
  const auto refused = desk.give(Reserve{hold_id(2), spender(), WorkloadClass::job, money(41)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(to_text(refused.error()),
            "the wallet of \"acme\" has 0.00000004 USD left of 0.0000001 USD, 0.000000041 USD are "
            "needed; top the wallet up: bessemer wallet top-up");
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(refused.error().reason, "balance_exhausted");
  // What is used leaves the balance and the hold at once: nothing is counted twice.
  const Work used{hold_id(1), spender(), {{start, start, money(25)}}, false};
  EXPECT_EQ(desk.said(Count{{used}}), "done");
  follow(75);
  EXPECT_EQ(left(WorkloadClass::job), 40);
  EXPECT_EQ(desk.said(Void{hold_id(1)}), "done");
  EXPECT_EQ(left(WorkloadClass::job), 75);
  follow(-5);  // what cannot be refused
  EXPECT_EQ(left(WorkloadClass::job), 0);
  EXPECT_EQ(desk.said(Reserve{hold_id(3), spender(), WorkloadClass::job, {}}), "done");
  // Another's cost account pays for this.
  Spender beside = spender();
  beside.spares_wallet = true;
  EXPECT_TRUE(matching(desk.state, beside).empty());
  // Nobody sets or removes it.
  Budget mine = desk.state.budgets.at(id);
  mine.limit = 1000;
  EXPECT_NE(desk.said(Set{mine}).find("top it up"), std::string::npos);
  mine.prepaid = false;
  EXPECT_NE(desk.said(Set{mine}).find("top it up"), std::string::npos);
  EXPECT_NE(desk.said(Remove{id}).find("no such budget"), std::string::npos);
}

}  // namespace
}  // namespace bessemer::budget
