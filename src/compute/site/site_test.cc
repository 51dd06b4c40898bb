// What may be registered and allocated; no accelerator twice; no moment of capacity unaccounted.
#include "compute/site/site.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"
#include "compute/site/accounting.h"
#include "compute/site/gang.h"

namespace bessemer::site {
namespace {

constexpr Wide hour = hours(1).ns;

Inventory machine(std::string name, std::uint32_t gpus, std::string pool = "default") {
  Inventory inventory{std::move(name), "local", std::move(pool), 8'000, 32ull << 30, {}, {}, "b1"};
  for (std::uint32_t i = 0; i < gpus; ++i) {
    inventory.accelerators.push_back(
        {i, "H200", "GPU-" + std::to_string(i), 141ull << 30, false, Health::healthy});
  }
  return inventory;
}

struct Story {
  State state;
  Instant now = Instant{} + days(1);
  std::optional<Instant> occurred_at;

  Story() { tell(RegisterSite{"local", Engine::local}); }
  Context context() const { return {now, occurred_at.value_or(now), {}, {}, Origin::external}; }
  std::string tell(const Command& command) {
    const auto events = judge(state, command, context());
    if (!events) return to_text(events.error());
    std::string out;
    for (const Event& event : *events) {
      apply(state, event, context());
      out += (out.empty() ? "" : " ");
      std::visit([&](const auto& happened) { out += happened.tag; }, event);
    }
    return out.empty() ? "nothing" : out;
  }
  NodeId add(const Inventory& inventory) {
    const NodeId id{2, state.nodes.size() + 1};
    EXPECT_EQ(tell(RegisterNode{id, inventory}), "node_registered");
    return id;
  }
  std::string allocate(std::uint64_t id, NodeId node, std::vector<Share> shares,
                       std::uint64_t cpu = 1'000) {
    return tell(Allocate{AllocationId{3, id}, WorkloadId{4, id}, TaskId{5, id}, 1, node, cpu,
                         1ull << 30, std::move(shares)});
  }
  std::string release(std::uint64_t id) { return tell(Release{AllocationId{3, id}}); }
  TimeUse account(Instant from, Instant to, const std::vector<ClaimSpan>& claims = {}) const {
    auto use = site::account(state, "default", from, to, claims);
    EXPECT_TRUE(use) << (use ? "" : to_text(use.error()));
    return use.value_or(TimeUse{});
  }
};

Wide sum(const Classes& c) {
  return c.down + c.foreign + c.allocated + c.reserved + c.cordoned + c.free;
}

TEST(Site, RegistrationIsIdempotentAndChecked) {
  Story story;
  EXPECT_EQ(story.tell(RegisterSite{"local", Engine::local}), "nothing");
  EXPECT_EQ(story.tell(RegisterSite{"local", Engine::slurm}),
            "name: is already a site of engine local");
  const NodeId node = story.add(machine("n1", 2));
  EXPECT_EQ(story.tell(RegisterNode{NodeId{9, 9}, machine("n1", 2)}), "nothing");
  EXPECT_EQ(story.tell(RegisterNode{node, machine("n2", 2)}),
            "node: names a node of another name");
  struct Row { void (*change)(Inventory&); const char* refusal; };
  const Row rows[] = {
      {[](Inventory& i) { i.name = "N 1"; }, "inventory.name: "},
      {[](Inventory& i) { i.site = "mars"; }, "inventory.site: no site mars"},
      {[](Inventory& i) { i.pool = ""; }, "inventory.pool: "},
      {[](Inventory& i) { i.cpu_millis = 0; }, "inventory.cpu_millis: must be between 1"},
      {[](Inventory& i) { i.memory_bytes = 1ull << 51; }, "inventory.memory_bytes: "},
      {[](Inventory& i) { i.accelerators[1].index = 5; },
       "inventory.accelerators[1].index: must count from 0"},
      {[](Inventory& i) { i.accelerators[1].model = "A100"; },
       "inventory.accelerators[1]: all accelerators of a node must be of one model"},
      {[](Inventory& i) { i.accelerators[0].uuid = ""; }, "inventory.accelerators[0].uuid: "},
      {[](Inventory& i) { i.labels[""] = "x"; }, "inventory.labels: must be 1 to 256"},
      {[](Inventory& i) { i.boot = ""; }, "inventory.boot: "},
      {[](Inventory& i) { i.labels["rack"] = "r1"; }, "node_registered"},
  };
  for (const Row& row : rows) {
    Inventory inventory = machine("n1", 2);
    row.change(inventory);
    const std::string said = story.tell(RegisterNode{node, inventory});
    EXPECT_TRUE(said.starts_with(row.refusal)) << said;
  }
  EXPECT_EQ(story.tell(RegisterNode{{}, machine("n9", 0)}), "node: is required for a new node");
}

TEST(Site, BeingSeenIsAFactOnceAMinute) {
  Story story;
  const NodeId node = story.add(machine("n1", 0));
  EXPECT_EQ(story.tell(ReportSeen{node}), "nothing");
  story.now = story.now + seconds(59);
  EXPECT_EQ(story.tell(ReportSeen{node}), "nothing");
  story.now = story.now + seconds(1);
  EXPECT_EQ(story.tell(ReportSeen{node}), "node_seen");
  EXPECT_EQ(find(story.state, node)->last_seen, story.now);
  EXPECT_TRUE(story.tell(ReportSeen{NodeId{9, 9}}).starts_with("node: no node node_"));
}

TEST(Site, AllocationsAreJudged) {
  Story story;
  Inventory inventory = machine("n1", 4);
  inventory.accelerators[3].health = Health::unhealthy;
  const NodeId node = story.add(inventory);
  EXPECT_EQ(story.allocate(1, node, {{0, 1'000}, {1, 250}}), "allocated");
  EXPECT_EQ(story.allocate(1, node, {{0, 1'000}, {1, 250}}), "nothing") << "repeated";
  EXPECT_EQ(story.allocate(1, node, {{2, 1'000}}),
            "allocation: this id names another allocation");
  EXPECT_EQ(story.allocate(2, node, {{0, 1}}),
            "accelerators[0]: accelerator 0 of n1 has 0 thousandths free");
  EXPECT_EQ(story.allocate(2, node, {{1, 751}}),
            "accelerators[0]: accelerator 1 of n1 has 750 thousandths free");
  EXPECT_EQ(story.allocate(2, node, {{2, 500}, {2, 500}}),
            "accelerators[1]: names an accelerator twice");
  EXPECT_EQ(story.allocate(2, node, {{4, 1'000}}), "accelerators[0]: n1 has no accelerator 4");
  EXPECT_EQ(story.allocate(2, node, {{2, 1'001}}),
            "accelerators[0].milli: must be 1 to 1000 thousandths");
  EXPECT_EQ(story.allocate(2, node, {{2, 0}}),
            "accelerators[0].milli: must be 1 to 1000 thousandths");
  EXPECT_EQ(story.allocate(2, node, {{3, 1'000}}),
            "accelerators[0]: accelerator 3 of n1 is unhealthy");
  EXPECT_EQ(story.allocate(2, node, {}, 7'001),
            "cpu_millis: n1 has 7000 thousandths of a core free");
  EXPECT_EQ(story.allocate(2, node, {{1, 750}}, 7'000), "allocated");
  EXPECT_EQ(free_of(*find(story.state, node)),
            (Use{0, 30ull << 30, {0, 0, 1'000, 0}}));
  EXPECT_EQ(story.release(7), "allocation: no allocation " + to_text(AllocationId{3, 7}));
  EXPECT_EQ(story.release(1), "allocation_ended");
  EXPECT_EQ(story.release(1), "nothing");
  EXPECT_EQ(story.allocate(1, node, {}), "allocation: this allocation has ended");
  for (const NodeState state : {NodeState::cordoned, NodeState::draining}) {
    EXPECT_EQ(story.tell(SetNodeState{node, state, "repair"}), "node_state_set");
    EXPECT_EQ(story.tell(SetNodeState{node, state, "repair"}), "nothing");
    EXPECT_EQ(story.allocate(3, node, {}), "node: n1 is " + std::string(enum_text(state)));
  }
  EXPECT_EQ(story.tell(SetNodeState{node, NodeState::down, ""}),
            "node: has work on it; drain it first, or report it lost");
  EXPECT_EQ(story.release(2), "allocation_ended");
  EXPECT_EQ(story.tell(SetNodeState{node, NodeState::down, ""}), "node_state_set");
}

TEST(Site, AGangIsJudgedAsOne) {
  Story story;
  const NodeId node = story.add(machine("n1", 2));
  const auto task = [&](std::uint64_t id, std::uint32_t device) {
    return Allocate{AllocationId{3, id}, WorkloadId{4, 1}, TaskId{5, id}, 1, node, 3'000, 1 << 20,
                    {{device, 1'000}}};
  };
  const auto refusal = [&](const std::vector<Allocate>& gang) {
    const auto judged = judge_gang(story.state, gang, story.context());
    return judged ? "accepted" : to_text(judged.error());
  };
  EXPECT_EQ(refusal({task(1, 0), task(2, 0)}),
            "[1].accelerators[0]: accelerator 0 of n1 has 0 thousandths free");
  EXPECT_EQ(refusal({task(1, 0), task(1, 1)}),
            "[1].allocation: this id names another allocation");
  Allocate third = task(3, 1);
  third.accelerators.clear();
  EXPECT_EQ(refusal({task(1, 0), task(2, 1), third}),
            "[2].cpu_millis: n1 has 2000 thousandths of a core free");
  const auto events = judge_gang(story.state, {task(1, 0), task(2, 1)}, story.context());
  ASSERT_TRUE(events);
  EXPECT_EQ(events->size(), 2u);
  EXPECT_TRUE(story.state.allocations.empty()) << "judging changes nothing";
  for (const Event& event : *events) apply(story.state, event, story.context());
  EXPECT_EQ(judge_gang(story.state, {task(1, 0), task(2, 1)}, story.context())->size(), 0u);
  EXPECT_EQ(judge_gang(story.state, {task(1, 0), task(4, 1)}, story.context()).error().field,
            "[1].cpu_millis");
}

TEST(Site, AMomentIsNeverChargedTwice) {
  Story story;
  const NodeId node = story.add(machine("n1", 1));
  const Instant start = story.now;
  story.allocate(1, node, {{0, 1'000}});
  story.now = start + seconds(100);
  story.release(1);
  story.now = start + seconds(50);  // the clock went backwards
  story.allocate(2, node, {{0, 1'000}});
  EXPECT_EQ(find_allocation(story.state, AllocationId{3, 2})->from, start + seconds(100));
  story.release(2);
  EXPECT_EQ(story.state.ended.at(AllocationId{3, 2}), start + seconds(100)) << "never negative";
  story.now = start + seconds(200);
  EXPECT_EQ(story.account(start, story.now).gpu.allocated, Wide{1'000} * seconds(100).ns);
}

TEST(Site, ALostNodeEndsItsAllocationsAndComesBack) {
  Story story;
  const NodeId node = story.add(machine("n1", 2));
  story.allocate(1, node, {{0, 1'000}});
  story.allocate(2, node, {{1, 500}});
  story.tell(SetNodeState{node, NodeState::cordoned, "disk"});
  story.now = story.now + seconds(30);
  EXPECT_EQ(story.tell(ReportLost{node, "no heartbeat"}),
            "allocation_ended allocation_ended node_lost");
  EXPECT_EQ(story.tell(ReportLost{node, "no heartbeat"}), "nothing");
  EXPECT_EQ(find(story.state, node)->state, NodeState::down);
  EXPECT_EQ(story.allocate(3, node, {}), "node: n1 is down");
  EXPECT_EQ(story.tell(ReportSeen{node}), "nothing");
  Inventory again = machine("n1", 2);
  again.boot = "b2";
  EXPECT_EQ(story.tell(RegisterNode{node, again}), "node_registered");
  EXPECT_EQ(find(story.state, node)->state, NodeState::cordoned) << "as its operator wished";
}

TEST(Site, ARebootLeavesAllocationsToBeEnded) {
  Story story;
  const NodeId node = story.add(machine("n1", 1));
  story.allocate(1, node, {{0, 1'000}});
  EXPECT_TRUE(from_earlier_boot(story.state).empty());
  Inventory again = machine("n1", 1);
  again.boot = "b2";
  story.tell(RegisterNode{node, again});
  ASSERT_EQ(from_earlier_boot(story.state).size(), 1u);
  EXPECT_EQ(from_earlier_boot(story.state)[0]->id, (AllocationId{3, 1}));
  EXPECT_EQ(allocations_of(story.state, WorkloadId{4, 1}).size(), 1u);
}

TEST(Accounting, EachClassByPrecedence) {
  Story story;
  const Instant start = story.now;
  const NodeId node = story.add(machine("n1", 2));  // 2000 milli-GPU
  story.allocate(1, node, {{0, 1'000}});
  story.now = start + minutes(1);
  const auto claim = [&](Claim kind, std::int64_t from, std::int64_t to, std::uint64_t milli) {
    return ClaimSpan{kind, node, start + seconds(from), start + seconds(to), milli, 0};
  };
  // 10 s of foreign work on 1.5 GPUs, which cuts what is allocated; then reservations.
  const auto use = story.account(start, story.now,
                                 {claim(Claim::foreign, 0, 10, 1'500),
                                  claim(Claim::reserved, 20, 30, 400),
                                  claim(Claim::reserved, 30, 40, 9'000)});
  const Wide s = seconds(1).ns;
  EXPECT_EQ(use.gpu.foreign, 1'500 * 10 * s);
  EXPECT_EQ(use.gpu.allocated, (500 * 10 + 1'000 * 50) * s);
  EXPECT_EQ(use.gpu.reserved, (400 * 10 + 1'000 * 10) * s);
  EXPECT_EQ(use.gpu.free, (1'000 * 10 + 600 * 10 + 1'000 * 20) * s);
  EXPECT_EQ(use.gpu.capacity, 2'000 * 60 * s);
  EXPECT_EQ(sum(use.gpu), use.gpu.capacity);
  EXPECT_EQ(use.cpu.allocated, 1'000 * 60 * s);
  story.tell(SetNodeState{node, NodeState::cordoned, ""});
  story.now = start + minutes(2);
  story.tell(ReportLost{node, ""});
  story.now = start + minutes(3);
  const auto later = story.account(start + minutes(1), story.now);
  EXPECT_EQ(later.gpu.allocated, 1'000 * 60 * s);
  EXPECT_EQ(later.gpu.cordoned, 1'000 * 60 * s);
  EXPECT_EQ(later.gpu.down, 2'000 * 60 * s);
  EXPECT_EQ(site::account(story.state, "elsewhere", start, story.now)->gpu, Classes{});
}

TEST(Accounting, OldHoursAreFoldedAndCorrectedByLateNews) {
  Story story;
  const Instant start = story.now;  // a full hour
  const NodeId node = story.add(machine("n1", 1));
  story.allocate(1, node, {{0, 1'000}});
  story.now = start + hours(5);
  story.tell(ReportSeen{node});
  EXPECT_EQ(story.state.folded_until, start + hours(4));
  EXPECT_EQ(story.account(start, story.now).gpu.allocated, 1'000 * 5 * hour);
  EXPECT_FALSE(site::account(story.state, "default", start + minutes(1), story.now));
  EXPECT_TRUE(site::account(story.state, "default", start + hours(4) + seconds(1), story.now));
  // The task had been dead since an hour and a half after the start.
  story.occurred_at = start + minutes(90);
  story.release(1);
  const auto use = story.account(start, story.now);
  EXPECT_EQ(use.gpu.allocated, 1'000 * 3 * hour / 2);
  EXPECT_EQ(sum(use.gpu), use.gpu.capacity);
  EXPECT_EQ(use.gpu.capacity, 1'000 * 5 * hour);
  EXPECT_EQ(use.cpu.allocated, 1'000 * 3 * hour / 2);
  story.occurred_at.reset();
  story.now = start + days(70);
  story.tell(ReportSeen{node});
  EXPECT_EQ(story.state.folded.at("default").size(), 62u * 24u - 1) << "the last is too young";
}

// ---- by seed

std::string step(Story& story, Random& random, const std::vector<NodeId>& nodes,
                 std::uint64_t& next) {
  const NodeId node = nodes[random.below(nodes.size())];
  story.now = story.now + seconds(random.between(-60, 1'200));
  story.occurred_at = story.now - seconds(random.between(0, 4'000));
  switch (random.below(8)) {
    case 0: {
      const auto state = static_cast<NodeState>(random.below(4));
      return story.tell(SetNodeState{node, state, ""});
    }
    case 1: return story.tell(ReportLost{node, ""});
    case 2: {
      const auto& inventory = find(story.state, node)->inventory;
      Inventory again = machine(inventory.name, 4, random.chance(1, 4) ? "spare" : "default");
      return story.tell(RegisterNode{node, again});
    }
    case 3:
    case 4: return story.release(random.below(next + 1) + 1);
    default: {
      std::vector<Share> shares;
      for (std::uint32_t i = 0; i < 4; ++i) {
        if (random.chance(1, 2)) shares.push_back({i, random.chance(1, 2) ? 1'000u : 300u});
      }
      return story.allocate(++next, node, shares, random.below(3'000));
    }
  }
}

void expect_no_accelerator_twice(const State& state) {
  std::map<std::pair<NodeId, std::uint32_t>, std::uint32_t> taken;
  std::map<NodeId, std::uint64_t> cpu;
  for (const auto& [id, allocation] : state.allocations) {
    cpu[allocation.node] += allocation.cpu_millis;
    for (const Share& share : allocation.accelerators) {
      taken[{allocation.node, share.index}] += share.milli;
    }
  }
  for (const auto& [device, milli] : taken) EXPECT_LE(milli, 1'000u);
  for (const auto& [id, node] : state.nodes) {
    EXPECT_EQ(node.use.cpu_millis, cpu[id]);
    EXPECT_LE(cpu[id], node.inventory.cpu_millis);
    for (std::uint32_t i = 0; i < node.use.accelerators.size(); ++i) {
      EXPECT_EQ(node.use.accelerators[i], (taken[{id, i}]));
    }
  }
}

TEST(Site, NoHistoryAllocatesTwiceOrLosesAMoment) {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    Random random(seed);
    Story story;
    const Instant start = story.now;
    std::vector<NodeId> nodes;
    for (const char* name : {"n1", "n2", "n3"}) nodes.push_back(story.add(machine(name, 4)));
    std::uint64_t next = 0;
    Instant latest = story.now;
    for (int i = 0; i < 150; ++i) {
      step(story, random, nodes, next);
      latest = std::max(latest, story.now);
      expect_no_accelerator_twice(story.state);
    }
    const Instant end = Instant{((latest + hours(1)).ns / hours(1).ns) * hours(1).ns};
    TimeUse all = story.account(start, end);
    all += *site::account(story.state, "spare", start, end);
    EXPECT_EQ(sum(all.gpu), all.gpu.capacity) << seed;
    EXPECT_EQ(sum(all.cpu), all.cpu.capacity) << seed;
    EXPECT_EQ(all.gpu.capacity, Wide{3 * 4'000} * (end - start).ns) << seed;
    EXPECT_EQ(all.cpu.capacity, Wide{3 * 8'000} * (end - start).ns) << seed;
    const auto restored = codec::decode<State>(codec::encode(story.state));
    ASSERT_TRUE(restored);
    EXPECT_EQ(*restored, story.state);
  }
}

}  // namespace
}  // namespace bessemer::site
