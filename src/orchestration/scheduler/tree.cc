// Quotas, limits and fair turns over the tree of queues.
#include "orchestration/scheduler/tree.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::scheduler {

Tree::Tree(const Snapshot& snapshot, const std::vector<std::uint64_t>& pool_capacity)
    : pools_(snapshot.pools.size()) {
  const std::size_t count = snapshot.queues.size();
  check(count > 0, "scheduler: a snapshot without a root queue");
  const std::size_t cells = count * pools_;
  quotas_.resize(cells);
  declared_.resize(cells, false);
  deserved_.resize(cells, 0);
  below_.resize(cells, 0);
  holder_.resize(cells, 0);
  use_.resize(cells);
  own_gpu_.resize(count, 0);
  own_cpu_.resize(count, 0);
  paths_.resize(count);
  for (std::uint32_t queue = 0; queue < count; ++queue) {
    const Queue& given = snapshot.queues[queue];
    check((queue == 0) == (given.parent < 0), "scheduler: the first queue is the only root");
    check(given.parent < static_cast<std::int32_t>(queue), "scheduler: a parent after its child");
    paths_[queue].push_back(queue);
    if (queue > 0) {
      const auto& above = paths_[static_cast<std::size_t>(given.parent)];
      paths_[queue].insert(paths_[queue].end(), above.begin(), above.end());
    }
    for (std::uint32_t pool = 0; pool < pools_; ++pool) {
      const std::size_t cell = at(queue, pool);
      if (pool < given.pools.size()) quotas_[cell] = given.pools[pool];
      const auto& declared = quotas_[cell].deserved_gpu_milli;
      declared_[cell] = declared.has_value();
      deserved_[cell] = declared.value_or(queue == 0 ? pool_capacity[pool] : 0);
      const bool holds = declared_[cell] || queue == 0;
      const std::uint32_t above = queue == 0 ? 0 : holder_[at(paths_[queue][1], pool)];
      holder_[cell] = holds ? queue : above;
      if (holds && queue > 0) below_[at(above, pool)] += deserved_[cell];
    }
  }
  for (std::uint32_t queue = 0; queue < count; ++queue) {
    for (std::uint32_t pool = 0; pool < pools_; ++pool) {
      const Quota used = quotas_[at(queue, pool)];
      check(used.fixed_gpu_milli <= used.used_gpu_milli, "scheduler: more fixed than used");
      add(queue, pool, {used.fixed_gpu_milli, 0, false});
      add(queue, pool, {used.used_gpu_milli - used.fixed_gpu_milli, used.used_cpu_millis, true});
    }
  }
}

void Tree::move(std::uint32_t queue, std::uint32_t pool, const Demand& demand, bool up) {
  const auto shift = [&](std::uint64_t& value, std::uint64_t by) {
    check(up || value >= by, "scheduler: less used than given back");
    value = up ? value + by : value - by;
  };
  shift(own_gpu_[queue], demand.gpu_milli);
  shift(own_cpu_[queue], demand.cpu_millis);
  for (const std::uint32_t each : paths_[queue]) {
    Use& use = use_[at(each, pool)];
    shift(use.gpu, demand.gpu_milli);
    shift(use.cpu, demand.cpu_millis);
    if (!demand.preemptible) shift(use.fixed, demand.gpu_milli);
  }
  if (!demand.preemptible) {
    shift(use_[at(holder_[at(queue, pool)], pool)].rest_fixed, demand.gpu_milli);
  }
}

void Tree::add(std::uint32_t queue, std::uint32_t pool, const Demand& demand) {
  move(queue, pool, demand, true);
}

void Tree::remove(std::uint32_t queue, std::uint32_t pool, const Demand& demand) {
  move(queue, pool, demand, false);
}

std::optional<Refusal> Tree::refuse_at(std::uint32_t queue, std::uint32_t pool,
                                       const Demand& demand) const {
  const Quota& quota = quotas_[at(queue, pool)];
  const Use& use = use_[at(queue, pool)];
  const auto over = [&](Resource resource, std::optional<std::uint64_t> limit,
                        std::uint64_t used, std::uint64_t asked) -> std::optional<Refusal> {
    if (!limit || asked == 0 || used + asked <= *limit) return std::nullopt;
    const Why why = asked > *limit ? Why::limit_too_low_never : Why::over_limit;
    return Refusal{why, queue, resource, asked, used, *limit};
  };
  if (auto no = over(Resource::gpu_milli, quota.limit_gpu_milli, use.gpu, demand.gpu_milli)) {
    return no;
  }
  if (auto no = over(Resource::cpu_millis, quota.limit_cpu_millis, use.cpu, demand.cpu_millis)) {
    return no;
  }
  if (demand.gpu_milli == 0) return std::nullopt;
  const bool holds = declared_[at(queue, pool)] || queue == 0;
  const bool bound = (!demand.preemptible && holds) || quota.weight == 0;
  const std::uint64_t used = quota.weight == 0 ? use.gpu : use.fixed;
  const std::uint64_t quota_milli = deserved_[at(queue, pool)];
  if (!bound || used + demand.gpu_milli <= quota_milli) return std::nullopt;
  const bool never = demand.gpu_milli > quota_milli;
  return Refusal{never ? Why::quota_too_low_never : Why::outside_quota, queue,
                 Resource::gpu_milli, demand.gpu_milli, used, quota_milli};
}

