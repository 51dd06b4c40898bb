// The nodes as the planner sees them: what is free, and where a gang fits best.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "orchestration/scheduler/scheduler.h"

namespace bessemer::scheduler {

// A part of a node; `devices` may name several.
struct Room {
  Place place;
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
};

// What the nodes of a pool could ever do for a shape.
struct Fit {
  enum class Kind : std::uint8_t { fits, closed, no_node, no_model, too_big, gang_too_big };
  Kind kind = Kind::fits;
  Resource resource = Resource::gpu_milli;
  std::uint64_t asked = 0, largest = 0;
};

// Free room, indexed so that the best node for a task is found without looking at the others.
// Best: a node without accelerators for work that needs none; then the fewest whole accelerators
// left over; then the least processor left over (of an accelerator, for a part of one); then the
// order of nodes.
class Fleet {
 public:
  explicit Fleet(const Snapshot& snapshot);

  // Takes room for every task of a gang in one pool, or for none. Each task goes where it fits
  // best after those before it. `fitting` says how many of the tasks there was room for.
  struct Placing {
    std::vector<Place> places;
    std::uint32_t fitting = 0;
  };
  Placing place(const Shape& shape, std::uint32_t tasks, std::uint32_t pool);
  // Takes and gives back a part of a node. Devices that are unusable, or gone, do not count.
  // Requires: it is free; it was taken (checked).
  void take(const Room& room);
  void give(const Room& room);

  // Whether a task of `shape` could be put into just this room now.
  bool has(const Shape& shape, const Room& room) const;

  // What-if, cheaper than giving and placing: forgets all gains; adds one, and says whether a task
  // of `shape` would fit the node with its free room and its gains.
  void forget_gains() { ++round_; }
  bool gain(const Shape& shape, const Room& room);

  // Whether the nodes, empty, could hold the gang.
  Fit fit(const Shape& shape, std::uint32_t tasks, std::uint32_t pool) const;
  // Why one more task does not fit now: the resource that is short and the largest hole in it.
  Fit hole(const Shape& shape, std::uint32_t pool) const;
  // Whether a task of `shape` could ever run on `node`.
  bool suits(const Shape& shape, std::uint32_t node) const;
  // Capacity of a pool in thousandths of an accelerator, over all its nodes.
  std::uint64_t capacity(std::uint32_t pool) const { return capacity_[pool]; }

 private:
  struct NodeRoom {
    std::uint32_t group = 0;
    bool open = false;
    std::uint64_t cpu = 0, memory = 0;  // free
    std::uint32_t whole = 0;            // devices that are wholly free
    std::size_t first_device = 0;       // in devices_
    std::uint32_t devices = 0;          // of any health
  };
  // Nodes of one pool with one model of accelerator.
  struct Group {
    std::string model;
    // By number of wholly free devices: (free processor, node).
    std::vector<std::set<std::pair<std::uint64_t, std::uint32_t>>> by_whole;
    // Devices partly free: (free thousandths, node, device).
    std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>> partial;
  };
  // How many nodes of a group have the same size.
  using Size = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t, bool>;  // gpu cpu mem open

  struct Choice {
    std::uint32_t node = 0;
    std::optional<std::uint32_t> device;  // one that is begun, for a part
    std::tuple<bool, std::size_t, std::uint64_t, std::uint32_t> cost;  // smaller is better
  };

  bool counts(const NodeRoom& room, const Share& share) const {
    return share.index < room.devices && usable_[room.first_device + share.index];
  }
  std::uint32_t group_of(std::uint32_t pool, const std::string& model);
  bool takes(const Group& group, const Shape& shape) const;
  void link(std::uint32_t node);
  void unlink(std::uint32_t node);
  std::optional<Choice> best_whole(const Group& group, const Shape& shape) const;
  std::optional<Choice> best_part(const Group& group, const Shape& shape) const;
  std::optional<Choice> best(const Shape& shape, std::uint32_t pool) const;
  Room room_at(const Choice& choice, const Shape& shape) const;

  // Room that a node would have beside what is free, in the round of what-if it was last seen.
  struct Gain {
    std::uint64_t round = 0;
    std::uint64_t cpu = 0, memory = 0;
  };

  std::vector<NodeRoom> nodes_;
  std::vector<Gain> gains_;
  std::vector<std::uint32_t> device_gains_;             // as devices_
  std::uint64_t round_ = 1;
  std::vector<std::uint32_t> devices_;                  // free thousandths, node after node
  std::vector<bool> usable_;                            // of devices_; others stay at 0 free
  std::vector<Group> groups_;
  std::vector<std::vector<std::uint32_t>> in_pool_;     // groups of each pool
  std::vector<std::map<Size, std::uint64_t>> sizes_;    // of each group
  std::vector<std::uint64_t> capacity_;
};

}  // namespace bessemer::scheduler
