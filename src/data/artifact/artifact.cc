// Judges and applies who owns which artifact.
#include "data/artifact/artifact.h"

#include <fmt/format.h>

#include "base/check.h"

namespace bessemer::artifact {

namespace {

using Judged = Result<std::vector<Event>>;

Result<void> check_reference(std::string_view reference) {
  if (reference.empty()) return invalid("must not be empty").at("reference");
  if (reference.size() > max_reference) {
    return invalid("must be at most 128 characters").at("reference");
  }
  for (const char c : reference) {
    if (c <= ' ' || c >= 0x7f) return invalid("must be printable ASCII").at("reference");
  }
  return {};
}

// An artifact the project owns. Another project's is as unknown as one that never was.
Result<const Artifact*> owned(const State& state, OrgId project, const Digest& digest) {
  if (const Artifact* found = find(state, project, digest)) return found;
  return not_found("the project owns no artifact " + to_text(digest)).at("digest");
}

Judged refer(const State& state, OrgId project, const Digest& digest,
             const std::string& reference) {
  TRY(check_reference(reference));
  TRY_ASSIGN(const Artifact* artifact, owned(state, project, digest));
  if (artifact->references.contains(reference)) return std::vector<Event>{};
  if (artifact->references.size() >= max_references) {
    return exhausted("an artifact may be referred to at most 10000 times").at("reference");
  }
  return std::vector<Event>{ArtifactReferenced{project, digest, reference}};
}

Judged decide(const State& state, const Publish& command) {
  if (!command.project) return invalid("is required").at("project");
  if (!command.digest) return invalid("is required").at("digest");
  if (command.bytes > max_bytes) return invalid("must be at most 1 PiB").at("bytes");
  if (command.files > max_files) return invalid("must be at most 4294967296").at("files");
  if (!command.reference.empty()) TRY(check_reference(command.reference));
  if (const Artifact* known = find(state, command.project, command.digest)) {
    if (known->bytes != command.bytes || known->files != command.files) {
      return conflict("the artifact is known with another size").at("bytes");
    }
    if (command.reference.empty()) return std::vector<Event>{};
    return refer(state, command.project, command.digest, command.reference);
  }
  if (count(state, command.project) >= max_project_artifacts) {
    return exhausted("a project may own at most 1000000 artifacts").fix("delete some");
  }
  if (stored_bytes(state, command.project) + command.bytes > max_project_bytes) {
    return exhausted("a project may own at most 1 EiB").fix("delete some");
  }
  std::vector<Event> events{ArtifactPublished{command.project, command.digest, command.kind,
                                              command.bytes, command.files}};
  if (!command.reference.empty()) {
    events.push_back(ArtifactReferenced{command.project, command.digest, command.reference});
  }
  return events;
}

Judged decide(const State& state, const Refer& command) {
  return refer(state, command.project, command.digest, command.reference);
}

Judged decide(const State& state, const Release& command) {
  const Artifact* artifact = find(state, command.project, command.digest);
  if (artifact == nullptr || !artifact->references.contains(command.reference)) {
    return std::vector<Event>{};
  }
  return std::vector<Event>{ArtifactReleased{command.project, command.digest, command.reference}};
}

Judged decide(const State& state, const Delete& command) {
  TRY_ASSIGN(const Artifact* artifact, owned(state, command.project, command.digest));
  if (!artifact->references.empty()) {
    return conflict(fmt::format("is needed by {}{}", *artifact->references.begin(),
                                artifact->references.size() == 1
                                    ? ""
                                    : fmt::format(" and {} more", artifact->references.size() - 1)))
        .at("digest")
        .fix("delete what needs it first");
  }
  return std::vector<Event>{ArtifactDeleted{command.project, command.digest, artifact->bytes}};
}

Artifact& known(State& state, OrgId project, const Digest& digest) {
  const auto holding = state.projects.find(project);
  check(holding != state.projects.end(), "artifact: unknown project in a fact");
  const auto at = holding->second.artifacts.find(digest);
  check(at != holding->second.artifacts.end(), "artifact: unknown digest in a fact");
  return at->second;
}

void happen(State& state, const ArtifactPublished& event, const Context& context) {
  Holding& holding = state.projects[event.project];
  Artifact artifact;
  artifact.digest = event.digest;
  artifact.kind = event.kind;
  artifact.bytes = event.bytes;
  artifact.files = event.files;
  artifact.created_at = context.occurred_at;
  artifact.created_by = context.actor;
  artifact.unreferenced_since = context.occurred_at;
  const bool fresh = holding.artifacts.emplace(event.digest, std::move(artifact)).second;
  check(fresh, "artifact: published twice");
  holding.bytes += event.bytes;
  holding.files += event.files;
}

void happen(State& state, const ArtifactReferenced& event, const Context&) {
  known(state, event.project, event.digest).references.insert(event.reference);
}

void happen(State& state, const ArtifactReleased& event, const Context& context) {
  Artifact& artifact = known(state, event.project, event.digest);
  artifact.references.erase(event.reference);
  if (artifact.references.empty()) artifact.unreferenced_since = context.occurred_at;
}

void happen(State& state, const ArtifactDeleted& event, const Context&) {
  const Artifact& artifact = known(state, event.project, event.digest);
  Holding& holding = state.projects[event.project];
  holding.bytes -= artifact.bytes;
  holding.files -= artifact.files;
  holding.artifacts.erase(event.digest);
  if (holding.artifacts.empty()) state.projects.erase(event.project);
}

}  // namespace

Judged judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& one) { return decide(state, one); }, command);
}

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& one) { happen(state, one, context); }, event);
}

