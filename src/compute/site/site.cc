// What is there, what is taken, and the questions about it.
#include "compute/site/site.h"

#include <algorithm>

#include "base/check.h"
#include "compute/site/accounting.h"

namespace bessemer::site {
namespace {

Node& known(State& state, NodeId id) {
  const auto at = state.nodes.find(id);
  check(at != state.nodes.end(), "site: a fact about an unknown node");
  return at->second;
}

// A new span of the node's past when something that accounting counts has changed.
void mark(State& state, const Node& node, Instant now) {
  auto& spans = state.past[node.id].nodes;
  NodeSpan span;
  span.from = spans.empty() ? std::max(now, state.folded_until) : std::max(now, spans.back().from);
  span.state = node.state;
  span.pool = node.inventory.pool;
  span.gpu_milli = node.inventory.accelerators.size() * 1'000;
  span.cpu_millis = node.inventory.cpu_millis;
  if (!spans.empty()) {
    NodeSpan last = spans.back();
    last.from = span.from;
    if (last == span) return;
  }
  spans.push_back(std::move(span));
}

void change(State& state, const SiteRegistered& event, const Context&) {
  state.sites[event.name] = event.engine;
}

void change(State& state, const NodeRegistered& event, const Context& context) {
  const auto [at, fresh] = state.nodes.try_emplace(event.node);
  Node& node = at->second;
  if (fresh) {
    node.id = event.node;
    node.registered_at = context.now;
    state.by_name[event.inventory.name] = event.node;
  }
  node.inventory = event.inventory;
  const std::size_t devices = event.inventory.accelerators.size();
  if (node.use.accelerators.size() < devices) node.use.accelerators.resize(devices, 0);
  node.last_seen = context.now;
  if (node.lost) node.why.clear();
  node.lost = false;
  node.state = node.wished;
  mark(state, node, context.now);
}

void change(State& state, const NodeStateSet& event, const Context& context) {
  Node& node = known(state, event.node);
  node.wished = event.state;
  if (!node.lost) {
    node.state = event.state;
    node.why = event.why;
  }
  mark(state, node, context.now);
}

void change(State& state, const NodeLost& event, const Context& context) {
  Node& node = known(state, event.node);
  node.lost = true;
  node.state = NodeState::down;
  node.why = event.why;
  mark(state, node, context.now);
}

void change(State& state, const NodeSeen& event, const Context& context) {
  known(state, event.node).last_seen = context.now;
}

void change(State& state, const Allocated& event, const Context&) {
  const Allocation& allocation = event.allocation;
  Use& use = known(state, allocation.node).use;
  use.cpu_millis += allocation.cpu_millis;
  use.memory_bytes += allocation.memory_bytes;
  for (const Share& share : allocation.accelerators) {
    std::uint32_t& taken = use.accelerators.at(share.index);
#ifdef BESSEMER_PLANT_DOUBLE_ALLOCATION  // see cmake/programs/simulate.cmake
    if (share.milli < 1'000) continue;
#endif
    taken += share.milli;
    check(taken <= 1'000, "site: an accelerator allocated twice");
  }
  check(state.allocations.emplace(allocation.id, allocation).second, "site: allocated twice");
}

void change(State& state, const AllocationEnded& event, const Context&) {
  const auto at = state.allocations.find(event.allocation);
  check(at != state.allocations.end(), "site: the end of an unknown allocation");
  const Allocation& allocation = at->second;
  Node& node = known(state, allocation.node);
  node.use.cpu_millis -= allocation.cpu_millis;
  node.use.memory_bytes -= allocation.memory_bytes;
  for (const Share& share : allocation.accelerators) {
    node.use.accelerators.at(share.index) -= share.milli;
  }
  node.busy_until = std::max(node.busy_until, event.to);
  correct(state, allocation, event.to);
  if (event.to > state.folded_until) {
    state.past[allocation.node].uses.push_back(
        {allocation.from, event.to, allocation.milli(), allocation.cpu_millis});
  }
  state.ended.emplace(event.allocation, event.to);
  if (state.ended.size() > kept_ended) state.ended.erase(state.ended.begin());
  state.allocations.erase(at);
}

template <class Match>
std::vector<const Allocation*> matching(const State& state, Match&& match) {
  std::vector<const Allocation*> list;
  for (const auto& [id, allocation] : state.allocations) {
    if (match(allocation)) list.push_back(&allocation);
  }
  return list;
}

}  // namespace

void apply(State& state, const Event& event, const Context& context) {
  fold(state, context.now);
  std::visit([&](const auto& happened) { change(state, happened, context); }, event);
}

std::uint64_t Allocation::milli() const {
  std::uint64_t sum = 0;
  for (const Share& share : accelerators) sum += share.milli;
  return sum;
}

const Node* find(const State& state, NodeId id) {
  const auto at = state.nodes.find(id);
  return at == state.nodes.end() ? nullptr : &at->second;
}

const Node* find_by_name(const State& state, std::string_view name) {
  const auto at = state.by_name.find(std::string(name));
  return at == state.by_name.end() ? nullptr : find(state, at->second);
}

const Allocation* find_allocation(const State& state, AllocationId id) {
  const auto at = state.allocations.find(id);
  return at == state.allocations.end() ? nullptr : &at->second;
}

Use free_of(const Node& node) {
  const auto left = [](std::uint64_t of, std::uint64_t taken) { return of - std::min(of, taken); };
  const Inventory& has = node.inventory;
  Use free{left(has.cpu_millis, node.use.cpu_millis),
           left(has.memory_bytes, node.use.memory_bytes), {}};
  for (const Accelerator& accelerator : has.accelerators) {
    const bool healthy = accelerator.health == Health::healthy;
    free.accelerators.push_back(healthy ? 1'000 - node.use.accelerators[accelerator.index] : 0);
  }
  return free;
}

std::vector<const Allocation*> allocations_on(const State& state, NodeId node) {
  return matching(state, [&](const Allocation& each) { return each.node == node; });
}

std::vector<const Allocation*> allocations_of(const State& state, WorkloadId workload) {
  return matching(state, [&](const Allocation& each) { return each.workload == workload; });
}

std::vector<const Allocation*> from_earlier_boot(const State& state) {
  return matching(state, [&](const Allocation& each) {
    const Node* node = find(state, each.node);
    return node != nullptr && node->inventory.boot != each.boot;
  });
}

}  // namespace bessemer::site
