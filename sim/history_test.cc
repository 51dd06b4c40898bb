// A history is a function of its seed, and its judges see what is wrong.
#include "sim/history.h"

#include <gtest/gtest.h>

#include "sim/daemon.h"
#include "sim/judge.h"

namespace bessemer::sim {
namespace {

constexpr Currency euro{{'E', 'U', 'R'}};

TEST(History, TheSameSeedGivesTheSame) {
  const Outcome once = run_history(7, 60), again = run_history(7, 60);
  EXPECT_EQ(once.fault, "");
  EXPECT_EQ(once.digest, again.digest);
  EXPECT_EQ(once.tally, again.tally);
  EXPECT_NE(once.digest, run_history(8, 60).digest);
}

// Every kind of weather and work comes to pass within a few seeds: a simulator that never does
// something finds nothing there.
TEST(History, TheRareBranchesAreReached) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    const Outcome outcome = run_history(seed, 300);
    EXPECT_EQ(outcome.fault, "") << "seed " << seed;
    for (const auto& [what, times] : outcome.tally) {
      tally[what] += times;
      if (what.starts_with("step ")) tally["steps" + what.substr(what.rfind(' '))] += times;
    }
  }
  for (const char* const what :
       {"daemon deaths", "power failures", "failed commits", "clocks set", "supervisors killed",
        "messages lost", "requests answered", "requests voided", "holds extended",
        "gateway deaths", "usage logs recovered", "snapshots", "steps succeeded", "steps reused",
        "steps failed", "steps cancelled", "workloads cancelled", "workloads failed",
        "workloads succeeded", "wallets topped up", "ends run_time",
        "commands refused: disk_full"}) {
    EXPECT_GT(tally[what], 0u) << what;
  }
}

factory::State balanced() {
  factory::State state;
  ledger::Account account;
  account.id = {1, 1};
  account.kind = ledger::AccountKind::revenue;
  account.currency = euro;
  state.ledger.accounts[account.id] = account;
  return state;
}

TEST(Judge, BooksThatDoNotBalance) {
  factory::State state = balanced();
  EXPECT_EQ(judge_state(state, {}), "");
  state.ledger.accounts.begin()->second.balance = 1;
  EXPECT_EQ(judge_state(state, {}), "the ledger's sum of EUR is 1");
}

TEST(Judge, AWalletThatIsSpentTwice) {
  factory::State state = balanced();
  ledger::Account wallet;
  wallet.id = {1, 2};
  wallet.owner = OrgId{7, 1};
  wallet.kind = ledger::AccountKind::wallet;
  wallet.currency = euro;
  wallet.balance = -1;
  state.ledger.accounts[wallet.id] = wallet;
  state.ledger.accounts.begin()->second.balance = 1;
  EXPECT_EQ(judge_state(state, {}), "a wallet has -1 nano, of which 0 are set aside");
}

TEST(Judge, AnAcceleratorThatBelongsToTwo) {
  factory::State state;
  site::Node node;
  node.id = {2, 1};
  node.inventory.accelerators.resize(1);
  state.site.nodes[node.id] = node;
  for (std::uint64_t i = 1; i <= 2; ++i) {
    site::Allocation allocation;
    allocation.id = {3, i};
    allocation.node = node.id;
    allocation.accelerators = {{0, 600}};
    state.site.allocations[allocation.id] = allocation;
  }
  EXPECT_EQ(judge_state(state, {}),
            "accelerator 0 of " + to_text(node.id) + " is allocated twice");
}

TEST(Judge, MoneyThatIsHeldForNobody) {
  factory::State state;
  budget::Hold hold;
  state.budget.holds[HoldId{4, 1}] = hold;
  EXPECT_EQ(judge_state(state, {}),
            "hold " + to_text(HoldId{4, 1}) + " belongs to no attempt");
}

TEST(Judge, ACounterThatCountsSomethingElse) {
  factory::State state;
  state.budget.counters[BudgetId{5, 1}][Instant{}].held = 7;
  EXPECT_EQ(judge_state(state, {}),
            "held of budget " + to_text(BudgetId{5, 1}) + " is 7, its holds 0");
}

TEST(Judge, WhatIsLeftAtRest) {
  factory::State state;
  EXPECT_EQ(judge_rest(state), "");
  state.budget.counters[BudgetId{5, 1}][Instant{}].leased = 3;
  EXPECT_EQ(judge_rest(state), "budget " + to_text(BudgetId{5, 1}) + " has held 0, leased 3");
}

TEST(Judge, AStateThatIsNotTheFoldOfItsJournal) {
  Machine machine(1);
  auto daemon = Daemon::start(machine);
  ASSERT_TRUE(daemon);
  ASSERT_TRUE((*daemon)->ask(site::Command(site::RegisterSite{"local", site::Engine::local})));
  (*daemon)->commit();
  factory::State state = (*daemon)->state();
  const auto applied = (*daemon)->engine().applied();
  EXPECT_EQ(judge_replay(machine.disk, state, applied), "");
  state.site.sites.clear();
  EXPECT_EQ(judge_replay(machine.disk, state, applied), "the state is not the fold of its journal");
  EXPECT_EQ(judge_replay(machine.disk, state, applied + 1),
            "the journal ends before what is applied");
}

// A request that no gateway made, and nothing where something was counted.
TEST(Judge, WhatTheFactoryCountedAndNoLogSettles) {
  factory::State state;
  metering::LineKey key;
  key.tenant = {6, 1};
  key.meter = pricing::Meter::output_tokens;
  state.metering.lines[key].quantity = 10;
  EXPECT_EQ(judge_gateways({}, state, {}),
            "the factory has not counted what the usage logs settle");
  EXPECT_EQ(judge_gateways({}, factory::State{}, {}), "");
}

}  // namespace
}  // namespace bessemer::sim
