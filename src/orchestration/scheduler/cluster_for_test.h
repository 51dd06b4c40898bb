// Builds snapshots for tests in few words.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "orchestration/scheduler/scheduler.h"

namespace bessemer::scheduler {

// One pool "a100" unless said otherwise; the root queue is there from the start.
struct Cluster {
  Snapshot snapshot;

  Cluster() {
    snapshot.now = Instant{} + days(20'000);
    snapshot.pools = {"a100"};
    snapshot.queues.push_back({OrgId{1, 1}, -1, {}});
  }

  std::uint32_t node(std::uint32_t gpus, std::uint64_t cores = 64, std::uint64_t gib = 512,
                     std::uint32_t pool = 0, std::string model = "A100") {
    Node node;
    node.id = {2, snapshot.nodes.size() + 1};
    node.pool = pool;
    node.model = gpus > 0 ? std::move(model) : "";
    node.cpu_millis = node.free_cpu_millis = cores * 1'000;
    node.memory_bytes = node.free_memory_bytes = gib << 30;
    node.devices.resize(gpus);
    snapshot.nodes.push_back(std::move(node));
    return static_cast<std::uint32_t>(snapshot.nodes.size() - 1);
  }

  std::uint32_t queue(std::uint32_t parent = 0, std::optional<std::uint64_t> deserved = {},
                      std::optional<std::uint64_t> limit = {}, std::uint32_t weight = 100) {
    Queue queue;
    queue.node = {1, snapshot.queues.size() + 1};
    queue.parent = static_cast<std::int32_t>(parent);
    Quota quota;
    if (deserved) quota.deserved_gpu_milli = *deserved * 1'000;
    if (limit) quota.limit_gpu_milli = *limit * 1'000;
    quota.weight = weight;
    queue.pools.push_back(quota);
    snapshot.queues.push_back(std::move(queue));
    return static_cast<std::uint32_t>(snapshot.queues.size() - 1);
  }

  // Submitted one second after the one before. The reference lives until the next call.
  Pending& job(std::uint32_t queue, std::uint32_t gpus, std::uint32_t tasks = 1) {
    Pending pending;
    pending.workload = {3, ++next_};
    pending.queue = queue;
    pending.shape = {gpus, 0, "", 1'000, 1ull << 30};
    pending.tasks = tasks;
    pending.submitted_at = snapshot.now - hours(1) + seconds(static_cast<std::int64_t>(next_));
    snapshot.pending.push_back(std::move(pending));
    return snapshot.pending.back();
  }

  // One task on a node, preemptible, for `age` minutes.
  Running& running(std::uint32_t queue, std::uint32_t node, std::vector<std::uint32_t> devices,
                   std::int64_t age = 60, std::int32_t priority = 0) {
    Running running;
    running.workload = {3, ++next_};
    running.generation = 1;
    running.queue = queue;
    running.pool = snapshot.nodes[node].pool;
    running.cpu_millis = 1'000;
    running.memory_bytes = 1ull << 30;
    running.tasks.push_back({node, {}});
    running.priority = priority;
    running.started_at = snapshot.now - minutes(age);
    running.notice = seconds(30);
    for (const std::uint32_t device : devices) running.tasks[0].devices.push_back({device, 1'000});
    occupy(running.tasks[0], 1'000, 1ull << 30);
    count(queue, running.pool, devices.size() * 1'000, 1'000, false);
    snapshot.running.push_back(std::move(running));
    return snapshot.running.back();
  }

  // One task that is not preemptible.
  void fixed(std::uint32_t queue, std::uint32_t node, std::vector<std::uint32_t> devices) {
    Place place{node, {}};
    for (const std::uint32_t device : devices) place.devices.push_back({device, 1'000});
    occupy(place, 1'000, 1ull << 30);
    count(queue, snapshot.nodes[node].pool, devices.size() * 1'000, 1'000, true);
  }

  // What stops is gone and its room is free; it waits again where `requeue` says so.
  void finish_stopping(bool requeue = false) {
    std::vector<Running> left;
    for (Running& running : snapshot.running) {
      if (!running.stopping_until) {
        left.push_back(running);
        continue;
      }
      std::uint64_t milli = 0;
      for (const Place& place : running.tasks) {
        Node& node = snapshot.nodes[place.node];
        node.free_cpu_millis += running.cpu_millis;
        node.free_memory_bytes += running.memory_bytes;
        for (const Share& share : place.devices) {
          node.devices[share.index].free_milli += share.milli;
          milli += share.milli;
        }
      }
      Quota& quota = snapshot.queues[running.queue].pools[running.pool];
      quota.used_gpu_milli -= milli;
      quota.used_cpu_millis -= running.cpu_millis * running.tasks.size();
      if (!requeue) continue;
      Pending pending;
      pending.workload = running.workload;
      pending.queue = running.queue;
      for (const Share& share : running.tasks[0].devices) {
        if (share.milli == 1'000) ++pending.shape.gpus;
        else pending.shape.gpu_milli = share.milli;
      }
      pending.shape.cpu_millis = running.cpu_millis;
      pending.shape.memory_bytes = running.memory_bytes;
      pending.tasks = static_cast<std::uint32_t>(running.tasks.size());
      pending.priority = running.priority;
      pending.submitted_at = running.started_at;
      snapshot.pending.push_back(std::move(pending));
    }
    snapshot.running = std::move(left);
  }

  Plan plan() const { return scheduler::plan(snapshot); }
  void carry_out(const Plan& plan) { snapshot = after(std::move(snapshot), plan); }
  std::uint64_t drawn() { return ++next_; }

 private:
  void occupy(const Place& place, std::uint64_t cpu, std::uint64_t memory) {
    Node& node = snapshot.nodes[place.node];
    node.free_cpu_millis -= cpu;
    node.free_memory_bytes -= memory;
    for (const Share& share : place.devices) {
      node.devices[share.index].free_milli -= share.milli;
    }
  }
  void count(std::uint32_t queue, std::uint32_t pool, std::uint64_t milli, std::uint64_t cpu,
             bool is_fixed) {
    auto& pools = snapshot.queues[queue].pools;
    if (pools.size() <= pool) pools.resize(pool + 1);
    pools[pool].used_gpu_milli += milli;
    pools[pool].used_cpu_millis += cpu;
    if (is_fixed) pools[pool].fixed_gpu_milli += milli;
  }
  std::uint64_t next_ = 0;
};

}  // namespace bessemer::scheduler
