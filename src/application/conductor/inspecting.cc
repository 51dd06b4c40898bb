// New versions of datasets are read once, whole, and what was found becomes a fact.
#include "application/conductor/conductor.h"

#include "base/text.h"

namespace bessemer::conductor {

void Conductor::await_inspection(DatasetId id, std::uint32_t version) {
  auto wanted = dataset::uninspected(engine_.state().dataset, id, version);
  if (!wanted) return;
  const OrgId tenant = tenant::tenant_of(engine_.state().tenant, wanted->project);
  inspections_.add(tenant, *std::move(wanted));
}

void Conductor::inspect_datasets() {
  if (!record_findings()) return;
  while (const auto next = inspections_.next(clock_.now())) {
    const dataset::Uninspected& version = next->version;
    if (!dataset::uninspected(engine_.state().dataset, version.dataset, version.version)) {
      inspections_.done(*next);
      continue;
    }
    bytes_.inspect(next->tenant, version.tree, version.schema,
                   [this, read = *next](Result<dataset::Validation> found) {
                     take_finding(read, std::move(found));
                   });
  }
  if (const auto moment = inspections_.next_moment()) soon(*moment);
}

// Only bytes that were read have a verdict.
void Conductor::take_finding(const Inspecting& read, Result<dataset::Validation> found) {
  const dataset::Uninspected& version = read.version;
  if (found) {
    inspections_.done(read);
    findings_.emplace_back(dataset::Command(
        dataset::RecordValidation{version.dataset, version.version, *std::move(found)}));
  } else if (!inspections_.again(read, clock_.now())) {
    std::string why = to_text(found.error()).substr(0, dataset::max_why);
    while (!is_utf8(why)) why.pop_back();  // never in the middle of a character
    findings_.emplace_back(dataset::Command(
        dataset::RecordUnreadable{version.dataset, version.version, std::move(why)}));
  }
  record_findings();
  if (options_.wake) options_.wake();  // there is room for the next
}

// Other refusals are final: the version was deleted while it was read.
bool Conductor::record_findings() {
  while (!findings_.empty()) {
    const auto written = engine_.submit(findings_.front(), observed_at(clock_.now()));
    if (!written && written.error().retry != Retry::never) {
      soon(clock_.now() + ask_again);
      return false;
    }
    findings_.pop_front();
  }
  return true;
}

}  // namespace bessemer::conductor
