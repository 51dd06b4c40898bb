// Which work has the means to go on.
#pragma once
#include <vector>

#include "application/factory/state.h"

namespace bessemer::factory {

// Workloads that were queued again and held back because their money ran out, and whose budgets
// would admit what they ran on before by now: a limit was raised, a window began, a hold came back.
std::vector<WorkloadId> payable_again(const State& state, Instant now);

}  // namespace bessemer::factory
