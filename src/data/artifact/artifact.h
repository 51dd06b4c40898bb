// Which bytes a project owns: artifacts by digest, who refers to them, how much they weigh.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/result.h"

namespace bessemer::artifact {

constexpr std::uint64_t max_bytes = std::uint64_t{1} << 50;  // of one artifact: 1 PiB
constexpr std::uint64_t max_files = std::uint64_t{1} << 32;
constexpr std::uint64_t max_project_bytes = std::uint64_t{1} << 60;
constexpr std::uint64_t max_project_artifacts = 1'000'000;
constexpr std::size_t max_references = 10'000;               // to one artifact
constexpr std::size_t max_reference = 128;                   // characters of a reference

enum class Kind : std::uint8_t { dataset, code, model, output, checkpoint, log, other };
DESCRIBE_ENUM(Kind, dataset, code, model, output, checkpoint, log, other)

// A tree in the store that a project owns. The same digest in two projects is two artifacts:
// storage is metered by logical bytes.
struct Artifact {
  Digest digest;
  Kind kind = Kind::other;
  std::uint64_t bytes = 0;  // logical: the sum of its files
  std::uint64_t files = 0;
  Instant created_at;
  PrincipalId created_by;
  // Who needs it: "dataset:ds_…@3", "model:mdl_…@1", "run:run_…", "workload:wl_…".
  std::set<std::string> references;
  Instant unreferenced_since;  // meaningful while `references` is empty
  friend bool operator==(const Artifact&, const Artifact&) = default;
};
DESCRIBE(Artifact, digest, kind, bytes, files, created_at, created_by, references,
         unreferenced_since)

// What one project owns; the counts are kept so that limits and meters need no walk.
struct Holding {
  std::map<Digest, Artifact> artifacts;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  friend bool operator==(const Holding&, const Holding&) = default;
};
DESCRIBE(Holding, artifacts, bytes, files)

struct State {
  std::map<OrgId, Holding> projects;
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, projects)

// ---- commands

// The store holds this tree and the project owns it from now on. Repeated: adds the reference.
struct Publish {
  static constexpr std::string_view tag = "publish";
  OrgId project;
  Digest digest;
  Kind kind = Kind::other;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::string reference;  // empty: none yet; it is collected when none comes within the grace
};
DESCRIBE(Publish, project, digest, kind, bytes, files, reference)

// Something needs an artifact the project owns already.
struct Refer {
  static constexpr std::string_view tag = "refer";
  OrgId project;
  Digest digest;
  std::string reference;
};
DESCRIBE(Refer, project, digest, reference)

// Something needs it no more.
struct Release {
  static constexpr std::string_view tag = "release";
  OrgId project;
  Digest digest;
  std::string reference;
};
DESCRIBE(Release, project, digest, reference)

// The project owns it no more; refused while something refers to it.
struct Delete {
  static constexpr std::string_view tag = "delete";
  OrgId project;
  Digest digest;
};
DESCRIBE(Delete, project, digest)

using Command = std::variant<Publish, Refer, Release, Delete>;

// ---- events

struct ArtifactPublished {
  static constexpr std::uint16_t fact = 0x2101;
  static constexpr std::string_view tag = "artifact_published";
  OrgId project;
  Digest digest;
  Kind kind = Kind::other;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  friend bool operator==(const ArtifactPublished&, const ArtifactPublished&) = default;
};
DESCRIBE(ArtifactPublished, project, digest, kind, bytes, files)

struct ArtifactReferenced {
  static constexpr std::uint16_t fact = 0x2102;
  static constexpr std::string_view tag = "artifact_referenced";
  OrgId project;
  Digest digest;
  std::string reference;
  friend bool operator==(const ArtifactReferenced&, const ArtifactReferenced&) = default;
};
DESCRIBE(ArtifactReferenced, project, digest, reference)

struct ArtifactReleased {
  static constexpr std::uint16_t fact = 0x2103;
  static constexpr std::string_view tag = "artifact_released";
  OrgId project;
  Digest digest;
  std::string reference;
  friend bool operator==(const ArtifactReleased&, const ArtifactReleased&) = default;
};
DESCRIBE(ArtifactReleased, project, digest, reference)

// Carries the bytes so that a meter need not look anything up.
struct ArtifactDeleted {
  static constexpr std::uint16_t fact = 0x2104;
  static constexpr std::string_view tag = "artifact_deleted";
  OrgId project;
  Digest digest;
  std::uint64_t bytes = 0;
  friend bool operator==(const ArtifactDeleted&, const ArtifactDeleted&) = default;
};
DESCRIBE(ArtifactDeleted, project, digest, bytes)

using Event =
    std::variant<ArtifactPublished, ArtifactReferenced, ArtifactReleased, ArtifactDeleted>;

// Errors: invalid (sizes, reference), not_found, conflict (other content, still referenced),
// exhausted (artifacts of the project, references of an artifact).
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- queries

// Nothing when the project does not own it.
const Artifact* find(const State& state, OrgId project, const Digest& digest);
// Logical bytes the project is metered for.
std::uint64_t stored_bytes(const State& state, OrgId project);
std::uint64_t count(const State& state, OrgId project);
// What nothing has referred to since `before`: the collector's candidates for Delete, in order.
std::vector<Delete> unreferenced(const State& state, Instant before, std::size_t limit);
// Every digest that some of `projects` (a tenant's) owns: what the store must keep.
std::set<Digest> roots(const State& state, const std::set<OrgId>& projects);

// "dataset:ds_…@3" and its like: one spelling everywhere.
std::string reference_of(DatasetId dataset, std::uint32_t version);
std::string reference_of(ModelId model, std::uint32_t version);
std::string reference_of(RunId run);
std::string reference_of(WorkloadId workload);
std::string reference_of(PipelineId pipeline);
std::string reference_of(PipelineRunId run);
std::string reference_of(EndpointId endpoint);

}  // namespace bessemer::artifact
