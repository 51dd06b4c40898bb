// Sandboxed jobs a second and the time to start one, beside this machine's own spawn limit.
//
// Usage: bench_spawn [JOBS|limits]   (default 400). Run as root for the whole sandbox.
#include <fmt/core.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "compute/executor/local/local.h"
#include "world/real/clock.h"

extern char** environ;

namespace {

using namespace bessemer;
using executor::LocalExecutor;
using executor::Report;
using executor::TaskKey;
using executor::TaskSpec;

const real::RealClock machine;

double ms(Duration span) { return static_cast<double>(span.ns) * 1e-6; }

double quantile(std::vector<Duration> of, double q) {
  if (of.empty()) return 0;
  std::sort(of.begin(), of.end());
  return ms(of[static_cast<std::size_t>(q * static_cast<double>(of.size() - 1))]);
}

// What any program could do at best: spawn and reap, one after the other.
void spawn_limit(int jobs) {
  std::vector<Duration> each;
  const Duration begin = machine.since_boot();
  for (int i = 0; i < jobs; ++i) {
    const Duration before = machine.since_boot();
    char name[] = "/bin/true";
    char* const argv[] = {name, nullptr};
    pid_t pid = -1;
    if (::posix_spawn(&pid, name, nullptr, nullptr, argv, environ) != 0) ::exit(1);
    ::waitpid(pid, nullptr, 0);
    each.push_back(machine.since_boot() - before);
  }
  const double seconds = ms(machine.since_boot() - begin) / 1000;
  fmt::print("posix_spawn of /bin/true, nothing around it: {:.0f}/s, p50 {:.2f} ms\n",
             jobs / seconds, quantile(each, 0.5));
}

// The same in namespaces of its own, as a task has them, but without anything in them.
void namespace_limit(int jobs) {
  const Duration begin = machine.since_boot();
  for (int i = 0; i < jobs; ++i) {
    clone_args arguments{};
    arguments.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
    if (::geteuid() != 0) arguments.flags |= CLONE_NEWUSER;
    arguments.exit_signal = SIGCHLD;
    const long pid = ::syscall(__NR_clone3, &arguments, sizeof arguments);
    if (pid < 0) {
      fmt::print("namespaces are refused here\n");
      return;
    }
    if (pid == 0) {
      ::execl("/bin/true", "true", nullptr);
      ::_exit(1);
    }
    ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  }
  const double seconds = ms(machine.since_boot() - begin) / 1000;
  fmt::print("clone into all namespaces and /bin/true, nothing around it: {:.0f}/s\n",
             jobs / seconds);
}

TaskSpec trivial(int number, bool strict) {
  TaskSpec spec;
  spec.key = {TaskId{0x0190000000000000u, static_cast<std::uint64_t>(number) + 1}, 1};
  spec.argv = {"/bin/true"};
  spec.resources.memory_bytes = 64 << 20;
  spec.resources.scratch_bytes = 1 << 20;
  spec.uid = ::geteuid() == 0 ? 2'100'000'000 : 0;
  spec.isolation = strict ? executor::Isolation::strict : executor::Isolation::relaxed;
  return spec;
}

struct Seen {
  std::vector<Duration> started, ended;
  int failures = 0;
};

// Keeps `at_once` jobs going until `jobs` have ended.
Seen run_jobs(LocalExecutor& local, int first, int jobs, int at_once) {
  Seen seen;
  std::map<TaskKey, Duration> begun;
  int next = 0, ended = 0;
  const bool strict = local.capabilities().missing.empty();
  while (ended < jobs) {
    while (next < jobs && static_cast<int>(begun.size()) < at_once) {
      const TaskSpec spec = trivial(first + next++, strict);
      begun[spec.key] = machine.since_boot();
      const auto started = local.start(spec, {});
      if (!started) {
        fmt::print(stderr, "{}\n", to_text(started.error()));
        ::exit(1);
      }
    }
    pollfd one{local.poll_fd(), POLLIN, 0};
    ::poll(&one, 1, 10'000);
    for (const Report& report : local.poll()) {
      const Duration took = machine.since_boot() - begun.at(report.key);
      if (std::holds_alternative<executor::Started>(report.what)) seen.started.push_back(took);
      const auto* exited = std::get_if<executor::Exited>(&report.what);
      if (exited == nullptr) continue;
      if (exited->reason != executor::ExitReason::exit_code || exited->exit_code != 0) {
        ++seen.failures;
        fmt::print(stderr, "a job failed: {}\n", exited->message);
      }
      seen.ended.push_back(took);
      begun.erase(report.key);
      ++ended;
      if (!local.forget(report.key)) ++seen.failures;
    }
  }
  return seen;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "limits") {
    spawn_limit(400);
    namespace_limit(400);
    return 0;
  }
  const int jobs = argc > 1 ? static_cast<int>(parse_unsigned(argv[1]).value_or(400)) : 400;
  char place[] = "bench-spawn-XXXXXX";
  if (::mkdtemp(place) == nullptr) return 1;
  executor::LocalOptions options;
  options.tasks_directory = std::filesystem::absolute(place) / "tasks";
  options.supervisor =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bessemer-supervisor";
  options.clock = &machine;
  auto local = LocalExecutor::open(options);
  if (!local) {
    fmt::print(stderr, "{}\n", to_text(local.error()));
    return 1;
  }
  const auto can = (*local)->capabilities();
  fmt::print("limits: {}; {}\n", can.limits,
             can.missing.empty() ? "the whole sandbox" : "missing: " + join(can.missing, "; "));
  spawn_limit(jobs);
  namespace_limit(jobs);
  const Seen alone = run_jobs(**local, 0, std::max(jobs / 4, 20), 1);
  fmt::print("one job at a time: started after p50 {:.2f} ms, p90 {:.2f} ms; ended p50 {:.2f} ms\n",
             quantile(alone.started, 0.5), quantile(alone.started, 0.9),
             quantile(alone.ended, 0.5));
  const Duration begin = machine.since_boot();
  const Seen many = run_jobs(**local, 1'000'000, jobs, 8);
  const double seconds = ms(machine.since_boot() - begin) / 1000;
  fmt::print("8 at a time, {} jobs: {:.0f} sandboxed jobs/s, each durable at start and end; "
             "ended p50 {:.2f} ms, failures {}\n",
             jobs, jobs / seconds, quantile(many.ended, 0.5), alone.failures + many.failures);
  spawn_limit(jobs);
  std::filesystem::remove_all(place);
  return alone.failures + many.failures == 0 ? 0 : 1;
}
