// An experiment run takes numbers from the job that it was begun for, and from no other.
#include "application/daemon/running_for_test.h"

namespace bessemer::daemon {
namespace {

// The runs of a project, as JSON.
std::string runs_of(Running& daemon, const std::string& project) {
  return daemon.call("GET", "/api/v1/runs?project=" + project, daemon.admin()).body;
}

TEST(ForeignRun, NoJobNamesAnotherTenantsRunAsItsOwn) {
  Running daemon("bessemer-foreign-run-test");
  ASSERT_TRUE(daemon.started());
  const std::string acme = daemon.tenant("acme"), rival = daemon.tenant("rival");
  const std::string run = daemon.run_of_waiting_step("acme/lab", acme);
  const std::string before = runs_of(daemon, "acme/lab");
  EXPECT_NE(before.find(R"("status":"running")"), std::string::npos) << before;
  for (const std::string& named : {run, std::string("run_00000000000000000000000001")}) {
    const std::string job = daemon.make(
        "POST", "/api/v1/jobs", rival,
        R"({"project":"rival/lab","command":["/bin/true"],"tasks":4000,"run":")" + named + "\"}");
    const auto kept = daemon.call("GET", "/api/v1/jobs/" + job, rival);
    EXPECT_EQ(kept.body.find(named), std::string::npos) << kept.body;
    const auto cancelled = daemon.call("POST", "/api/v1/jobs/" + job + "/cancel", rival, "{}");
    EXPECT_EQ(cancelled.status, 200) << cancelled.body;
    EXPECT_EQ(runs_of(daemon, "acme/lab"), before);
  }
}

}  // namespace
}  // namespace bessemer::daemon
