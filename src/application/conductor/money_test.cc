// Work goes on when there is money for it, and is charged exactly, whatever the clock does.
#include "application/conductor/stage_for_test.h"

namespace bessemer::conductor {
namespace {

TEST(Money, AClockThatStepsBackOwesNothing) {
  Stage stage;
  stage.set_budget(1000);
  stage.author.next.runs_for = minutes(5);
  const WorkloadId job = stage.start_job(8);
  for (int i = 0; i < 8; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  ASSERT_EQ(stage.phase(job), "running");
  const auto charged = [&] {
    Wide sum = 0;
    for (const auto& [key, line] : stage.engine->state().metering.lines) sum += line.amount.nano;
    return sum;
  };
  const Wide before = charged();
  ASSERT_GT(before, 0);
  stage.clock.step(minutes(-4));  // the end comes before what is charged
  stage.pass(minutes(2));
  stage.settle();
  EXPECT_EQ(stage.phase(job), "succeeded");
  EXPECT_LT(charged(), before);
  EXPECT_TRUE(stage.engine->state().budget.holds.empty());
  for (const auto& [currency, sum] : ledger::trial_balance(stage.engine->state().ledger)) {
    EXPECT_EQ(sum, 0);
  }
  const auto& counters = stage.engine->state().budget.counters.at(budget_id).begin()->second;
  EXPECT_EQ(counters.held, 0);
  EXPECT_EQ(counters.used, charged());
}

TEST(Money, TransfersOfOneBatchHaveIdsOfTheirOwn) {
  Stage stage;
  // Something stored, so that the end of the task charges storage and time in one batch.
  artifact::Publish publish;
  publish.project = project_id;
  publish.digest = sha256("first");
  publish.kind = artifact::Kind::output;
  publish.bytes = 100ull << 30;
  publish.files = 1;
  stage.ask(artifact::Command(publish));
  stage.author.next.runs_for = minutes(30);
  const WorkloadId id{5, 99};
  workload::Submit submit = Stage::job_of(id);
  submit.spec.outputs = {"model"};
  stage.ask(workload::Command(submit));
  stage.shelf.left = {{"model", sha256("second"), 50ull << 30, 1}};
  stage.settle();
  stage.pass(seconds(1));
  stage.settle();
  stage.pass(minutes(45));
  std::set<TransferId> ids;
  std::size_t transfers = 0;
  stage.engine->watch([&](const factory::Fact& fact) {
    const auto* booked = std::get_if<ledger::Event>(&fact.event);
    const auto* moved =
        booked == nullptr ? nullptr : std::get_if<ledger::TransferredFrom>(booked);
    if (moved == nullptr) return;
    for (const ledger::Transfer& transfer : moved->transfers) {
      ids.insert(transfer.id);
      ++transfers;
    }
  });
  stage.settle();
  EXPECT_EQ(stage.phase(id), "succeeded") << workload::sentence(stage.job(id));
  EXPECT_EQ(stage.job(id).last()->tasks[0].outputs.size(), 1u);
  EXPECT_GE(transfers, 2u) << "of storage and of time";
  EXPECT_EQ(ids.size(), transfers);
}

TEST(Money, WhatEndedForWantOfMoneyGoesOnOnceThereIsSome) {
  Stage stage;
  stage.set_budget(2);  // one quantum of eight accelerators costs 1.67: a second is not paid
  const WorkloadId job = stage.start_job(8);
  for (int i = 0; i < 80; ++i) {
    stage.settle();
    stage.pass(seconds(10));
  }
  ASSERT_EQ(stage.phase(job), "queued");
  EXPECT_EQ(stage.job(job).reason, workload::Reason::unpaid);
  EXPECT_TRUE(stage.job(job).held.has_value());
  stage.set_budget(1000);
  stage.settle();
  EXPECT_EQ(stage.phase(job), "starting") << workload::sentence(stage.job(job));
}

// A tenant that pays in advance never runs past its wallet; topped up, it goes on.
TEST(Money, AWalletStopsWhatRunsBeforeItIsEmpty) {
  Stage stage;
  std::uint64_t drawn = 0;
  const auto pay = [&](std::int64_t euros) {
    stage.ask(factory::OwnCommand(
        factory::TopUp{tenant_id, TransferId{77, ++drawn}, {Wide{euros} * unit, euro}}));
  };
  pay(2);  // one quantum of eight accelerators costs 1.67: a second is not paid
  const auto balance = [&] {
    return ledger::find(stage.engine->state().ledger, tenant_id, ledger::AccountKind::wallet, euro)
        ->balance;
  };
  const WorkloadId job = stage.start_job(8);
  for (int i = 0; i < 80; ++i) {
    stage.settle();
    ASSERT_GE(balance(), 0) << i;
    stage.pass(seconds(10));
  }
  ASSERT_EQ(stage.phase(job), "queued");
  EXPECT_EQ(stage.job(job).reason, workload::Reason::unpaid);
  EXPECT_LT(balance(), 2 * unit);
  EXPECT_TRUE(stage.engine->state().budget.holds.empty());
  // What is new waits for it too, and says so.
  const WorkloadId other = stage.start_job(8);
  stage.settle();
  ASSERT_NE(stage.conductor->why_waits(other), nullptr);
  ASSERT_TRUE(stage.conductor->why_waits(other)->refusal.has_value());
  EXPECT_NE(stage.conductor->why_waits(other)->refusal->said.find("the wallet of"),
            std::string::npos);
  stage.cancel(other);
  stage.settle();
  pay(1000);
  stage.settle();
  EXPECT_EQ(stage.phase(job), "starting") << workload::sentence(stage.job(job));
}

// What ran before there was the wallet is held in it at once, not at some later renewal.
TEST(Money, TheFirstTopUpReachesWhatRuns) {
  Stage stage;
  const WorkloadId job = stage.start_job(8);
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(seconds(10));
  }
  ASSERT_EQ(stage.phase(job), "running");
  EXPECT_FALSE(stage.job(job).last()->paid_until);
  stage.ask(factory::OwnCommand(
      factory::TopUp{tenant_id, TransferId{77, 1}, {Wide{1000} * unit, euro}}));
  stage.settle();
  EXPECT_TRUE(stage.job(job).last()->hold);
  EXPECT_TRUE(stage.job(job).last()->paid_until);
}

TEST(Money, WhatABudgetRefusedIsProposedAgainInItsNextWindow) {
  Stage stage;
  stage.set_budget(1, budget::Term::monthly);
  const WorkloadId job = stage.start_job(8);
  stage.settle();
  ASSERT_EQ(stage.phase(job), "queued");
  ASSERT_NE(stage.conductor->why_waits(job), nullptr);
  EXPECT_TRUE(stage.conductor->why_waits(job)->refusal.has_value());
  stage.set_budget(2, budget::Term::monthly);
  const WorkloadId first = stage.start_job(8);
  stage.cancel(job);
  stage.settle();
  ASSERT_EQ(stage.phase(first), "starting") << workload::sentence(stage.job(first));
  stage.author.next.runs_for = minutes(9);
  stage.pass(minutes(9));
  stage.settle();
  const WorkloadId second = stage.start_job(8);
  stage.cancel(first);
  for (int i = 0; i < 5; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  ASSERT_EQ(stage.phase(first), "cancelled");
  ASSERT_EQ(stage.phase(second), "queued");
  stage.pass(days(31));  // no fact says that a month has begun
  stage.settle();
  EXPECT_EQ(stage.phase(second), "starting");
}

// What is made while the clock stands before the book takes effect is charged too.
TEST(Money, WhatIsMadeBeforeTheBookTakesEffectIsCharged) {
  Stage stage;
  stage.clock.step(hours(-1));
  const OrgId tenant{1, 10}, project{1, 11};
  stage.ask(tenant::Command(tenant::CreateTenant{tenant, "early", {}}));
  stage.ask(tenant::Command(tenant::CreateProject{project, tenant, "project"}));
  deployment::Create create;
  create.endpoint = {12, 1};
  create.project = project;
  create.name = "early";
  create.billing = deployment::Billing::shared;
  create.runs.workload = json::Raw{R"({"command": ["serve"], "service": {"port": 8080}})"};
  stage.ask(deployment::Command(create));
  stage.clock.step(hours(1));
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(minutes(2));
  }
  stage.ask(deployment::Command(deployment::Delete{create.endpoint}));
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(minutes(1));
  }
  EXPECT_TRUE(stage.engine->state().workload.live.empty());
  Wide owed = 0;
  for (const auto& [key, line] : stage.engine->state().metering.lines) {
    if (key.tenant == tenant) owed += line.amount.nano;
  }
  EXPECT_GT(owed, 0);
}

TEST(Money, MoneyThatGatewaysHoldIsAskedBackForAJob) {
  Stage stage;
  stage.set_budget(3);
  const GatewayId gateway{9, 1};
  stage.ask(lease::Command(lease::OpenEpoch{gateway, 1}));
  lease::Borrow borrow;
  borrow.gateway = gateway;
  borrow.epoch = 1;
  borrow.seed = {10, 1};
  borrow.spender.path = {tenant_id, project_id};
  borrow.need.money[euro] = Wide{2} * unit;
  stage.ask(lease::Command(borrow));
  ASSERT_TRUE(lease::recalled(stage.engine->state().lease, gateway).empty());
  const WorkloadId job = stage.start_job(8);
  stage.settle();
  EXPECT_EQ(stage.phase(job), "queued");
  const auto recalled = lease::recalled(stage.engine->state().lease, gateway);
  ASSERT_EQ(recalled.size(), 1u);
  stage.ask(lease::Command(lease::Reduce{recalled[0].id, 0, recalled[0].revision + 1,
                                         gateway}));
  stage.settle();
  EXPECT_EQ(stage.phase(job), "starting") << stage.conductor->why_waits(job)->refusal->said;
}

TEST(Money, ABudgetMadeWhileWorkRunsHoldsItAtOnce) {
  Stage stage;
  const WorkloadId job = stage.start_job();
  for (int i = 0; i < 5; ++i) {
    stage.settle();
    stage.pass(seconds(2));
  }
  ASSERT_EQ(stage.phase(job), "running");
  EXPECT_FALSE(stage.job(job).last()->paid_until);
  stage.set_budget(100);
  stage.settle();
  ASSERT_TRUE(stage.job(job).last()->hold);
  EXPECT_GT(*stage.job(job).last()->paid_until, stage.clock.now() + minutes(9));
  // Once is enough: the next turns find it as it should be.
  const HoldId hold = stage.job(job).last()->hold;
  stage.pass(minutes(1));
  stage.settle();
  EXPECT_EQ(stage.job(job).last()->hold, hold);
}

TEST(Money, AnExhaustedBudgetMadeWhileWorkRunsStopsItWithItsGrace) {
  Stage stage;
  const WorkloadId job = stage.start_job();
  for (int i = 0; i < 5; ++i) {
    stage.settle();
    stage.pass(seconds(2));
  }
  ASSERT_EQ(stage.phase(job), "running");
  stage.set_budget(0);
  stage.settle();
  for (int i = 0; i < 10; ++i) {
    stage.pass(seconds(2));
    stage.settle();
  }
  EXPECT_EQ(stage.machine.running(), 0u);
  EXPECT_EQ(stage.job(job).reason, workload::Reason::unpaid);
}

}  // namespace
}  // namespace bessemer::conductor
