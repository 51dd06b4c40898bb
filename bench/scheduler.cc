// How fast the scheduler decides: starts, refusals, claims and idle rounds at several sizes.
//
// Usage: bench_scheduler   (release build; one thread; prints one line per case)
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/random.h"
#include "orchestration/scheduler/scheduler.h"

namespace {

using namespace bessemer;
using namespace bessemer::scheduler;

struct Size {
  std::uint32_t nodes;    // of eight accelerators
  std::uint32_t tenants;  // with ten projects each
  std::uint32_t jobs;
};

// Shapes as they are common: mostly one accelerator or a part of one, some whole nodes and gangs.
void draw_shape(Pending& pending, Random& random) {
  pending.shape.cpu_millis = 4'000;
  pending.shape.memory_bytes = 16ull << 30;
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2: pending.shape.gpu_milli = static_cast<std::uint32_t>(100 * (1 + random.below(8))); break;
    case 3: pending.shape.gpus = 8; break;
    case 4: pending.shape.gpus = 4; break;
    case 5:
      pending.shape.gpus = 8;
      pending.tasks = static_cast<std::uint32_t>(2 + random.below(7));
      break;
    default: pending.shape.gpus = static_cast<std::uint32_t>(1 + random.below(2)); break;
  }
}

Snapshot cluster(const Size& size, Random& random) {
  Snapshot snapshot;
  snapshot.now = Instant{} + days(20'000);
  snapshot.pools = {"h200"};
  for (std::uint32_t i = 0; i < size.nodes; ++i) {
    Node node;
    node.id = {1, i + 1};
    node.model = "H200";
    node.cpu_millis = node.free_cpu_millis = 192'000;
    node.memory_bytes = node.free_memory_bytes = 2ull << 40;
    node.devices.resize(8);
    snapshot.nodes.push_back(std::move(node));
  }
  Queue root;
  root.node = {2, 1};
  snapshot.queues.push_back(root);
  const std::uint64_t each = std::uint64_t{size.nodes} * 8'000 / size.tenants;
  for (std::uint32_t tenant = 0; tenant < size.tenants; ++tenant) {
    const auto above = static_cast<std::int32_t>(snapshot.queues.size());
    for (int project = -1; project < 10; ++project) {
      Queue queue;
      queue.node = {2, snapshot.queues.size() + 1};
      queue.parent = project < 0 ? 0 : above;
      queue.pools.resize(1);
      queue.pools[0].deserved_gpu_milli = project < 0 ? each : each / 10;
      snapshot.queues.push_back(std::move(queue));
    }
  }
  for (std::uint32_t i = 0; i < size.jobs; ++i) {
    Pending pending;
    pending.workload = {3, i + 1};
    const auto tenant = static_cast<std::uint32_t>(random.below(size.tenants));
    pending.queue = 2 + tenant * 11 + static_cast<std::uint32_t>(random.below(10));
    pending.priority = static_cast<std::int32_t>(random.below(3));
    pending.submitted_at = snapshot.now - seconds(static_cast<std::int64_t>(size.jobs - i));
    draw_shape(pending, random);
    snapshot.pending.push_back(std::move(pending));
  }
  return snapshot;
}

rusage used() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return used;
}

// Planning is one thread that waits for nothing: its processor time is its time, whatever else
// the machine does.
double processor_seconds() {
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  const rusage now = used();
  return of(now.ru_utime) + of(now.ru_stime);
}

// Prints the best of three rounds.
Plan measure(const char* what, const Snapshot& snapshot, std::size_t decisions) {
  Plan result;
  double best = 1e9;
  for (int round = 0; round < 3; ++round) {
    const double from = processor_seconds();
    result = plan(snapshot);
    best = std::min(best, processor_seconds() - from);
  }
  fmt::print("{:<34} {:>9.2f} ms  {:>10.0f} decisions/s   {} started, {} noticed, {} wait\n", what,
             best * 1e3, static_cast<double>(decisions) / std::max(best, 1e-6),
             result.starts.size(), result.notices.size(), result.waits.size());
  return result;
}

void run(const Size& size) {
  Random random(42);
  fmt::print("{} nodes, {} accelerators, {} queues, {} pending\n", size.nodes, size.nodes * 8,
             size.tenants * 11 + 1, size.jobs);
  const Snapshot empty = cluster(size, random);
  Snapshot idle = empty;
  idle.pending.clear();
  measure("  nothing to decide", idle, 0);
  const Plan first = measure("  fill the empty cluster", empty, empty.pending.size());
  Snapshot full = after(empty, first);
  full.now = full.now + minutes(30);
  Snapshot quiet = full;
  quiet.running.clear();  // nobody gives anything back
  measure("  explain what still waits", quiet, quiet.pending.size());
  measure("  explain and claim, many at once", full, full.pending.size());

  // One project that has what is its due taken by others asks for one accelerator.
  Snapshot claim = full;
  claim.pending.clear();
  Queue owner;
  owner.node = {2, claim.queues.size() + 1};
  owner.parent = 0;
  owner.pools.resize(1);
  owner.pools[0].deserved_gpu_milli = 8'000;
  claim.queues.push_back(std::move(owner));
  Pending pending;
  pending.workload = {4, 1};
  pending.queue = static_cast<std::uint32_t>(claim.queues.size() - 1);
  pending.shape = {1, 0, "", 4'000, 16ull << 30};
  pending.submitted_at = claim.now;
  claim.pending = {pending};
  measure("  claim 1 accelerator", claim, 1);
  claim.pending[0].shape.gpus = 8;
  measure("  claim a node", claim, 1);
  fmt::print("  peak resident {:.0f} MiB\n", static_cast<double>(used().ru_maxrss) / 1'024.0);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  run({1'000, 10, 10'000});
  run({10'000, 100, 100'000});
  run({100'000, 900, 1'000'000});
}
