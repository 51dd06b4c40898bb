// Fair turns: a walk from the root to the queue that stands worst.
#include "orchestration/scheduler/turns.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace bessemer::scheduler {

Turns::Turns(const Snapshot& snapshot, const Tree& tree)
    : tree_(tree), lines_(snapshot.queues.size()) {
  for (std::uint32_t i = 0; i < snapshot.pending.size(); ++i) {
    check(snapshot.pending[i].queue < lines_.size(), "scheduler: an unknown queue");
    lines_[snapshot.pending[i].queue].waiting.push_back(i);
  }
  for (std::uint32_t queue = 0; queue < lines_.size(); ++queue) {
    auto& waiting = lines_[queue].waiting;
    if (waiting.empty()) continue;
    std::sort(waiting.begin(), waiting.end(), [&](std::uint32_t left, std::uint32_t right) {
      const Pending &a = snapshot.pending[left], &b = snapshot.pending[right];
      return std::tie(a.priority, b.submitted_at, b.workload) <
             std::tie(b.priority, a.submitted_at, a.workload);
    });
    lines_[queue].own = {tree_.own_standing(queue), queue};
    lines_[queue].children.insert(lines_[queue].own);
    enter(queue);
  }
}

// Puts the queue, and those above it that are not there yet, among their parents' children.
void Turns::enter(std::uint32_t queue) {
  const auto& path = tree_.path(queue);
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    Line& line = lines_[path[i]];
    line.as_child = {tree_.standing(path[i]), path[i]};
    if (!lines_[path[i + 1]].children.insert(line.as_child).second) return;
  }
}

void Turns::leave_if_empty(std::uint32_t queue) {
  const auto& path = tree_.path(queue);
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (!lines_[path[i]].children.empty()) return;
    lines_[path[i + 1]].children.erase(lines_[path[i]].as_child);
  }
}

std::optional<std::uint32_t> Turns::next() {
  std::uint32_t queue = 0;
  if (lines_[queue].children.empty()) return std::nullopt;
  while (lines_[queue].children.begin()->queue != queue) {
    queue = lines_[queue].children.begin()->queue;
  }
  Line& line = lines_[queue];
  const std::uint32_t index = line.waiting.back();
  line.waiting.pop_back();
  if (line.waiting.empty()) {
    line.children.erase(line.own);
    leave_if_empty(queue);
  }
  return index;
}

void Turns::changed(std::uint32_t queue) {
  Line& line = lines_[queue];
  if (line.children.erase(line.own) > 0) {
    line.own.standing = tree_.own_standing(queue);
    line.children.insert(line.own);
  }
  const auto& path = tree_.path(queue);
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    Line& child = lines_[path[i]];
    auto& siblings = lines_[path[i + 1]].children;
    if (siblings.erase(child.as_child) == 0) continue;
    child.as_child.standing = tree_.standing(path[i]);
    siblings.insert(child.as_child);
  }
}

}  // namespace bessemer::scheduler
