// From the steps as written to the instances that a run consists of.
#pragma once
#include <vector>

#include "base/result.h"
#include "orchestration/pipeline/pipeline.h"

namespace bessemer::pipeline {

// One instance for each step, or for each point of its matrix; each after those it needs.
// Requires: check_definition(definition). Errors: invalid (more than max_instances).
Result<std::vector<Instance>> instances_of(const Definition& definition);

}  // namespace bessemer::pipeline
