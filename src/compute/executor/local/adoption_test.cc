// A daemon that dies and comes back: every task is found again, and none is started twice.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "base/random.h"
#include "compute/executor/local/harness.h"
#include "compute/executor/local/task_directory.h"

namespace bessemer::executor::testing {
namespace {

TEST(Adoption, FindsEveryTaskAgainAfterARestart) {
  const Place place;
  const TaskSpec living = script("echo '{\"loss\": 1}' >> $BESSEMER_METRICS; sleep 1000", 1);
  const TaskSpec finished = script("sleep 0.2; exit 4", 2);
  const TaskSpec killed = script("sleep 1000", 3);
  const TaskKey gone{TaskId{77, 77}, 5};
  std::uint64_t spool = 0;
  Instant began;
  {
    Runner before(place);
    for (const auto& spec : {living, finished, killed}) {
      ASSERT_TRUE(before->start(spec, {}).has_value());
      ASSERT_TRUE(before.wait_for<Started>(spec.key).has_value());
      if (spec.key == living.key) began = before.last().occurred_at;
    }
    ASSERT_TRUE(before.wait_for<Metrics>(living.key).has_value());
    spool = before.last().spool;
    const auto records = read_records(Fd(::open(before->directory_of(killed.key).c_str(),
                                                O_RDONLY | O_DIRECTORY)).get());
    ASSERT_TRUE(records.start.has_value());
    ASSERT_EQ(::kill(static_cast<pid_t>(records.start->supervisor_pid), SIGKILL), 0);
    // Its task goes with it: nothing runs that nobody watches.
    ASSERT_TRUE(before.wait_for<Exited>(killed.key).has_value());
  }
  Runner after(place);
  const Expected expected[] = {{living.key, spool, true, {}}, {finished.key, 0, true, {}},
                               {killed.key, 0, true, Instant{42}}, {gone, 9, true, Instant{43}}};
  after->adopt(expected);
  const auto adopted = after.wait_for<Started>(living.key);
  ASSERT_TRUE(adopted.has_value());
  EXPECT_TRUE(adopted->adopted);
  EXPECT_EQ(after.last().occurred_at, began);
  for (const auto& report : after.reports(living.key)) {
    EXPECT_FALSE(std::holds_alternative<Metrics>(report.what)) << "recorded before the restart";
  }
  const auto ended = after.wait_for<Exited>(finished.key);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_code, 4);
  const auto lost = after.wait_for<Exited>(killed.key);
  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->reason, ExitReason::lost);
  EXPECT_TRUE(lost->ran);
  EXPECT_GT(after.last().occurred_at.ns, 1'000'000'000'000'000'000) << "its last heartbeat";
  ASSERT_TRUE(after.wait_for<Exited>(gone).has_value());
  EXPECT_EQ(after.last().occurred_at, Instant{43});
  EXPECT_EQ(after.last().spool, 9u);
  // The living one still obeys.
  ASSERT_TRUE(after->stop(living.key, "done with it", {}).has_value());
  const auto stopped = after.wait_for<Exited>(living.key);
  ASSERT_TRUE(stopped.has_value());
  EXPECT_EQ(stopped->reason, ExitReason::stopped);
}

// Daemons die at random moments between starts: every task ends once, and whatever ran is known
// to have run.
TEST(Adoption, LosesNoTaskThroughRandomRestarts) {
  const Place place;
  constexpr std::uint64_t tasks = 24;
  const std::string ran = place.make("ran");
  std::map<TaskKey, Expected> expected;
  std::map<TaskKey, Exited> ended;
  Random random(11);
  std::uint64_t next = 1;
  int restarts = 0;
  while (ended.size() < tasks && restarts < 200) {
    Runner runner(place);
    ASSERT_EQ(runner.error(), "");
    std::vector<Expected> known;
    for (const auto& [key, one] : expected) {
      if (!ended.contains(key)) known.push_back(one);
    }
    runner->adopt(known);
    for (std::uint64_t n = random.below(4); n > 0 && next <= tasks; --n, ++next) {
      TaskSpec spec = script("echo x > $BESSEMER_OUTPUTS/" + std::to_string(next), next);
      spec.outputs = ran;
      expected[spec.key] = {.key = spec.key, .last_heard = runner.now()};
      ASSERT_TRUE(runner->start(spec, {}).has_value());
    }
    // A life of up to 25 ms, or, when all are under way, as long as it takes.
    const int life_ms = next > tasks ? 500 : static_cast<int>(random.below(25));
    (void)runner.wait({}, [](const auto&) { return false; }, life_ms);
    for (const auto& [key, one] : expected) {
      for (const auto& report : runner.reports(key)) {
        if (std::holds_alternative<Started>(report.what)) expected[key].started = true;
        const auto* exited = std::get_if<Exited>(&report.what);
        if (exited != nullptr) {
          EXPECT_TRUE(ended.emplace(key, *exited).second || exited->ran == ended[key].ran);
        }
      }
    }
    ++restarts;
  }
  ASSERT_EQ(ended.size(), tasks);
  int completed = 0;
  for (const auto& [key, exited] : ended) {
    const bool trace = std::filesystem::exists(ran + "/" + std::to_string(key.task.low));
    EXPECT_EQ(exited.ran, trace) << to_text(key.task) << " " << exited.message;
    if (exited.ran) {
      EXPECT_EQ(exited.reason, ExitReason::exit_code) << exited.message;
      ++completed;
    } else {
      EXPECT_EQ(exited.reason, ExitReason::lost) << exited.message;
    }
  }
  std::printf("%d restarts: %d completed, %zu never began\n", restarts, completed,
              tasks - static_cast<std::size_t>(completed));
  EXPECT_GE(completed, 12);
}

