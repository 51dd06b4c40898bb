// Real tasks under real supervisors: beginnings, ends, limits, and restarts of the daemon.
#include <gtest/gtest.h>
#include <signal.h>

#include "compute/executor/local/harness.h"

namespace bessemer::executor::testing {
namespace {

bool running_as_root() { return ::geteuid() == 0; }

// A task without a limit runs the same where there are no cgroups.
bool has_limits(Runner& runner) { return runner->capabilities().limits != "none"; }

TEST(LocalExecutor, SaysWhatTheMachineGives) {
  const Place place;
  Runner runner(place);
  ASSERT_EQ(runner.error(), "");
  const Capabilities can = runner->capabilities();
  for (const auto& one : can.missing) std::printf("missing here: %s\n", one.c_str());
  std::printf("limits: %s, privileged: %d\n", can.limits.c_str(), can.privileged);
  if (!running_as_root()) {
    EXPECT_FALSE(can.privileged);
    EXPECT_FALSE(can.missing.empty());
  }
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
      {"a signal", "kill -SEGV $$", ExitReason::signal, 0, SIGSEGV},
      {"children left behind", "sleep 1000 & exit 3", ExitReason::exit_code, 3, 0},
      {"memory", "exec python3 -c 'x = bytearray(400 << 20)'", ExitReason::out_of_memory, 0, 9},
  };
  std::uint64_t number = 100;
  for (const auto& row : table) {
    const TaskSpec spec = script(row.text, ++number);
    if (row.reason == ExitReason::out_of_memory && !has_limits(runner)) {
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

TEST(LocalExecutor, TellsWhyATaskDidNotStart) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script("true");
  spec.argv = {"no-such-program"};
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::failed_to_start);
  EXPECT_FALSE(exited->ran);
  EXPECT_NE(exited->message.find("no-such-program"), std::string::npos) << exited->message;
  EXPECT_TRUE(exited->permanent) << "there will be no such program the next time either";

  spec = script("true", 2);
  spec.code = place.path() + "/missing";
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::failed_to_start);
  EXPECT_NE(exited->message.find("missing"), std::string::npos) << exited->message;
  EXPECT_FALSE(exited->permanent) << "what was laid out is laid out again";
  spec = script("true", 3);
  spec.resources.gpus = {{.uuid = "GPU-of-another-machine"}};
  EXPECT_EQ(runner->start(spec, {}).error().field, "resources.gpus");
  spec.key.task = unique_task(2);
  // Nothing of it ran, so nothing of it is reported as started.
  for (const auto& report : runner.reports(spec.key)) {
    EXPECT_FALSE(std::holds_alternative<Started>(report.what));
  }
}

TEST(LocalExecutor, CountsProcessorTimeAndMemory) {
  const Place place;
  Runner runner(place);
  const TaskSpec spec = script("exec python3 -c 'import time; x = bytearray(60 << 20)\n"
                               "while time.process_time() < 0.3: pass'");
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::exit_code) << exited->message;
  EXPECT_GE(exited->usage.cpu, milliseconds(290));
  EXPECT_LT(exited->usage.cpu, seconds(5));
  EXPECT_GE(exited->usage.memory_peak_bytes, 60u << 20);
  EXPECT_LT(exited->usage.memory_peak_bytes, 250u << 20);
}

