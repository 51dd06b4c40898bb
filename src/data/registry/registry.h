// The model registry: models per project, versions that never change, aliases such as champion.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/json.h"
#include "base/result.h"

namespace bessemer::registry {

constexpr std::size_t max_description = 1024;     // bytes
constexpr std::size_t max_source = 1024;          // bytes
constexpr std::size_t max_parameters_bytes = 64 << 10;
constexpr std::size_t max_datasets = 256;         // of one version's lineage
constexpr std::size_t max_metrics = 256;          // of one version or evaluation
constexpr std::size_t max_evaluations = 1'000;    // of one version
constexpr std::size_t max_aliases = 100;          // of one model
constexpr std::size_t max_alias_history = 1'000;  // moves kept per alias
constexpr std::uint32_t max_versions = 100'000;     // of one model
constexpr std::size_t max_models = 100'000;       // of one project

// A dataset version that a model was made from.
struct DatasetUse {
  DatasetId dataset;
  std::uint32_t version = 0;
  Digest tree;
  friend bool operator==(const DatasetUse&, const DatasetUse&) = default;
};
DESCRIBE(DatasetUse, dataset, version, tree)

// Where a model came from. Everything may be absent for an imported one.
struct Lineage {
  std::vector<DatasetUse> datasets;
  Digest code;
  Digest environment;
  json::Raw parameters{"{}"};
  RunId run;                    // the run that made it
  PipelineRunId pipeline_run;
  ModelId parent;               // what it was fine-tuned from, with parent_version
  std::uint32_t parent_version = 0;
  friend bool operator==(const Lineage&, const Lineage&) = default;
};
DESCRIBE(Lineage, datasets, code, environment, parameters, run, pipeline_run, parent,
         parent_version)

// A measurement of a version by somebody, once.
struct Evaluation {
  std::string name;             // "held-back": the latest of a name counts
  RunId run;
  std::optional<DatasetUse> dataset;
  std::map<std::string, double> metrics;
  Instant at;
  PrincipalId by;
  friend bool operator==(const Evaluation&, const Evaluation&) = default;
};
DESCRIBE(Evaluation, name, run, dataset, metrics, at, by)

enum class Origin : std::uint8_t { trained, imported };
DESCRIBE_ENUM(Origin, trained, imported)
enum class Stage : std::uint8_t { none, candidate, staging, production, archived };
DESCRIBE_ENUM(Stage, none, candidate, staging, production, archived)
enum class VersionState : std::uint8_t { active, deleted };
DESCRIBE_ENUM(VersionState, active, deleted)

// One immutable model. A deleted version keeps its record: lineage and invoices need it.
struct Version {
  std::uint32_t number = 0;  // from 1
  Digest artifact;           // a tree
  std::uint64_t bytes = 0;
  std::string format;        // "gguf", "onnx", "torchscript", …: what serves it decides by this
  Lineage lineage;
  std::map<std::string, double> metrics;  // of its training
  std::vector<Evaluation> evaluations;    // oldest first
  Origin origin = Origin::trained;
  std::string source;        // of an imported model: where from, under which licence
  Stage stage = Stage::none;
  Instant created_at;
  PrincipalId created_by;
  VersionState state = VersionState::active;
  friend bool operator==(const Version&, const Version&) = default;
};
DESCRIBE(Version, number, artifact, bytes, format, lineage, metrics, evaluations, origin, source,
         stage, created_at, created_by, state)

// An alias pointed at `version` from `at` on; version 0: it was removed.
struct Move {
  std::uint32_t version = 0;
  Instant at;
  PrincipalId by;
  friend bool operator==(const Move&, const Move&) = default;
};
DESCRIBE(Move, version, at, by)

struct Model {
  ModelId id;
  OrgId project;
  std::string name;
  std::string description;
  Instant created_at;
  PrincipalId created_by;
  std::map<std::uint32_t, Version> versions;
  std::map<std::string, std::vector<Move>> aliases;  // history, oldest first
  bool deleted = false;
  friend bool operator==(const Model&, const Model&) = default;
};
DESCRIBE(Model, id, project, name, description, created_at, created_by, versions, aliases, deleted)

struct State {
  std::map<ModelId, Model> models;
  std::map<OrgId, std::map<std::string, ModelId>> names;  // of those not deleted
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, models, names)

// ---- commands

struct Create {
  static constexpr std::string_view tag = "create";
  ModelId id;
  OrgId project;
  std::string name;
  std::string description;
};
DESCRIBE(Create, id, project, name, description)

// Adds the next version, trained here or imported. The same artifact with the same lineage is the
// version it already is: no events (find_artifact says which).
struct AddVersion {
  static constexpr std::string_view tag = "add_version";
  ModelId model;
  Digest artifact;
  std::uint64_t bytes = 0;
  std::string format;
  Lineage lineage;
  std::map<std::string, double> metrics;
  Origin origin = Origin::trained;
  std::string source;
};
DESCRIBE(AddVersion, model, artifact, bytes, format, lineage, metrics, origin, source)

// The same name, run and metrics again is already done.
struct Evaluate {
  static constexpr std::string_view tag = "evaluate";
  ModelId model;
  std::uint32_t version = 0;
  std::string name;
  RunId run;
  std::optional<DatasetUse> dataset;
  std::map<std::string, double> metrics;
};
DESCRIBE(Evaluate, model, version, name, run, dataset, metrics)

// Version 0 removes the alias.
struct SetAlias {
  static constexpr std::string_view tag = "set_alias";
  ModelId model;
  std::string alias;
  std::uint32_t version = 0;
};
DESCRIBE(SetAlias, model, alias, version)

struct SetStage {
  static constexpr std::string_view tag = "set_stage";
  ModelId model;
  std::uint32_t version = 0;
  Stage stage = Stage::none;
};
DESCRIBE(SetStage, model, version, stage)

// Gives up the bytes; refused while an alias points at the version.
struct DeleteVersion {
  static constexpr std::string_view tag = "delete_version";
  ModelId model;
  std::uint32_t version = 0;
};
DESCRIBE(DeleteVersion, model, version)

// Frees the name; refused while a version is not deleted.
struct Delete {
  static constexpr std::string_view tag = "delete";
  ModelId model;
};
DESCRIBE(Delete, model)

using Command =
    std::variant<Create, AddVersion, Evaluate, SetAlias, SetStage, DeleteVersion, Delete>;

// ---- events

struct ModelCreated {
  static constexpr std::uint16_t fact = 0x2401;
  static constexpr std::string_view tag = "model_created";
  ModelId id;
  OrgId project;
  std::string name;
  std::string description;
  friend bool operator==(const ModelCreated&, const ModelCreated&) = default;
};
DESCRIBE(ModelCreated, id, project, name, description)

struct ModelVersionAdded {
  static constexpr std::uint16_t fact = 0x2402;
  static constexpr std::string_view tag = "model_version_added";
  ModelId model;
  std::uint32_t version = 0;
  Digest artifact;
  std::uint64_t bytes = 0;
  std::string format;
  Lineage lineage;
  std::map<std::string, double> metrics;
  Origin origin = Origin::trained;
  std::string source;
  friend bool operator==(const ModelVersionAdded&, const ModelVersionAdded&) = default;
};
DESCRIBE(ModelVersionAdded, model, version, artifact, bytes, format, lineage, metrics, origin,
         source)

struct ModelVersionEvaluated {
  static constexpr std::uint16_t fact = 0x2403;
  static constexpr std::string_view tag = "model_version_evaluated";
  ModelId model;
  std::uint32_t version = 0;
  std::string name;
  RunId run;
  std::optional<DatasetUse> dataset;
  std::map<std::string, double> metrics;
  friend bool operator==(const ModelVersionEvaluated&, const ModelVersionEvaluated&) = default;
};
DESCRIBE(ModelVersionEvaluated, model, version, name, run, dataset, metrics)

// Version 0: the alias was removed.
struct ModelAliasSet {
  static constexpr std::uint16_t fact = 0x2404;
  static constexpr std::string_view tag = "model_alias_set";
  ModelId model;
  std::string alias;
  std::uint32_t version = 0;
  friend bool operator==(const ModelAliasSet&, const ModelAliasSet&) = default;
};
DESCRIBE(ModelAliasSet, model, alias, version)

struct ModelStageSet {
  static constexpr std::uint16_t fact = 0x2405;
  static constexpr std::string_view tag = "model_stage_set";
  ModelId model;
  std::uint32_t version = 0;
  Stage stage = Stage::none;
  friend bool operator==(const ModelStageSet&, const ModelStageSet&) = default;
};
DESCRIBE(ModelStageSet, model, version, stage)

struct ModelVersionDeleted {
  static constexpr std::uint16_t fact = 0x2406;
  static constexpr std::string_view tag = "model_version_deleted";
  ModelId model;
  std::uint32_t version = 0;
  friend bool operator==(const ModelVersionDeleted&, const ModelVersionDeleted&) = default;
};
DESCRIBE(ModelVersionDeleted, model, version)

struct ModelDeleted {
  static constexpr std::uint16_t fact = 0x2407;
  static constexpr std::string_view tag = "model_deleted";
  ModelId model;
  friend bool operator==(const ModelDeleted&, const ModelDeleted&) = default;
};
DESCRIBE(ModelDeleted, model)

using Event = std::variant<ModelCreated, ModelVersionAdded, ModelVersionEvaluated, ModelAliasSet,
                           ModelStageSet, ModelVersionDeleted, ModelDeleted>;

// Errors: invalid (names, limits, metrics that are not finite), not_found, conflict, exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- queries

// Nothing when unknown or deleted.
const Model* find(const State& state, ModelId id);
const Model* find(const State& state, OrgId project, std::string_view name);
// Nothing when unknown; deleted versions are found.
const Version* find_version(const State& state, ModelId id, std::uint32_t version);
// The highest active version; nothing when there is none.
const Version* latest(const Model& model);
// The active version an alias points at; nothing when there is none.
const Version* at_alias(const Model& model, std::string_view alias);
// The highest active version with this artifact.
const Version* find_artifact(const Model& model, const Digest& artifact);
// "3", an alias, "latest" or "" (= latest) to an active version. Errors: not_found.
Result<std::uint32_t> resolve(const Model& model, std::string_view which);
// The metrics that count: each from the latest evaluation that has it, else from training.
std::map<std::string, double> metrics_of(const Version& version);
// Those of one project that are not deleted, by name.
std::vector<const Model*> list(const State& state, OrgId project);

}  // namespace bessemer::registry