// Work that is not preemptible must leave room for what the holder's descendants deserve.
std::optional<Refusal> Tree::refuse_rest(std::uint32_t queue, std::uint32_t pool,
                                         const Demand& demand) const {
  if (demand.preemptible || demand.gpu_milli == 0) return std::nullopt;
  const std::uint32_t holder = holder_[at(queue, pool)];
  const std::size_t cell = at(holder, pool);
  const std::uint64_t rest = deserved_[cell] - std::min(deserved_[cell], below_[cell]);
  const std::uint64_t used = use_[cell].rest_fixed;
  if (used + demand.gpu_milli <= rest) return std::nullopt;
  const bool never = demand.gpu_milli > rest;
  return Refusal{never ? Why::quota_too_low_never : Why::outside_quota, holder,
                 Resource::gpu_milli, demand.gpu_milli, used, rest};
}

std::optional<Refusal> Tree::refuse(std::uint32_t queue, std::uint32_t pool,
                                    const Demand& demand) const {
  std::optional<Refusal> first = refuse_rest(queue, pool, demand);
  if (first && is_never(first->why)) return first;
  for (auto each = paths_[queue].rbegin(); each != paths_[queue].rend(); ++each) {
    const auto no = refuse_at(*each, pool, demand);
    if (no && is_never(no->why)) return no;
    if (no && !first) first = no;
  }
  return first;
}

bool Tree::deserves(std::uint32_t queue, std::uint32_t pool, const Demand& demand) const {
  if (demand.gpu_milli == 0) return false;
  return std::any_of(paths_[queue].begin(), paths_[queue].end(), [&](std::uint32_t each) {
    const std::size_t cell = at(each, pool);
    return each != 0 && declared_[cell] && use_[cell].gpu + demand.gpu_milli <= deserved_[cell];
  });
}

bool Tree::lends(std::uint32_t victim, std::uint32_t claimant, std::uint32_t pool,
                 const Demand& demand) const {
  // Both paths end at the root: what they share is their common end.
  const auto& mine = paths_[claimant];
  const auto& theirs = paths_[victim];
  std::size_t shared = 0;
  while (shared < mine.size() && shared < theirs.size() &&
         mine[mine.size() - 1 - shared] == theirs[theirs.size() - 1 - shared]) {
    ++shared;
  }
  bool entitled = false;
  for (std::size_t i = mine.size() - shared; i-- > 0;) {
    const std::size_t cell = at(mine[i], pool);
    if (!declared_[cell]) continue;
    entitled = use_[cell].gpu + demand.gpu_milli <= deserved_[cell];
    break;
  }
  if (!entitled || theirs.size() == shared) return false;
  for (std::size_t i = 0; i < theirs.size() - shared; ++i) {
    const std::size_t cell = at(theirs[i], pool);
    if (use_[cell].gpu <= deserved_[cell]) return false;
  }
  return true;
}

void Tree::expect(std::uint32_t queue, std::uint32_t pool, const Demand& demand,
                  const std::vector<Leaving>& victims) {
  const auto more = [](std::uint64_t asked, std::uint64_t leaving) {
    return asked - std::min(asked, leaving);
  };
  for (const std::uint32_t each : paths_[queue]) {
    std::uint64_t gpu = 0, cpu = 0;
    for (const Leaving& victim : victims) {
      const auto& path = paths_[victim.queue];
      if (std::find(path.begin(), path.end(), each) == path.end()) continue;
      gpu += victim.demand.gpu_milli;
      cpu += victim.demand.cpu_millis;
    }
    Use& use = use_[at(each, pool)];
    use.gpu += more(demand.gpu_milli, gpu);
    use.cpu += more(demand.cpu_millis, cpu);
    if (!demand.preemptible) use.fixed += demand.gpu_milli;
    if (each != queue) continue;
    own_gpu_[queue] += more(demand.gpu_milli, gpu);
    own_cpu_[queue] += more(demand.cpu_millis, cpu);
  }
  if (!demand.preemptible) {
    use_[at(holder_[at(queue, pool)], pool)].rest_fixed += demand.gpu_milli;
  }
}

bool operator<(const Tree::Standing& a, const Tree::Standing& b) {
  const auto less = [](std::uint64_t an, std::uint64_t ad, std::uint64_t bn, std::uint64_t bd) {
    const UWide left = UWide{an} * bd, right = UWide{bn} * ad;
    return left < right ? -1 : left > right ? 1 : 0;
  };
  if (a.borrows != b.borrows) return !a.borrows;
  if (!a.borrows) {
    if (const int by = less(a.used, a.deserved, b.used, b.deserved)) return by < 0;
  }
  // A weight of 0 never borrows: it comes last.
  if ((a.weight == 0) != (b.weight == 0)) return b.weight == 0;
  if (const int by = less(a.surplus, a.weight, b.surplus, b.weight)) return by < 0;
  return less(a.cpu, a.weight, b.cpu, b.weight) < 0;
}

Tree::Standing Tree::standing(std::uint32_t queue) const {
  Standing standing;
  for (std::uint32_t pool = 0; pool < pools_; ++pool) {
    const std::size_t cell = at(queue, pool);
    const std::uint64_t deserved = declared_[cell] ? deserved_[cell] : 0;
    standing.used += use_[cell].gpu;
    standing.cpu += use_[cell].cpu;
    standing.deserved += deserved;
    standing.surplus += use_[cell].gpu - std::min(use_[cell].gpu, deserved);
    standing.weight = std::max<std::uint64_t>(standing.weight, quotas_[cell].weight);
  }
  standing.borrows = standing.used >= standing.deserved;
  return standing;
}

Tree::Standing Tree::own_standing(std::uint32_t queue) const {
  Standing standing;
  standing.borrows = true;
  standing.used = standing.surplus = own_gpu_[queue];
  standing.cpu = own_cpu_[queue];
  standing.weight = Quota{}.weight;
  return standing;
}

}  // namespace bessemer::scheduler
