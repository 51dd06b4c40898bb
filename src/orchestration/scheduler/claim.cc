// Room that others give back: claims inside deserved quota, and more important work of a queue.
#include <algorithm>

#include "base/check.h"
#include "orchestration/scheduler/planner.h"

namespace bessemer::scheduler {
namespace {

Demand demand_of(const Pending& pending) {
  return {pending.shape.milli() * pending.tasks, pending.shape.cpu_millis * pending.tasks,
          pending.preemptible};
}

std::uint64_t milli_of(const Place& place) {
  std::uint64_t sum = 0;
  for (const Share& share : place.devices) sum += share.milli;
  return sum;
}

Demand demand_of(const Running& running) {
  Demand demand;
  for (const Place& place : running.tasks) {
    demand.gpu_milli += milli_of(place);
    demand.cpu_millis += running.cpu_millis;
  }
  return demand;
}

Room room_of(const Running& running, const Place& place) {
  return {place, running.cpu_millis, running.memory_bytes};
}

// What is lost when it stops now: time since its last checkpoint, times its accelerators.
UWide lost_work(const Running& running, Instant now) {
  const Instant since = std::max(running.started_at,
                                 running.checkpointed_at.value_or(running.started_at));
  const std::int64_t span = std::max<std::int64_t>((now - since).ns, 0);
  return UWide{static_cast<std::uint64_t>(span)} * demand_of(running).gpu_milli;
}

constexpr std::size_t answered = ~std::size_t{0};

// Victims looked at for the claims of one plan: some tenths of a second. Who is left claims in the
// next one.
constexpr std::uint64_t max_effort = 5'000'000;

// Rooms added up by node, and by accelerator.
struct Sum {
  std::uint64_t cpu = 0, memory = 0;
  std::map<std::uint32_t, std::uint32_t> devices;
};
using Rooms = std::map<std::uint32_t, Sum>;

void add(Rooms& rooms, const Place& place, std::uint64_t cpu, std::uint64_t memory) {
  Sum& sum = rooms[place.node];
  sum.cpu += cpu;
  sum.memory += memory;
  for (const Share& share : place.devices) sum.devices[share.index] += share.milli;
}

// What of `wanted` is not in `given`.
std::vector<Room> beyond(const Rooms& wanted, const Rooms& given) {
  const auto more = [](auto asked, auto had) { return asked - std::min(asked, had); };
  std::vector<Room> list;
  for (const auto& [node, sum] : wanted) {
    const auto at = given.find(node);
    const Sum had = at == given.end() ? Sum{} : at->second;
    Room room{{node, {}}, more(sum.cpu, had.cpu), more(sum.memory, had.memory)};
    for (const auto& [index, milli] : sum.devices) {
      const auto device = had.devices.find(index);
      const std::uint32_t left = more(milli, device == had.devices.end() ? 0 : device->second);
      if (left > 0) room.place.devices.push_back({index, left});
    }
    list.push_back(std::move(room));
  }
  return list;
}

}  // namespace

// ---- claims of an earlier plan whose victims still have their notice

void Planner::list_victims() {
  std::vector<std::pair<UWide, std::uint32_t>> order;  // work lost, index
  for (std::uint32_t i = 0; i < snapshot_.running.size(); ++i) {
    const Running& running = snapshot_.running[i];
    check(running.pool < victims_.size(), "scheduler: a pool that is not");
    for (const Place& place : running.tasks) {
      check(place.node < snapshot_.nodes.size(), "scheduler: a node that is not");
    }
    leaving_[i] = running.stopping_until.has_value();
    // What began only now has not yet had its turn to run.
    const bool began = running.started_at < snapshot_.now;
    if (!leaving_[i] && began) order.emplace_back(lost_work(running, snapshot_.now), i);
  }
  std::sort(order.begin(), order.end(), [&](const auto& left, const auto& right) {
    const Running &a = snapshot_.running[left.second], &b = snapshot_.running[right.second];
    return std::tie(a.priority, left.first, b.started_at, a.workload) <
           std::tie(b.priority, right.first, a.started_at, b.workload);
  });
  if (!order.empty()) on_node_.resize(snapshot_.nodes.size());
  for (const auto& [lost, victim] : order) {
    victims_[snapshot_.running[victim].pool].push_back(victim);
    for (const Place& place : snapshot_.running[victim].tasks) {
      auto& here = on_node_[place.node];
      if (here.empty() || here.back() != victim) here.push_back(victim);
    }
  }
}

void Planner::resume_claims() {
  list_victims();
  std::map<WorkloadId, std::vector<std::uint32_t>> stopping;
  for (std::uint32_t i = 0; i < snapshot_.running.size(); ++i) {
    const WorkloadId claimant = snapshot_.running[i].claimant;
    if (leaving_[i] && claimant) stopping[claimant].push_back(i);
  }
  if (stopping.empty() && snapshot_.reservations.empty()) return;
  for (std::uint32_t i = 0; i < snapshot_.nodes.size(); ++i) node_index_[snapshot_.nodes[i].id] = i;
  std::map<WorkloadId, std::uint32_t> pending;
  for (std::uint32_t i = 0; i < snapshot_.pending.size(); ++i) {
    pending[snapshot_.pending[i].workload] = i;
  }
  // First those whose room is known, so that none takes another's; then the rest find theirs.
  for (const Reservation& reservation : snapshot_.reservations) {
    const auto at = pending.find(reservation.workload);
    if (at == pending.end() || decided_[at->second]) continue;
    decided_[at->second] = hold(at->second, reservation, stopping[reservation.workload]);
  }
  for (const auto& [workload, victims] : stopping) {
    const auto at = pending.find(workload);
    if (at == pending.end() || decided_[at->second] || victims.empty()) continue;
    decided_[at->second] = resume(at->second, victims);
  }
}

std::optional<std::vector<Place>> Planner::places_of(const Reservation& reservation) const {
  std::vector<Place> places;
  for (const Reserved& each : reservation.tasks) {
    const auto at = node_index_.find(each.node);
    if (at == node_index_.end()) return std::nullopt;
    places.push_back({at->second, each.devices});
  }
  return places;
}

// Whether the workload fits just there.
bool Planner::is_there(std::uint32_t index, const std::vector<Place>& places) {
  const Pending& pending = snapshot_.pending[index];
  std::vector<Room> taken;
  for (const Place& place : places) {
    const Room room{place, pending.shape.cpu_millis, pending.shape.memory_bytes};
    if (milli_of(place) != pending.shape.milli() || !fleet_.has(pending.shape, room)) break;
    fleet_.take(room);
    taken.push_back(room);
  }
  for (const Room& room : taken) fleet_.give(room);
  return taken.size() == pending.tasks;
}

// Starts in the reserved room, or keeps it while victims leave it; false when it is not all there.
bool Planner::hold(std::uint32_t index, const Reservation& reservation,
                   const std::vector<std::uint32_t>& victims) {
  const Pending& pending = snapshot_.pending[index];
  const auto& names = snapshot_.pools;
  const auto pool = static_cast<std::uint32_t>(
      std::find(names.begin(), names.end(), reservation.pool) - names.begin());
  const auto& pools = pools_of(index);
  const auto places = places_of(reservation);
  if (!places || places->size() != pending.tasks) return false;
  if (std::find(pools.begin(), pools.end(), pool) == pools.end()) return false;
  if (never(index, pool) || keeps_out(pending) || unaffordable(pending)) return false;
  if (!refusal(index, pool) && is_there(index, *places)) {
    for (const Place& place : *places) {
      fleet_.take({place, pending.shape.cpu_millis, pending.shape.memory_bytes});
    }
    start(index, pool, *places);
    return true;
  }
  for (const std::uint32_t victim : victims) remove(victim);
  const bool will_be = !refusal(index, pool) && is_there(index, *places);
  for (const std::uint32_t victim : victims) put_back(victim);
  if (will_be) reserve(index, pool, *places, victims);
  return will_be;
}

// The same where the reservation is lost: starts on what is free, or finds the room again.
bool Planner::resume(std::uint32_t index, const std::vector<std::uint32_t>& victims) {
  const Pending& pending = snapshot_.pending[index];
  if (keeps_out(pending) || unaffordable(pending)) return false;
  for (const std::uint32_t pool : pools_of(index)) {
    if (!attempt(index, pool)) return true;
  }
  for (const std::uint32_t pool : pools_of(index)) {
    if (never(index, pool)) continue;
    for (const std::uint32_t victim : victims) remove(victim);
    const auto places = refusal(index, pool) ? std::nullopt : fits(index, pool);
    for (const std::uint32_t victim : victims) put_back(victim);
    if (!places) continue;
    reserve(index, pool, *places, victims);
    return true;
  }
  return false;
}

// ---- new claims

// What started after a claim's turn may have borrowed: then there is something to take back.
void Planner::claim_again() {
  for (bool any = !plan_.starts.empty(); any;) {
    any = false;
    hopeless_.clear();
    for (auto& [index, at] : short_) {
      if (at == answered || !claim(index)) continue;
      plan_.waits[at] = std::move(plan_.waits.back());
      plan_.waits.pop_back();
      at = answered;
      any = true;
    }
  }
}

bool Planner::claim(std::uint32_t index) {
  const Pending& pending = snapshot_.pending[index];
  if (effort_ > max_effort || unaffordable(pending)) return false;
  for (const Means means : {Means::reclaim, Means::preempt}) {
    for (const std::uint32_t pool : pools_of(index)) {
      if (pool >= snapshot_.pools.size() || victims_[pool].empty()) continue;
      if (never(index, pool) || class_of(index, pool).fit->kind != Fit::Kind::fits) continue;
      if (means == Means::reclaim && !tree_.deserves(pending.queue, pool, demand_of(pending))) {
        continue;
      }
      const ClaimKey key{pending.queue,       class_ids_[index], pool,
                         pending.preemptible, means,
                         means == Means::preempt ? pending.priority : 0};
      if (hopeless_.contains(key)) continue;
      if (claim(index, pool, means)) return true;
      hopeless_.insert(key);
    }
  }
  return false;
}

bool Planner::claim(std::uint32_t index, std::uint32_t pool, Means means) {
  std::vector<std::uint32_t> victims = gather(index, pool, means);
  if (victims.empty()) return false;
  spare(index, pool, victims);
  const auto places = fits(index, pool);
  check(places.has_value(), "scheduler: a claim that no longer fits");
  for (const std::uint32_t victim : victims) put_back(victim);
  const WorkloadId claimant = snapshot_.pending[index].workload;
  for (const std::uint32_t victim : victims) {
    const Running& running = snapshot_.running[victim];
    leaving_[victim] = true;
    plan_.notices.push_back({running.workload, running.generation, claimant,
                             std::min(running.notice, snapshot_.max_notice)});
  }
  reserve(index, pool, *places, victims);
  return true;
}

bool Planner::may_take(std::uint32_t index, std::uint32_t pool, Means means,
                       std::uint32_t victim) const {
  const Pending& pending = snapshot_.pending[index];
  const Running& running = snapshot_.running[victim];
  if (leaving_[victim] || running.pool != pool) return false;
  if (means == Means::preempt) {
    return running.queue == pending.queue && running.priority < pending.priority;
  }
  return tree_.lends(running.queue, pending.queue, pool, demand_of(pending));
}

// Removes those of `list` that may be taken, in order, until the workload fits. What it removed
// stays removed when it fits, and is put back when it never does.
std::vector<std::uint32_t> Planner::take_from(std::uint32_t index, std::uint32_t pool, Means means,
                                              const std::vector<std::uint32_t>& list) {
  const Pending& pending = snapshot_.pending[index];
  const bool needs_room = !would_fit(index, pool);
  std::vector<std::uint32_t> victims;
  for (const std::uint32_t victim : list) {
    effort_ += 16;
    if (!may_take(index, pool, means, victim)) continue;
    const auto& tasks = snapshot_.running[victim].tasks;
    const bool helps = std::any_of(tasks.begin(), tasks.end(), [&](const Place& place) {
      return fleet_.suits(pending.shape, place.node);
    });
    if (needs_room && !helps && !refusal(index, pool)) continue;
    remove(victim);
    victims.push_back(victim);
    if (!refusal(index, pool) && would_fit(index, pool)) return victims;
  }
  for (const std::uint32_t victim : victims) put_back(victim);
  return {};
}

// Visits who may be asked as things stand, gentlest first, until visit() says to stop.
template <class Visit>
void Planner::each_candidate(std::uint32_t index, std::uint32_t pool, Means means,
                             Visit&& visit) {
  const auto& all = victims_[pool];
  std::size_t& first = first_victim_[pool];
  while (first < all.size() && leaving_[all[first]]) ++first;
  // Whether it may be taken is the same for all work of a queue and priority.
  std::map<std::pair<std::uint32_t, std::int32_t>, bool> known;
  for (std::size_t i = first; i < all.size(); ++i) {
    ++effort_;
    if (leaving_[all[i]]) continue;
    const Running& running = snapshot_.running[all[i]];
    const auto [at, fresh] = known.try_emplace({running.queue, running.priority}, false);
    if (fresh) at->second = may_take(index, pool, means, all[i]);
    if (at->second && !visit(all[i])) return;
  }
}

std::vector<std::uint32_t> Planner::candidates(std::uint32_t index, std::uint32_t pool,
                                               Means means) {
  std::vector<std::uint32_t> list;
  each_candidate(index, pool, means, [&](std::uint32_t victim) {
    list.push_back(victim);
    return true;
  });
  return list;
}

// The first nodes that would have room if all their candidates went.
std::vector<std::uint32_t> Planner::promising_nodes(std::uint32_t index, std::uint32_t pool,
                                                    Means means) {
  constexpr std::size_t most_nodes = 16;  // compared
  const Shape& shape = snapshot_.pending[index].shape;
  std::vector<std::uint32_t> nodes;
  fleet_.forget_gains();
  each_candidate(index, pool, means, [&](std::uint32_t victim) {
    const Running& running = snapshot_.running[victim];
    for (const Place& place : running.tasks) {
      effort_ += 4;
      if (!fleet_.gain(shape, room_of(running, place))) continue;
      if (std::find(nodes.begin(), nodes.end(), place.node) == nodes.end()) {
        nodes.push_back(place.node);
      }
    }
    return nodes.size() < most_nodes;
  });
  return nodes;
}

// The victims on the one node where the least work is lost; none when no single node will do.
std::vector<std::uint32_t> Planner::on_one_node(std::uint32_t index, std::uint32_t pool,
                                                Means means) {
  std::optional<std::pair<UWide, std::uint32_t>> best;
  for (const std::uint32_t node : promising_nodes(index, pool, means)) {
    const auto victims = take_from(index, pool, means, on_node_[node]);
    if (victims.empty()) continue;
    UWide lost = 0;
    for (const std::uint32_t victim : victims) {
      lost += lost_work(snapshot_.running[victim], snapshot_.now);
      put_back(victim);
    }
    if (!best || std::pair(lost, node) < *best) best = std::pair(lost, node);
  }
  if (!best) return {};
  return take_from(index, pool, means, on_node_[best->second]);
}

// Removes the victims that lose the least work; a single task needs only one node.
std::vector<std::uint32_t> Planner::gather(std::uint32_t index, std::uint32_t pool, Means means) {
  if (snapshot_.pending[index].tasks == 1 && !would_fit(index, pool)) {
    return on_one_node(index, pool, means);
  }
  return take_from(index, pool, means, candidates(index, pool, means));
}

// Puts back every victim that the workload can do without, the hardest hit first.
void Planner::spare(std::uint32_t index, std::uint32_t pool,
                    std::vector<std::uint32_t>& victims) {
  for (std::size_t i = victims.size(); i-- > 0;) {
    put_back(victims[i]);
    if (victims.size() > 1 && !refusal(index, pool) && would_fit(index, pool)) {
      victims.erase(victims.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      remove(victims[i]);
    }
  }
}

bool Planner::would_fit(std::uint32_t index, std::uint32_t pool) {
  return fits(index, pool).has_value();
}

// Where the gang would go; takes nothing.
std::optional<std::vector<Place>> Planner::fits(std::uint32_t index, std::uint32_t pool) {
  const Pending& pending = snapshot_.pending[index];
  auto placing = fleet_.place(pending.shape, pending.tasks, pool);
  if (placing.places.empty()) return std::nullopt;
  for (const Place& place : placing.places) {
    fleet_.give({place, pending.shape.cpu_millis, pending.shape.memory_bytes});
  }
  return std::move(placing.places);
}

// Counts the workload in advance: of the free room, what its victims will not give it.
void Planner::reserve(std::uint32_t index, std::uint32_t pool, std::vector<Place> places,
                      const std::vector<std::uint32_t>& victims) {
  const Pending& pending = snapshot_.pending[index];
  Rooms wanted, given;
  std::vector<Tree::Leaving> leaving;
  Instant until = snapshot_.now;
  for (const Place& place : places) {
    add(wanted, place, pending.shape.cpu_millis, pending.shape.memory_bytes);
  }
  for (const std::uint32_t victim : victims) {
    const Running& running = snapshot_.running[victim];
    for (const Place& place : running.tasks) {
      add(given, place, running.cpu_millis, running.memory_bytes);
    }
    leaving.push_back({running.queue, demand_of(running)});
    const Duration notice = std::min(running.notice, snapshot_.max_notice);
    until = std::max(until, running.stopping_until.value_or(snapshot_.now + notice));
  }
  for (const Room& room : beyond(wanted, given)) fleet_.take(room);
  tree_.expect(pending.queue, pool, demand_of(pending), leaving);
  turns_.changed(pending.queue);
  spend(pending);
  Verdict said = verdict(index, Why::reclaiming);
  said.pool = snapshot_.pools[pool];
  said.until = until;
  plan_.waits.push_back(std::move(said));
  Reservation reservation{pending.workload, snapshot_.pools[pool], {}};
  for (Place& place : places) {
    reservation.tasks.push_back({snapshot_.nodes[place.node].id, std::move(place.devices)});
  }
  plan_.reservations.push_back(std::move(reservation));
}

void Planner::remove(std::uint32_t victim) {
  const Running& running = snapshot_.running[victim];
  for (const Place& place : running.tasks) fleet_.give(room_of(running, place));
  tree_.remove(running.queue, running.pool, demand_of(running));
}

void Planner::put_back(std::uint32_t victim) {
  const Running& running = snapshot_.running[victim];
  for (const Place& place : running.tasks) fleet_.take(room_of(running, place));
  tree_.add(running.queue, running.pool, demand_of(running));
}

}  // namespace bessemer::scheduler
