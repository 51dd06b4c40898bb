// A full disk: what runs and is paid for goes on.
#include "application/conductor/stage_for_test.h"

namespace bessemer::conductor {
namespace {

// Until the disk takes only what ends or keeps alive what runs.
void fill_the_disk(Stage& stage) {
  stage.commit();
  stage.disk.set_capacity(stage.disk.used());
  for (std::uint64_t i = 0; !stage.engine->journal().full(); ++i) {
    ASSERT_LT(i, 10'000u);
    const auto done = stage.submit(workload::Command(Stage::job_of({6, 1 + i})));
    stage.commit();
    if (!done) break;
  }
  ASSERT_EQ(stage.submit(workload::Command(Stage::job_of({7, 1}))).error().reason, "disk_full");
}

// It is no reason to say that anybody's budget is used up.
TEST(FullDisk, EndsNothingThatIsPaidFor) {
  Stage stage;
  stage.set_budget(1000);
  const WorkloadId job = stage.start_job();
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(seconds(5));
  }
  ASSERT_EQ(stage.phase(job), "running");
  fill_the_disk(stage);
  for (int i = 0; i < 40; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  EXPECT_EQ(stage.submit(workload::Command(Stage::job_of({7, 2}))).error().reason, "disk_full");
  EXPECT_EQ(stage.phase(job), "running") << workload::sentence(stage.job(job));
  EXPECT_GT(*stage.job(job).last()->paid_until, stage.clock.now());
}

}  // namespace
}  // namespace bessemer::conductor
