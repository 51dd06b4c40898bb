// What starts on free room, and why everything else waits.
#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "orchestration/scheduler/planner.h"

namespace bessemer::scheduler {
namespace {

std::vector<std::uint64_t> capacities(const Fleet& fleet, std::size_t pools) {
  std::vector<std::uint64_t> list;
  for (std::uint32_t pool = 0; pool < pools; ++pool) list.push_back(fleet.capacity(pool));
  return list;
}

Demand demand_of(const Pending& pending) {
  return {pending.shape.milli() * pending.tasks, pending.shape.cpu_millis * pending.tasks,
          pending.preemptible};
}

}  // namespace

Planner::Planner(const Snapshot& snapshot)
    : snapshot_(snapshot),
      fleet_(snapshot),
      tree_(snapshot, capacities(fleet_, snapshot.pools.size())),
      turns_(snapshot, tree_),
      all_pools_(snapshot.pools.size()),
      decided_(snapshot.pending.size(), false),
      victims_(snapshot.pools.size()),
      first_victim_(snapshot.pools.size(), 0),
      leaving_(snapshot.running.size(), false) {
  std::iota(all_pools_.begin(), all_pools_.end(), 0u);
  for (const SpendLimit& limit : snapshot.spend_limits) money_.push_back(limit.available_nano);
  std::map<std::pair<Shape, std::uint32_t>, std::uint32_t> known;
  for (const Pending& pending : snapshot.pending) {
    check(pending.tasks > 0, "scheduler: a gang of none");
    for (const Cost& cost : pending.costs) {
      check(cost.limit < money_.size(), "scheduler: an unknown budget");
    }
    const auto fresh = static_cast<std::uint32_t>(known.size());
    class_ids_.push_back(known.emplace(std::pair(pending.shape, pending.tasks), fresh)
                             .first->second);
  }
  classes_.resize(known.size() * snapshot.pools.size());
}

Plan Planner::run() {
  resume_claims();
  while (const auto index = turns_.next()) {
    if (!decided_[*index]) decide(*index);
  }
  claim_again();
  std::sort(plan_.waits.begin(), plan_.waits.end(),
            [](const Verdict& a, const Verdict& b) { return a.workload < b.workload; });
  return std::move(plan_);
}

const std::vector<std::uint32_t>& Planner::pools_of(std::uint32_t index) const {
  const auto& asked = snapshot_.pending[index].pools;
  return asked.empty() ? all_pools_ : asked;
}

Planner::Class& Planner::class_of(std::uint32_t index, std::uint32_t pool) {
  return classes_[class_ids_[index] * snapshot_.pools.size() + pool];
}

Verdict Planner::verdict(std::uint32_t index, Why why) const {
  const Pending& pending = snapshot_.pending[index];
  Verdict verdict;
  verdict.workload = pending.workload;
  verdict.why = why;
  verdict.model = pending.shape.gpu_model;
  return verdict;
}

// What can never be, whatever else is going on; none where the workload could run some day.
std::optional<Verdict> Planner::never(std::uint32_t index, std::uint32_t pool) {
  if (pool >= snapshot_.pools.size()) return verdict(index, Why::no_pool_never);
  const Pending& pending = snapshot_.pending[index];
  auto& known = class_of(index, pool).fit;
  if (!known) known = fleet_.fit(pending.shape, pending.tasks, pool);
  Why why = Why::no_room;
  switch (known->kind) {
    case Fit::Kind::fits: return std::nullopt;
    case Fit::Kind::closed: return std::nullopt;
    case Fit::Kind::no_node: why = Why::no_pool_never; break;
    case Fit::Kind::no_model: why = Why::no_model_never; break;
    case Fit::Kind::too_big: why = Why::too_big_never; break;
    case Fit::Kind::gang_too_big: why = Why::gang_too_big_never; break;
  }
  Verdict said = verdict(index, why);
  said.pool = snapshot_.pools[pool];
  said.resource = known->resource;
  said.asked = known->asked;
  said.largest = known->largest;
  return said;
}

std::optional<Verdict> Planner::refusal(std::uint32_t index, std::uint32_t pool) const {
  const Pending& pending = snapshot_.pending[index];
  const auto no = tree_.refuse(pending.queue, pool, demand_of(pending));
  if (!no) return std::nullopt;
  Verdict said = verdict(index, no->why);
  said.subject = snapshot_.queues[no->queue].node;
  said.pool = snapshot_.pools[pool];
  said.resource = no->resource;
  said.asked = no->asked;
  said.used = no->used;
  said.limit = no->limit;
  return said;
}

std::optional<Verdict> Planner::unaffordable(const Pending& pending) const {
  for (const Cost& cost : pending.costs) {
    if (money_[cost.limit] >= cost.nano) continue;
    Verdict said;
    said.workload = pending.workload;
    said.why = Why::no_budget;
    said.subject = snapshot_.spend_limits[cost.limit].node;
    return said;
  }
  return std::nullopt;
}

// What keeps a workload from being tried at all.
std::optional<Verdict> Planner::keeps_out(const Pending& pending) const {
  Verdict said;
  said.workload = pending.workload;
  if (pending.held) {
    said.why = Why::held;
  } else if (pending.not_before && *pending.not_before > snapshot_.now) {
    said.why = Why::backing_off;
    said.until = pending.not_before;
  } else if (pending.refused) {
    said.why = Why::refused;
  } else {
    return std::nullopt;
  }
  return said;
}

// Starts the workload in this pool, or says why not.
std::optional<Verdict> Planner::attempt(std::uint32_t index, std::uint32_t pool) {
  if (auto no = never(index, pool)) return no;
  const Pending& pending = snapshot_.pending[index];
  if (auto no = refusal(index, pool); no && is_never(no->why)) return no;
  if (auto no = keeps_out(pending)) return no;
  Class& equal = class_of(index, pool);
  if (equal.fit->kind == Fit::Kind::closed) {
    Verdict said = verdict(index, Why::closed_nodes);
    said.pool = snapshot_.pools[pool];
    said.resource = Resource::tasks;
    said.asked = equal.fit->asked;
    said.largest = equal.fit->largest;
    return said;
  }
  if (auto no = refusal(index, pool)) return no;
  if (auto no = unaffordable(pending)) return no;
  if (equal.no_room) {
    Verdict said = *equal.no_room;
    said.workload = pending.workload;
    return said;
  }
  auto placing = fleet_.place(pending.shape, pending.tasks, pool);
  if (!placing.places.empty()) {
    start(index, pool, std::move(placing.places));
    return std::nullopt;
  }
  Verdict said = verdict(index, Why::no_room);
  said.pool = snapshot_.pools[pool];
  if (placing.fitting > 0) {
    said.resource = Resource::tasks;
    said.asked = pending.tasks;
    said.largest = placing.fitting;
  } else {
    const Fit hole = fleet_.hole(pending.shape, pool);
    said.resource = hole.resource;
    said.asked = hole.asked;
    said.largest = hole.largest;
  }
  equal.no_room = said;
  return said;
}

void Planner::decide(std::uint32_t index) {
  decided_[index] = true;
  std::optional<Verdict> wait;
  for (const std::uint32_t pool : pools_of(index)) {
    auto no = attempt(index, pool);
    if (!no) return;
    if (!wait || (is_never(wait->why) && !is_never(no->why))) wait = std::move(no);
  }
  if (!wait) wait = verdict(index, Why::no_pool_never);
  const bool is_short = wait->why == Why::no_room || wait->why == Why::over_limit;
  if (is_short && claim(index)) return;
  if (is_short) short_.emplace_back(index, plan_.waits.size());
  plan_.waits.push_back(std::move(*wait));
}

void Planner::spend(const Pending& pending) {
  for (const Cost& cost : pending.costs) money_[cost.limit] -= cost.nano;
}

void Planner::start(std::uint32_t index, std::uint32_t pool, std::vector<Place> places) {
  const Pending& pending = snapshot_.pending[index];
  decided_[index] = true;
  tree_.add(pending.queue, pool, demand_of(pending));
  turns_.changed(pending.queue);
  spend(pending);
  plan_.starts.push_back({pending.workload, pool, std::move(places)});
}

Plan plan(const Snapshot& snapshot) { return Planner(snapshot).run(); }

}  // namespace bessemer::scheduler
