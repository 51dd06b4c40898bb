// Datasets: named per project, in versions that never change.
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
#include "data/dataset/inspect.h"

namespace bessemer::dataset {

constexpr std::size_t max_description = 1024;   // bytes
constexpr std::size_t max_licence = 128;        // bytes; an SPDX expression where there is one
constexpr std::size_t max_source = 1024;        // bytes
constexpr std::size_t max_why = 1024;           // bytes; why something could not be read
constexpr std::uint32_t max_versions = 100'000;   // of one dataset
constexpr std::size_t max_aliases = 100;        // of one dataset
constexpr std::size_t max_datasets = 100'000;   // of one project

enum class VersionState : std::uint8_t { active, deprecated, deleted };
DESCRIBE_ENUM(VersionState, active, deprecated, deleted)

// Why the bytes of a version could not be read, so that nothing is known of how they fit. It says
// nothing about the bytes: they are read again when somebody asks.
struct Unreadable {
  std::string why;
  Instant at;
  friend bool operator==(const Unreadable&, const Unreadable&) = default;
};
DESCRIBE(Unreadable, why, at)

// One immutable content of a dataset. A deleted version keeps its record: lineage needs it.
struct Version {
  std::uint32_t number = 0;  // from 1
  Digest tree;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;  // 0: not counted
  Schema schema;
  std::string licence;
  std::string source;  // where the bytes came from
  std::optional<Validation> validation;
  RunId produced_by;  // none: pushed from outside
  Instant created_at;
  PrincipalId created_by;
  VersionState state = VersionState::active;
  std::string note;  // why it was deprecated
  std::optional<Unreadable> unreadable;  // never together with a validation
  friend bool operator==(const Version&, const Version&) = default;
};
DESCRIBE(Version, number, tree, bytes, files, rows, schema, licence, source, validation,
         produced_by, created_at, created_by, state, note, unreadable)

// Its bytes were read, and are not what its schema says.
inline bool is_unfit(const Version& version) {
  return version.validation && !version.validation->passed;
}

struct Dataset {
  DatasetId id;
  OrgId project;
  std::string name;
  std::string description;
  Instant created_at;
  PrincipalId created_by;
  std::map<std::uint32_t, Version> versions;
  std::map<std::string, std::uint32_t> aliases;  // "stable" -> 3
  bool deleted = false;
  friend bool operator==(const Dataset&, const Dataset&) = default;
};
DESCRIBE(Dataset, id, project, name, description, created_at, created_by, versions, aliases,
         deleted)

struct State {
  std::map<DatasetId, Dataset> datasets;
  std::map<OrgId, std::map<std::string, DatasetId>> names;  // of those not deleted
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, datasets, names)

// ---- commands

struct Create {
  static constexpr std::string_view tag = "create";
  DatasetId id;
  OrgId project;
  std::string name;
  std::string description;
};
DESCRIBE(Create, id, project, name, description)

// Adds the next version. A tree that is a version already, with the same schema, is that version:
// no events, or its bytes are read again where they could not be (find_tree says which). With
// another schema it is a conflict, unless what is there does not fit its own.
struct AddVersion {
  static constexpr std::string_view tag = "add_version";
  DatasetId dataset;
  Digest tree;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  Schema schema;
  std::string licence;
  std::string source;
  std::optional<Validation> validation;
  RunId produced_by;
};
DESCRIBE(AddVersion, dataset, tree, bytes, files, rows, schema, licence, source, validation,
         produced_by)

// What an inspection of a version's bytes found; the latest counts.
struct RecordValidation {
  static constexpr std::string_view tag = "record_validation";
  DatasetId dataset;
  std::uint32_t version = 0;
  Validation validation;
};
DESCRIBE(RecordValidation, dataset, version, validation)

// An inspection that was tried for long enough could not read the bytes.
struct RecordUnreadable {
  static constexpr std::string_view tag = "record_unreadable";
  DatasetId dataset;
  std::uint32_t version = 0;
  std::string why;
};
DESCRIBE(RecordUnreadable, dataset, version, why)

// Has bytes that could not be read inspected again; nothing for what is being read or was.
struct Inspect {
  static constexpr std::string_view tag = "inspect";
  DatasetId dataset;
  std::uint32_t version = 0;
};
DESCRIBE(Inspect, dataset, version)

struct Deprecate {
  static constexpr std::string_view tag = "deprecate";
  DatasetId dataset;
  std::uint32_t version = 0;
  std::string note;
};
DESCRIBE(Deprecate, dataset, version, note)

// Gives up the bytes; refused while an alias points at the version.
struct DeleteVersion {
  static constexpr std::string_view tag = "delete_version";
  DatasetId dataset;
  std::uint32_t version = 0;
};
DESCRIBE(DeleteVersion, dataset, version)

// Frees the name; refused while a version is not deleted.
struct Delete {
  static constexpr std::string_view tag = "delete";
  DatasetId dataset;
};
DESCRIBE(Delete, dataset)

// Version 0 removes the alias.
struct SetAlias {
  static constexpr std::string_view tag = "set_alias";
  DatasetId dataset;
  std::string alias;
  std::uint32_t version = 0;
};
DESCRIBE(SetAlias, dataset, alias, version)

using Command = std::variant<Create, AddVersion, RecordValidation, Deprecate, DeleteVersion,
                             Delete, SetAlias, RecordUnreadable, Inspect>;

// ---- events

struct DatasetCreated {
  static constexpr std::uint16_t fact = 0x2201;
  static constexpr std::string_view tag = "dataset_created";
  DatasetId id;
  OrgId project;
  std::string name;
  std::string description;
  friend bool operator==(const DatasetCreated&, const DatasetCreated&) = default;
};
DESCRIBE(DatasetCreated, id, project, name, description)

struct DatasetVersionAdded {
  static constexpr std::uint16_t fact = 0x2202;
  static constexpr std::string_view tag = "dataset_version_added";
  DatasetId dataset;
  std::uint32_t version = 0;
  Digest tree;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  Schema schema;
  std::string licence;
  std::string source;
  std::optional<Validation> validation;
  RunId produced_by;
  friend bool operator==(const DatasetVersionAdded&, const DatasetVersionAdded&) = default;
};
DESCRIBE(DatasetVersionAdded, dataset, version, tree, bytes, files, rows, schema, licence, source,
         validation, produced_by)

struct DatasetVersionValidated {
  static constexpr std::uint16_t fact = 0x2203;
  static constexpr std::string_view tag = "dataset_version_validated";
  DatasetId dataset;
  std::uint32_t version = 0;
  Validation validation;
  friend bool operator==(const DatasetVersionValidated&, const DatasetVersionValidated&) = default;
};
DESCRIBE(DatasetVersionValidated, dataset, version, validation)

struct DatasetVersionDeprecated {
  static constexpr std::uint16_t fact = 0x2204;
  static constexpr std::string_view tag = "dataset_version_deprecated";
  DatasetId dataset;
  std::uint32_t version = 0;
  std::string note;
  friend bool operator==(const DatasetVersionDeprecated&,
                         const DatasetVersionDeprecated&) = default;
};
DESCRIBE(DatasetVersionDeprecated, dataset, version, note)

struct DatasetVersionDeleted {
  static constexpr std::uint16_t fact = 0x2205;
  static constexpr std::string_view tag = "dataset_version_deleted";
  DatasetId dataset;
  std::uint32_t version = 0;
  friend bool operator==(const DatasetVersionDeleted&, const DatasetVersionDeleted&) = default;
};
DESCRIBE(DatasetVersionDeleted, dataset, version)

struct DatasetDeleted {
  static constexpr std::uint16_t fact = 0x2206;
  static constexpr std::string_view tag = "dataset_deleted";
  DatasetId dataset;
  friend bool operator==(const DatasetDeleted&, const DatasetDeleted&) = default;
};
DESCRIBE(DatasetDeleted, dataset)

// Version 0: the alias was removed.
struct DatasetAliasSet {
  static constexpr std::uint16_t fact = 0x2207;
  static constexpr std::string_view tag = "dataset_alias_set";
  DatasetId dataset;
  std::string alias;
  std::uint32_t version = 0;
  friend bool operator==(const DatasetAliasSet&, const DatasetAliasSet&) = default;
};
DESCRIBE(DatasetAliasSet, dataset, alias, version)

struct DatasetVersionUnreadable {
  static constexpr std::uint16_t fact = 0x2208;
  static constexpr std::string_view tag = "dataset_version_unreadable";
  DatasetId dataset;
  std::uint32_t version = 0;
  std::string why;
  friend bool operator==(const DatasetVersionUnreadable&,
                         const DatasetVersionUnreadable&) = default;
};
DESCRIBE(DatasetVersionUnreadable, dataset, version, why)

// Somebody wants bytes that could not be read to be read again.
struct DatasetInspectionAsked {
  static constexpr std::uint16_t fact = 0x2209;
  static constexpr std::string_view tag = "dataset_inspection_asked";
  DatasetId dataset;
  std::uint32_t version = 0;
  friend bool operator==(const DatasetInspectionAsked&, const DatasetInspectionAsked&) = default;
};
DESCRIBE(DatasetInspectionAsked, dataset, version)

using Event = std::variant<DatasetCreated, DatasetVersionAdded, DatasetVersionValidated,
                           DatasetVersionDeprecated, DatasetVersionDeleted, DatasetDeleted,
                           DatasetAliasSet, DatasetVersionUnreadable, DatasetInspectionAsked>;

// Errors: invalid (names, limits), not_found, conflict, exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- queries

// Nothing when unknown or deleted.
const Dataset* find(const State& state, DatasetId id);
const Dataset* find(const State& state, OrgId project, std::string_view name);
// Nothing when unknown; deleted versions are found.
const Version* find_version(const State& state, DatasetId id, std::uint32_t version);
// The highest active version; nothing when there is none.
const Version* latest(const Dataset& dataset);
// The version (not deleted) that holds these bytes under this schema.
const Version* find_tree(const Dataset& dataset, const Digest& tree, const Schema& schema);
// The version (not deleted) that holds these bytes, under whatever schema they do or may fit.
const Version* find_fit(const Dataset& dataset, const Digest& tree);
// "3", an alias, "latest" or "" (= latest) to a version that is not deleted. Errors: not_found.
Result<std::uint32_t> resolve(const Dataset& dataset, std::string_view which);
// A version whose bytes are to be inspected.
struct Uninspected {
  DatasetId dataset;
  OrgId project;
  std::uint32_t version = 0;
  Digest tree;
  Schema schema;
  friend bool operator==(const Uninspected&, const Uninspected&) = default;
};
// Oldest datasets first. The shell reads their bytes through an Inspection and answers each with
// RecordValidation, or with RecordUnreadable.
std::vector<Uninspected> uninspected(const State& state);
// This version, when its bytes are to be inspected.
std::optional<Uninspected> uninspected(const State& state, DatasetId id, std::uint32_t version);
// Those of one project that are not deleted, by name.
std::vector<const Dataset*> list(const State& state, OrgId project);

}  // namespace bessemer::dataset
