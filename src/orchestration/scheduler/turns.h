// Whose turn it is: pending workloads in fair order over the tree of queues.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "orchestration/scheduler/scheduler.h"
#include "orchestration/scheduler/tree.h"

namespace bessemer::scheduler {

// At each level the queue goes first that stands worst; within a queue priority, then the time of
// submission, then the id decide.
class Turns {
 public:
  // Keeps references. Requires: both outlive it.
  Turns(const Snapshot& snapshot, const Tree& tree);

  // The next workload, as an index into Snapshot::pending; each comes once.
  std::optional<std::uint32_t> next();
  // What `queue` uses has changed.
  void changed(std::uint32_t queue);

 private:
  struct Entry {
    Tree::Standing standing;
    std::uint32_t queue = 0;
    friend bool operator<(const Entry& a, const Entry& b) {
      if (a.standing < b.standing) return true;
      if (b.standing < a.standing) return false;
      return a.queue < b.queue;
    }
  };
  // The waiting of a queue itself stand among its children as an entry of its own.
  struct Line {
    std::vector<std::uint32_t> waiting;  // the next one last
    std::set<Entry> children;
    Entry own, as_child;                 // as they stand in their sets
  };
  void enter(std::uint32_t queue);
  void leave_if_empty(std::uint32_t queue);

  const Tree& tree_;
  std::vector<Line> lines_;
};

}  // namespace bessemer::scheduler
