// Tasks that were ordered and never began.
#pragma once
#include <optional>
#include <vector>

#include "orchestration/workload/workload.h"

namespace bessemer::workload {

// From the decision that a task begins to the report that it did: its inputs are laid out, its
// supervisor builds the sandbox. What takes longer hangs.
constexpr Duration start_limit = minutes(15);

struct Unstarted {
  std::vector<TaskOrder> late;   // to be ended as start_failed; in order of (workload, rank)
  std::optional<Instant> next;   // when another is late, if nothing is heard of it
};
// Of attempts under way, those that are being stopped too: a supervisor that never began a task
// may never end it either.
Unstarted unstarted(const State& state, Instant now);

}  // namespace bessemer::workload
