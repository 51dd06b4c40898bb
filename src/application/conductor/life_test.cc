// A machine started anew, and a factory restored from a backup: what ran is lost and begun again.
#include "application/conductor/stage_for_test.h"
#include "orchestration/workload/unstarted.h"

namespace bessemer::conductor {
namespace {

// The machine was started anew: its tasks are lost, and begun again where they may be.
TEST(Conductor, AfterARebootWhatRanIsLostAndBegunAgain) {
  Stage stage;
  const WorkloadId again = stage.start_job();
  const WorkloadId once{6, 1};
  workload::Submit submit = Stage::job_of(once);
  submit.spec.retries = workload::Retries{};
  submit.spec.retries->max = 0;
  stage.ask(workload::Command(submit));
  stage.settle();
  stage.pass(minutes(5));
  stage.settle();
  ASSERT_EQ(stage.phase(again), "running");
  ASSERT_EQ(stage.phase(once), "running");
  stage.machine.reboot();
  site::Inventory anew = Stage::inventory();
  anew.boot = "2";
  stage.wake();
  stage.ask(site::Command(site::RegisterNode{{2, 2}, anew}));
  stage.settle();
  EXPECT_EQ(stage.phase(once), "failed");
  EXPECT_EQ(stage.job(once).reason, workload::Reason::lost);
  EXPECT_EQ(stage.job(again).attempts[0].reason, workload::Reason::lost);
  for (int i = 0; i < 4; ++i) {
    stage.pass(minutes(1));
    stage.settle();
  }
  EXPECT_EQ(stage.phase(again), "running");
  EXPECT_EQ(stage.job(again).generation, 2u);
  EXPECT_TRUE(site::from_earlier_boot(stage.engine->state().site).empty());
  EXPECT_EQ(stage.engine->state().site.allocations.size(), 1u);
}

// A supervisor that hangs before it begins the task: the attempt fails in time, and is retried.
TEST(Conductor, ATaskThatNeverStartsFailsInTime) {
  Stage stage;
  stage.author.next.start_delay = hours(5);
  const WorkloadId id{6, 1};
  workload::Submit submit = Stage::job_of(id);
  submit.spec.retries = workload::Retries{};
  submit.spec.retries->max = 1;
  stage.ask(workload::Command(submit));
  stage.settle();
  ASSERT_EQ(stage.phase(id), "starting");
  EXPECT_LE(*stage.conductor->next_moment(), stage.clock.now() + workload::start_limit);
  stage.pass(workload::start_limit - seconds(1));
  stage.settle();
  EXPECT_EQ(stage.phase(id), "starting");
  stage.pass(seconds(1));
  stage.settle();
  ASSERT_EQ(stage.phase(id), "queued");
  EXPECT_EQ(stage.job(id).attempts[0].reason, workload::Reason::start_failed);
  EXPECT_TRUE(stage.job(id).attempts[0].detail.starts_with("it did not start within 15m; see "))
      << stage.job(id).attempts[0].detail;
  EXPECT_EQ(stage.machine.running(), 0u) << "what may still come of it is stopped";
  EXPECT_TRUE(stage.engine->state().site.allocations.empty());
  // The second time it is over, and the factory goes on.
  stage.pass(minutes(1));
  stage.settle();
  ASSERT_EQ(stage.phase(id), "starting");
  stage.pass(workload::start_limit);
  stage.settle();
  EXPECT_EQ(stage.phase(id), "failed");
  stage.author.next.start_delay = milliseconds(4);
  const WorkloadId after = stage.start_job();
  stage.settle();
  stage.pass(seconds(1));
  stage.settle();
  EXPECT_EQ(stage.phase(after), "running");
}

// Bytes that are laid out too late begin nothing: the attempt they were for is over.
TEST(Conductor, WhatIsPreparedTooLateIsNotStarted) {
  Stage stage;
  stage.shelf.late = true;
  const WorkloadId id = stage.start_job();
  stage.settle();
  ASSERT_EQ(stage.phase(id), "starting");
  ASSERT_EQ(stage.shelf.preparing.size(), 1u);
  stage.pass(workload::start_limit);
  stage.settle();
  ASSERT_EQ(stage.phase(id), "queued");
  stage.shelf.preparing[0](Prepared{});
  stage.settle();
  EXPECT_EQ(stage.machine.running(), 0u);
  EXPECT_EQ(stage.phase(id), "queued");
}

// The experiment run of a job that is cancelled, before it starts or later, is cancelled with it.
TEST(Conductor, ARunIsCancelledWithItsJob) {
  Stage stage;
  std::uint64_t number = 0;
  for (const char* const phase : {"queued", "running"}) {
    workload::Submit submit = Stage::job_of({6, ++number});
    run::Start start;
    start.id = RunId{9, number};
    start.project = submit.spec.project;
    start.experiment = "e";
    start.workload = submit.workload;
    submit.spec.run = start.id;
    stage.ask(run::Command(start));
    stage.ask(workload::Command(submit));
    for (int i = 0; phase == std::string_view("running") && i < 3; ++i) {
      stage.settle();
      stage.pass(seconds(1));
    }
    ASSERT_EQ(stage.phase(submit.workload), phase);
    stage.cancel(submit.workload);
    for (int i = 0; i < 3; ++i) {
      stage.settle();
      stage.pass(seconds(10));
    }
    EXPECT_EQ(stage.phase(submit.workload), "cancelled");
    const run::Run* const ended = run::find(stage.engine->state().run, start.id);
    ASSERT_NE(ended, nullptr);
    EXPECT_EQ(enum_text(ended->status), "cancelled") << phase;
  }
}

// The end of a task that the rules refuse is a bug of ours: it is told once, and offered again.
TEST(Conductor, AnEndThatIsRefusedForGoodIsToldOnceAndOfferedAgain) {
  Stage stage;
  std::vector<std::string> told;
  stage.options.complain = [&](const std::string& what) { told.push_back(what); };
  stage.wake();
  stage.author.next.runs_for = seconds(1);
  workload::Product product;
  product.files = 1;
  for (std::size_t i = 0; i <= workload::limit::outputs; ++i) {
    product.name = "o" + std::to_string(i);
    product.artifact = sha256(product.name);
    stage.shelf.left.push_back(product);
  }
  workload::Submit submit = Stage::job_of({6, 1});
  submit.spec.outputs = {"model"};
  stage.ask(workload::Command(submit));
  for (int i = 0; i < 5; ++i) {
    stage.settle();
    stage.pass(seconds(2));
  }
  EXPECT_EQ(stage.phase(submit.workload), "running");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find(to_text(submit.workload) + " is refused: outputs: must have at most 64"),
            std::string::npos)
      << told[0];
  stage.shelf.left.clear();
  stage.settle();
  EXPECT_EQ(stage.phase(submit.workload), "succeeded");
  EXPECT_EQ(told.size(), 1u);
}

// The state came from a backup. Another life may go on with the same workloads, so nothing that it
// may have started is continued, and what is begun again has a number that it never gave out.
TEST(Conductor, ANewLifeEndsWhatTheOldOneStarted) {
  Stage stage;
  const WorkloadId running = stage.start_job();
  stage.settle();
  stage.pass(seconds(30));
  stage.settle();
  ASSERT_EQ(stage.phase(running), "running");
  stage.author.next.start_delay = hours(1);
  const WorkloadId starting = stage.start_job();
  stage.settle();
  ASSERT_EQ(stage.phase(starting), "starting");

  constexpr std::uint32_t floor = 1'000'000;
  EXPECT_FALSE(stage.submit(factory::OwnCommand(factory::BeginLife{9, 1}))) << "not above 1";
  stage.ask(factory::OwnCommand(factory::BeginLife{9, floor}));
  stage.commit();
  stage.author.next.start_delay = milliseconds(4);
  stage.machine.reboot();  // nothing of them is where the backup was restored
  stage.wake();
  stage.pass(seconds(1));
  const WorkloadId fresh = stage.start_job();
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(minutes(1));
  }
  EXPECT_EQ(stage.job(running).attempts[0].reason, workload::Reason::lost);
  EXPECT_EQ(stage.job(starting).attempts[0].detail, "the factory was restored from a backup");
  for (const WorkloadId id : {running, starting}) {
    EXPECT_EQ(stage.phase(id), "running");
    EXPECT_GT(stage.job(id).generation, floor);
  }
  EXPECT_EQ(stage.job(fresh).generation, 1u);
  EXPECT_EQ(lease::newest_epoch(stage.engine->state().lease, {9, 9}), floor);
}

}  // namespace
}  // namespace bessemer::conductor
