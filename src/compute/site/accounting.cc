// Sweeps the past of a pool's nodes and sorts each moment of their capacity into one class.
#include "compute/site/accounting.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::site {
namespace {

constexpr std::int64_t hour_ns = hours(1).ns;

Instant hour_start(std::int64_t hour) { return {hour * hour_ns}; }

// What is claimed of a node at a moment; capacity and state come from its span.
struct Level {
  Wide foreign = 0, allocated = 0, reserved = 0;
};
enum class Part : std::uint8_t { foreign, allocated, reserved };

// A change of level at a moment.
struct Step {
  Instant at;
  Part part = Part::allocated;
  Wide gpu = 0, cpu = 0;
};

void add(Level& level, Part part, Wide amount) {
  switch (part) {
    case Part::foreign: level.foreign += amount; break;
    case Part::allocated: level.allocated += amount; break;
    case Part::reserved: level.reserved += amount; break;
  }
}

// Sorts `capacity` x `span` into classes, by precedence.
void sort_into(Classes& classes, const Level& level, Wide capacity, NodeState state, Wide span) {
  classes.capacity += capacity * span;
  Wide left = capacity;
  const auto take = [&](Wide& into, Wide amount) {
    const Wide taken = std::min(left, amount);
    into += taken * span;
    left -= taken;
  };
  if (state == NodeState::down) return take(classes.down, left);
  take(classes.foreign, level.foreign);
  take(classes.allocated, level.allocated);
  take(classes.reserved, level.reserved);
  take(state == NodeState::ready ? classes.free : classes.cordoned, left);
}

struct Interval {
  Instant from, to;
};

// The steps of a node within the interval, in order of time.
std::vector<Step> steps_of(const State& state, NodeId node, const Interval& interval,
                           const std::vector<ClaimSpan>& claims,
                           const std::vector<const Allocation*>& live) {
  std::vector<Step> steps;
  const auto claim = [&](Part part, Instant from, Instant to, Wide gpu, Wide cpu) {
    from = std::max(from, interval.from);
    to = std::min(to, interval.to);
    if (from >= to) return;
    steps.push_back({from, part, gpu, cpu});
    steps.push_back({to, part, -gpu, -cpu});
  };
  for (const UseSpan& use : state.past.at(node).uses) {
    claim(Part::allocated, use.from, use.to, Wide{use.gpu_milli}, Wide{use.cpu_millis});
  }
  for (const Allocation* each : live) {
    claim(Part::allocated, each->from, interval.to, Wide{each->milli()}, Wide{each->cpu_millis});
  }
  for (const ClaimSpan& each : claims) {
    if (each.node != node) continue;
    const Part part = each.claim == Claim::foreign ? Part::foreign : Part::reserved;
    claim(part, each.from, each.to, Wide{each.gpu_milli}, Wide{each.cpu_millis});
  }
  // Steps at one moment add up, whatever their order.
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.at < b.at; });
  return steps;
}

// Accounts one node as long as it was in `pool`.
void sweep(TimeUse& use, const std::vector<NodeSpan>& spans, std::string_view pool,
           const Interval& interval, const std::vector<Step>& steps) {
  Level gpu, cpu;
  std::size_t step = 0;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const NodeSpan& span = spans[i];
    const Instant end = i + 1 < spans.size() ? spans[i + 1].from : interval.to;
    Instant at = std::max(span.from, interval.from);
    const Instant stop = std::min(end, interval.to);
    while (at < stop) {
      for (; step < steps.size() && steps[step].at <= at; ++step) {
        add(gpu, steps[step].part, steps[step].gpu);
        add(cpu, steps[step].part, steps[step].cpu);
      }
      const Instant next = step < steps.size() ? std::min(stop, steps[step].at) : stop;
      if (span.pool == pool) {
        const Wide length = (next - at).ns;
        sort_into(use.gpu, gpu, Wide{span.gpu_milli}, span.state, length);
        sort_into(use.cpu, cpu, Wide{span.cpu_millis}, span.state, length);
      }
      at = next;
    }
  }
}

// The recent past: everything from folded_until on.
TimeUse account_recent(const State& state, std::string_view pool, const Interval& interval,
                       const std::vector<ClaimSpan>& claims) {
  std::map<NodeId, std::vector<const Allocation*>> live;
  for (const auto& [id, allocation] : state.allocations) {
    live[allocation.node].push_back(&allocation);
  }
  TimeUse use;
  for (const auto& [node, past] : state.past) {
    const bool ever = std::any_of(past.nodes.begin(), past.nodes.end(),
                                  [&](const NodeSpan& span) { return span.pool == pool; });
    if (!ever) continue;
    sweep(use, past.nodes, pool, interval,
          steps_of(state, node, interval, claims, live[node]));
  }
  return use;
}

