// What pipelines, endpoints and experiment runs refer to in the store, and when they let go.
#include "application/factory/kept.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "application/factory/ladder.h"
#include "base/json.h"

namespace bessemer::factory {
namespace {

using Digests = std::set<Digest>;

// A name or an expression is no digest: what it means has a keeper of its own.
void note(Digests& digests, const std::optional<std::string>& text) {
  if (!text) return;
  if (const auto digest = from_text(std::type_identity<Digest>{}, *text)) digests.insert(*digest);
}

void note(Digests& digests, const json::Raw& workload) {
  const auto spec = json::read<workload::Spec>(workload.text);
  if (!spec) return;
  if (spec->code) digests.insert(*spec->code);
  for (const workload::Input& input : spec->inputs) {
    if (input.artifact) digests.insert(*input.artifact);
  }
}

Digests named_by(const pipeline::Definition& definition) {
  Digests digests;
  note(digests, definition.code);
  for (const pipeline::Step& step : definition.steps) {
    if (step.ingest) note(digests, step.ingest->tree);
    if (step.deploy) note(digests, step.deploy->workload);
    if (!step.job) continue;
    note(digests, step.job->code);
    for (const auto& [name, what] : step.job->inputs) note(digests, what);
  }
  return digests;
}

// Model versions keep their own bytes.
Digests named_by(const deployment::Endpoint& endpoint) {
  Digests digests;
  for (const deployment::Revision& one : endpoint.revisions) note(digests, one.runs.workload);
  return digests;
}

// What each of those who are changed by a batch named before it, and names after it.
class Naming {
 public:
  struct Change {
    OrgId project;
    Digests before, after;
  };

  Naming(const State& state, const Context& context) : state_(state), context_(context) {}

  void add(const Event& event) {
    if (const auto* of = std::get_if<pipeline::Event>(&event)) {
      std::visit([&](const auto& one) { take(one); }, *of);
    } else if (const auto* other = std::get_if<deployment::Event>(&event)) {
      take_revision(*other);
    }
  }
  const std::map<std::string, Change>& changes() const { return changes_; }

 private:
  template <class Other>
  void take(const Other&) {}  // names nothing

  void take(const pipeline::PipelineDefined& e) {
    Change& change = changes_[artifact::reference_of(e.id)];
    change.project = e.project;
    if (const auto* found = pipeline::find(state_.pipeline, e.id)) {
      change.before = named_by(found->definition);
    }
    change.after = named_by(e.definition);
  }
  void take(const pipeline::PipelineRemoved& e) {
    const pipeline::Pipeline* const found = pipeline::find(state_.pipeline, e.pipeline);
    if (found == nullptr) return;
    changes_[artifact::reference_of(e.pipeline)] = {found->project, named_by(found->definition),
                                                    {}};
  }
  void take(const pipeline::PipelineRunStarted& e) {
    const pipeline::Pipeline* const found = pipeline::find(state_.pipeline, e.pipeline);
    if (found == nullptr) return;
    changes_[artifact::reference_of(e.id)] = {found->project, {}, named_by(found->definition)};
  }
  void take(const pipeline::PipelineStepRetried& e) { take_run(e.run, true); }
  void take(const pipeline::PipelineRunEnded& e) { take_run(e.run, false); }

  void take_run(PipelineRunId id, bool goes_on) {
    const std::string reference = artifact::reference_of(id);
    const pipeline::Run* const found = pipeline::find(state_.pipeline, id);
    if (found == nullptr) {  // it began with this batch
      changes_[reference].after.clear();
      return;
    }
    const Digests names = named_by(found->definition);
    changes_[reference] = {found->project, names, goes_on ? names : Digests{}};
  }

