// What keeps bytes alive besides work that runs: pipelines, their runs, endpoints, experiment runs.
#pragma once
#include "application/factory/factory.h"

namespace bessemer::factory {

// Adds to a batch what its events mean for artifacts: a defined pipeline, a run of it until it
// ends, and an endpoint with each revision it remembers refer to the trees that they name. What the
// project does not own is refused where it is used, not here. Errors: exhausted (references).
Result<void> keep_named(const State& state, Batch& batch, const Context& context);

// The ladder of experiment runs. One that is deleted gives up its outputs and the cached results
// that came of it; refused while something is explained by it.
Result<Batch> judge_run(const State& state, const run::Command& command, const Context& context);

}  // namespace bessemer::factory
