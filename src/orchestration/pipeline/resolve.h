// What the texts of a step mean in a run: values filled in, inputs found, cache keys.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orchestration/pipeline/advance.h"
#include "orchestration/pipeline/expression.h"

namespace bessemer::pipeline {

// The values that one instance of a run sees.
class InstanceLookup final : public Lookup {
 public:
  InstanceLookup(const Run& run, const Instance& instance) : run_(run), instance_(instance) {}
  Result<json::Raw> value(const Reference& reference) const override;
  // The step run that a step's name means to this instance. Errors: not_found.
  Result<const StepRun*> step(std::string_view name) const;
  // What ${steps.STEP.outputs.NAME} names. Errors: not_found (it was not made).
  Result<Output> output(const Reference& reference) const;

 private:
  const Run& run_;
  const Instance& instance_;
};

// A job with everything filled in, as an action; `attempt` is left 0.
Result<SubmitJob> resolve_job(const Run& run, const StepRun& step);

// Where a registered output came from.
struct Provenance {
  const StepRun* maker = nullptr;  // the job
  SubmitJob job;                   // as it was resolved
  std::vector<DatasetUsed> datasets;
};
Result<Provenance> provenance_of(const Run& run, const StepRun& step, const Reference& output);

// The first dataset version among a step's inputs; nothing when there is none.
std::optional<DatasetUsed> dataset_of(const Run& run, const StepRun& step);

// The only reference of a text such as "${steps.train.outputs.model}"; nothing otherwise.
std::optional<Reference> sole_reference(std::string_view text);

// {"a":1} with "code" added, unless it has one.
Result<json::Raw> with_code(const json::Raw& object, const std::optional<std::string>& code);

}  // namespace bessemer::pipeline