TEST(Adoption, MarksTasksOfAnotherBootAsLost) {
  const Place place;
  const TaskSpec spec = script("true");
  const std::string directory = place.make("tasks/" + to_text(spec.key.task) + "/1");
  wire::StartRecord start;
  start.key = spec.key;
  start.at = Instant{5'000};
  start.boot_id = "another boot";
  std::string bytes = wire::frame(codec::encode(start));
  bytes.resize(wire::slot_heartbeat);
  bytes += wire::frame(codec::encode(wire::HeartbeatRecord{.at = Instant{9'000}, .number = 4}));
  bytes.resize(wire::records_bytes);
  place.write("tasks/" + to_text(spec.key.task) + "/1/records", bytes);
  Runner runner(place);
  runner->adopt({});
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::lost);
  EXPECT_EQ(exited->message, "this machine was started anew");
  EXPECT_EQ(runner.last().occurred_at, Instant{9'000});
}

// The daemon dies while a supervisor is only just beginning: it is found as soon as it listens,
// and what was ordered meanwhile reaches it; one that dies first is lost.
TEST(Adoption, WaitsForASupervisorThatIsBeginning) {
  const Place place;
  const TaskKey listens{TaskId{5, 1}, 1}, dies{TaskId{5, 2}, 1};
  const std::string one = place.make("tasks/" + to_text(listens.task) + "/1");
  const std::string two = place.make("tasks/" + to_text(dies.task) + "/1");
  Fd lock_one(::open((one + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  Fd lock_two(::open((two + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(lock_one.get(), LOCK_EX), 0);
  ASSERT_EQ(::flock(lock_two.get(), LOCK_EX), 0);
  Runner runner(place);
  runner->adopt({});
  ASSERT_TRUE(runner->stop(listens, "no longer wanted", seconds(1)).has_value());
  EXPECT_FALSE(runner.wait(listens, [](const auto& seen) { return !seen.empty(); }, 60));
  const Fd directory(::open(one.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  auto listener = listen_at(directory.get(), "control", SOCK_SEQPACKET);
  ASSERT_TRUE(listener.has_value());
  pollfd ready{listener->get(), POLLIN, 0};
  for (int i = 0; i < 200 && ::poll(&ready, 1, 0) == 0; ++i) {
    (void)runner.wait(listens, [](const auto&) { return false; }, 10);
  }
  const Fd daemon(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(daemon.get() >= 0);
  Packet packet;
  std::vector<std::size_t> kinds;
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(take_packet(daemon.get(), packet), Taken::packet);
    kinds.push_back(codec::decode<wire::Request>(packet.bytes)->index());
  }
  const std::vector<std::size_t> wanted = {wire::Request(wire::Subscribe{}).index(),
                                           wire::Request(wire::Stop{}).index()};
  EXPECT_EQ(kinds, wanted);
  lock_two.reset();
  const auto lost = runner.wait_for<Exited>(dies);
  ASSERT_TRUE(lost.has_value());
  EXPECT_EQ(lost->reason, ExitReason::lost);
  EXPECT_FALSE(lost->ran);
}

// A supervisor that was about to begin when the daemon gave its task up must not begin.
TEST(Adoption, FencesASupervisorThatComesTooLate) {
  const Place place;
  const TaskSpec spec = script("true");
  place.write("tasks/" + to_text(spec.key.task) + "/1/spec", codec::encode(spec));
  Runner runner(place);
  runner->adopt({});
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_FALSE(exited->ran);
  EXPECT_TRUE(std::filesystem::exists(runner->directory_of(spec.key) + "/records"));
}

}  // namespace
}  // namespace bessemer::executor::testing
