// What a project stores, limited by its quota and metered by the byte.
#include "application/factory/storage.h"

#include <map>

#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

// What stored bytes came to: booked, and counted against budgets, which cannot refuse it.
Result<void> charge_storage(const State& state, OrgId project,
                            std::vector<metering::Event> events, Batch& batch,
                            const Context& context) {
  Metered metered{{}, {}, postings_of(events)};
  metered.spender.path = spender_path(state, project);
  add(batch, std::move(events));
  return book(state, {std::move(metered)}, batch, context);
}

// Moves the storage meter of a project to `bytes` from now on.
Result<void> meter_storage(const State& state, OrgId project, std::uint64_t bytes, Batch& batch,
                           const Context& context) {
  const std::string interval = storage_interval(project);
  const std::vector<metering::Level> levels = {
      {pricing::Meter::storage_time, std::string(plain_sku), Wide{bytes}}};
  metering::Payer payer;
  payer.project = project;
  payer.tenant = tenant::tenant_of(state.tenant, project);
  if (metering::find(state.metering, payer.tenant) == nullptr) return {};
  std::vector<metering::Event> events;
  if (!state.metering.intervals.contains(interval)) {
    TRY_ASSIGN(events, metering::judge(state.metering, state.pricing,
                                       metering::Command(metering::Begin{
                                           interval, payer, {}, levels, context.now}),
                                       context));
  } else {
    TRY_ASSIGN(events, metering::judge(state.metering, state.pricing,
                                       metering::Command(metering::Change{
                                           interval, levels, context.now, std::nullopt}),
                                       context));
  }
  return charge_storage(state, project, std::move(events), batch, context);
}

Result<Batch> judge_delete(const State& state, const artifact::Delete& command,
                           const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  TRY_ASSIGN(auto events, artifact::judge(state.artifact, artifact::Command(command), context));
  std::uint64_t freed = 0;
  for (const artifact::Event& event : events) {
    if (const auto* gone = std::get_if<artifact::ArtifactDeleted>(&event)) freed += gone->bytes;
  }
  add(batch, std::move(events));
  if (freed == 0) return batch;
  ADD(batch, quota::judge(state.quota,
                          quota::Command(quota::Give{
                              tenant::ancestors(state.tenant, command.project),
                              {{quota::Counted::storage_bytes, freed}}}),
                          context));
  TRY(meter_storage(state, command.project,
                    artifact::stored_bytes(state.artifact, command.project) - freed, batch,
                    context));
  return batch;
}

// The artifact of a version must be the project's; the version then refers to it.
Result<void> refer(const State& state, OrgId project, const Digest& tree, std::string reference,
                   Batch& batch, const Context& context) {
  ADD(batch, artifact::judge(state.artifact,
                             artifact::Command(artifact::Refer{project, tree,
                                                               std::move(reference)}),
                             context));
  return {};
}

}  // namespace

std::string storage_interval(OrgId project) { return "storage/" + to_text(project); }

Result<void> publish_all(const State& state, std::vector<artifact::Publish> publishes,
                         Batch& batch, const Context& context) {
  if (publishes.empty()) return {};
  const OrgId project = publishes.front().project;
  std::map<Digest, artifact::Publish> each;  // the first of each digest
  for (artifact::Publish& publish : publishes) each.try_emplace(publish.digest, std::move(publish));
  std::uint64_t added = 0;
  for (const auto& [digest, publish] : each) {
    TRY_ASSIGN(auto events, artifact::judge(state.artifact, artifact::Command(publish), context));
    for (const artifact::Event& event : events) {
      if (const auto* made = std::get_if<artifact::ArtifactPublished>(&event)) added += made->bytes;
    }
    add(batch, std::move(events));
  }
  if (added == 0) return {};
  ADD(batch, quota::judge(state.quota,
                          quota::Command(quota::Take{tenant::ancestors(state.tenant, project),
                                                     {{quota::Counted::storage_bytes, added}}}),
                          context));
  return meter_storage(state, project, artifact::stored_bytes(state.artifact, project) + added,
                       batch, context);
}

Result<Batch> judge_accrue_storage(const State& state, const AccrueStorage& accrue,
                                   const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  const std::string interval = storage_interval(accrue.project);
  if (!state.metering.intervals.contains(interval)) return batch;
  TRY_ASSIGN(auto events, metering::judge(state.metering, state.pricing,
                                          metering::Command(metering::Accrue{interval,
                                                                             context.now}),
                                          context));
  TRY(charge_storage(state, accrue.project, std::move(events), batch, context));
  return batch;
}

Result<Batch> judge_artifact(const State& state, const artifact::Command& command,
                             const Context& context) {
  Batch batch;
  if (const auto* publish = std::get_if<artifact::Publish>(&command)) {
    TRY(tenant::open_node(state.tenant, publish->project));
    TRY(publish_all(state, {*publish}, batch, context));
    return batch;
  }
  if (const auto* remove = std::get_if<artifact::Delete>(&command)) {
    return judge_delete(state, *remove, context);
  }
  ADD(batch, artifact::judge(state.artifact, command, context));
  return batch;
}

Result<Batch> judge_dataset(const State& state, const dataset::Command& command,
                            const Context& context) {
  Batch batch;
  TRY_ASSIGN(auto events, dataset::judge(state.dataset, command, context));
  for (const dataset::Event& event : events) {
    if (const auto* added = std::get_if<dataset::DatasetVersionAdded>(&event)) {
      const dataset::Dataset* const found = dataset::find(state.dataset, added->dataset);
      TRY(refer(state, found->project, added->tree,
                artifact::reference_of(added->dataset, added->version), batch, context));
    } else if (const auto* deleted = std::get_if<dataset::DatasetVersionDeleted>(&event)) {
      const dataset::Dataset* const found = dataset::find(state.dataset, deleted->dataset);
      ADD(batch, artifact::judge(
                     state.artifact,
                     artifact::Command(artifact::Release{
                         found->project, found->versions.at(deleted->version).tree,
                         artifact::reference_of(deleted->dataset, deleted->version)}),
                     context));
    }
  }
  add(batch, std::move(events));
  return batch;
}

Result<Batch> judge_registry(const State& state, const registry::Command& command,
                             const Context& context) {
  Batch batch;
  TRY_ASSIGN(auto events, registry::judge(state.registry, command, context));
  for (const registry::Event& event : events) {
    if (const auto* added = std::get_if<registry::ModelVersionAdded>(&event)) {
      const registry::Model* const found = registry::find(state.registry, added->model);
      TRY(refer(state, found->project, added->artifact,
                artifact::reference_of(added->model, added->version), batch, context));
    } else if (const auto* deleted = std::get_if<registry::ModelVersionDeleted>(&event)) {
      const registry::Model* const found = registry::find(state.registry, deleted->model);
      ADD(batch, artifact::judge(
                     state.artifact,
                     artifact::Command(artifact::Release{
                         found->project, found->versions.at(deleted->version).artifact,
                         artifact::reference_of(deleted->model, deleted->version)}),
                     context));
    }
  }
  add(batch, std::move(events));
  return batch;
}

}  // namespace bessemer::factory