  void take_revision(const deployment::Event& event) {
    std::visit([&](const auto& one) {
      if constexpr (requires { one.endpoint; }) take_endpoint(one.endpoint, event);
    }, event);
  }
  // Which revisions are forgotten is decided where they are kept: on a copy of the endpoint alone.
  void take_endpoint(EndpointId id, const deployment::Event& event) {
    using deployment::EndpointCreated, deployment::EndpointDeleted, deployment::RevisionAdded;
    if (!std::holds_alternative<EndpointCreated>(event) &&
        !std::holds_alternative<RevisionAdded>(event) &&
        !std::holds_alternative<EndpointDeleted>(event)) {
      return;
    }
    const auto [at, fresh] = changes_.try_emplace(artifact::reference_of(id));
    Change& change = at->second;
    if (const auto* known = deployment::find(state_.deployment, id); fresh && known != nullptr) {
      alone_.endpoints.emplace(id, *known);
      change.project = known->project;
      change.before = named_by(*known);
    }
    deployment::apply(alone_, event, context_);
    const auto now = alone_.endpoints.find(id);
    const bool there = now != alone_.endpoints.end() && !now->second.deleted;
    if (there) change.project = now->second.project;
    change.after = there ? named_by(now->second) : Digests{};
  }

  const State& state_;
  const Context& context_;
  std::map<std::string, Change> changes_;  // by reference
  deployment::State alone_;
};

// Who is explained by the run, or still needs it.
Result<void> check_unneeded(const State& state, const run::Run& run) {
  if (run.pipeline_run && state.pipeline.active.contains(run.pipeline_run)) {
    return conflict("pipeline run " + to_text(run.pipeline_run) + ", which it is of, is not over")
        .at("run")
        .fix("cancel it first: bessemer pipeline cancel " + to_text(run.pipeline_run));
  }
  for (const auto& [id, model] : state.registry.models) {
    if (model.project != run.project || model.deleted) continue;
    for (const auto& [number, version] : model.versions) {
      if (version.state == registry::VersionState::deleted) continue;
      const bool measured = std::ranges::find(version.evaluations, run.id,
                                              &registry::Evaluation::run) !=
                            version.evaluations.end();
      if (version.lineage.run != run.id && !measured) continue;
      return conflict("model " + model.name + "@" + std::to_string(number) +
                      (measured ? " was measured by it" : " was made by it"))
          .at("run")
          .fix("delete the model first: bessemer model delete " + model.name);
    }
  }
  return {};
}

Result<void> let_go_of(const State& state, const run::Run& run, Batch& batch,
                       const Context& context) {
  const std::string reference = artifact::reference_of(run.id);
  const auto holding = state.artifact.projects.find(run.project);
  if (holding != state.artifact.projects.end()) {
    for (const auto& [digest, one] : holding->second.artifacts) {
      if (!one.references.contains(reference)) continue;
      ADD(batch, artifact::judge(state.artifact,
                                 artifact::Command(artifact::Release{run.project, digest,
                                                                     reference}),
                                 context));
    }
  }
  // A result that is used again must have its bytes for as long as that takes.
  const auto cached = state.pipeline.cache.find(run.project);
  if (cached == state.pipeline.cache.end()) return {};
  for (const auto& [key, entry] : cached->second) {
    if (entry.result.run != run.id) continue;
    ADD(batch, pipeline::judge(state.pipeline,
                               pipeline::Command(pipeline::ForgetCache{run.project, key}),
                               context));
  }
  return {};
}

}  // namespace

Result<void> keep_named(const State& state, Batch& batch, const Context& context) {
  Naming naming(state, context);
  for (const Event& event : batch.events) naming.add(event);
  for (const auto& [reference, change] : naming.changes()) {
    for (const Digest& digest : change.before) {
      if (change.after.contains(digest)) continue;
      ADD(batch, artifact::judge(state.artifact,
                                 artifact::Command(artifact::Release{change.project, digest,
                                                                     reference}),
                                 context));
    }
    for (const Digest& digest : change.after) {
      if (artifact::find(state.artifact, change.project, digest) == nullptr) continue;
      ADD(batch, artifact::judge(state.artifact,
                                 artifact::Command(artifact::Refer{change.project, digest,
                                                                   reference}),
                                 context));
    }
  }
  return {};
}

Result<Batch> judge_run(const State& state, const run::Command& command, const Context& context) {
  Batch batch;
  ADD(batch, run::judge(state.run, command, context));
  const auto* remove = std::get_if<run::Delete>(&command);
  if (remove == nullptr) return batch;
  batch.purpose = journal::Purpose::closing;
  const run::Run& found = *run::find(state.run, remove->run);
  TRY(check_unneeded(state, found));
  TRY(let_go_of(state, found, batch, context));
  return batch;
}

}  // namespace bessemer::factory
