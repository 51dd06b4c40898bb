// What holds of every plan of every cluster, by seed.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/codec.h"
#include "orchestration/scheduler/cluster_for_test.h"
#include "orchestration/scheduler/scheduler.h"

namespace bessemer::scheduler {
namespace {

// A random organisation of three levels whose guarantees can be kept.
void add_queues(Cluster& cluster, Random& random, std::uint64_t gpus) {
  std::uint64_t left = gpus;
  for (std::uint64_t tenant = random.below(3) + 1; tenant > 0; --tenant) {
    std::optional<std::uint64_t> deserved;
    if (random.chance(2, 3)) {
      deserved = random.below(left + 1);
      left -= *deserved;
    }
    std::optional<std::uint64_t> limit;
    if (random.chance(1, 3)) limit = deserved.value_or(0) + random.below(gpus + 1);
    const auto above = cluster.queue(0, deserved, limit,
                                     static_cast<std::uint32_t>(random.below(4)) * 100);
    std::uint64_t own = deserved.value_or(0);
    for (std::uint64_t project = random.below(3) + 1; project > 0; --project) {
      std::optional<std::uint64_t> part;
      if (random.chance(1, 2)) {
        part = random.below(own + 1);
        own -= *part;
      }
      cluster.queue(above, part, {}, 100 * static_cast<std::uint32_t>(1 + random.below(3)));
    }
  }
}

void add_running(Cluster& cluster, Random& random) {
  const auto queues = cluster.snapshot.queues.size();
  for (std::uint32_t node = 0; node < cluster.snapshot.nodes.size(); ++node) {
    const auto devices = cluster.snapshot.nodes[node].devices.size();
    for (std::uint32_t first = 0; first < devices;) {
      const auto count = static_cast<std::uint32_t>(1 + random.below(devices - first));
      std::vector<std::uint32_t> taken;
      for (std::uint32_t i = 0; i < count; ++i) taken.push_back(first + i);
      first += count;
      const auto queue = static_cast<std::uint32_t>(random.below(queues));
      if (random.chance(1, 3)) continue;
      if (random.chance(1, 4)) {
        cluster.fixed(queue, node, taken);
      } else {
        cluster.running(queue, node, taken, random.between(0, 100),
                        static_cast<std::int32_t>(random.below(3)));
      }
    }
  }
}

void add_pending(Cluster& cluster, Random& random) {
  const auto queues = cluster.snapshot.queues.size();
  for (std::uint64_t i = random.below(25); i > 0; --i) {
    Pending& pending = cluster.job(static_cast<std::uint32_t>(random.below(queues)), 0);
    switch (random.below(4)) {
      case 0: pending.shape.gpu_milli = static_cast<std::uint32_t>(1 + random.below(999)); break;
      case 1: break;
      default: pending.shape.gpus = static_cast<std::uint32_t>(1 + random.below(8)); break;
    }
    pending.shape.cpu_millis = random.below(20) * 500;
    pending.tasks = random.chance(1, 3) ? static_cast<std::uint32_t>(1 + random.below(6)) : 1;
    pending.priority = static_cast<std::int32_t>(random.below(4));
    pending.preemptible = random.chance(3, 4);
    pending.held = random.chance(1, 20);
    if (random.chance(1, 3)) pending.pools = {static_cast<std::uint32_t>(random.below(2))};
    if (random.chance(1, 4)) pending.costs = {{0, static_cast<Wide>(random.below(400))}};
  }
}

Cluster random_cluster(std::uint64_t seed) {
  Random random(seed);
  Cluster cluster;
  cluster.snapshot.pools.push_back("h200");
  cluster.snapshot.spend_limits = {{OrgId{1, 1}, 1'000}};
  std::uint64_t gpus = 0;
  for (std::uint64_t i = random.below(6) + 1; i > 0; --i) {
    const auto count = static_cast<std::uint32_t>(random.below(4)) * 2;
    const auto pool = static_cast<std::uint32_t>(random.below(2));
    const auto node = cluster.node(count, 16, 64, pool, pool == 0 ? "A100" : "H200");
    cluster.snapshot.nodes[node].open = !random.chance(1, 10);
    if (pool == 0) gpus += count;
  }
  add_queues(cluster, random, gpus);
  add_running(cluster, random);
  add_pending(cluster, random);
  return cluster;
}

// Use of a queue and all below it in pool 0.
struct Use { std::uint64_t gpu = 0, fixed = 0; };
std::vector<Use> uses(const Snapshot& snapshot) {
  std::vector<Use> list(snapshot.queues.size());
  for (std::size_t i = list.size(); i-- > 0;) {
    const Queue& queue = snapshot.queues[i];
    if (!queue.pools.empty()) {
      list[i].gpu += queue.pools[0].used_gpu_milli;
      list[i].fixed += queue.pools[0].fixed_gpu_milli;
    }
    if (queue.parent < 0) continue;
    list[static_cast<std::size_t>(queue.parent)].gpu += list[i].gpu;
    list[static_cast<std::size_t>(queue.parent)].fixed += list[i].fixed;
  }
  return list;
}

// A queue that a plan has grown is within its limit, and its fixed work within its quota.
void expect_within_quota(const Snapshot& before, const Snapshot& after) {
  const auto was = uses(before), is = uses(after);
  for (std::size_t i = 0; i < is.size(); ++i) {
    if (after.queues[i].pools.empty()) continue;
    const Quota& quota = after.queues[i].pools[0];
    if (is[i].gpu > was[i].gpu && quota.limit_gpu_milli) {
      EXPECT_LE(is[i].gpu, *quota.limit_gpu_milli);
    }
    if (is[i].fixed > was[i].fixed && quota.deserved_gpu_milli) {
      EXPECT_LE(is[i].fixed, *quota.deserved_gpu_milli);
    }
  }
}

void expect_each_answered_once(const Snapshot& snapshot, const Plan& plan) {
  std::set<WorkloadId> answered;
  for (const Start& start : plan.starts) EXPECT_TRUE(answered.insert(start.workload).second);
  for (const Verdict& verdict : plan.waits) {
    EXPECT_TRUE(answered.insert(verdict.workload).second);
    EXPECT_FALSE(sentence(verdict, "x").empty());
  }
  EXPECT_EQ(answered.size(), snapshot.pending.size());
  std::map<WorkloadId, const Pending*> pending;
  for (const Pending& each : snapshot.pending) pending[each.workload] = &each;
  for (const Start& start : plan.starts) {
    const Pending& asked = *pending.at(start.workload);
    ASSERT_EQ(start.tasks.size(), asked.tasks) << "a gang starts whole";
    for (const Place& place : start.tasks) {
      const Node& node = snapshot.nodes[place.node];
      EXPECT_TRUE(node.open);
      EXPECT_EQ(node.pool, start.pool);
      std::uint64_t milli = 0;
      for (const Share& share : place.devices) milli += share.milli;
      EXPECT_EQ(milli, asked.shape.milli());
    }
  }
}

// Whoever is said to find no room on one node finds none, where nothing is kept for a claim.
void expect_no_room_is_true(const Snapshot& after, const Plan& plan) {
  if (!plan.reservations.empty()) return;
  std::map<WorkloadId, const Pending*> pending;
  for (const Pending& each : after.pending) pending[each.workload] = &each;
  for (const Verdict& verdict : plan.waits) {
    if (verdict.why != Why::no_room || pending.at(verdict.workload)->tasks > 1) continue;
    const Shape& shape = pending.at(verdict.workload)->shape;
    for (const Node& node : after.nodes) {
      if (!node.open || after.pools[node.pool] != verdict.pool) continue;
      std::uint32_t whole = 0, part = 0;
      for (const Device& device : node.devices) {
        if (device.free_milli == 1'000) ++whole;
        part = std::max(part, device.free_milli);
      }
      const bool fits = whole >= shape.gpus && part >= shape.gpu_milli &&
                        node.free_cpu_millis >= shape.cpu_millis &&
                        node.free_memory_bytes >= shape.memory_bytes;
      EXPECT_FALSE(fits) << sentence(verdict, "x");
    }
  }
}

TEST(Plans, HoldWhatTheyPromiseAndSettle) {
  std::size_t starts = 0, notices = 0, waits = 0;
  for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster = random_cluster(seed);
    const Snapshot before = cluster.snapshot;
    const Plan plan = cluster.plan();
    ASSERT_EQ(plan, cluster.plan()) << "the same snapshot, the same plan";
    expect_each_answered_once(before, plan);
    cluster.carry_out(plan);  // checks that nothing is taken twice
    expect_within_quota(before, cluster.snapshot);
    expect_no_room_is_true(cluster.snapshot, plan);
    std::set<WorkloadId> victims;
    for (const Notice& notice : plan.notices) EXPECT_TRUE(victims.insert(notice.victim).second);
    const Plan again = cluster.plan();
    EXPECT_TRUE(again.starts.empty()) << again.starts.size();
    EXPECT_TRUE(again.notices.empty()) << again.notices.size();
    starts += plan.starts.size();
    notices += plan.notices.size();
    waits += plan.waits.size();
  }
  // The generator must reach what it is meant to test.
  EXPECT_GT(starts, 3'000u);
  EXPECT_GT(notices, 300u);
  EXPECT_GT(waits, 3'000u);
}

// A life: work arrives, runs, ends; notices take their time. A claim that was told to wait for its
// room starts in it, and never costs a second round of victims.
TEST(Plans, AClaimGetsItsRoomAfterOneNotice) {
  std::size_t claims = 0;
  for (std::uint64_t seed = 1; seed <= 1'500; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster = random_cluster(seed);
    cluster.snapshot.spend_limits[0].available_nano = 1'000'000;
    const Plan plan = cluster.plan();
    std::set<WorkloadId> waiting;
    for (const Notice& notice : plan.notices) waiting.insert(notice.claimant);
    claims += waiting.size();
    cluster.carry_out(plan);
    cluster.finish_stopping();
    const Plan next = cluster.plan();
    std::set<WorkloadId> started;
    for (const Start& start : next.starts) started.insert(start.workload);
    for (const WorkloadId claimant : waiting) {
      EXPECT_TRUE(started.contains(claimant)) << claimant.low;
    }
  }
  EXPECT_GT(claims, 100u);
}

// Without news the cluster comes to rest: nobody takes back for ever what another took from him.
TEST(Plans, WhoIsPreemptedDoesNotPreemptBackForEver) {
  std::size_t longest = 0;
  for (std::uint64_t seed = 1; seed <= 1'500; ++seed) {
    SCOPED_TRACE(seed);
    Cluster cluster = random_cluster(seed);
    cluster.snapshot.spend_limits[0].available_nano = 1'000'000;
    std::size_t rounds = 0;
    for (bool moving = true; moving && rounds < 50; ++rounds) {
      const Plan plan = cluster.plan();
      moving = !plan.notices.empty() || !plan.starts.empty();
      cluster.carry_out(plan);
      cluster.finish_stopping(true);
      cluster.snapshot.now = cluster.snapshot.now + minutes(5);
    }
    EXPECT_LT(rounds, 50u);
    longest = std::max(longest, rounds);
  }
  EXPECT_GT(longest, 3u);
}

}  // namespace
}  // namespace bessemer::scheduler
