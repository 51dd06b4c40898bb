// What exists: sites, node pools, nodes and their accelerators; and what is allocated of them.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fact.h"
#include "compute/site/classes.h"

namespace bessemer::site {

enum class Engine : std::uint8_t { local, slurm, kubernetes };
DESCRIBE_ENUM(Engine, local, slurm, kubernetes)

// `ready` takes new work; `cordoned` keeps its work and takes no more; `draining` is being
// emptied; `down` runs nothing.
enum class NodeState : std::uint8_t { ready, cordoned, draining, down };
DESCRIBE_ENUM(NodeState, ready, cordoned, draining, down)

enum class Health : std::uint8_t { healthy, unhealthy };
DESCRIBE_ENUM(Health, healthy, unhealthy)

struct Accelerator {
  std::uint32_t index = 0;         // its place in the node's list
  std::string model;               // "H200"
  std::string uuid;
  std::uint64_t memory_bytes = 0;
  bool simulated = false;          // declared, not there: charged in a currency of its own
  Health health = Health::healthy;
  friend bool operator==(const Accelerator&, const Accelerator&) = default;
};
DESCRIBE(Accelerator, index, model, uuid, memory_bytes, simulated, health)

// What a machine says of itself.
struct Inventory {
  std::string name;                // unique within the factory
  std::string site;                // "local"
  std::string pool;                // nodes that are priced and shared alike
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<Accelerator> accelerators;
  std::map<std::string, std::string> labels;
  std::string boot;                // another value after every boot of the machine
  // Its accelerators are all of one model, and all simulated or all real.
  friend bool operator==(const Inventory&, const Inventory&) = default;
};
DESCRIBE(Inventory, name, site, pool, cpu_millis, memory_bytes, accelerators, labels, boot)

// What is taken of a node; `accelerators` has the thousandths of each, by index.
struct Use {
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<std::uint32_t> accelerators;
  friend bool operator==(const Use&, const Use&) = default;
};
DESCRIBE(Use, cpu_millis, memory_bytes, accelerators)

struct Node {
  NodeId id;
  Inventory inventory;
  NodeState state = NodeState::ready;
  std::string why;                 // of the state
  NodeState wished = NodeState::ready;  // the operator's: what it is unless it is lost
  bool lost = false;               // until it registers again
  Instant registered_at;
  Instant last_seen;               // to within seen_interval
  Instant busy_until;              // the latest end of an allocation here: none begins before it
  Use use;                         // the sum of its live allocations
  friend bool operator==(const Node&, const Node&) = default;
};
DESCRIBE(Node, id, inventory, state, why, wished, lost, registered_at, last_seen, busy_until, use)

// A part of one accelerator; 1000 is the whole.
struct Share {
  std::uint32_t index = 0;
  std::uint32_t milli = 1'000;
  friend bool operator==(const Share&, const Share&) = default;
};
DESCRIBE(Share, index, milli)

// Something of a node belongs to one task of one generation, from `from` until it is released.
struct Allocation {
  AllocationId id;
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
  NodeId node;
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<Share> accelerators;
  Instant from;
  std::string boot;                // of the node when it began
  // The accelerators in thousandths.
  std::uint64_t milli() const;
  friend bool operator==(const Allocation&, const Allocation&) = default;
};
DESCRIBE(Allocation, id, workload, task, generation, node, cpu_millis, memory_bytes, accelerators,
         from, boot)

// The recent past of a node, as accounting needs it. See accounting.h.
struct NodeSpan {
  Instant from;
  NodeState state = NodeState::ready;
  std::string pool;
  std::uint64_t gpu_milli = 0;     // capacity
  std::uint64_t cpu_millis = 0;
  friend bool operator==(const NodeSpan&, const NodeSpan&) = default;
};
DESCRIBE(NodeSpan, from, state, pool, gpu_milli, cpu_millis)
struct UseSpan {
  Instant from, to;
  std::uint64_t gpu_milli = 0;
  std::uint64_t cpu_millis = 0;
  friend bool operator==(const UseSpan&, const UseSpan&) = default;
};
DESCRIBE(UseSpan, from, to, gpu_milli, cpu_millis)
struct Past {
  std::vector<NodeSpan> nodes;     // in order of `from`; each lasts until the next
  std::vector<UseSpan> uses;       // ended allocations, in order of recording
  friend bool operator==(const Past&, const Past&) = default;
};
DESCRIBE(Past, nodes, uses)

struct State {
  std::map<std::string, Engine> sites;
  std::map<NodeId, Node> nodes;
  std::map<std::string, NodeId> by_name;
  std::map<AllocationId, Allocation> allocations;   // live ones
  std::map<AllocationId, Instant> ended;            // the last kept_ended, with their ends
  std::map<NodeId, Past> past;                      // since folded_until
  std::map<std::string, std::map<std::int64_t, TimeUse>> folded;  // pool -> hour since 1970
  Instant folded_until;                             // a full hour
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, sites, nodes, by_name, allocations, ended, past, folded, folded_until)

namespace limit {
constexpr std::size_t accelerators = 64;            // of one node
constexpr std::size_t labels = 64;
constexpr std::size_t nodes = 200'000;
constexpr std::uint64_t cpu_millis = 16'384'000;    // of one node
constexpr std::uint64_t memory_bytes = 1ull << 50;
}  // namespace limit
constexpr Duration seen_interval = seconds(60);
constexpr Duration kept_past = days(62);  // of the hours; what is older is in the journal
constexpr std::size_t kept_ended = 65'536;

// ---- commands

struct RegisterSite { std::string name; Engine engine = Engine::local; };
DESCRIBE(RegisterSite, name, engine)

// An inventory report. A node is known by its name: `node` is used when the name is new.
struct RegisterNode { NodeId node; Inventory inventory; };
DESCRIBE(RegisterNode, node, inventory)

// A node with work on it is drained before it is set down: what is gone is reported lost.
struct SetNodeState { NodeId node; NodeState state = NodeState::ready; std::string why; };
DESCRIBE(SetNodeState, node, state, why)

// The node lives. Gives a fact at most once per seen_interval.
struct ReportSeen { NodeId node; };
DESCRIBE(ReportSeen, node)

struct Allocate {
  AllocationId allocation;
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
  NodeId node;
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<Share> accelerators;
};
DESCRIBE(Allocate, allocation, workload, task, generation, node, cpu_millis, memory_bytes,
         accelerators)

// Ends at Context::occurred_at, never before it began. Repeated: nothing.
struct Release { AllocationId allocation; };
DESCRIBE(Release, allocation)

// The machine is gone: down, and every allocation on it ends with this fact.
struct ReportLost { NodeId node; std::string why; };
DESCRIBE(ReportLost, node, why)

using Command = std::variant<RegisterSite, RegisterNode, SetNodeState, ReportSeen, Allocate,
                             Release, ReportLost>;

// ---- facts

struct SiteRegistered {
  static constexpr std::uint16_t fact = 0x1101;
  static constexpr std::string_view tag = "site_registered";
  std::string name;
  Engine engine = Engine::local;
};
DESCRIBE(SiteRegistered, name, engine)

// A new node, or one that says something new of itself. A node that was lost is again what its
// operator wished.
struct NodeRegistered {
  static constexpr std::uint16_t fact = 0x1102;
  static constexpr std::string_view tag = "node_registered";
  NodeId node;
  Inventory inventory;
};
DESCRIBE(NodeRegistered, node, inventory)

struct NodeStateSet {
  static constexpr std::uint16_t fact = 0x1103;
  static constexpr std::string_view tag = "node_state_set";
  NodeId node;
  NodeState state = NodeState::ready;
  std::string why;
};
DESCRIBE(NodeStateSet, node, state, why)

struct NodeLost {
  static constexpr std::uint16_t fact = 0x1107;
  static constexpr std::string_view tag = "node_lost";
  NodeId node;
  std::string why;
};
DESCRIBE(NodeLost, node, why)

struct NodeSeen {
  static constexpr std::uint16_t fact = 0x1104;
  static constexpr std::string_view tag = "node_seen";
  NodeId node;
};
DESCRIBE(NodeSeen, node)

struct Allocated {
  static constexpr std::uint16_t fact = 0x1105;
  static constexpr std::string_view tag = "allocated";
  Allocation allocation;
};
DESCRIBE(Allocated, allocation)

// [allocation.from, to) is what is charged.
struct AllocationEnded {
  static constexpr std::uint16_t fact = 0x1106;
  static constexpr std::string_view tag = "allocation_ended";
  AllocationId allocation;
  Instant to;
};
DESCRIBE(AllocationEnded, allocation, to)

using Event = std::variant<SiteRegistered, NodeRegistered, NodeStateSet, NodeSeen, Allocated,
                           AllocationEnded, NodeLost>;

// Errors: invalid (a field), not_found (site, node, allocation), conflict (node not ready, id used
// with another content), exhausted (the node has not that much free, naming what is).
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- questions

const Node* find(const State& state, NodeId id);
const Node* find_by_name(const State& state, std::string_view name);
const Allocation* find_allocation(const State& state, AllocationId id);

// What a ready node has left; an unhealthy accelerator has nothing.
Use free_of(const Node& node);
// The live allocations of a node or of a workload, by id.
std::vector<const Allocation*> allocations_on(const State& state, NodeId node);
std::vector<const Allocation*> allocations_of(const State& state, WorkloadId workload);
// Live allocations that began before their node's present boot: their tasks are gone.
std::vector<const Allocation*> from_earlier_boot(const State& state);

}  // namespace bessemer::site
