// Finds the best node for a task, and says what is missing where there is none.
#include "orchestration/scheduler/fleet.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::scheduler {
namespace {

constexpr std::uint32_t whole_milli = 1'000;

// How many tasks of `shape` fit a node of this size when it is empty.
std::uint64_t slots(std::uint32_t devices, std::uint64_t cpu, std::uint64_t memory,
                    const Shape& shape) {
  std::uint64_t most = std::uint64_t{1} << 32;
  if (shape.gpus > 0) most = std::min<std::uint64_t>(most, devices / shape.gpus);
  if (shape.gpu_milli > 0) {
    most = std::min<std::uint64_t>(most, std::uint64_t{devices} * (whole_milli / shape.gpu_milli));
  }
  if (shape.cpu_millis > 0) most = std::min(most, cpu / shape.cpu_millis);
  if (shape.memory_bytes > 0) most = std::min(most, memory / shape.memory_bytes);
  return most;
}

// The largest room seen in each resource, where there is enough of those before it: accelerators,
// then processor, then memory. So the first that is short everywhere is the one to name.
struct Widest {
  const Shape& shape;
  std::uint64_t milli = 0, cpu = 0, memory = 0;

  void see(std::uint64_t free_milli, std::uint64_t free_cpu, std::uint64_t free_memory) {
    milli = std::max(milli, free_milli);
    if (free_milli < shape.milli()) return;
    cpu = std::max(cpu, free_cpu);
    if (free_cpu >= shape.cpu_millis) memory = std::max(memory, free_memory);
  }
  Fit shortage(Fit::Kind kind) const {
    if (milli < shape.milli()) return {kind, Resource::gpu_milli, shape.milli(), milli};
    if (cpu < shape.cpu_millis) return {kind, Resource::cpu_millis, shape.cpu_millis, cpu};
    return {kind, Resource::memory_bytes, shape.memory_bytes, memory};
  }
};

}  // namespace

Fleet::Fleet(const Snapshot& snapshot)
    : in_pool_(snapshot.pools.size()), capacity_(snapshot.pools.size(), 0) {
  nodes_.reserve(snapshot.nodes.size());
  for (std::uint32_t i = 0; i < snapshot.nodes.size(); ++i) {
    const Node& node = snapshot.nodes[i];
    check(node.pool < snapshot.pools.size(), "scheduler: a node of an unknown pool");
    NodeRoom room;
    room.group = group_of(node.pool, node.devices.empty() ? std::string{} : node.model);
    room.open = node.open;
    room.cpu = node.free_cpu_millis;
    room.memory = node.free_memory_bytes;
    room.first_device = devices_.size();
    room.devices = static_cast<std::uint32_t>(node.devices.size());
    std::uint32_t usable = 0;
    for (const Device& device : node.devices) {
      check(device.free_milli <= whole_milli, "scheduler: more of an accelerator than there is");
      devices_.push_back(device.usable ? device.free_milli : 0);
      usable_.push_back(device.usable);
      if (device.usable) ++usable;
      if (devices_.back() == whole_milli) ++room.whole;
    }
    capacity_[node.pool] += std::uint64_t{room.devices} * whole_milli;
    ++sizes_[room.group][{usable, node.cpu_millis, node.memory_bytes, node.open}];
    Group& group = groups_[room.group];
    if (group.by_whole.size() <= room.devices) group.by_whole.resize(room.devices + 1);
    nodes_.push_back(room);
    link(i);
  }
}

std::uint32_t Fleet::group_of(std::uint32_t pool, const std::string& model) {
  for (const std::uint32_t group : in_pool_[pool]) {
    if (groups_[group].model == model) return group;
  }
  const auto fresh = static_cast<std::uint32_t>(groups_.size());
  groups_.push_back({model, {}, {}});
  sizes_.emplace_back();
  in_pool_[pool].push_back(fresh);
  return fresh;
}

void Fleet::link(std::uint32_t node) {
  const NodeRoom& room = nodes_[node];
  if (!room.open) return;
  Group& group = groups_[room.group];
  group.by_whole[room.whole].emplace(room.cpu, node);
  for (std::uint32_t i = 0; i < room.devices; ++i) {
    const std::uint32_t free = devices_[room.first_device + i];
    if (free > 0 && free < whole_milli) group.partial.emplace(free, node, i);
  }
}