const Artifact* find(const State& state, OrgId project, const Digest& digest) {
  const auto holding = state.projects.find(project);
  if (holding == state.projects.end()) return nullptr;
  const auto at = holding->second.artifacts.find(digest);
  return at == holding->second.artifacts.end() ? nullptr : &at->second;
}

std::uint64_t stored_bytes(const State& state, OrgId project) {
  const auto holding = state.projects.find(project);
  return holding == state.projects.end() ? 0 : holding->second.bytes;
}

std::uint64_t count(const State& state, OrgId project) {
  const auto holding = state.projects.find(project);
  return holding == state.projects.end() ? 0 : holding->second.artifacts.size();
}

std::vector<Delete> unreferenced(const State& state, Instant before, std::size_t limit) {
  std::vector<Delete> found;
  for (const auto& [project, holding] : state.projects) {
    for (const auto& [digest, artifact] : holding.artifacts) {
      if (found.size() >= limit) return found;
      if (!artifact.references.empty() || artifact.unreferenced_since >= before) continue;
      found.push_back({project, digest});
    }
  }
  return found;
}

std::set<Digest> roots(const State& state, const std::set<OrgId>& projects) {
  std::set<Digest> found;
  for (const OrgId project : projects) {
    const auto holding = state.projects.find(project);
    if (holding == state.projects.end()) continue;
    for (const auto& [digest, _] : holding->second.artifacts) found.insert(digest);
  }
  return found;
}

std::string reference_of(DatasetId dataset, std::uint32_t version) {
  return fmt::format("dataset:{}@{}", to_text(dataset), version);
}
std::string reference_of(ModelId model, std::uint32_t version) {
  return fmt::format("model:{}@{}", to_text(model), version);
}
std::string reference_of(RunId run) { return "run:" + to_text(run); }
std::string reference_of(WorkloadId workload) { return "workload:" + to_text(workload); }
std::string reference_of(PipelineId pipeline) { return "pipeline:" + to_text(pipeline); }
std::string reference_of(PipelineRunId run) { return "pipeline_run:" + to_text(run); }
std::string reference_of(EndpointId endpoint) { return "endpoint:" + to_text(endpoint); }

}  // namespace bessemer::artifact
