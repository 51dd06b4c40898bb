// The snapshot once a plan is carried out: for looking ahead, and for proving that plans settle.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "orchestration/scheduler/scheduler.h"

namespace bessemer::scheduler {
namespace {

void take(Node& node, const Shape& shape, const Place& place) {
  check(node.free_cpu_millis >= shape.cpu_millis && node.free_memory_bytes >= shape.memory_bytes,
        "scheduler: a plan that takes more of a node than is free");
  node.free_cpu_millis -= shape.cpu_millis;
  node.free_memory_bytes -= shape.memory_bytes;
  for (const Share& share : place.devices) {
    Device& device = node.devices.at(share.index);
    check(device.usable && device.free_milli >= share.milli,
          "scheduler: a plan that takes an accelerator twice");
    device.free_milli -= share.milli;
  }
}

void begin(Snapshot& snapshot, const Pending& pending, const Start& start) {
  const Shape& shape = pending.shape;
  for (const Place& place : start.tasks) take(snapshot.nodes.at(place.node), shape, place);
  auto& pools = snapshot.queues.at(pending.queue).pools;
  if (pools.size() <= start.pool) pools.resize(start.pool + 1);
  Quota& quota = pools[start.pool];
  const std::uint64_t milli = shape.milli() * pending.tasks;
  quota.used_gpu_milli += milli;
  quota.used_cpu_millis += shape.cpu_millis * pending.tasks;
  if (!pending.preemptible) quota.fixed_gpu_milli += milli;
  for (const Cost& cost : pending.costs) {
    snapshot.spend_limits.at(cost.limit).available_nano -= cost.nano;
  }
  if (!pending.preemptible) return;
  Running running;
  running.workload = start.workload;
  running.queue = pending.queue;
  running.pool = start.pool;
  running.cpu_millis = shape.cpu_millis;
  running.memory_bytes = shape.memory_bytes;
  running.tasks = start.tasks;
  running.priority = pending.priority;
  running.started_at = snapshot.now;
  running.notice = snapshot.max_notice;
  snapshot.running.push_back(std::move(running));
}

}  // namespace

Snapshot after(Snapshot snapshot, const Plan& plan) {
  std::map<WorkloadId, const Start*> starts;
  for (const Start& start : plan.starts) starts[start.workload] = &start;
  std::vector<Pending> left;
  for (const Pending& pending : snapshot.pending) {
    const auto at = starts.find(pending.workload);
    if (at == starts.end()) left.push_back(pending);
    else begin(snapshot, pending, *at->second);
  }
  snapshot.pending = std::move(left);
  std::map<WorkloadId, const Notice*> notices;
  for (const Notice& notice : plan.notices) notices[notice.victim] = &notice;
  for (Running& running : snapshot.running) {
    const auto at = notices.find(running.workload);
    if (at == notices.end()) continue;
    running.stopping_until = snapshot.now + at->second->notice;
    running.claimant = at->second->claimant;
  }
  snapshot.reservations = plan.reservations;
  return snapshot;
}

}  // namespace bessemer::scheduler