std::vector<std::string> pools_of(const State& state) {
  std::vector<std::string> pools;
  for (const auto& [node, past] : state.past) {
    for (const NodeSpan& span : past.nodes) pools.push_back(span.pool);
  }
  std::sort(pools.begin(), pools.end());
  pools.erase(std::unique(pools.begin(), pools.end()), pools.end());
  return pools;
}

// Forgets the detail of what is folded, and the hours that are too old.
void forget(State& state, Instant now) {
  for (auto& [node, past] : state.past) {
    std::erase_if(past.uses, [&](const UseSpan& use) { return use.to <= state.folded_until; });
    auto keep = past.nodes.begin();
    while (keep != past.nodes.end() && std::next(keep) != past.nodes.end() &&
           std::next(keep)->from <= state.folded_until) {
      ++keep;
    }
    past.nodes.erase(past.nodes.begin(), keep);
  }
  const std::int64_t oldest = (now - kept_past).ns / hour_ns;
  for (auto& [pool, by_hour] : state.folded) {
    by_hour.erase(by_hour.begin(), by_hour.lower_bound(oldest));
  }
}

// Moves what an allocation of `milli` had in `span` from allocated to free.
void give_back(Classes& classes, std::uint64_t milli, Wide span) {
  const Wide amount = std::min(classes.allocated, Wide{milli} * span);
  classes.allocated -= amount;
  classes.free += amount;
}

}  // namespace

Classes& Classes::operator+=(const Classes& more) {
  down += more.down;
  foreign += more.foreign;
  allocated += more.allocated;
  reserved += more.reserved;
  cordoned += more.cordoned;
  free += more.free;
  capacity += more.capacity;
  return *this;
}

TimeUse& TimeUse::operator+=(const TimeUse& more) {
  gpu += more.gpu;
  cpu += more.cpu;
  return *this;
}

Result<TimeUse> account(const State& state, std::string_view pool, Instant from, Instant to,
                        const std::vector<ClaimSpan>& claims) {
  if (from > to) return invalid("must not be before its start").at("to");
  TimeUse use;
  const Instant folded_to = std::min(to, state.folded_until);
  if (from < folded_to) {
    if (from.ns % hour_ns != 0 || folded_to.ns % hour_ns != 0) {
      return invalid("must begin and end on full hours where it is older than " +
                     to_text(state.folded_until)).at("from");
    }
    if (const auto at = state.folded.find(std::string(pool)); at != state.folded.end()) {
      const auto end = at->second.lower_bound(folded_to.ns / hour_ns);
      for (auto hour = at->second.lower_bound(from.ns / hour_ns); hour != end; ++hour) {
        use += hour->second;
      }
    }
  }
  const Instant recent = std::max(from, state.folded_until);
  if (recent < to) use += account_recent(state, pool, {recent, to}, claims);
  return use;
}

void fold(State& state, Instant now) {
  const std::int64_t until = (now - fold_after).ns / hour_ns;
  std::int64_t hour = state.folded_until.ns / hour_ns;
  if (until <= hour) return;
  // Nothing was there before the first node: no hours to fold.
  const bool empty = state.past.empty();
  const auto pools = pools_of(state);
  for (; !empty && hour < until; ++hour) {
    for (const std::string& pool : pools) {
      state.folded[pool][hour] =
          account_recent(state, pool, {hour_start(hour), hour_start(hour + 1)}, {});
    }
  }
  state.folded_until = hour_start(until);
  forget(state, now);
}

void correct(State& state, const Allocation& allocation, Instant to) {
  const auto& spans = state.past[allocation.node].nodes;
  if (spans.empty() || to >= state.folded_until) return;
  const auto at = state.folded.find(spans.front().pool);
  if (at == state.folded.end()) return;
  for (auto hour = at->second.lower_bound(to.ns / hour_ns); hour != at->second.end(); ++hour) {
    const Instant start = std::max({to, hour_start(hour->first), allocation.from});
    const Instant end = std::min(hour_start(hour->first + 1), state.folded_until);
    if (start >= end) continue;
    const Wide span = (end - start).ns;
    give_back(hour->second.gpu, allocation.milli(), span);
    give_back(hour->second.cpu, allocation.cpu_millis, span);
  }
}

}  // namespace bessemer::site