void Fleet::unlink(std::uint32_t node) {
  const NodeRoom& room = nodes_[node];
  if (!room.open) return;
  Group& group = groups_[room.group];
  group.by_whole[room.whole].erase({room.cpu, node});
  for (std::uint32_t i = 0; i < room.devices; ++i) {
    const std::uint32_t free = devices_[room.first_device + i];
    if (free > 0 && free < whole_milli) group.partial.erase({free, node, i});
  }
}

void Fleet::take(const Room& part) {
  unlink(part.place.node);
  NodeRoom& room = nodes_[part.place.node];
  check(room.cpu >= part.cpu_millis && room.memory >= part.memory_bytes,
        "scheduler: more of a node taken than is free");
  room.cpu -= part.cpu_millis;
  room.memory -= part.memory_bytes;
  for (const Share& share : part.place.devices) {
    if (!counts(room, share)) continue;
    std::uint32_t& free = devices_[room.first_device + share.index];
    check(free >= share.milli, "scheduler: an accelerator taken twice");
    if (free == whole_milli && share.milli > 0) --room.whole;
    free -= share.milli;
  }
  link(part.place.node);
}

void Fleet::give(const Room& part) {
  unlink(part.place.node);
  NodeRoom& room = nodes_[part.place.node];
  room.cpu += part.cpu_millis;
  room.memory += part.memory_bytes;
  for (const Share& share : part.place.devices) {
    if (!counts(room, share)) continue;
    std::uint32_t& free = devices_[room.first_device + share.index];
    free += share.milli;
    check(free <= whole_milli, "scheduler: more of an accelerator given than it has");
    if (free == whole_milli && share.milli > 0) ++room.whole;
  }
  link(part.place.node);
}

bool Fleet::has(const Shape& shape, const Room& room) const {
  const NodeRoom& node = nodes_[room.place.node];
  if (!suits(shape, room.place.node)) return false;
  if (node.cpu < room.cpu_millis || node.memory < room.memory_bytes) return false;
  const auto& shares = room.place.devices;
  return std::all_of(shares.begin(), shares.end(), [&](const Share& share) {
    return share.index < node.devices && devices_[node.first_device + share.index] >= share.milli;
  });
}

bool Fleet::gain(const Shape& shape, const Room& part) {
  const std::uint32_t node = part.place.node;
  const NodeRoom& room = nodes_[node];
  if (gains_.empty()) {
    gains_.resize(nodes_.size());
    device_gains_.resize(devices_.size());
  }
  Gain& gain = gains_[node];
  const auto first = static_cast<std::ptrdiff_t>(room.first_device);
  if (gain.round != round_) {
    gain = {round_, 0, 0};
    std::fill_n(device_gains_.begin() + first, room.devices, 0u);
  }
  gain.cpu += part.cpu_millis;
  gain.memory += part.memory_bytes;
  for (const Share& share : part.place.devices) {
    if (counts(room, share)) device_gains_[room.first_device + share.index] += share.milli;
  }
  if (!suits(shape, node) || room.cpu + gain.cpu < shape.cpu_millis ||
      room.memory + gain.memory < shape.memory_bytes) {
    return false;
  }
  std::uint32_t whole = 0, most = 0;
  for (std::size_t i = room.first_device; i < room.first_device + room.devices; ++i) {
    const std::uint32_t free = devices_[i] + device_gains_[i];
    if (free >= whole_milli) ++whole;
    most = std::max(most, free);
  }
  return whole >= shape.gpus && most >= shape.gpu_milli;
}

bool Fleet::takes(const Group& group, const Shape& shape) const {
  if (shape.milli() == 0) return true;
  if (group.model.empty()) return false;
  return shape.gpu_model.empty() || shape.gpu_model == group.model;
}

std::optional<Fleet::Choice> Fleet::best_whole(const Group& group, const Shape& shape) const {
  // A part of an accelerator that finds no begun one opens a whole one.
  const std::uint32_t need = shape.gpus + (shape.gpu_milli > 0 ? 1u : 0u);
  for (std::size_t whole = need; whole < group.by_whole.size(); ++whole) {
    const auto& nodes = group.by_whole[whole];
    for (auto at = nodes.lower_bound({shape.cpu_millis, 0}); at != nodes.end(); ++at) {
      if (nodes_[at->second].memory < shape.memory_bytes) continue;
      const bool wasteful = shape.milli() == 0 && !group.model.empty();
      return Choice{at->second, {},
                    {wasteful, whole - need, at->first - shape.cpu_millis, at->second}};
    }
  }
  return std::nullopt;
}

