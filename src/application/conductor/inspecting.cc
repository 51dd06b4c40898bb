// New versions of datasets are read once, whole, and what was found becomes a fact.
#include "application/conductor/conductor.h"

namespace bessemer::conductor {

void Conductor::inspect_datasets() {
  while (!inspecting_ && record_finding() && !uninspected_.empty()) {
    const dataset::Uninspected next = uninspected_.front();
    uninspected_.erase(uninspected_.begin());
    const dataset::Version* const version =
        dataset::find_version(engine_.state().dataset, next.dataset, next.version);
    if (version == nullptr || version->validation ||
        version->state == dataset::VersionState::deleted) {
      continue;
    }
    inspecting_ = true;
    bytes_.inspect(tenant::tenant_of(engine_.state().tenant, next.project), next.tree, next.schema,
                   [this, next](Result<dataset::Validation> found) {
                     inspecting_ = false;
                     found_ = dataset::RecordValidation{next.dataset, next.version, {}};
                     if (found) {
                       found_->validation = *std::move(found);
                     } else {  // bytes that cannot be read do not fit either
                       found_->validation.problem_count = 1;
                       found_->validation.problems.push_back("its bytes cannot be read: " +
                                                             to_text(found.error()));
                     }
                     record_finding();
                   });
  }
}

// Other refusals are final: the version was deleted while it was read.
bool Conductor::record_finding() {
  if (!found_) return true;
  const auto written = engine_.submit(dataset::Command(*found_), observed_at(clock_.now()));
  if (!written && written.error().retry != Retry::never) {
    soon(clock_.now() + ask_again);
    return false;
  }
  found_.reset();
  return true;
}

}  // namespace bessemer::conductor
