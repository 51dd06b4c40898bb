// The usage log's writer: order, shared commits, and silence after a failed one.
#include "application/gateway/log_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "world/real/clock.h"
#include "world/simulated/disk.h"

namespace bessemer::gateway {
namespace {

template <class Done>
bool turn_until(real::Loop& loop, Done done) {
  const auto until = loop.now() + seconds(5);
  while (!done() && loop.now() < until) loop.run_once(milliseconds(20));
  return done();
}

const std::vector<metering::LogRecord> opened{metering::LogOpened{GatewayId{1, 1}, 1, Instant{5}}};

journal::UsageLog begin(world::Disk& disk) {
  return journal::begin_usage_log(disk, GatewayId{1, 1}, 1, journal::Mark{1, 2, 3}).value();
}

TEST(LogWriter, tells_durability_in_order) {
  auto loop = real::Loop::open().value();
  simulated::SimulatedDisk disk(1);
  LogWriter writer(*loop, begin(disk), [](const Error& error) { FAIL() << error.what; });
  std::vector<int> order;
  int commits = 0;
  writer.on_progress([&] { ++commits; });
  for (int i = 0; i < 200; ++i) {
    const auto sequence = writer.append(opened, journal::Purpose::ordinary);
    ASSERT_TRUE(sequence);
    EXPECT_EQ(*sequence, static_cast<journal::Sequence>(i + 1));
    writer.when_durable(*sequence, [&order, i] { order.push_back(i); });
  }
  EXPECT_TRUE(order.empty());  // not before the loop's turn is over
  ASSERT_TRUE(turn_until(*loop, [&] { return order.size() == 200; }));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(writer.durable(), 200u);
  EXPECT_LT(commits, 10) << "records of one turn share a commit";
  bool at_once = false;
  writer.when_durable(200, [&] { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST(LogWriter, commits_at_once_but_no_more_than_once_a_millisecond_for_long) {
  auto loop = real::Loop::open().value();
  simulated::SimulatedDisk disk(3);
  LogWriter writer(*loop, begin(disk), [](const Error& error) { FAIL() << to_text(error); });
  constexpr int commits = 40;
  const auto began = real::RealClock().since_boot();
  for (int i = 1; i <= commits; ++i) {
    ASSERT_TRUE(writer.append(opened, journal::Purpose::ordinary));
    const auto sequence = writer.appended();
    ASSERT_TRUE(turn_until(*loop, [&] { return writer.durable() == sequence; }));
  }
  const auto took = real::RealClock().since_boot() - began;
  const auto ahead = commits_ahead.ns / commit_every.ns + 1;
  EXPECT_GE(took.ns, (commits - ahead) * commit_every.ns - commit_every.ns);
}

TEST(LogWriter, releases_nothing_after_a_failed_commit) {
  auto loop = real::Loop::open().value();
  simulated::SimulatedDisk disk(2);
  auto log = begin(disk);
  disk.fail_call(1, simulated::Fault::crash);
  int told = 0;
  bool released = false;
  LogWriter writer(*loop, std::move(log), [&](const Error&) { ++told; });
  const auto sequence = writer.append(opened, journal::Purpose::ordinary);
  ASSERT_TRUE(sequence);
  writer.when_durable(*sequence, [&] { released = true; });
  ASSERT_TRUE(turn_until(*loop, [&] { return told > 0; }));
  for (int i = 0; i < 5; ++i) loop->run_once({});
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(released);
  EXPECT_TRUE(writer.failed());
  EXPECT_FALSE(writer.append(opened, journal::Purpose::closing));
}

}  // namespace
}  // namespace bessemer::gateway
