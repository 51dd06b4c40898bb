// Which guarantees may be declared, and which cannot hold.
#include "orchestration/queue/queue.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::queue {
namespace {

const OrgId root{1, 1}, tenant{1, 2}, vision{1, 3}, speech{1, 4}, ocr{1, 5};

std::vector<OrgId> path_to(OrgId node) {
  if (node == root) return {root};
  if (node == tenant) return {root, tenant};
  if (node == ocr) return {root, tenant, vision, ocr};
  return {root, tenant, node};
}

SetQueue deserve(OrgId node, std::optional<std::uint64_t> gpus,
                 std::optional<std::uint64_t> limit = {}) {
  SetQueue command{node, "a100", path_to(node), {}, {}, {}};
  if (gpus) command.deserved_gpu_milli = *gpus * 1'000;
  if (limit) command.limit = Amount{*limit * 1'000, {}};
  return command;
}

struct Story {
  State state;
  std::string tell(const Command& command) {
    const auto events = judge(state, command, {});
    if (!events) return to_text(events.error());
    for (const Event& event : *events) apply(state, event, {});
    return events->empty() ? "nothing" : "done";
  }
};

TEST(Queue, FieldsAreChecked) {
  struct Row { void (*change)(SetQueue&); const char* refusal; };
  const Row rows[] = {
      {[](SetQueue& c) { c.node = {}; }, "node: is required"},
      {[](SetQueue& c) { c.pool = "A 1"; }, "pool: "},
      {[](SetQueue& c) { c.path.clear(); }, "path: must end with the queue's own node"},
      {[](SetQueue& c) { c.path = {vision, root}; }, "path: must end with"},
      {[](SetQueue& c) { c.path = {vision, root, vision}; }, "path: must name each node once"},
      {[](SetQueue& c) { c.path = {{}, vision}; }, "path: must name each node once"},
      {[](SetQueue& c) { c.weight = 1'000'001; }, "weight: must be at most 1000000"},
      {[](SetQueue& c) { c.deserved_gpu_milli = max_milli + 1; }, "deserved_gpu_milli: must be"},
      {[](SetQueue& c) { c.limit = Amount{{}, max_milli + 1}; }, "limit.cpu_millis: must be"},
      {[](SetQueue& c) { c.limit = Amount{7'999, {}}; },
       "limit.gpu_milli: what is deserved, 8 accelerators, is above the limit of "},
      {[](SetQueue&) {}, "done"},
  };
  Story story;
  for (const Row& row : rows) {
    SetQueue command = deserve(vision, 8);
    row.change(command);
    const std::string said = story.tell(command);
    EXPECT_TRUE(said.starts_with(row.refusal)) << said;
  }
  EXPECT_EQ(story.tell(deserve(vision, 8)), "nothing") << "repeated";
  EXPECT_EQ(find(story.state, vision, "a100")->weight, default_weight);
  EXPECT_EQ(find(story.state, vision, "h200"), nullptr);
}

TEST(Queue, GuaranteesFitWhatIsAbove) {
  Story story;
  EXPECT_EQ(story.tell(deserve(tenant, 16)), "done");
  EXPECT_EQ(story.tell(deserve(vision, 10)), "done");
  const std::string said = story.tell(deserve(speech, 7));
  EXPECT_TRUE(said.starts_with("deserved_gpu_milli: the queues below " + to_text(tenant) +
                               " would deserve 17 accelerators of its 16")) << said;
  EXPECT_EQ(story.tell(deserve(speech, 6)), "done");
  EXPECT_EQ(story.tell(deserve(ocr, 10)), "done") << "counts below vision, not below the tenant";
  EXPECT_NE(story.tell(deserve(ocr, 11)), "done");
  EXPECT_NE(story.tell(deserve(tenant, 15)), "done") << "its children deserve 16";
  EXPECT_NE(story.tell(deserve(vision, 9)), "done") << "its child deserves 10";
  EXPECT_NE(story.tell(deserve(root, {}, 15)), "done") << "nobody can get 16 of 15";
  EXPECT_EQ(story.tell(deserve(root, {}, 16)), "done");
  EXPECT_EQ(story.tell(deserve(vision, {})), "done") << "its child now counts below the tenant";
  EXPECT_NE(story.tell(deserve(ocr, 11)), "done");
  EXPECT_EQ(on_path(story.state, path_to(ocr), "a100").size(), 4u);
  EXPECT_EQ(on_path(story.state, path_to(ocr), "a100").front()->key.node, root);
  EXPECT_EQ(list(story.state).size(), 5u);
}

TEST(Queue, RemovingForgets) {
  Story story;
  EXPECT_TRUE(story.tell(RemoveQueue{vision, "a100"}).starts_with("node: no queue of org_"));
  story.tell(deserve(vision, 1));
  EXPECT_EQ(story.tell(RemoveQueue{vision, "a100"}), "done");
  EXPECT_TRUE(story.state.pools.empty());
}

TEST(Queue, NoSequenceOfCommandsOvercommits) {
  const OrgId nodes[] = {root, tenant, vision, speech, ocr};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Story story;
    for (int i = 0; i < 100; ++i) {
      const OrgId node = nodes[random.below(5)];
      if (random.chance(1, 6)) {
        story.tell(RemoveQueue{node, "a100"});
      } else {
        SetQueue command = deserve(node, {});
        if (random.chance(3, 4)) command.deserved_gpu_milli = random.below(20) * 500;
        if (random.chance(1, 4)) command.limit = Amount{random.below(30) * 500, {}};
        story.tell(command);
      }
      // A guarantee is never above what any queue on its path deserves or may use.
      for (const Queue* queue : list(story.state)) {
        for (const Queue* above : on_path(story.state, queue->path, "a100")) {
          const std::uint64_t deserved = queue->deserved_gpu_milli.value_or(0);
          EXPECT_LE(deserved, above->deserved_gpu_milli.value_or(deserved));
          EXPECT_LE(deserved, above->limit.gpu_milli.value_or(deserved));
        }
      }
    }
    EXPECT_EQ(*codec::decode<State>(codec::encode(story.state)), story.state);
  }
}

}  // namespace
}  // namespace bessemer::queue
