// What is paid for runs out: what a hard budget stops, a soft one does not.
#include "application/conductor/stage_for_test.h"

namespace bessemer::conductor {
namespace {

void set_budget(Stage& stage, budget::AtLimit at_limit) {
  budget::Budget cap;
  cap.id = budget_id;
  cap.name = "cap";
  cap.scope.node = tenant_id;
  cap.currency = euro;
  cap.limit = Wide{1000} * unit;
  cap.term = budget::Term::total;
  cap.at_limit = {at_limit, at_limit, at_limit, at_limit};
  stage.ask(budget::Command(budget::Set{cap}));
}

WorkloadId running_job(Stage& stage) {
  const WorkloadId job = stage.start_job();
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(seconds(5));
  }
  EXPECT_EQ(stage.phase(job), "running");
  EXPECT_TRUE(stage.job(job).last()->paid_until);
  return job;
}

TEST(SoftBudget, EndsNothingWhileTheDaemonIsAway) {
  using enum budget::AtLimit;
  for (const auto& [at_limit, stops] :
       {std::pair{notice_stop, true}, {warn, false}, {block_new, false}, {overdraft, true},
        {stop_preemptible, true}}) {
    SCOPED_TRACE(enum_text(at_limit));
    Stage stage;
    set_budget(stage, at_limit);
    const WorkloadId job = running_job(stage);
    stage.pass(minutes(20));  // nobody turns meanwhile
    EXPECT_EQ(stage.machine.running(), stops ? 0u : 1u);
    stage.wake();
    for (int i = 0; i < 3; ++i) {
      stage.settle();
      stage.pass(seconds(30));
    }
    if (stops) {
      EXPECT_EQ(stage.job(job).reason, workload::Reason::unpaid);
      continue;
    }
    EXPECT_EQ(stage.phase(job), "running") << workload::sentence(stage.job(job));
    EXPECT_GT(*stage.job(job).last()->paid_until, stage.clock.now());
  }
}

// A wallet is a hard budget, whatever else there is.
TEST(SoftBudget, BesideAWalletStopsAllTheSame) {
  Stage stage;
  set_budget(stage, budget::AtLimit::warn);
  stage.ask(factory::OwnCommand(
      factory::TopUp{tenant_id, TransferId{77, 1}, {Wide{1000} * unit, euro}}));
  running_job(stage);
  stage.pass(minutes(20));
  EXPECT_EQ(stage.machine.running(), 0u);
}

TEST(SoftBudget, MadeHardOrSoftItReachesWhatRuns) {
  using enum budget::AtLimit;
  for (const auto& [before, after] : {std::pair{warn, notice_stop}, {notice_stop, warn}}) {
    SCOPED_TRACE(enum_text(after));
    Stage stage;
    set_budget(stage, before);
    running_job(stage);
    set_budget(stage, after);
    stage.settle();
    stage.pass(minutes(20));
    EXPECT_EQ(stage.machine.running(), after == warn ? 1u : 0u);
  }
}

}  // namespace
}  // namespace bessemer::conductor
