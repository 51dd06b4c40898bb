// The scheduler's snapshot, filled from the facts.
#include "application/factory/plan.h"

#include <algorithm>

#include "application/factory/charge.h"
#include "base/check.h"

namespace bessemer::factory {
namespace {

// Fills one snapshot; keeps the indices while it does.
class Filling {
 public:
  Filling(const State& state, const Refused& refused, Instant now)
      : state_(state), refused_(refused) {
    snapshot_.now = now;
  }

  scheduler::Snapshot fill() {
    add_nodes();
    add_queues();
    for (const WorkloadId id : state_.workload.live) {
      const workload::Workload* const found = workload::find(state_.workload, id);
      check(found != nullptr, "a live workload is not there");
      if (found->phase == workload::Phase::queued) add_pending(*found);
      else add_running(*found);
    }
    return std::move(snapshot_);
  }

 private:
  std::uint32_t pool_index(const std::string& name) {
    const auto [at, fresh] =
        pools_.try_emplace(name, static_cast<std::uint32_t>(snapshot_.pools.size()));
    if (fresh) snapshot_.pools.push_back(name);
    return at->second;
  }

  void add_nodes() {
    for (const auto& [id, node] : state_.site.nodes) {
      scheduler::Node out;
      out.id = id;
      out.pool = pool_index(node.inventory.pool);
      out.open = node.state == site::NodeState::ready;
      out.cpu_millis = node.inventory.cpu_millis;
      out.memory_bytes = node.inventory.memory_bytes;
      // A node may come back smaller than what is allocated on it: free_of knows.
      const site::Use free = site::free_of(node);
      out.free_cpu_millis = free.cpu_millis;
      out.free_memory_bytes = free.memory_bytes;
      for (std::size_t i = 0; i < node.inventory.accelerators.size(); ++i) {
        const site::Accelerator& accelerator = node.inventory.accelerators[i];
        out.model = accelerator.model;
        const bool healthy = accelerator.health == site::Health::healthy;
        out.devices.push_back({free.accelerators[i], healthy});
      }
      node_index_[id] = static_cast<std::uint32_t>(snapshot_.nodes.size());
      snapshot_.nodes.push_back(std::move(out));
    }
  }

  void add_queues() {
    // Parents before children: tenant::list gives each node after its parent.
    for (const tenant::Node* node : tenant::list(state_.tenant)) {
      scheduler::Queue queue;
      queue.node = node->id;
      const auto parent = queue_index_.find(node->parent);
      queue.parent = parent == queue_index_.end() ? -1 : static_cast<std::int32_t>(parent->second);
      queue.pools.resize(snapshot_.pools.size());
      for (std::size_t pool = 0; pool < snapshot_.pools.size(); ++pool) {
        const queue::Queue* const declared =
            queue::find(state_.queue, node->id, snapshot_.pools[pool]);
        if (declared == nullptr) continue;
        scheduler::Quota& quota = queue.pools[pool];
        quota.deserved_gpu_milli = declared->deserved_gpu_milli;
        quota.weight = declared->weight;
        quota.limit_gpu_milli = declared->limit.gpu_milli;
        quota.limit_cpu_millis = declared->limit.cpu_millis;
      }
      queue_index_[node->id] = static_cast<std::uint32_t>(snapshot_.queues.size());
      snapshot_.queues.push_back(std::move(queue));
    }
  }

  // Money that starting would hold, as draws on the budgets that match.
  void add_costs(const workload::Workload& found, scheduler::Pending& pending) {
    const budget::Spender spender = spender_of(state_, found);
    const auto budgets = budget::matching(state_.budget, spender);
    if (budgets.empty()) return;
    const OrgId tenant = tenant::tenant_of(state_.tenant, found.spec.project);
    const workload::Shape shape = workload::shape_of(found.spec);
    // The accelerators are not chosen yet: what a placement costs is judged when it is proposed;
    // here the cores and memory alone tell a budget that is used up from one that is not.
    const std::vector<metering::Level> levels = {
        {pricing::Meter::cpu_time, std::string(plain_sku), Wide{shape.cpu_millis}},
        {pricing::Meter::memory_time, std::string(plain_sku), Wide{shape.memory_bytes >> 20}}};
    const auto spend = spend_for(state_, tenant, levels, paid_quantum, snapshot_.now);
    if (!spend) return;
    for (const budget::Budget* budget : budgets) {
      // A wallet says itself what it is short of, and what helps, once the start is proposed.
      if (budget->prepaid) continue;
      const Period window = budget::window_of(state_.budget, *budget, snapshot_.now);
      const Wide available = budget::available(state_.budget, *budget, window.from, class_of(found),
                                               budget::Purpose::admission);
      if (available >= budget::unbounded) continue;
      const Wide cost =
          amount_of(*spend, budget->unit, budget->currency) * found.spec.tasks.value_or(1);
      pending.costs.push_back({limit_index(*budget, class_of(found), available),
                               cost > 0 ? cost : 1});
    }
  }

  // Classes of work may go differently far in one budget. What one takes the other does not see
  // before it is proposed: then it is judged.
  std::uint32_t limit_index(const budget::Budget& budget, budget::WorkloadClass of,
                            Wide available) {
    const auto [at, fresh] = limits_.try_emplace(
        {budget.id, of}, static_cast<std::uint32_t>(snapshot_.spend_limits.size()));
    if (fresh) snapshot_.spend_limits.push_back({budget.scope.node, available});
    return at->second;
  }

