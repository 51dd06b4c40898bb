// Durable facts before actions; nothing that is observed is lost; every cancel ends.
#include "application/conductor/stage_for_test.h"

namespace bessemer::conductor {
namespace {

TEST(Conductor, ActsOnlyOnDurableFacts) {
  Stage stage;
  const WorkloadId job = stage.start_job();
  stage.turn();
  EXPECT_EQ(stage.phase(job), "starting");
  EXPECT_EQ(stage.machine.running(), 0u) << "the start is not durable yet";
  stage.commit();
  EXPECT_EQ(stage.machine.running(), 1u);
}

TEST(Conductor, OrdersAreOfTheFactsTheyFollowFrom) {
  Stage stage;
  const WorkloadId first = stage.start_job();
  stage.turn();
  // Before that turn's facts are durable, other facts are applied: none of them is acted on.
  const WorkloadId second = stage.start_job();
  stage.submit(workload::Command(workload::Cancel{first, {}})).value();
  stage.commit();
  EXPECT_EQ(stage.machine.running(), 0u) << "a cancelled task was started";
  stage.settle();
  EXPECT_EQ(stage.phase(first), "cancelled");
  EXPECT_EQ(stage.phase(second), "starting");
  EXPECT_EQ(stage.machine.running(), 1u);
}

TEST(Conductor, ACancelAtAnyMomentEndsTheJob) {
  // turns and commits between the request and the cancel
  for (int moment = 0; moment < 12; ++moment) {
    for (const bool restart : {false, true}) {
      Stage stage;
      const WorkloadId job = stage.start_job(8);
      for (int i = 0; i < moment; ++i) {
        if (i % 3 == 0) stage.turn();
        else if (i % 3 == 1) stage.commit();
        else stage.pass(milliseconds(2));
      }
      if (restart) {
        stage.commit();
        stage.wake();
      }
      stage.cancel(job);
      for (int i = 0; i < 10; ++i) {
        stage.settle();
        stage.pass(seconds(1));
      }
      EXPECT_EQ(stage.phase(job), "cancelled") << "moment " << moment << ", restart " << restart;
      EXPECT_TRUE(stage.engine->state().site.allocations.empty());
      EXPECT_EQ(stage.machine.running(), 0u);
      EXPECT_TRUE(stage.machine.violations().empty());
    }
  }
}

TEST(Conductor, AnEndThatCannotBeRecordedNowIsRecordedLater) {
  Stage stage;
  stage.author.next.runs_for = seconds(30);
  const WorkloadId job = stage.start_job(8);
  stage.settle();
  stage.pass(seconds(1));
  stage.settle();
  ASSERT_EQ(stage.phase(job), "running");
  stage.pass(minutes(1));
  stage.fill_the_journal();
  stage.turn();
  EXPECT_EQ(stage.phase(job), "running") << "the journal took what it could not take";
  ASSERT_TRUE(stage.conductor->next_moment().has_value());
  EXPECT_LE(*stage.conductor->next_moment(), stage.clock.now() + ask_again);
  stage.commit();
  stage.turn();
  EXPECT_EQ(stage.phase(job), "succeeded");
  EXPECT_EQ(stage.job(job).last()->tasks[0].ended_at, stage.job(job).last()->tasks[0].started_at
                                                          .value() + seconds(30));
}

// A file name may be any bytes: they reach no fact, and keep nothing from ending.
TEST(Conductor, OutputsWithUnspeakableNamesEndTheJobAndItsRun) {
  Stage stage;
  stage.author.next.runs_for = seconds(1);
  const RunId run{9, 1};
  stage.shelf.unreadable = invalid("is no name for a file").within(std::string("a\xff"));
  workload::Submit submit = Stage::job_of({5, 77});
  submit.spec.run = run;
  submit.spec.outputs = {"model"};
  run::Start start;
  start.id = run;
  start.project = submit.spec.project;
  start.experiment = "e";
  start.workload = submit.workload;
  stage.ask(run::Command(start));
  stage.ask(workload::Command(submit));
  for (int i = 0; i < 5; ++i) {
    stage.settle();
    stage.pass(seconds(2));
  }
  EXPECT_EQ(stage.phase(submit.workload), "failed");
  const run::Run* const ended = run::find(stage.engine->state().run, run);
  ASSERT_NE(ended, nullptr);
  EXPECT_EQ(enum_text(ended->status), "failed");
}

TEST(Conductor, AFullDiskTakesACancel) {
  Stage stage;
  const WorkloadId job = stage.start_job();
  stage.commit();
  stage.disk.set_capacity(stage.disk.used());
  for (int i = 0; !stage.engine->journal().full(); ++i) {
    ASSERT_LT(i, 10'000);
    const WorkloadId filler{6, ++stage.drawn};
    const auto done = stage.submit(workload::Command(Stage::job_of(filler)));
    stage.commit();
    if (!done) break;
  }
  ASSERT_EQ(stage.submit(workload::Command(Stage::job_of({7, 1}))).error().reason, "disk_full");
  const auto cancelled = stage.submit(workload::Command(workload::Cancel{job, {}}));
  EXPECT_TRUE(cancelled) << to_text(cancelled.error());
}

TEST(Conductor, WhatNeverStartsIsNotTriedForEver) {
  Stage stage;
  stage.author.next.starts = false;
  const WorkloadId job = stage.start_job();
  for (int i = 0; i < 100; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  EXPECT_EQ(stage.phase(job), "failed");
  EXPECT_EQ(stage.job(job).reason, workload::Reason::start_failed);
  EXPECT_EQ(stage.job(job).generation, 1 + workload::defaults::retries);
}

}  // namespace
}  // namespace bessemer::conductor
