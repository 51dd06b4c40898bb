// What a run needs done now. Proposals only: whoever takes one hands back what came of it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "orchestration/pipeline/pipeline.h"

namespace bessemer::pipeline {

// A declared input of a job, resolved.
struct JobInput {
  std::string name;
  Output output;   // bytes, and the dataset or model version they are
  RunId run;       // the run whose output it is
  friend bool operator==(const JobInput&, const JobInput&) = default;
};
DESCRIBE(JobInput, name, output, run)

// Submit a workload (and start an experiment run); then BeginStep{run, step, attempt, key, …} in
// the same batch, and FinishStep when the workload has ended.
struct SubmitJob {
  static constexpr std::string_view tag = "submit_job";
  PipelineRunId run;
  OrgId project;
  std::string step;
  std::uint32_t attempt = 0;
  Digest key;
  std::string experiment;
  std::map<std::string, std::string> goals;
  // A workload specification as JSON, whole but for `project` and `run`: everything is resolved,
  // each input is {"name": …, "artifact": digest}.
  json::Raw workload{"{}"};
  // The same facts, for the experiment run.
  std::vector<std::string> command;
  Digest code;                      // none: no code
  Digest environment;
  std::vector<JobInput> inputs;
  json::Raw parameters{"{}"};       // an object
};
DESCRIBE(SubmitJob, run, project, step, attempt, key, experiment, goals, workload, command, code,
         environment, inputs, parameters)

// Make sure the dataset has a version with this tree; then FinishStep in the same batch with the
// output "dataset": `reused` when the version was there before.
struct IngestDataset {
  static constexpr std::string_view tag = "ingest_dataset";
  PipelineRunId run;
  OrgId project;
  std::string step;
  std::uint32_t attempt = 0;
  std::string dataset;
  std::string description;
  Digest tree;
  std::string licence;
  std::string source;
  json::Raw schema{"{}"};
  RunId produced_by;   // none: pushed from outside
};
DESCRIBE(IngestDataset, run, project, step, attempt, dataset, description, tree, licence, source,
         schema, produced_by)

// A dataset version in a model's lineage.
struct DatasetUsed {
  DatasetId dataset;
  std::uint32_t version = 0;
  Digest tree;
  friend bool operator==(const DatasetUsed&, const DatasetUsed&) = default;
};
DESCRIBE(DatasetUsed, dataset, version, tree)

// The metrics of a step, to be attached to the version under the step's name.
struct EvaluationMade {
  std::string name;
  RunId run;
  std::optional<DatasetUsed> dataset;
  std::map<std::string, double> metrics;
};
DESCRIBE(EvaluationMade, name, run, dataset, metrics)

// Register a model version, attach the evaluations, move the aliases; then FinishStep in the same
// batch with the output "model": `reused` when it was all there before.
struct RegisterModel {
  static constexpr std::string_view tag = "register_model";
  PipelineRunId run;
  OrgId project;
  std::string step;
  std::uint32_t attempt = 0;
  std::string model;
  std::string description;
  Digest artifact;
  std::uint64_t bytes = 0;
  std::string format;
  std::vector<DatasetUsed> datasets;    // everything that flowed into it, each once
  Digest code;
  Digest environment;
  json::Raw parameters{"{}"};           // of the job that made it
  RunId made_by;
  std::map<std::string, double> metrics;  // of the job that made it
  std::vector<EvaluationMade> evaluations;
  std::vector<std::string> aliases;
};
DESCRIBE(RegisterModel, run, project, step, attempt, model, description, artifact, bytes, format,
         datasets, code, environment, parameters, made_by, metrics, evaluations, aliases)

// Put the version behind the endpoint, BeginStep in the same batch, FinishStep with the output
// "endpoint" once it is healthy; `reused` at once when it is served already.
struct DeployModel {
  static constexpr std::string_view tag = "deploy_model";
  PipelineRunId run;
  OrgId project;
  std::string step;
  std::uint32_t attempt = 0;
  Deploy deploy;            // resolved; `model` is left empty
  ModelId model;
  std::uint32_t version = 0;
  Digest artifact;
};
DESCRIBE(DeployModel, run, project, step, attempt, deploy, model, version, artifact)

// Cancel the workload of a step; its end comes back as FinishStep{cancelled}.
struct CancelJob {
  static constexpr std::string_view tag = "cancel_job";
  PipelineRunId run;
  std::string step;
  WorkloadId workload;
};
DESCRIBE(CancelJob, run, step, workload)

// Needs nothing from outside: judge this command as it is.
struct Settle {
  static constexpr std::string_view tag = "settle";
  FinishStep finish;
};
DESCRIBE(Settle, finish)

using Action =
    std::variant<SubmitJob, IngestDataset, RegisterModel, DeployModel, CancelJob, Settle>;

// The version that a model's alias `champion` points at.
struct Champion {
  std::map<std::string, double> metrics;  // those that count
  std::set<RunId> measured_by;            // the runs of its evaluations
};

// What a run must know of the world beside it: values handed in, nothing is called that changes.
struct Surroundings {
  virtual ~Surroundings() = default;
  // Nothing when the project has no such model or it has no champion.
  virtual std::optional<Champion> champion(OrgId project, std::string_view model) const = 0;
  // Does the project still own this artifact? A cached result whose bytes are gone is not used.
  virtual bool owns(OrgId project, const Digest& artifact) const = 0;
};

// Everything that can be begun now, in the run's order. The same state proposes the same; taking
// the actions and asking again, until nothing is proposed, is how a run moves on. A step that
// cannot be resolved is settled as failed, saying why.
std::vector<Action> advance(const State& state, const Run& run, const Surroundings& surroundings);

}  // namespace bessemer::pipeline