TEST(LocalExecutor, GivesTheTaskItsThings) {
  const Place place;
  Runner runner(place);
  place.write("code/main.sh", "cat word\n");
  place.write("code/word", "from the code\n");
  place.write("data/x.txt", "from the input\n");
  TaskSpec spec = script(
      "set -e\n. ./main.sh\ncat $BESSEMER_INPUTS/data/x.txt\ncat $BESSEMER_PARAMETERS; echo\n"
      "echo result > $BESSEMER_OUTPUTS/model/weights\n"
      "echo mark > $BESSEMER_CHECKPOINTS/step1\n"
      "if echo spoil 2>/dev/null > $BESSEMER_INPUTS/data/x.txt; then echo spoiled; fi\n"
      "echo rank $RANK of $WORLD_SIZE, $FLAVOUR, $BESSEMER_GPUS, $BESSEMER_CPUS\n");
  spec.code = place.path() + "/code";
  spec.inputs = {{"data", place.path() + "/data"}};
  spec.outputs = place.make("outputs");
  spec.output_names = {"model"};
  spec.checkpoints = place.make("checkpoints");
  spec.parameters.text = R"({"rate": 3})";
  spec.environment["FLAVOUR"] = "plain";
  spec.environment["BESSEMER_TASK"] = "a lie";
  // A gang on one machine shares a loopback, which takes root.
  if (runner->capabilities().privileged) spec.rank = Rank{.rank = 2, .world_size = 4};
  spec.resources.cpu_millis = 1500;
  spec.resources.gpus = {{.uuid = "SIM-a-0", .simulated = true}};
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::exit_code) << exited->message;
  EXPECT_EQ(exited->exit_code, 0) << exited->message << runner.output(spec.key, Output::error);
  const std::string said = runner.output(spec.key);
  if (runner->capabilities().privileged) {
    EXPECT_EQ(said, "from the code\nfrom the input\n{\"rate\": 3}\n"
                    "rank 2 of 4, plain, SIM-a-0, 1.500\n");
  }
  EXPECT_EQ(place.read("outputs/model/weights"), "result\n");
  EXPECT_EQ(place.read("checkpoints/step1"), "mark\n");
  // What the task wrote belongs to whoever owns the directories.
  struct stat about {};
  ASSERT_EQ(::stat((place.path() + "/outputs/model/weights").c_str(), &about), 0);
  EXPECT_EQ(about.st_uid, ::geteuid());
}

TEST(LocalExecutor, KeepsCheckpointsBetweenGenerations) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script("cat $BESSEMER_CHECKPOINTS/* 2>/dev/null; "
                         "echo $BESSEMER_GENERATION >> $BESSEMER_CHECKPOINTS/log");
  spec.checkpoints = place.make("checkpoints");
  for (spec.key.generation = 1; spec.key.generation <= 3; ++spec.key.generation) {
    ASSERT_TRUE(runner->start(spec, {}).has_value());
    ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
  }
  EXPECT_EQ(place.read("checkpoints/log"), "1\n2\n3\n");
  EXPECT_EQ(runner.output({spec.key.task, 3}), "1\n2\n");
}

TEST(LocalExecutor, HandsOnMetricsAndMarks) {
  const Place place;
  Runner runner(place);
  const TaskSpec spec = script(R"(exec python3 - <<'END'
import json, os, socket
with open(os.environ['BESSEMER_METRICS'], 'a') as out:
    for step in range(3):
        out.write(json.dumps({'step': step, 'loss': 1 / (step + 1)}) + '\n')
    out.write('not json\n')
talk = socket.socket(socket.AF_UNIX)
talk.connect(os.environ['BESSEMER_SOCKET'])
lines = talk.makefile('rw')
for line in ('{"checkpoint": {"step": 10}}', '{"progress": {"done": 3, "of": 10}}', '{"x": 1}'):
    lines.write(line + '\n')
    lines.flush()
    print(lines.readline(), end='')
END)");
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->exit_code, 0) << runner.output(spec.key, Output::error);
  EXPECT_EQ(runner.output(spec.key),
            "{\"ok\": true}\n{\"ok\": true}\n"
            "{\"error\": \"must be one of: metrics, checkpoint, progress\"}\n");
  std::vector<Metrics> metrics;
  int checkpoints = 0, progress = 0;
  std::uint64_t spool = 0;
  for (const auto& report : runner.reports(spec.key)) {
    EXPECT_GE(report.spool, spool);
    spool = report.spool;
    if (const auto* one = std::get_if<Metrics>(&report.what)) metrics.push_back(*one);
    if (const auto* one = std::get_if<Checkpoint>(&report.what)) checkpoints += one->step == 10;
    if (const auto* one = std::get_if<Progress>(&report.what)) progress += *one == Progress{3, 10};
  }
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[1], (Metrics{.step = 1, .values = {{"loss", 0.5}}}));
  EXPECT_EQ(checkpoints, 1);
  EXPECT_EQ(progress, 1);
  // The end comes last, whatever else was said.
  EXPECT_TRUE(std::holds_alternative<Exited>(runner.reports(spec.key).back().what));
}

