// The metrics of a run are read beside the loop, and told as its file has them.
#include <algorithm>

#include "application/api/api.h"
#include "application/daemon/running_for_test.h"
#include "data/run/metrics.h"
#include "world/real/disk.h"

namespace bessemer::daemon {
namespace {

// How often `word` stands in `text`.
std::size_t times(const std::string& text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST(RunMetrics, AreReadOffTheLoop) {
  const auto route = std::ranges::find(api::routes(), "get_run_metrics", &api::Route::operation);
  ASSERT_NE(route, api::routes().end());
  EXPECT_EQ(route->handle, nullptr) << "a handler reads its file on the loop's thread";
  EXPECT_NE(route->stream, nullptr);
  EXPECT_NE(route->answer_schema, nullptr) << "it is one JSON answer";
}

TEST(RunMetrics, AreThoseOfTheFile) {
  Running daemon("bessemer-run-metrics-test");
  ASSERT_TRUE(daemon.started());
  const std::string acme = daemon.tenant("acme");
  const std::string run = daemon.run_of_waiting_step("acme/lab", acme);
  const std::string target = "/api/v1/runs/" + run + "/metrics";
  const auto none = daemon.call("GET", target, acme);
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.body, R"({"summary":{},"series":[]})");

  const auto disk = real::RealDisk::open_root((daemon.home() / "runs" / run).string());
  ASSERT_TRUE(disk) << to_text(disk.error());
  auto writer = run::SeriesWriter::open(**disk, "metrics");
  ASSERT_TRUE(writer) << to_text(writer.error());
  for (int step = 0; step < 2'000; ++step) {
    ASSERT_TRUE(writer->append({Instant{step}, step, {{"loss", -step}, {"accuracy", step}}}));
  }
  const auto all = daemon.call("GET", target, acme);
  ASSERT_EQ(all.status, 200) << all.body;
  EXPECT_EQ(times(all.body, R"("count":2000)"), 2u);
  EXPECT_EQ(times(all.body, R"("name":)"), 2u);
  EXPECT_LE(times(all.body, R"("value":)"), 1'000u);
  EXPECT_NE(all.body.find(R"("value":1999)"), std::string::npos);
  const auto one = daemon.call("GET", target + "?name=loss", acme);
  EXPECT_EQ(times(one.body, R"("name":)"), 1u);
  EXPECT_EQ(times(one.body, R"("count":2000)"), 2u) << "the summary is of all";
  EXPECT_EQ(one.body.find(R"("value":1999)"), std::string::npos);
}

}  // namespace
}  // namespace bessemer::daemon
