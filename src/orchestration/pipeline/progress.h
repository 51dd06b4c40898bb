// How one step's end moves the others: who may begin, who is skipped, when the run is over.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "orchestration/pipeline/pipeline.h"

namespace bessemer::pipeline::progress {

// Statuses that are about to change, by instance.
using Statuses = std::map<std::string, StepStatus>;

constexpr bool is_over(StepStatus status) {
  return status != StepStatus::waiting && status != StepStatus::running;
}
constexpr bool is_good(StepStatus status) {
  return status == StepStatus::succeeded || status == StepStatus::reused;
}

// Of a waiting step: `ready` when all it needs is good, `blocked` when that can no longer be. A
// choose step is ready when every instance it takes from is over and one of them is good.
enum class Standing { waits, ready, blocked };
Standing standing(const Run& run, const StepRun& step, const Statuses& changed = {});

// After `changed`: the steps that are skipped because of it, and the run's end if nothing is left.
void follow(const Run& run, Statuses changed, std::vector<Event>& events);

// The run's end, if with `changed` every step is over.
void end_if_over(const Run& run, const Statuses& changed, RunStatus status,
                 std::vector<Event>& events);

// What a retry of `step` makes wait again: itself and what was skipped or cancelled after it and
// would not be skipped again at once. In the run's order.
std::vector<std::string> to_reset(const Run& run, const std::string& step);

}  // namespace bessemer::pipeline::progress