TEST(LocalExecutor, StopsWithNoticeThenKills) {
  const Place place;
  Runner runner(place);
  // The one that listens writes its checkpoint; the deaf one is killed.
  const std::string ready = "echo '{\"ready\": 1}' >> $BESSEMER_METRICS; ";
  TaskSpec polite = script("trap 'echo saved; exit 5' TERM; " + ready +
                           "while :; do sleep 0.05; done", 1);
  TaskSpec deaf = script("trap '' TERM; " + ready + "while :; do sleep 0.05; done", 2);
  for (const auto& spec : {polite, deaf}) {
    ASSERT_TRUE(runner->start(spec, {}).has_value());
    ASSERT_TRUE(runner.wait_for<Metrics>(spec.key).has_value());
  }
  ASSERT_TRUE(runner->stop(polite.key, "no longer wanted", seconds(20)).has_value());
  ASSERT_TRUE(runner->stop(deaf.key, "no longer wanted", milliseconds(100)).has_value());
  auto exited = runner.wait_for<Exited>(polite.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::stopped);
  EXPECT_EQ(exited->exit_code, 5);
  EXPECT_EQ(exited->message, "no longer wanted");
  EXPECT_EQ(runner.output(polite.key), "saved\n");
  EXPECT_TRUE(runner.wait_for<Notice>(polite.key).has_value());
  exited = runner.wait_for<Exited>(deaf.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::stopped);
  // Stopping what is over, and what never was.
  EXPECT_EQ(runner->stop(deaf.key, "", {}).error().code, Code::not_found);
  EXPECT_EQ(runner->renew({TaskId{9, 9}, 1}, runner.now(), AtUnpaid::stop).error().code,
            Code::not_found);
}

TEST(LocalExecutor, EndsWithItsMoneyAndItsDeadline) {
  const Place place;
  Runner runner(place);
  const std::string text = "trap 'echo noticed; exit 0' TERM; while :; do sleep 0.02; done";
  TaskSpec unpaid = script(text, 1), goes_on = script("sleep 4.3", 2), late = script(text, 3),
           renewed = script("sleep 4.3", 4), softened = script("sleep 4.3", 5),
           hardened = script(text, 6);
  for (auto* spec : {&unpaid, &goes_on, &renewed, &softened, &hardened}) {
    spec->paid_until = runner.now() + seconds(4);
    spec->grace = seconds(3);
  }
  goes_on.at_unpaid = hardened.at_unpaid = AtUnpaid::go_on;
  late.deadline = runner.now() + seconds(4);
  late.grace = seconds(3);
  for (const auto& spec : {unpaid, goes_on, late, renewed, softened, hardened}) {
    ASSERT_TRUE(runner->start(spec, {}).has_value());
  }
  ASSERT_TRUE(runner->renew(renewed.key, runner.now() + seconds(60), AtUnpaid::stop)
                  .has_value());
  // Never backwards.
  ASSERT_TRUE(runner->renew(renewed.key, runner.now(), AtUnpaid::stop).has_value());
  // The same moment, another end: budgets have changed.
  ASSERT_TRUE(runner->renew(softened.key, *softened.paid_until, AtUnpaid::go_on).has_value());
  ASSERT_TRUE(runner->renew(hardened.key, *hardened.paid_until, AtUnpaid::stop).has_value());
  EXPECT_EQ(runner.wait_for<Exited>(unpaid.key)->reason, ExitReason::unpaid);
  EXPECT_EQ(runner.output(unpaid.key), "noticed\n");
  EXPECT_LE(runner.last().occurred_at, *unpaid.paid_until + seconds(1));
  EXPECT_EQ(runner.wait_for<Exited>(late.key)->reason, ExitReason::deadline);
  EXPECT_EQ(runner.wait_for<Exited>(goes_on.key)->reason, ExitReason::exit_code);
  EXPECT_EQ(runner.wait_for<Exited>(softened.key)->reason, ExitReason::exit_code);
  EXPECT_EQ(runner.wait_for<Exited>(hardened.key)->reason, ExitReason::unpaid);
  const auto kept = runner.wait_for<Exited>(renewed.key);
  EXPECT_EQ(kept->reason, ExitReason::exit_code) << kept->message;
  EXPECT_EQ(kept->exit_code, 0);
}

