// Real tasks under real supervisors: beginnings, ends, limits, and restarts of the daemon.
#include <gtest/gtest.h>

#include "compute/executor/local/harness.h"

namespace bessemer::executor::testing {
namespace {

TEST(LocalExecutor, SaysWhatTheMachineGives) {
  const Place place;
  Runner runner(place);
  ASSERT_EQ(runner.error(), "");
  const Capabilities can = runner->capabilities();
  for (const auto& one : can.missing) std::printf("missing here: %s\n", one.c_str());
  std::printf("limits: %s, privileged: %d\n", can.limits.c_str(), can.privileged);
  EXPECT_EQ(can.privileged, ::geteuid() == 0 && can.missing.empty());
}

struct EndCase {
  const char* name;
  const char* text;
  ExitReason reason;
  int exit_code, signal;
};

TEST(LocalExecutor, TellsHowATaskEnded) {
  const Place place;
  Runner runner(place);
  const EndCase table[] = {
      {"success", "true", ExitReason::exit_code, 0, 0},
      {"a code", "exit 7", ExitReason::exit_code, 7, 0},
      {"a signal", "kill -SEGV $$", ExitReason::signal, 0, 11},
      {"memory", "exec python3 -c 'x = bytearray(400 << 20)'", ExitReason::out_of_memory, 0, 9},
  };
  std::uint64_t number = 100;
  for (const auto& row : table) {
    TaskSpec spec = script(row.text, ++number);
    if (row.reason == ExitReason::out_of_memory && runner->capabilities().limits == "none") {
      std::printf("no cgroups here: the memory limit is not tested\n");
      continue;
    }
    ASSERT_TRUE(runner->start(spec, {}).has_value()) << row.name;
    const auto exited = runner.wait_for<Exited>(spec.key);
    ASSERT_TRUE(exited.has_value()) << row.name;
    EXPECT_EQ(exited->reason, row.reason) << row.name << ": " << exited->message;
    EXPECT_EQ(exited->exit_code, row.exit_code) << row.name;
    EXPECT_EQ(exited->signal, row.signal) << row.name;
    EXPECT_TRUE(exited->ran);
  }
}

}  // namespace
}  // namespace bessemer::executor::testing
