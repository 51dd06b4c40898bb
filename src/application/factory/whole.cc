// Changes of a whole thing in one batch: a dataset or model with all it has, an endpoint's revision
// and settings together. Each step is judged on a copy of that thing alone, as the steps before it
// leave it.
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

// The version of a thing no longer refers to its artifact.
Result<void> let_go(const State& state, OrgId project, const Digest& tree, std::string reference,
                    Batch& batch, const Context& context) {
  ADD(batch, artifact::judge(state.artifact,
                             artifact::Command(artifact::Release{project, tree,
                                                                 std::move(reference)}),
                             context));
  return {};
}

Result<void> step(dataset::State& alone, const dataset::Command& command, Batch& batch,
                  const Context& context) {
  TRY_ASSIGN(auto events, dataset::judge(alone, command, context));
  for (const dataset::Event& event : events) dataset::apply(alone, event, context);
  add(batch, std::move(events));
  return {};
}

Result<void> step(registry::State& alone, const registry::Command& command, Batch& batch,
                  const Context& context) {
  TRY_ASSIGN(auto events, registry::judge(alone, command, context));
  for (const registry::Event& event : events) registry::apply(alone, event, context);
  add(batch, std::move(events));
  return {};
}

}  // namespace

Result<Batch> judge_delete_dataset(const State& state, const DeleteDataset& remove,
                                   const Context& context) {
  const dataset::Dataset* const found = dataset::find(state.dataset, remove.dataset);
  if (found == nullptr) return not_found("no such dataset").at("dataset");
  dataset::State alone;
  alone.datasets.emplace(found->id, *found);
  alone.names[found->project][found->name] = found->id;
  Batch batch;
  for (const auto& [alias, version] : found->aliases) {
    TRY(step(alone, dataset::SetAlias{found->id, alias, 0}, batch, context));
  }
  for (const auto& [number, version] : found->versions) {
    if (version.state == dataset::VersionState::deleted) continue;
    TRY(let_go(state, found->project, version.tree, artifact::reference_of(found->id, number),
               batch, context));
    TRY(step(alone, dataset::DeleteVersion{found->id, number}, batch, context));
  }
  TRY(step(alone, dataset::Delete{found->id}, batch, context));
  return batch;
}

Result<Batch> judge_delete_model(const State& state, const DeleteModel& remove,
                                 const Context& context) {
  const registry::Model* const found = registry::find(state.registry, remove.model);
  if (found == nullptr) return not_found("no such model").at("model");
  for (const auto& [id, endpoint] : state.deployment.endpoints) {
    const deployment::Revision* const newest = deployment::newest(endpoint);
    if (newest == nullptr || newest->runs.model_id != found->id) continue;
    return conflict("endpoint '" + endpoint.name + "' serves it").fix("delete the endpoint first");
  }
  registry::State alone;
  alone.models.emplace(found->id, *found);
  alone.names[found->project][found->name] = found->id;
  Batch batch;
  for (const auto& [alias, moves] : found->aliases) {
    if (moves.empty() || moves.back().version == 0) continue;
    TRY(step(alone, registry::SetAlias{found->id, alias, 0}, batch, context));
  }
  for (const auto& [number, version] : found->versions) {
    if (version.state == registry::VersionState::deleted) continue;
    TRY(let_go(state, found->project, version.artifact,
               artifact::reference_of(found->id, number), batch, context));
    TRY(step(alone, registry::DeleteVersion{found->id, number}, batch, context));
  }
  TRY(step(alone, registry::Delete{found->id}, batch, context));
  return batch;
}

// A revision and the settings do not depend on each other.
Result<Batch> judge_change_endpoint(const State& state, const ChangeEndpoint& change,
                                    const Context& context) {
  Batch batch;
  if (change.roll) {
    TRY_ASSIGN(Batch rolled,
               judge_deployment(state, deployment::Command(*change.roll), context));
    for (Event& event : rolled.events) batch.events.push_back(std::move(event));
  }
  if (change.configure) {
    TRY_ASSIGN(Batch configured,
               judge_deployment(state, deployment::Command(*change.configure), context));
    for (Event& event : configured.events) batch.events.push_back(std::move(event));
  }
  return batch;
}

}  // namespace bessemer::factory