std::optional<Fleet::Choice> Fleet::best_part(const Group& group, const Shape& shape) const {
  for (auto at = group.partial.lower_bound({shape.gpu_milli, 0, 0}); at != group.partial.end();
       ++at) {
    const auto [free, node, device] = *at;
    const NodeRoom& room = nodes_[node];
    if (room.cpu < shape.cpu_millis || room.memory < shape.memory_bytes) continue;
    return Choice{node, device, {false, 0, free - shape.gpu_milli, node}};
  }
  return std::nullopt;
}

std::optional<Fleet::Choice> Fleet::best(const Shape& shape, std::uint32_t pool) const {
  std::optional<Choice> found;
  const auto consider = [&](const std::optional<Choice>& choice) {
    if (choice && (!found || choice->cost < found->cost)) found = choice;
  };
  if (shape.gpu_milli > 0) {
    for (const std::uint32_t group : in_pool_[pool]) {
      if (takes(groups_[group], shape)) consider(best_part(groups_[group], shape));
    }
    if (found) return found;
  }
  for (const std::uint32_t group : in_pool_[pool]) {
    if (takes(groups_[group], shape)) consider(best_whole(groups_[group], shape));
  }
  return found;
}

Room Fleet::room_at(const Choice& choice, const Shape& shape) const {
  Room room{{choice.node, {}}, shape.cpu_millis, shape.memory_bytes};
  const NodeRoom& node = nodes_[choice.node];
  const auto free = [&](std::uint32_t device) { return devices_[node.first_device + device]; };
  if (shape.gpu_milli > 0) {
    std::uint32_t device = choice.device.value_or(0);
    while (!choice.device && free(device) != whole_milli) ++device;
    room.place.devices.push_back({device, shape.gpu_milli});
  }
  for (std::uint32_t i = 0; i < node.devices && room.place.devices.size() < shape.gpus; ++i) {
    if (free(i) == whole_milli) room.place.devices.push_back({i, whole_milli});
  }
  return room;
}

Fleet::Placing Fleet::place(const Shape& shape, std::uint32_t tasks, std::uint32_t pool) {
  std::vector<Room> taken;
  for (std::uint32_t i = 0; i < tasks; ++i) {
    const auto choice = best(shape, pool);
    if (!choice) {
      for (const Room& room : taken) give(room);
      return {{}, i};
    }
    taken.push_back(room_at(*choice, shape));
    take(taken.back());
  }
  Placing placing{{}, tasks};
  placing.places.reserve(taken.size());
  for (Room& room : taken) placing.places.push_back(std::move(room.place));
  return placing;
}

bool Fleet::suits(const Shape& shape, std::uint32_t node) const {
  return nodes_[node].open && takes(groups_[nodes_[node].group], shape);
}

Fit Fleet::fit(const Shape& shape, std::uint32_t tasks, std::uint32_t pool) const {
  if (pool >= in_pool_.size() || in_pool_[pool].empty()) return {Fit::Kind::no_node, {}, 0, 0};
  std::uint64_t all = 0, open = 0;
  Widest widest{shape};
  bool has_model = false;
  for (const std::uint32_t group : in_pool_[pool]) {
    if (!takes(groups_[group], shape)) continue;
    has_model = true;
    for (const auto& [size, count] : sizes_[group]) {
      const auto& [devices, cpu, memory, is_open] = size;
      const std::uint64_t here = slots(devices, cpu, memory, shape) * count;
      all += here;
      if (is_open) open += here;
      widest.see(std::uint64_t{devices} * whole_milli, cpu, memory);
    }
  }
  if (!has_model) return {Fit::Kind::no_model, Resource::gpu_milli, shape.milli(), 0};
  if (all == 0) return widest.shortage(Fit::Kind::too_big);
  if (all < tasks) return {Fit::Kind::gang_too_big, Resource::tasks, tasks, all};
  if (open < tasks) return {Fit::Kind::closed, Resource::tasks, tasks, open};
  return {};
}

Fit Fleet::hole(const Shape& shape, std::uint32_t pool) const {
  Widest widest{shape};
  for (const std::uint32_t at : in_pool_[pool]) {
    const Group& group = groups_[at];
    if (!takes(group, shape)) continue;
    for (std::size_t whole = 0; whole < group.by_whole.size(); ++whole) {
      for (const auto& [cpu, node] : group.by_whole[whole]) {
        widest.see(whole * whole_milli, cpu, nodes_[node].memory);
      }
    }
    if (shape.gpu_milli == 0) continue;
    for (const auto& [free, node, device] : group.partial) {
      widest.see(free, nodes_[node].cpu, nodes_[node].memory);
    }
  }
  return widest.shortage(Fit::Kind::fits);
}

}  // namespace bessemer::scheduler
