// The scheduler: a pure function from what is to what should happen next.
//
// The snapshot is plain data that the caller fills from the facts. The plan proposes; governance
// may refuse a proposal, and then sets Pending::refused until a fact changes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/id.h"
#include "base/time.h"
#include "base/wide.h"

namespace bessemer::scheduler {

struct Device {
  std::uint32_t free_milli = 1'000;
  bool usable = true;                // healthy: otherwise nothing new goes there
  friend bool operator==(const Device&, const Device&) = default;
};
DESCRIBE(Device, free_milli, usable)

// A node: what it is, and what is free on it. Its devices are of one model.
struct Node {
  NodeId id;
  std::uint32_t pool = 0;                // index into Snapshot::pools
  std::string model;                     // empty: no accelerators
  bool open = true;                      // takes new work: ready, not cordoned, not down
  std::uint64_t cpu_millis = 0;          // capacity
  std::uint64_t memory_bytes = 0;
  std::uint64_t free_cpu_millis = 0;
  std::uint64_t free_memory_bytes = 0;
  std::vector<Device> devices;           // by index
  friend bool operator==(const Node&, const Node&) = default;
};
DESCRIBE(Node, id, pool, model, open, cpu_millis, memory_bytes, free_cpu_millis,
         free_memory_bytes, devices)

// What a queue has and uses in one pool; all in thousandths.
struct Quota {
  std::optional<std::uint64_t> deserved_gpu_milli;  // none: not declared
  std::uint32_t weight = 100;
  std::optional<std::uint64_t> limit_gpu_milli;
  std::optional<std::uint64_t> limit_cpu_millis;
  // Used by workloads of this very node of the organisation, not of its descendants; everything in
  // Snapshot::running is counted here.
  std::uint64_t used_gpu_milli = 0;
  std::uint64_t used_cpu_millis = 0;
  std::uint64_t fixed_gpu_milli = 0;     // the part used by work that is not preemptible
  friend bool operator==(const Quota&, const Quota&) = default;
};
DESCRIBE(Quota, deserved_gpu_milli, weight, limit_gpu_milli, limit_cpu_millis, used_gpu_milli,
         used_cpu_millis, fixed_gpu_milli)

// A node of the organisation tree. Parents stand before their children; the first is the root.
struct Queue {
  OrgId node;
  std::int32_t parent = -1;
  std::vector<Quota> pools;              // by pool index; shorter: nothing declared nor used
  friend bool operator==(const Queue&, const Queue&) = default;
};
DESCRIBE(Queue, node, parent, pools)

// Money as a resource: what a budget still has for new work.
struct SpendLimit {
  OrgId node;                            // whose budget it is
  Wide available_nano = 0;               // in the budget's own currency
  friend bool operator==(const SpendLimit&, const SpendLimit&) = default;
};
DESCRIBE(SpendLimit, node, available_nano)

// What each task of a gang needs.
struct Shape {
  std::uint32_t gpus = 0;                // whole accelerators of one node, or
  std::uint32_t gpu_milli = 0;           // 1..999 of one
  std::string gpu_model;                 // empty: any
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t milli() const { return std::uint64_t{gpus} * 1'000 + gpu_milli; }
  friend auto operator<=>(const Shape&, const Shape&) = default;
};
DESCRIBE(Shape, gpus, gpu_milli, gpu_model, cpu_millis, memory_bytes)

// A draw on one SpendLimit: what is held when the workload starts.
struct Cost {
  std::uint32_t limit = 0;               // index into Snapshot::spend_limits
  Wide nano = 0;
  friend bool operator==(const Cost&, const Cost&) = default;
};
DESCRIBE(Cost, limit, nano)

struct Pending {
  WorkloadId workload;
  std::uint32_t queue = 0;               // index into Snapshot::queues
  Shape shape;
  std::uint32_t tasks = 1;
  // In order of preference; empty: any. An index beyond Snapshot::pools is a pool that is not.
  std::vector<std::uint32_t> pools;
  std::int32_t priority = 0;
  bool preemptible = true;
  Instant submitted_at;
  std::optional<Instant> not_before;     // backoff
  bool held = false;                     // somebody keeps it back
  bool refused = false;                  // governance said no, and nothing has changed since
  std::vector<Cost> costs;
  friend bool operator==(const Pending&, const Pending&) = default;
};
DESCRIBE(Pending, workload, queue, shape, tasks, pools, priority, preemptible, submitted_at,
         not_before, held, refused, costs)

struct Share {
  std::uint32_t index = 0;
  std::uint32_t milli = 1'000;
  friend bool operator==(const Share&, const Share&) = default;
};
DESCRIBE(Share, index, milli)

// Where one task goes or is.
struct Place {
  std::uint32_t node = 0;                // index into Snapshot::nodes
  std::vector<Share> devices;
  friend bool operator==(const Place&, const Place&) = default;
};
DESCRIBE(Place, node, devices)

// Work that runs and may be asked to give its room back, or already was. What is not preemptible
// is not listed.
struct Running {
  WorkloadId workload;
  std::uint32_t generation = 0;
  std::uint32_t queue = 0;
  std::uint32_t pool = 0;
  std::uint64_t cpu_millis = 0;          // of each task
  std::uint64_t memory_bytes = 0;
  std::vector<Place> tasks;
  std::int32_t priority = 0;
  Instant started_at;
  std::optional<Instant> checkpointed_at;
  Duration notice;                       // what it is given between the notice and the kill
  std::optional<Instant> stopping_until; // its room is free by then
  WorkloadId claimant;                   // with stopping_until: who it is kept for
  friend bool operator==(const Running&, const Running&) = default;
};
DESCRIBE(Running, workload, generation, queue, pool, cpu_millis, memory_bytes, tasks, priority,
         started_at, checkpointed_at, notice, stopping_until, claimant)

// The room that a claim will get, part of it still in use by the claim's victims. The caller keeps
// a plan's reservations beside the facts and hands them to the next one; lost ones are found again.
struct Reserved {
  NodeId node;
  std::vector<Share> devices;
  friend bool operator==(const Reserved&, const Reserved&) = default;
};
DESCRIBE(Reserved, node, devices)
struct Reservation {
  WorkloadId workload;
  std::string pool;
  std::vector<Reserved> tasks;
  friend bool operator==(const Reservation&, const Reservation&) = default;
};
DESCRIBE(Reservation, workload, pool, tasks)

struct Snapshot {
  Instant now;
  std::vector<std::string> pools;        // names, in a fixed order
  std::vector<Node> nodes;               // in a fixed order: it breaks ties
  std::vector<Queue> queues;
  std::vector<SpendLimit> spend_limits;
  std::vector<Pending> pending;
  std::vector<Running> running;
  std::vector<Reservation> reservations; // of the plan before
  Duration max_notice = seconds(60);     // no victim's notice is longer
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};
DESCRIBE(Snapshot, now, pools, nodes, queues, spend_limits, pending, running, reservations,
         max_notice)

// ---- the plan

// Why a workload waits. Those that end in _never cannot run here as things are set up; the others
// can later.
enum class Why : std::uint8_t {
  no_room,             // fits in the pool, not now: asked, largest
  over_limit,          // a queue's limit: asked, used, limit
  outside_quota,       // not preemptible, and its quota is used: asked, used, limit
  no_budget,           // a budget has not that much left
  reclaiming,          // room is being given back: until
  backing_off,         // an earlier attempt failed: until
  held,                // somebody keeps it back
  refused,             // governance refused, and nothing has changed since
  closed_nodes,        // it would fit a node that takes no work now
  no_pool_never,       // no pool of those names has a node
  no_model_never,      // no node has that accelerator
  too_big_never,       // no node is that big: asked, largest, resource
  gang_too_big_never,  // the nodes together are too small: asked, largest tasks
  limit_too_low_never, // it alone is over a queue's limit: asked, limit
  quota_too_low_never, // not preemptible, and alone over its quota: asked, limit
};
DESCRIBE_ENUM(Why, no_room, over_limit, outside_quota, no_budget, reclaiming, backing_off, held,
              refused, closed_nodes, no_pool_never, no_model_never, too_big_never,
              gang_too_big_never, limit_too_low_never, quota_too_low_never)
constexpr bool is_never(Why why) { return why >= Why::no_pool_never; }

enum class Resource : std::uint8_t { gpu_milli, cpu_millis, memory_bytes, tasks };
DESCRIBE_ENUM(Resource, gpu_milli, cpu_millis, memory_bytes, tasks)

// The answer for one workload that does not start now.
struct Verdict {
  WorkloadId workload;
  Why why = Why::no_room;
  OrgId subject;                         // whose limit, quota or budget; none for the others
  std::string pool;                      // where the numbers are from; empty: everywhere
  Resource resource = Resource::gpu_milli;
  std::uint64_t asked = 0;               // in thousandths, bytes or tasks, as `resource` says
  std::uint64_t used = 0;
  std::uint64_t limit = 0;
  std::uint64_t largest = 0;             // the largest hole on one node, or the most tasks
  std::string model;                     // the accelerator asked for; empty: any
  std::optional<Instant> until;          // when it may be different
  friend bool operator==(const Verdict&, const Verdict&) = default;
};
DESCRIBE(Verdict, workload, why, subject, pool, resource, asked, used, limit, largest, model, until)

// "waits: project vision is over its limit of 16 GPUs by 4". `subject` is the name of
// Verdict::subject as its viewer may see it ("project vision", or "another tenant").
std::string sentence(const Verdict& verdict, std::string_view subject);

struct Start {
  WorkloadId workload;
  std::uint32_t pool = 0;
  std::vector<Place> tasks;              // one per task, in order of rank
  friend bool operator==(const Start&, const Start&) = default;
};
DESCRIBE(Start, workload, pool, tasks)

// A notice to one running workload, so that `claimant` gets what its queue deserves, or what is
// of lower priority in its own queue. The caller puts the claimant into the next snapshot.
struct Notice {
  WorkloadId victim;
  std::uint32_t generation = 0;
  WorkloadId claimant;
  Duration notice;
  friend bool operator==(const Notice&, const Notice&) = default;
};
DESCRIBE(Notice, victim, generation, claimant, notice)

struct Plan {
  std::vector<Start> starts;             // in the order decided
  std::vector<Notice> notices;
  std::vector<Verdict> waits;            // one per pending workload that does not start; by id
  std::vector<Reservation> reservations; // in the order decided, which counts
  friend bool operator==(const Plan&, const Plan&) = default;
};
DESCRIBE(Plan, starts, notices, waits, reservations)

// Requires: indices in range; parents before children (checked). The same snapshot gives the same
// plan. After a plan is carried out, planning again starts nothing and gives no notice.
Plan plan(const Snapshot& snapshot);

// The snapshot as it is once `plan` is carried out and nothing else has happened.
Snapshot after(Snapshot snapshot, const Plan& plan);

}  // namespace bessemer::scheduler
