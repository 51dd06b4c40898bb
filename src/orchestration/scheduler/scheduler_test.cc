// Who starts, where, in which order; who gives room back; and why the others wait.
#include "orchestration/scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/codec.h"
#include "orchestration/scheduler/cluster_for_test.h"

namespace bessemer::scheduler {
namespace {

using testing::ElementsAre;

// The workloads that start, in order, by the number they were made with.
std::vector<std::uint64_t> started(const Plan& plan) {
  std::vector<std::uint64_t> list;
  for (const Start& start : plan.starts) list.push_back(start.workload.low);
  return list;
}

std::vector<std::uint64_t> noticed(const Plan& plan) {
  std::vector<std::uint64_t> list;
  for (const Notice& notice : plan.notices) list.push_back(notice.victim.low);
  return list;
}

std::string only_wait(const Cluster& cluster, std::string_view subject = "project vision") {
  const Plan plan = cluster.plan();
  if (plan.waits.size() != 1) return std::to_string(plan.waits.size()) + " waits";
  return sentence(plan.waits[0], subject);
}

// ---- placement

TEST(Placement, AFreshInstallJustRuns) {
  Cluster cluster;
  cluster.node(2, 8, 32);
  const auto project = cluster.queue(cluster.queue());
  cluster.job(project, 1).preemptible = false;
  cluster.job(project, 1);
  cluster.job(project, 0);
  const Plan plan = cluster.plan();
  EXPECT_THAT(started(plan), ElementsAre(1, 2, 3));
  EXPECT_TRUE(plan.waits.empty());
  EXPECT_TRUE(plan.notices.empty());
}

TEST(Placement, BestFitLeavesTheLeastBehind) {
  Cluster cluster;
  const auto big = cluster.node(8), small = cluster.node(4), cpu_only = cluster.node(0);
  const auto project = cluster.queue();
  cluster.job(project, 4);
  cluster.job(project, 0);
  cluster.job(project, 8);
  const Plan plan = cluster.plan();
  ASSERT_EQ(plan.starts.size(), 3u);
  EXPECT_EQ(plan.starts[0].tasks[0].node, small);
  EXPECT_EQ(plan.starts[1].tasks[0].node, cpu_only);
  EXPECT_EQ(plan.starts[2].tasks[0].node, big);
}

TEST(Placement, PartsOfAnAcceleratorShareABegunOne) {
  Cluster cluster;
  cluster.node(2);
  const auto project = cluster.queue();
  for (const std::uint32_t milli : {400u, 300u, 300u, 600u}) {
    cluster.job(project, 0).shape.gpu_milli = milli;
  }
  const Plan plan = cluster.plan();
  ASSERT_EQ(plan.starts.size(), 4u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(plan.starts[i].tasks[0].devices[0].index, 0u) << i;
  }
  EXPECT_EQ(plan.starts[3].tasks[0].devices[0], (Share{1, 600}));
  cluster.job(project, 0).shape.gpu_milli = 401;
  EXPECT_EQ(only_wait(cluster),
            "waits: fits nowhere in pool a100 now: needs 0.401 GPU on one node; "
            "the largest hole is 0.4");
}

TEST(Placement, AGangStartsWholeOrNotAtAll) {
  Cluster cluster;
  for (int i = 0; i < 3; ++i) cluster.node(8);
  const auto project = cluster.queue();
  cluster.job(project, 4, 7);
  EXPECT_EQ(only_wait(cluster),
            "can never run here: needs room for 7 tasks at once; all nodes in pool a100 together "
            "have room for 6");
  cluster.snapshot.pending.clear();
  cluster.job(project, 4, 5);
  cluster.job(project, 4, 2);
  cluster.job(project, 4, 1);
  const Plan plan = cluster.plan();
  EXPECT_THAT(started(plan), ElementsAre(2, 4));
  ASSERT_EQ(plan.waits.size(), 1u);
  EXPECT_EQ(sentence(plan.waits[0], ""),
            "waits: needs room for 2 tasks at once in pool a100; there is room for 1 now");
}

TEST(Placement, ModelsPoolsAndTheirOrder) {
  Cluster cluster;
  cluster.snapshot.pools = {"a100", "h200", "empty"};
  cluster.node(8);
  const auto h200 = cluster.node(8, 64, 512, 1, "H200");
  const auto project = cluster.queue();
  cluster.job(project, 8).shape.gpu_model = "H200";
  cluster.job(project, 8).pools = {1, 0};  // the first is taken by then
  const Plan plan = cluster.plan();
  ASSERT_EQ(plan.starts.size(), 2u);
  EXPECT_EQ(plan.starts[0].tasks[0].node, h200);
  EXPECT_EQ(plan.starts[0].pool, 1u);
  EXPECT_EQ(plan.starts[1].pool, 0u);
}

TEST(Placement, UnhealthyDevicesAndClosedNodesTakeNothing) {
  Cluster cluster;
  const auto node = cluster.node(2);
  cluster.snapshot.nodes[node].devices[0] = {1'000, false};
  const auto project = cluster.queue();
  cluster.job(project, 1);
  const Plan plan = cluster.plan();
  ASSERT_EQ(plan.starts.size(), 1u);
  EXPECT_EQ(plan.starts[0].tasks[0].devices[0].index, 1u);
  cluster.snapshot.nodes[node].open = false;
  EXPECT_EQ(only_wait(cluster), "waits: fits only nodes in pool a100 that take no new work now");
}

// ---- explanations

TEST(Explains, NeverIsToldFromNotYet) {
  struct Row { void (*change)(Cluster&, Pending&); const char* says; bool never; };
  const Row rows[] = {
      {[](Cluster&, Pending& p) { p.pools = {7}; }, "can never run here: no such pool has a node",
       true},
      {[](Cluster&, Pending& p) { p.pools = {1}; }, "can never run here: pool spare has no node",
       true},
      {[](Cluster&, Pending& p) { p.shape.gpu_model = "H200"; },
       "can never run here: no node in pool a100 has a GPU of model H200", true},
      {[](Cluster&, Pending& p) { p.shape.gpus = 16; },
       "can never run here: needs 16 GPUs on one node; the largest in pool a100 has 8", true},
      {[](Cluster&, Pending& p) { p.shape.cpu_millis = 64'500; },
       "can never run here: needs 64.5 cores on one node; the largest in pool a100 has 64", true},
      {[](Cluster&, Pending& p) { p.shape.memory_bytes = 513ull << 30; },
       "can never run here: needs 513 GiB of memory on one node; the largest in pool a100 has "
       "512 GiB", true},
      {[](Cluster& c, Pending&) { c.snapshot.queues[1].pools[0].limit_gpu_milli = 1'500; },
       "can never run here: needs 2 GPUs; the limit of project vision is 1.5", true},
      {[](Cluster& c, Pending& p) {
         c.snapshot.queues[1].pools[0].deserved_gpu_milli = 1'000;
         p.preemptible = false;
       },
       "can never run here: is not preemptible and needs 2 GPUs; project vision has a quota of 1 "
       "for such work", true},
      {[](Cluster& c, Pending&) {
         c.snapshot.queues[1].pools[0].limit_gpu_milli = 16'000;
         c.snapshot.queues[1].pools[0].used_gpu_milli = 18'000;
       },
       "waits: project vision is over its limit of 16 GPUs in pool a100 by 4", false},
      {[](Cluster& c, Pending&) {
         c.snapshot.queues[1].pools[0].limit_cpu_millis = 8'000;
         c.snapshot.queues[1].pools[0].used_cpu_millis = 7'500;
       },
       "waits: project vision is over its limit of 8 cores in pool a100 by 0.5", false},
      {[](Cluster& c, Pending& p) {
         c.snapshot.queues[1].pools[0] = {3'000, 100, {}, {}, 2'000, 0, 2'000};
         p.preemptible = false;
       },
       "waits: project vision has a quota of 3 GPUs in pool a100 for work that must not be "
       "interrupted, and uses 2 of it; this needs 2", false},
      {[](Cluster& c, Pending& p) {
         c.snapshot.spend_limits.push_back({OrgId{1, 2}, 99});
         p.costs = {{0, 100}};
       },
       "waits: the budget of project vision has not enough left", false},
      {[](Cluster& c, Pending& p) { p.not_before = c.snapshot.now + seconds(1); },
       "waits until 2024-10-04T00:00:01Z: an earlier attempt failed", false},
      {[](Cluster&, Pending& p) { p.held = true; }, "waits: it is held back", false},
      {[](Cluster&, Pending& p) { p.refused = true; },
       "waits: its start was refused, until something changes", false},
      {[](Cluster& c, Pending&) { c.fixed(0, 0, {0, 2, 3, 4, 5, 6, 7}); },
       "waits: fits nowhere in pool a100 now: needs 2 GPUs on one node; the largest hole is 1",
       false},
      {[](Cluster& c, Pending&) { c.snapshot.nodes[0].free_cpu_millis = 250; },
       "waits: fits nowhere in pool a100 now: needs 1 core on one node; the largest hole is 0.25",
       false},
      {[](Cluster& c, Pending&) { c.snapshot.nodes[0].free_memory_bytes = 5ull << 20; },
       "waits: fits nowhere in pool a100 now: needs 1 GiB of memory on one node; the largest hole "
       "is 5 MiB", false},
  };
  for (const Row& row : rows) {
    Cluster cluster;
    cluster.snapshot.pools.push_back("spare");
    cluster.node(8);
    Pending& pending = cluster.job(cluster.queue(), 2);
    pending.pools = {0};
    row.change(cluster, pending);
    const Plan plan = cluster.plan();
    ASSERT_EQ(plan.waits.size(), 1u) << row.says;
    EXPECT_EQ(sentence(plan.waits[0], "project vision"), row.says);
    EXPECT_EQ(is_never(plan.waits[0].why), row.never) << row.says;
    EXPECT_TRUE(plan.starts.empty());
  }
}

TEST(Explains, WhatCanRunInOnePoolIsNotCalledNever) {
  Cluster cluster;
  cluster.snapshot.pools = {"small", "big"};
  cluster.node(2, 64, 512, 0);
  const auto big = cluster.node(8, 64, 512, 1);
  cluster.fixed(0, big, {0});
  cluster.job(cluster.queue(), 8);
  EXPECT_EQ(only_wait(cluster),
            "waits: fits nowhere in pool big now: needs 8 GPUs on one node; the largest hole is 7");
}

TEST(Explains, VerdictsTravel) {
  Cluster cluster;
  cluster.node(8);
  cluster.job(cluster.queue(), 16);
  const Plan plan = cluster.plan();
  EXPECT_EQ(*codec::decode<Plan>(codec::encode(plan)), plan);
  EXPECT_EQ(*codec::decode<Snapshot>(codec::encode(cluster.snapshot)), cluster.snapshot);
}

// ---- order

TEST(Order, PriorityThenTimeWithinAQueue) {
  Cluster cluster;
  cluster.node(2);
  const auto project = cluster.queue();
  cluster.job(project, 1);
  cluster.job(project, 1).priority = 5;
  cluster.job(project, 1).priority = 5;
  EXPECT_THAT(started(cluster.plan()), ElementsAre(2, 3));
}

TEST(Order, QueuesTakeTurnsByTheirWeight) {
  Cluster cluster;
  cluster.node(8);
  const auto heavy = cluster.queue(0, {}, {}, 300), light = cluster.queue(0, {}, {}, 100);
  for (int i = 0; i < 8; ++i) cluster.job(light, 1);
  for (int i = 0; i < 8; ++i) cluster.job(heavy, 1);
  std::size_t of_heavy = 0;
  for (const std::uint64_t workload : started(cluster.plan())) of_heavy += workload > 8 ? 1 : 0;
  EXPECT_EQ(of_heavy, 6u);
}

TEST(Order, WhoIsBelowItsQuotaGoesFirst) {
  Cluster cluster;
  cluster.node(4);
  const auto borrower = cluster.queue(), owner = cluster.queue(0, 4);
  for (int i = 0; i < 4; ++i) cluster.job(borrower, 1).priority = 9;
  for (int i = 0; i < 4; ++i) cluster.job(owner, 1);
  EXPECT_THAT(started(cluster.plan()), ElementsAre(5, 6, 7, 8));
}

TEST(Order, WithoutAcceleratorsProcessorsDecideTheTurns) {
  Cluster cluster;
  cluster.node(0, 4);
  const auto first = cluster.queue(), second = cluster.queue();
  for (int i = 0; i < 4; ++i) cluster.job(first, 0);
  for (int i = 0; i < 4; ++i) cluster.job(second, 0);
  EXPECT_THAT(started(cluster.plan()), ElementsAre(1, 5, 2, 6));
}

TEST(Order, TurnsAreTakenAtEachLevelOfTheTree) {
  Cluster cluster;
  cluster.node(4);
  const auto one = cluster.queue(), two = cluster.queue();
  const auto a = cluster.queue(one), b = cluster.queue(one), c = cluster.queue(two);
  for (const auto project : {a, b, c}) {
    for (int i = 0; i < 4; ++i) cluster.job(project, 1);
  }
  EXPECT_THAT(started(cluster.plan()), ElementsAre(1, 9, 5, 10)) << "each tenant gets half";
}

// ---- money and quota

TEST(Quota, MoneyIsConsumedLikeAnyResource) {
  Cluster cluster;
  cluster.node(8);
  const auto project = cluster.queue();
  cluster.snapshot.spend_limits = {{OrgId{1, 1}, 1'000}, {OrgId{1, 2}, 250}};
  for (int i = 0; i < 3; ++i) cluster.job(project, 1).costs = {{0, 100}, {1, 100}};
  const Plan plan = cluster.plan();
  EXPECT_THAT(started(plan), ElementsAre(1, 2));
  ASSERT_EQ(plan.waits.size(), 1u);
  EXPECT_EQ(plan.waits[0].subject, (OrgId{1, 2}));
}

TEST(Quota, WorkThatIsNotPreemptibleStaysInsideWhatItsQueueDeserves) {
  Cluster cluster;
  cluster.node(8);
  const auto owner = cluster.queue(0, 6), other = cluster.queue();
  for (int i = 0; i < 4; ++i) cluster.job(other, 1).preemptible = false;
  for (int i = 0; i < 4; ++i) cluster.job(owner, 2).preemptible = false;
  const Plan plan = cluster.plan();
  // 2 of the pool's 8 are nobody's; the owner gets its 6 and no more.
  EXPECT_EQ(plan.starts.size(), 5u);
  std::map<Why, int> waits;
  for (const Verdict& verdict : plan.waits) ++waits[verdict.why];
  EXPECT_EQ(waits, (std::map<Why, int>{{Why::outside_quota, 3}}));
}

TEST(Quota, AWeightOfNothingNeverBorrows) {
  Cluster cluster;
  cluster.node(8);
  const auto modest = cluster.queue(0, 2, {}, 0);
  for (int i = 0; i < 3; ++i) cluster.job(modest, 1);
  EXPECT_THAT(started(cluster.plan()), ElementsAre(1, 2));
}

TEST(Quota, ALimitHoldsForAllBelow) {
  Cluster cluster;
  cluster.node(8);
  const auto group = cluster.queue(0, {}, 3);
  const auto a = cluster.queue(group), b = cluster.queue(group);
  for (int i = 0; i < 3; ++i) cluster.job(a, 1);
  for (int i = 0; i < 3; ++i) cluster.job(b, 1);
  EXPECT_EQ(cluster.plan().starts.size(), 3u);
}

// ---- reclaim

TEST(Reclaim, BorrowedRoomIsGivenBackWithNotice) {
  Cluster cluster;
  const auto node = cluster.node(4);
  const auto owner = cluster.queue(0, 2), borrower = cluster.queue();
  cluster.running(borrower, node, {0}, 50);
  cluster.running(borrower, node, {1}, 10);  // loses the least
  cluster.running(borrower, node, {2}, 40).checkpointed_at = cluster.snapshot.now - minutes(20);
  cluster.running(borrower, node, {3}, 30);
  const WorkloadId claimant = cluster.job(owner, 2).workload;
  const Plan plan = cluster.plan();
  EXPECT_THAT(noticed(plan), ElementsAre(2, 3));
  EXPECT_EQ(plan.notices[0].claimant, claimant);
  EXPECT_EQ(plan.notices[0].notice, seconds(30));
  ASSERT_EQ(plan.waits.size(), 1u);
  EXPECT_EQ(plan.waits[0].why, Why::reclaiming);
  EXPECT_EQ(plan.waits[0].until, cluster.snapshot.now + seconds(30));

  cluster.carry_out(plan);
  cluster.job(borrower, 1);  // must not take what the claim waits for
  Plan next = cluster.plan();
  EXPECT_TRUE(next.starts.empty());
  EXPECT_TRUE(next.notices.empty()) << "no second victim for one claim";
  ASSERT_EQ(next.waits.size(), 2u);
  EXPECT_EQ(next.waits[0].why, Why::reclaiming);

  cluster.carry_out(next);
  cluster.finish_stopping();
  next = cluster.plan();
  EXPECT_THAT(started(next), ElementsAre(5));
  EXPECT_EQ(next.waits.size(), 1u);
}

TEST(Reclaim, FreeRoomIsKeptForAClaimThatWaits) {
  Cluster cluster;
  const auto node = cluster.node(4);
  const auto owner = cluster.queue(0, 4), borrower = cluster.queue();
  cluster.running(borrower, node, {0});
  cluster.job(owner, 4);
  cluster.job(borrower, 1);
  Plan plan = cluster.plan();
  EXPECT_TRUE(plan.starts.empty()) << "three are free, and kept";
  EXPECT_THAT(noticed(plan), ElementsAre(1));
  cluster.carry_out(plan);
  cluster.snapshot.reservations.clear();  // the daemon restarted
  plan = cluster.plan();
  EXPECT_TRUE(plan.starts.empty());
  EXPECT_TRUE(plan.notices.empty());
  cluster.finish_stopping();
  cluster.snapshot.reservations = plan.reservations;
  EXPECT_THAT(started(cluster.plan()), ElementsAre(2));
}

TEST(Reclaim, OnlyWhatIsBorrowedIsTaken) {
  Cluster cluster;
  const auto node = cluster.node(4);
  const auto owner = cluster.queue(0, 2), other = cluster.queue(0, 2);
  cluster.running(other, node, {0}, 1);
  cluster.running(other, node, {1}, 1);
  cluster.fixed(owner, node, {2});
  cluster.fixed(0, node, {3});
  cluster.job(owner, 1);
  const Plan plan = cluster.plan();
  EXPECT_TRUE(plan.notices.empty()) << "the other uses what it deserves";
  EXPECT_EQ(plan.waits[0].why, Why::no_room);
}

TEST(Reclaim, WhoIsOverItsQuotaClaimsNothing) {
  Cluster cluster;
  const auto node = cluster.node(4);
  const auto owner = cluster.queue(0, 2), borrower = cluster.queue();
  for (std::uint32_t i = 0; i < 2; ++i) cluster.running(owner, node, {i});
  for (std::uint32_t i = 2; i < 4; ++i) cluster.running(borrower, node, {i});
  cluster.job(owner, 1);
  EXPECT_TRUE(cluster.plan().notices.empty());
}

TEST(Reclaim, AGuaranteeReachesPastAnUndeclaredGroup) {
  Cluster cluster;
  const auto node = cluster.node(2);
  const auto ours = cluster.queue(), theirs = cluster.queue();
  const auto owner = cluster.queue(ours, 1), borrower = cluster.queue(theirs);
  cluster.running(borrower, node, {0}, 5);
  cluster.running(borrower, node, {1}, 4);
  cluster.job(owner, 1);
  EXPECT_THAT(noticed(cluster.plan()), ElementsAre(2));
}

TEST(Reclaim, WithinAGroupAtItsLimit) {
  Cluster cluster;
  const auto node = cluster.node(8);
  const auto group = cluster.queue(0, 4, 4);
  const auto owner = cluster.queue(group, 2), borrower = cluster.queue(group);
  for (std::uint32_t i = 0; i < 4; ++i) cluster.running(borrower, node, {i}, 10 + i);
  cluster.job(owner, 2);
  const Plan plan = cluster.plan();
  EXPECT_THAT(noticed(plan), ElementsAre(1, 2)) << "there is room, but not under the limit";
}

TEST(Reclaim, TheLeastWorkIsLostOverAll) {
  Cluster cluster;
  const auto owner = cluster.queue(0, 8), borrower = cluster.queue();
  const auto first = cluster.node(8), second = cluster.node(8);
  for (std::uint32_t i = 0; i < 8; ++i) cluster.running(borrower, first, {i}, 20 + i);
  for (std::uint32_t i = 0; i < 4; ++i) cluster.running(borrower, second, {i}, 30 + i);
  cluster.job(owner, 8);
  EXPECT_THAT(noticed(cluster.plan()), ElementsAre(9, 10, 11, 12))
      << "the half-empty node, although each of its victims loses more";
}

TEST(Reclaim, AGangTakesFromSeveralNodes) {
  Cluster cluster;
  const auto owner = cluster.queue(0, 8), borrower = cluster.queue();
  for (int i = 0; i < 3; ++i) {
    const auto node = cluster.node(4);
    cluster.running(borrower, node, {0, 1, 2, 3}, 10 + i);
  }
  cluster.job(owner, 4, 2);
  const Plan plan = cluster.plan();
  EXPECT_THAT(noticed(plan), ElementsAre(1, 2));
  ASSERT_EQ(plan.reservations.size(), 1u);
  EXPECT_EQ(plan.reservations[0].tasks.size(), 2u);
}

TEST(Reclaim, AVictimGangGoesWhole) {
  Cluster cluster;
  const auto owner = cluster.queue(0, 2), borrower = cluster.queue();
  const auto first = cluster.node(2), second = cluster.node(2);
  cluster.running(borrower, second, {0, 1});
  Running& gang = cluster.running(borrower, first, {0, 1}, 1);
  gang.tasks.push_back(cluster.snapshot.running[0].tasks[0]);
  const Running whole = gang;
  cluster.snapshot.running = {whole};  // one gang over both nodes
  cluster.snapshot.queues[borrower].pools[0].used_cpu_millis = 2'000;
  cluster.job(owner, 2);
  EXPECT_EQ(cluster.plan().notices.size(), 1u);
}

TEST(Reclaim, VictimsOnDevicesThatAreGoneGiveNothing) {
  Cluster cluster;
  const auto node = cluster.node(4);
  const auto owner = cluster.queue(0, 2), borrower = cluster.queue();
  for (std::uint32_t i = 0; i < 4; ++i) cluster.running(borrower, node, {i}, 10 + i);
  cluster.snapshot.nodes[node].devices.pop_back();       // fell off the bus
  cluster.snapshot.nodes[node].devices[0] = {0, false};  // unhealthy
  cluster.job(owner, 2);
  EXPECT_THAT(noticed(cluster.plan()), ElementsAre(2, 3));
}

TEST(Preempt, MoreImportantWorkOfTheSameQueue) {
  Cluster cluster;
  const auto node = cluster.node(2);
  const auto project = cluster.queue(), other = cluster.queue();
  cluster.running(project, node, {0}, 10, 1);
  cluster.running(other, node, {1}, 10, 0);
  cluster.job(project, 1).priority = 1;
  EXPECT_TRUE(cluster.plan().notices.empty()) << "equals wait";
  cluster.job(project, 1).priority = 2;
  const Plan plan = cluster.plan();
  EXPECT_THAT(noticed(plan), ElementsAre(1));
  EXPECT_EQ(plan.notices[0].claimant, (WorkloadId{3, 4}));
}

}  // namespace
}  // namespace bessemer::scheduler
