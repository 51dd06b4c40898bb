// Where something came from and what was made of it: a graph over what is remembered.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/id.h"
#include "base/result.h"
#include "data/dataset/dataset.h"
#include "data/registry/registry.h"
#include "data/run/run.h"

namespace bessemer::lineage {

constexpr std::size_t max_nodes = 10'000;  // of one answer; then the rest is counted

// ---- what is asked about

struct DatasetVersion {
  static constexpr std::string_view tag = "dataset";
  DatasetId id;
  std::uint32_t version = 0;
  friend auto operator<=>(const DatasetVersion&, const DatasetVersion&) = default;
};
DESCRIBE(DatasetVersion, id, version)
struct ExperimentRun {
  static constexpr std::string_view tag = "run";
  RunId id;
  friend auto operator<=>(const ExperimentRun&, const ExperimentRun&) = default;
};
DESCRIBE(ExperimentRun, id)
struct ModelVersion {
  static constexpr std::string_view tag = "model";
  ModelId id;
  std::uint32_t version = 0;
  friend auto operator<=>(const ModelVersion&, const ModelVersion&) = default;
};
DESCRIBE(ModelVersion, id, version)
struct Endpoint {
  static constexpr std::string_view tag = "endpoint";
  EndpointId id;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};
DESCRIBE(Endpoint, id)
// A line of a statement or invoice, by the name it has there.
struct Charge {
  static constexpr std::string_view tag = "charge";
  std::string line;
  friend auto operator<=>(const Charge&, const Charge&) = default;
};
DESCRIBE(Charge, line)

using Subject = std::variant<DatasetVersion, ExperimentRun, ModelVersion, Endpoint, Charge>;

// ---- what it is answered from

// An endpoint serves, or served, a model version. Upper layers hand these in as values.
struct Served {
  EndpointId endpoint;
  OrgId project;
  std::string name;
  ModelId model;
  std::uint32_t version = 0;
};
// A charge is for an endpoint's use or for the time of a workload.
struct Charged {
  std::string line;
  OrgId project;
  std::string label;  // "tokens.output, March 2026"
  EndpointId endpoint;
  WorkloadId workload;
};

struct Sources {
  const dataset::State& datasets;
  const run::State& runs;
  const registry::State& models;
  std::vector<Served> served;
  std::vector<Charged> charged;
  // Projects whose names the viewer may see; everything else appears as "(another project)".
  std::set<OrgId> visible;
};

// ---- the answer

// One thing and what hangs from it. A thing met before is named again without its branches.
struct Branch {
  std::string relation;  // how it relates to what it hangs from: "trained on"; empty at the root
  std::string kind;      // dataset, run, model, endpoint, charge, code, bytes, hidden
  std::string id;        // "ds_…@3"; empty when hidden
  std::string label;     // "king-james-bible v3"
  std::string detail;    // "4.2 MiB in 66 files, Public-Domain"
  bool repeated = false;
  std::vector<Branch> branches;
  friend bool operator==(const Branch&, const Branch&) = default;
};
DESCRIBE(Branch, relation, kind, id, label, detail, repeated, branches)

// Down to the bytes: charge → endpoint → model → run → dataset → digest.
// Errors: not_found (unknown, or not visible).
Result<Branch> origins(const Sources& sources, const Subject& subject);
// Up: everything made from it. Errors: not_found.
Result<Branch> products(const Sources& sources, const Subject& subject);

// The answer as lines with box characters, for a terminal.
std::string draw(const Branch& root);

}  // namespace bessemer::lineage
