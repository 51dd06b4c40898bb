// Finds the tasks that should have begun.
#include "orchestration/workload/unstarted.h"

namespace bessemer::workload {

Unstarted unstarted(const State& state, Instant now) {
  Unstarted found;
  for (const WorkloadId id : state.live) {
    const Workload& workload = *find(state, id);
    if (workload.phase == Phase::queued) continue;
    const Attempt& attempt = *workload.last();
    const Instant due = attempt.started_at + start_limit;
    for (std::uint32_t rank = 0; rank < attempt.tasks.size(); ++rank) {
      const Task& task = attempt.tasks[rank];
      if (task.phase != TaskPhase::starting) continue;
      if (now < due) {
        if (!found.next || due < *found.next) found.next = due;
        break;
      }
      found.late.push_back(
          {id, task.id, attempt.generation, rank, task.placement.node, Order::stop, now});
    }
  }
  return found;
}

}  // namespace bessemer::workload