  void add_pending(const workload::Workload& found) {
    const auto queue = queue_index_.find(found.spec.project);
    if (queue == queue_index_.end()) return;
    scheduler::Pending pending;
    pending.workload = found.id;
    pending.queue = queue->second;
    const workload::Shape shape = workload::shape_of(found.spec);
    pending.shape = {shape.gpus, shape.gpu_milli, shape.gpu_model, shape.cpu_millis,
                     shape.memory_bytes};
    pending.tasks = found.spec.tasks.value_or(1);
    bool known = found.spec.pools.empty();
    for (const std::string& name : found.spec.pools) {
      const auto pool = pools_.find(name);
      if (pool == pools_.end()) continue;
      pending.pools.push_back(pool->second);
      known = true;
    }
    // A name that no node has: an index of its own, which no node has either.
    if (!known) pending.pools.push_back(pool_index(found.spec.pools.front()));
    pending.priority = found.spec.priority.value_or(0);
    pending.preemptible = found.spec.preemptible.value_or(true);
    pending.submitted_at = found.submitted_at;
    pending.not_before = found.not_before;
    pending.held = found.held.has_value() ||
                   tenant::is_suspended(state_.tenant, found.spec.project);
    pending.refused = refused_.contains(found.id);
    add_costs(found, pending);
    snapshot_.pending.push_back(std::move(pending));
  }

  void add_running(const workload::Workload& found) {
    const workload::Attempt* const attempt = found.last();
    const auto queue = queue_index_.find(found.spec.project);
    if (attempt == nullptr || queue == queue_index_.end()) return;
    const workload::Shape shape = workload::shape_of(found.spec);
    scheduler::Running running;
    running.workload = found.id;
    running.generation = found.generation;
    running.queue = queue->second;
    running.cpu_millis = shape.cpu_millis;
    running.memory_bytes = shape.memory_bytes;
    running.priority = found.spec.priority.value_or(0);
    running.started_at = attempt->started_at;
    running.checkpointed_at = attempt->checkpointed_at;
    running.notice = found.spec.grace.value_or(workload::defaults::grace);
    if (attempt->stop) {
      running.stopping_until = attempt->stop->kill_at;
      running.claimant = attempt->stop->claimant;
    }
    const bool preemptible = found.spec.preemptible.value_or(true);
    for (const workload::Task& task : attempt->tasks) {
      if (task.phase == workload::TaskPhase::ended) continue;
      const auto node = node_index_.find(task.placement.node);
      if (node == node_index_.end()) continue;
      running.pool = snapshot_.nodes[node->second].pool;
      scheduler::Place place;
      place.node = node->second;
      for (const workload::Share& share : task.placement.accelerators) {
        place.devices.push_back({share.index, share.milli});
      }
      scheduler::Quota& quota = quota_of(queue->second, running.pool);
      quota.used_gpu_milli += shape.milli();
      quota.used_cpu_millis += shape.cpu_millis;
      if (!preemptible) quota.fixed_gpu_milli += shape.milli();
      running.tasks.push_back(std::move(place));
    }
    if (preemptible && !running.tasks.empty()) snapshot_.running.push_back(std::move(running));
  }

  scheduler::Quota& quota_of(std::uint32_t queue, std::uint32_t pool) {
    auto& pools = snapshot_.queues[queue].pools;
    if (pools.size() <= pool) pools.resize(pool + 1);
    return pools[pool];
  }

  const State& state_;
  const Refused& refused_;
  scheduler::Snapshot snapshot_;
  std::map<std::string, std::uint32_t> pools_;
  std::map<NodeId, std::uint32_t> node_index_;
  std::map<OrgId, std::uint32_t> queue_index_;
  std::map<std::pair<BudgetId, budget::WorkloadClass>, std::uint32_t> limits_;
};

}  // namespace

scheduler::Snapshot snapshot_of(const State& state, const Refused& refused, Instant now) {
  return Filling(state, refused, now).fill();
}

std::vector<workload::Placement> placements_of(const scheduler::Snapshot& snapshot,
                                               const scheduler::Start& start) {
  std::vector<workload::Placement> placements;
  for (const scheduler::Place& place : start.tasks) {
    workload::Placement placement;
    placement.node = snapshot.nodes.at(place.node).id;
    for (const scheduler::Share& share : place.devices) {
      placement.accelerators.push_back({share.index, share.milli});
    }
    placements.push_back(std::move(placement));
  }
  return placements;
}

std::string subject_name(const State& state, const access::Caller& viewer, OrgId subject,
                         Instant now) {
  const tenant::Node* const node = tenant::find(state.tenant, subject);
  if (node == nullptr || subject == tenant::root) return "the platform";
  const auto path = tenant::ancestors(state.tenant, subject);
  const auto decision = access::decide(state.access, viewer, path, access::Resource::org,
                                       access::Action::read, now);
  if (decision.verdict == access::Verdict::not_found) return "another tenant";
  return std::string(enum_text(node->kind)) + " " + tenant::path_of(state.tenant, subject);
}

}  // namespace bessemer::factory
