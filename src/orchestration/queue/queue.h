// Queues: what each node of the organisation deserves, may borrow and may never exceed, per pool.
//
// Nothing needs to be declared. A queue that is not declared deserves nothing of its own, has no
// limit, and borrows with the usual weight; what a pool has beyond the declared deserved quotas is
// everyone's, in fair turns. So in a pool without any queue all work just runs.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/fact.h"

namespace bessemer::queue {

// Thousandths of an accelerator and of a core.
struct Amount {
  std::optional<std::uint64_t> gpu_milli;
  std::optional<std::uint64_t> cpu_millis;
  friend bool operator==(const Amount&, const Amount&) = default;
};
DESCRIBE(Amount, gpu_milli, cpu_millis)

// A node of the organisation, in one pool.
struct Key {
  OrgId node;
  std::string pool;
  friend auto operator<=>(const Key&, const Key&) = default;
};
DESCRIBE(Key, node, pool)

struct Queue {
  Key key;
  std::vector<OrgId> path;             // root first, ends with key.node
  std::optional<std::uint64_t> deserved_gpu_milli;  // guaranteed; lent while idle
  std::uint32_t weight = 100;          // of the share of what is left over; 0: never borrows
  Amount limit;                        // never more, over all its descendants
  friend bool operator==(const Queue&, const Queue&) = default;
};
DESCRIBE(Queue, key, path, deserved_gpu_milli, weight, limit)

constexpr std::uint32_t default_weight = 100;
constexpr std::uint32_t max_weight = 1'000'000;
constexpr std::size_t max_depth = 16;
constexpr std::size_t max_queues = 100'000;
constexpr std::uint64_t max_milli = 10'000'000'000;  // ten million accelerators or cores

struct State {
  std::map<std::string, std::map<OrgId, Queue>> pools;  // pool -> node -> queue
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, pools)

// ---- commands

// Declares or replaces a queue. `path` is the node's place in the organisation, root first and
// ending with `node`; the factory fills it in.
struct SetQueue {
  OrgId node;
  std::string pool;
  std::vector<OrgId> path;
  std::optional<std::uint64_t> deserved_gpu_milli;
  std::optional<std::uint32_t> weight;
  std::optional<Amount> limit;
};
DESCRIBE(SetQueue, node, pool, path, deserved_gpu_milli, weight, limit)

struct RemoveQueue { OrgId node; std::string pool; };
DESCRIBE(RemoveQueue, node, pool)

using Command = std::variant<SetQueue, RemoveQueue>;

// ---- facts

struct QueueSet {
  static constexpr std::uint16_t fact = 0x3101;
  static constexpr std::string_view tag = "queue_set";
  Queue queue;
};
DESCRIBE(QueueSet, queue)

struct QueueRemoved {
  static constexpr std::uint16_t fact = 0x3102;
  static constexpr std::string_view tag = "queue_removed";
  Key key;
};
DESCRIBE(QueueRemoved, key)

using Event = std::variant<QueueSet, QueueRemoved>;

// Refuses what cannot hold: children that deserve more than their nearest declared ancestor
// deserves, a limit below what is deserved or above an ancestor's limit.
// Errors: invalid, not_found, exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- questions

const Queue* find(const State& state, OrgId node, std::string_view pool);
// Every declared queue, in order of (pool, node).
std::vector<const Queue*> list(const State& state);
// The declared queues on a path (root first), in that order: what a workload there is subject to.
std::vector<const Queue*> on_path(const State& state, const std::vector<OrgId>& path,
                                  std::string_view pool);

}  // namespace bessemer::queue
