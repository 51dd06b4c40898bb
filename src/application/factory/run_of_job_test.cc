// A job and its experiment run: begun together, ended together, and nobody else's.
#include "application/factory/desk_for_test.h"

namespace bessemer::factory {
namespace {

run::Start begun_for(WorkloadId workload, OrgId project, RunId id) {
  run::Start start;
  start.id = id;
  start.project = project;
  start.experiment = "e";
  start.workload = workload;
  return start;
}

struct Lab {
  Desk desk = with_machines();
  OrgId acme = desk.project(desk.tenant("acme"));
  OrgId rival = desk.project(desk.tenant("rival"));

  // What comes of a job of `project` that names the run.
  std::string submit(WorkloadId id, OrgId project, RunId run) {
    workload::Spec spec = Desk::spec(project, 1, workload::Kind::job);
    spec.run = run;
    return desk.said(workload::Command(workload::Submit{id, spec}));
  }
};

TEST(RunOfJob, NoJobTakesARunThatWasNotBegunForIt) {
  Lab lab;
  const RunId run{9, 1};
  const WorkloadId owner{10, 1}, other{10, 2};
  lab.desk.must(run::Command(begun_for(owner, lab.acme, run)));
  const std::string refused = "run: must be a run that is begun for this job";
  EXPECT_TRUE(lab.submit(other, lab.rival, run).starts_with(refused)) << "another tenant's";
  EXPECT_TRUE(lab.submit(other, lab.acme, run).starts_with(refused)) << "another job's";
  EXPECT_TRUE(lab.submit(owner, lab.rival, run).starts_with(refused)) << "of another project";
  EXPECT_TRUE(lab.submit(other, lab.rival, RunId{9, 2}).starts_with(refused)) << "made up";
  EXPECT_EQ(lab.submit(owner, lab.acme, run), "done");
}

// As a journal of before this rule may hold one: the job ends, and the run that it names does not.
TEST(RunOfJob, AJobThatNamesAForeignRunEndsAndLeavesTheRunAlone) {
  Lab lab;
  const RunId theirs{9, 1};
  lab.desk.must(run::Command(begun_for({10, 1}, lab.acme, theirs)));
  for (const RunId named : {theirs, RunId{9, 2}}) {
    workload::Spec spec = Desk::spec(lab.rival, 1, workload::Kind::job);
    const WorkloadId id = lab.desk.draw<WorkloadId>();
    spec = *workload::complete(spec);
    spec.run = named;
    const Context context{.now = lab.desk.now, .occurred_at = lab.desk.now};
    const auto events = workload::judge(lab.desk.state.workload,
                                        workload::Command(workload::Submit{id, spec}), context);
    ASSERT_TRUE(events) << to_text(events.error());
    for (const auto& event : *events) apply(lab.desk.state, Event(event), context);
    EXPECT_EQ(lab.desk.said(workload::Command(workload::Cancel{id, "not wanted"})), "done");
    EXPECT_EQ(workload::find(lab.desk.state.workload, id)->phase, workload::Phase::cancelled);
    EXPECT_EQ(run::find(lab.desk.state.run, theirs)->status, run::Status::running);
  }
}

// The end of a job that is cancelled before it starts is the end of its own run.
TEST(RunOfJob, ItsOwnRunEndsWithIt) {
  Lab lab;
  const RunId run{9, 1};
  const WorkloadId id{10, 1};
  lab.desk.must(run::Command(begun_for(id, lab.acme, run)));
  ASSERT_EQ(lab.submit(id, lab.acme, run), "done");
  lab.desk.must(workload::Command(workload::Cancel{id, "not wanted"}));
  EXPECT_EQ(run::find(lab.desk.state.run, run)->status, run::Status::cancelled);
  EXPECT_EQ(run::find(lab.desk.state.run, run)->reason, "ended before it started");
}

}  // namespace
}  // namespace bessemer::factory
