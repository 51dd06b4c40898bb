// Refusals are facts, as many as say something: what was made up leaves none, what is repeated few,
// and none tells whose a foreign thing is.
#include "application/daemon/running_for_test.h"

namespace bessemer::daemon {
namespace {

// Entries of the audit log whose target is this operation; the platform reads all of them.
std::size_t told_of(Running& daemon, const std::string& operation) {
  const auto answer = daemon.call("GET", "/api/v1/audit?limit=500", daemon.admin());
  const std::string mark = R"("target":")" + operation + "\"";
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answer.body.find(mark, at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(Refusals, AreFewHoweverOftenOneIsRefusedAndNeverOfWhatWasMadeUp) {
  Running daemon("bessemer-refusals-test");
  ASSERT_TRUE(daemon.started());
  const std::string acme = daemon.tenant("acme"), rival = daemon.tenant("rival");
  const std::string job = daemon.make(
      "POST", "/api/v1/jobs", acme,
      R"({"project":"acme/lab","command":["/bin/true"],"tasks":4000})");
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(daemon.call("GET", "/api/v1/datasets/ds_00000000000000000000000001", rival).status,
              404);
    EXPECT_EQ(daemon.call("GET", "/api/v1/jobs/" + job, rival).status, 404);
  }
  EXPECT_EQ(told_of(daemon, "get_dataset"), 0u);
  const std::size_t told = told_of(daemon, "get_job");
  EXPECT_GE(told, 5u);
  EXPECT_LE(told, 11u) << "two minutes' worth, and what is left of one";
}

TEST(Refusals, OfANameAreThoseOfWhatIsThere) {
  Running daemon("bessemer-named-refusals-test");
  ASSERT_TRUE(daemon.started());
  daemon.tenant("acme");
  const std::string rival = daemon.tenant("rival");
  EXPECT_EQ(daemon.call("GET", "/api/v1/jobs?project=ghost/lab", rival).status, 404);
  EXPECT_EQ(told_of(daemon, "list_jobs"), 0u);
  EXPECT_EQ(daemon.call("GET", "/api/v1/jobs?project=acme/lab", rival).status, 404);
  EXPECT_EQ(told_of(daemon, "list_jobs"), 1u);
}

TEST(Refusals, DoNotTellWhoseAForeignThingIs) {
  Running daemon("bessemer-foreign-refusal-test");
  ASSERT_TRUE(daemon.started());
  const std::string acme = daemon.tenant("acme"), rival = daemon.tenant("rival");
  const std::string job = daemon.make(
      "POST", "/api/v1/jobs", acme,
      R"({"project":"acme/lab","command":["/bin/true"],"tasks":4000})");
  ASSERT_EQ(daemon.call("GET", "/api/v1/jobs/" + job, rival).status, 404);
  const auto log = daemon.call("GET", "/api/v1/audit?limit=1", daemon.admin());
  const std::size_t at = log.body.find(R"("sequence":)");
  ASSERT_NE(at, std::string::npos) << log.body;
  const std::size_t from = at + std::string_view(R"("sequence":)").size();
  const std::string number = log.body.substr(from, log.body.find(',', from) - from);
  const std::string target = "/api/v1/refusals/" + number + "/explanation";
  const auto own = daemon.call("GET", target, rival);
  ASSERT_EQ(own.status, 200) << own.body;
  EXPECT_NE(own.body.find(R"("target":"get_job")"), std::string::npos) << own.body;
  EXPECT_EQ(own.body.find("acme"), std::string::npos) << own.body;
  // Whose it was may know who asked.
  const auto theirs = daemon.call("GET", target, acme);
  ASSERT_EQ(theirs.status, 200) << theirs.body;
  EXPECT_NE(theirs.body.find("acme/lab"), std::string::npos) << theirs.body;
}

}  // namespace
}  // namespace bessemer::daemon
