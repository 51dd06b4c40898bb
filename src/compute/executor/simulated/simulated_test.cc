// The twin keeps the contract: the same ends, money, generations and adoption.
#include "compute/executor/simulated/simulated.h"

#include <gtest/gtest.h>

namespace bessemer::executor {
namespace {

constexpr Instant begin{1'700'000'000'000'000'000};

struct Script : Author {
  Behaviour next;
  Behaviour behaviour(const TaskSpec&, Random&) override { return next; }
};

TaskSpec task(std::uint64_t number) {
  TaskSpec spec;
  spec.key = {TaskId{1, number}, 1};
  spec.argv = {"train"};
  return spec;
}

template <class What>
const Report* find(const std::vector<Report>& reports) {
  for (const auto& report : reports) {
    if (std::holds_alternative<What>(report.what)) return &report;
  }
  return nullptr;
}

struct World {
  Script author;
  SimulatedMachine machine{1, author};
  SimulatedExecutor executor{machine};
  World() { machine.advance(begin); }
  std::vector<Report> after(Duration span) {
    machine.advance(machine.now() + span);
    return executor.poll();
  }
};

TEST(Simulated, RunsToItsEnd) {
  World world;
  world.author.next = {.start_delay = milliseconds(5), .runs_for = seconds(25), .exit_code = 3,
                       .metrics_every = seconds(10)};
  ASSERT_TRUE(world.executor.start(task(1), {}).has_value());
  EXPECT_TRUE(world.executor.poll().empty());
  const auto reports = world.after(seconds(60));
  // Started, two metrics, two heartbeats, the end; each at its moment.
  ASSERT_EQ(reports.size(), 6u);
  EXPECT_EQ(find<Started>(reports)->occurred_at, begin + milliseconds(5));
  const auto& end = std::get<Exited>(reports.back().what);
  EXPECT_EQ(reports.back().occurred_at, begin + milliseconds(5) + seconds(25));
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.usage.cpu, seconds(25));
  EXPECT_EQ(reports.back().spool, 2u);
  EXPECT_TRUE(world.machine.violations().empty());
}

TEST(Simulated, KeepsMoneyAndGrace) {
  World world;
  world.author.next = {.start_delay = {}, .runs_for = hours(1), .obeys_after = seconds(3)};
  TaskSpec obedient = task(1), deaf = task(2);
  for (auto* spec : {&obedient, &deaf}) {
    spec->paid_until = begin + seconds(100);
    spec->grace = seconds(30);
  }
  ASSERT_TRUE(world.executor.start(obedient, {}).has_value());
  world.author.next.obeys_after = hours(1);
  ASSERT_TRUE(world.executor.start(deaf, {}).has_value());
  auto reports = world.after(seconds(65));
  EXPECT_EQ(find<Notice>(reports), nullptr);
  reports = world.after(seconds(60));
  ASSERT_NE(find<Notice>(reports), nullptr);
  EXPECT_EQ(find<Notice>(reports)->occurred_at, begin + seconds(70));
  std::map<TaskKey, Instant> ended;
  for (const auto& report : reports) {
    if (const auto* exited = std::get_if<Exited>(&report.what)) {
      EXPECT_EQ(exited->reason, ExitReason::unpaid);
      ended[report.key] = report.occurred_at;
    }
  }
  EXPECT_EQ(ended.at(obedient.key), begin + seconds(73));
  EXPECT_EQ(ended.at(deaf.key), begin + seconds(100));
}

TEST(Simulated, RenewalMovesTheEnd) {
  World world;
  world.author.next = {.runs_for = seconds(50)};
  TaskSpec spec = task(1);
  spec.paid_until = begin + seconds(40);
  ASSERT_TRUE(world.executor.start(spec, {}).has_value());
  ASSERT_TRUE(world.executor.renew(spec.key, begin + seconds(400), AtUnpaid::stop).has_value());
  const auto reports = world.after(seconds(60));
  EXPECT_EQ(std::get<Exited>(reports.back().what).reason, ExitReason::exit_code);
}

TEST(Simulated, RefusesWhatTheRealOneRefuses) {
  World world;
  TaskSpec spec = task(1);
  spec.key.generation = 2;
  ASSERT_TRUE(world.executor.start(spec, {}).has_value());
  EXPECT_TRUE(world.executor.start(spec, {}).has_value());
  TaskSpec older = spec, newer = spec;
  older.key.generation = 1;
  newer.key.generation = 3;
  EXPECT_EQ(world.executor.start(older, {}).error().reason, "stale_generation");
  EXPECT_EQ(world.executor.start(newer, {}).error().reason, "generation_running");
  EXPECT_EQ(world.executor.stop(older.key, "", {}).error().reason, "stale_generation");
  EXPECT_EQ(world.executor.stop(task(9).key, "", {}).error().code, Code::not_found);
  EXPECT_EQ(world.executor.forget(spec.key).error().code, Code::conflict);
  (void)world.after(seconds(1));
  ASSERT_TRUE(world.executor.stop(spec.key, "enough", {}).has_value());
  (void)world.after(seconds(1));
  EXPECT_TRUE(world.executor.forget(spec.key).has_value());
  EXPECT_EQ(world.executor.start(spec, {}).error().reason, "stale_generation");
  EXPECT_TRUE(world.executor.start(newer, {}).has_value());
}

TEST(Simulated, IsFoundAgainAfterTheDaemonDies) {
  Script author;
  author.next = {.start_delay = {}, .runs_for = minutes(10), .metrics_every = seconds(1)};
  SimulatedMachine machine(1, author);
  machine.advance(begin);
  std::uint64_t spool = 0;
  {
    SimulatedExecutor before(machine);
    for (const std::uint64_t n : {1, 2, 3}) {
      ASSERT_TRUE(before.start(task(n), {}).has_value());
    }
    machine.advance(begin + seconds(5));
    for (const auto& report : before.poll()) {
      if (report.key == task(1).key) spool = report.spool;
    }
    EXPECT_EQ(spool, 5u);
  }
  machine.advance(begin + seconds(25));
  machine.kill_supervisor(task(2).key);
  SimulatedExecutor after(machine);
  const Expected expected[] = {{task(1).key, spool, true, {}}, {task(2).key, 0, true, {}},
                               {task(7).key, 0, true, begin}};
  after.adopt(expected);
  const auto reports = after.poll();
  int metrics = 0;
  for (const auto& report : reports) {
    if (report.key == task(1).key) metrics += std::holds_alternative<Metrics>(report.what);
    const auto* exited = std::get_if<Exited>(&report.what);
    if (exited == nullptr) continue;
    EXPECT_EQ(exited->reason, ExitReason::lost);
    const bool killed = report.key == task(2).key;
    EXPECT_EQ(report.occurred_at, killed ? begin + seconds(20) : begin) << "its last heartbeat";
  }
  EXPECT_EQ(metrics, 20) << "what was recorded before does not come again";
  machine.reboot();
  EXPECT_EQ(machine.running(), 0u);
  EXPECT_NE(find<Exited>(after.poll()), nullptr);
}

TEST(Simulated, SeesADeviceGivenOutTwice) {
  World world;
  TaskSpec one = task(1), two = task(2);
  one.resources.gpus = {{.uuid = "SIM-a-0", .milli = 600, .simulated = true}};
  two.resources.gpus = {{.uuid = "SIM-a-0", .milli = 400, .simulated = true}};
  ASSERT_TRUE(world.executor.start(one, {}).has_value());
  ASSERT_TRUE(world.executor.start(two, {}).has_value());
  (void)world.after(seconds(1));
  EXPECT_TRUE(world.machine.violations().empty()) << "thousandths that fit";
  TaskSpec three = task(3);
  three.resources.gpus = {{.uuid = "SIM-a-0", .milli = 1, .simulated = true}};
  ASSERT_TRUE(world.executor.start(three, {}).has_value());
  (void)world.after(seconds(1));
  EXPECT_EQ(world.machine.violations().size(), 1u);
}

}  // namespace
}  // namespace bessemer::executor