TEST(LocalExecutor, RefusesOldGenerationsAndSecondStarts) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script("sleep 1000");
  spec.key.generation = 2;
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  EXPECT_TRUE(runner->start(spec, {}).has_value()) << "the same again is already done";
  TaskSpec older = spec, newer = spec;
  older.key.generation = 1;
  newer.key.generation = 3;
  EXPECT_EQ(runner->start(older, {}).error().reason, "stale_generation");
  EXPECT_EQ(runner->start(newer, {}).error().reason, "generation_running");
  EXPECT_EQ(runner->stop(older.key, "", {}).error().reason, "stale_generation");
  EXPECT_EQ(runner->renew(older.key, runner.now(), AtUnpaid::stop).error().reason,
            "stale_generation");
  EXPECT_EQ(runner->forget(spec.key).error().code, Code::conflict);
  ASSERT_TRUE(runner.wait_for<Started>(spec.key).has_value());
  ASSERT_TRUE(runner->stop(spec.key, "enough", {}).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
  ASSERT_TRUE(runner->start(newer, {}).has_value());
  EXPECT_EQ(runner->stop(spec.key, "", {}).error().reason, "stale_generation");
  ASSERT_TRUE(runner.wait_for<Started>(newer.key).has_value());
  ASSERT_TRUE(runner->stop(newer.key, "enough", {}).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(newer.key).has_value());
  // Forgotten, its directory is gone.
  ASSERT_TRUE(runner->forget(newer.key).has_value());
  EXPECT_FALSE(std::filesystem::exists(runner->directory_of(newer.key)));
}

TEST(LocalExecutor, BoundsLogs) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script("exec python3 -c \"for i in range(20000): print('line %06d' % i)\"");
  spec.resources.log_bytes = 64 << 10;
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
  const std::string directory = runner->directory_of(spec.key);
  EXPECT_EQ(log_size(directory, Output::standard).value(), 20000u * 12);
  std::uint64_t on_disk = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("stdout.")) on_disk += entry.file_size();
  }
  EXPECT_LE(on_disk, 64u << 10);
  std::string all;
  std::uint64_t at = 0, dropped = 0;
  while (true) {
    const auto piece = read_log(directory, Output::standard, at, 5000).value();
    if (piece.bytes.empty()) break;
    if (piece.dropped != 0) {
      EXPECT_EQ(all.size(), 32u << 10) << "the first half is kept";
    }
    dropped += piece.dropped;
    all += piece.bytes;
    at = piece.next;
  }
  EXPECT_EQ(all.size() + dropped, 20000u * 12);
  EXPECT_TRUE(all.starts_with("line 000000\nline 000001\n"));
  EXPECT_TRUE(all.ends_with("line 019998\nline 019999\n"));
}

TEST(LocalExecutor, StopsATaskThatStoresTooMuch) {
  const Place place;
  Runner runner(place);
  TaskSpec spec = script("head -c 20000000 /dev/zero > $BESSEMER_OUTPUTS/large; sleep 1000");
  spec.outputs = place.make("outputs");
  spec.resources.storage_bytes = 10 << 20;
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  const auto exited = runner.wait_for<Exited>(spec.key);
  ASSERT_TRUE(exited.has_value());
  EXPECT_EQ(exited->reason, ExitReason::storage);
}

// Whoever reports goes on; whoever falls silent is given notice and ended, with its own reason.
TEST(LocalExecutor, EndsATaskThatReportsNoProgress) {
  const Place place;
  Runner runner(place);
  const std::string report = "echo '{\"loss\": 1}' >> $BESSEMER_METRICS; ";
  TaskSpec silent = script("trap 'echo noticed; exit 0' TERM; " + report +
                           "while :; do sleep 0.02; done", 1);
  TaskSpec talks = script("for i in 1 2 3 4 5 6; do " + report + "sleep 0.4; done; exit 4", 2);
  for (auto* spec : {&silent, &talks}) {
    spec->no_progress = milliseconds(1500);
    spec->grace = seconds(20);
    ASSERT_TRUE(runner->start(*spec, {}).has_value());
  }
  const auto ended = runner.wait_for<Exited>(silent.key);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->reason, ExitReason::no_progress) << ended->message;
  EXPECT_EQ(runner.output(silent.key), "noticed\n");
  const auto went_on = runner.wait_for<Exited>(talks.key);
  ASSERT_TRUE(went_on.has_value());
  EXPECT_EQ(went_on->reason, ExitReason::exit_code) << went_on->message;
  EXPECT_EQ(went_on->exit_code, 4);
}

}  // namespace
}  // namespace bessemer::executor::testing
