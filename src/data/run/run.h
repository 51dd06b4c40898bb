// Experiment runs: what was tried, on what, with which result.
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

namespace bessemer::run {

constexpr std::size_t max_parameters_bytes = 64 << 10;  // of the parameters' JSON
constexpr std::size_t max_inputs = 256;
constexpr std::size_t max_outputs = 256;
constexpr std::size_t max_metrics = 256;                // names in one run
constexpr std::size_t max_reason = 1024;                // bytes
constexpr std::size_t max_tags = 64;

enum class Status : std::uint8_t { running, succeeded, failed, cancelled };
DESCRIBE_ENUM(Status, running, succeeded, failed, cancelled)

// Which way a metric gets better.
enum class Goal : std::uint8_t { none, minimise, maximise };
DESCRIBE_ENUM(Goal, none, minimise, maximise)

// Bytes that a run read, and what they were called if they had a name.
struct Input {
  std::string name;       // as the task saw it: /bessemer/inputs/<name>
  Digest digest;
  DatasetId dataset;      // with dataset_version, when it was a dataset
  std::uint32_t dataset_version = 0;
  ModelId model;          // with model_version, when it was a model
  std::uint32_t model_version = 0;
  RunId run;              // when it was the output of another run
  friend bool operator==(const Input&, const Input&) = default;
};
DESCRIBE(Input, name, digest, dataset, dataset_version, model, model_version, run)

// Bytes that a run wrote.
struct Output {
  std::string name;
  Digest digest;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  friend bool operator==(const Output&, const Output&) = default;
};
DESCRIBE(Output, name, digest, bytes, files)

// One metric over a whole run. Values that are not finite are counted, never summarised.
struct Summary {
  std::uint64_t count = 0;
  double last = 0, min = 0, max = 0;
  std::int64_t last_step = 0, min_step = 0, max_step = 0;
  std::uint64_t not_finite = 0;
  friend bool operator==(const Summary&, const Summary&) = default;
};
DESCRIBE(Summary, count, last, min, max, last_step, min_step, max_step, not_finite)

struct Run {
  RunId id;
  OrgId project;
  std::string experiment;
  std::string name;
  json::Raw parameters;
  std::map<std::string, Goal> goals;
  Digest code;
  Digest environment;
  std::vector<std::string> command;
  std::vector<Input> inputs;
  WorkloadId workload;
  PipelineRunId pipeline_run;
  std::string step;
  Instant started_at;
  PrincipalId created_by;
  Status status = Status::running;
  Instant ended_at;
  std::string reason;
  std::map<std::string, Summary> metrics;
  Digest series;                  // SHA-256 of the series file, once ended
  std::uint64_t series_bytes = 0;
  std::map<std::string, Output> outputs;
  std::map<std::string, std::string> tags;
  friend bool operator==(const Run&, const Run&) = default;
};
DESCRIBE(Run, id, project, experiment, name, parameters, goals, code, environment, command, inputs,
         workload, pipeline_run, step, started_at, created_by, status, ended_at, reason, metrics,
         series, series_bytes, outputs, tags)

struct State {
  std::map<RunId, Run> runs;
  std::map<OrgId, std::map<std::string, std::vector<RunId>>> experiments;  // oldest first
  std::map<WorkloadId, RunId> by_workload;
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, runs, experiments, by_workload)

// ---- commands

struct Start {
  static constexpr std::string_view tag = "start";
  RunId id;
  OrgId project;
  std::string experiment;
  std::string name;                    // may be empty
  json::Raw parameters{"{}"};          // an object
  std::map<std::string, Goal> goals;
  Digest code;                         // none: no code was pushed
  Digest environment;
  std::vector<std::string> command;
  std::vector<Input> inputs;
  WorkloadId workload;                 // none: reported from outside
  PipelineRunId pipeline_run;
  std::string step;
  std::map<std::string, std::string> tags;
};
DESCRIBE(Start, id, project, experiment, name, parameters, goals, code, environment, command,
         inputs, workload, pipeline_run, step, tags)

// An output became an artifact; the same name again replaces it while the run is running.
struct AddOutput {
  static constexpr std::string_view tag = "add_output";
  RunId run;
  Output output;
};
DESCRIBE(AddOutput, run, output)

// The run is over; repeated with the same content it is already done.
struct Finish {
  static constexpr std::string_view tag = "finish";
  RunId run;
  Status status = Status::succeeded;
  std::string reason;                        // why it failed
  std::map<std::string, Summary> metrics;    // see fold in metrics.h
  Digest series;
  std::uint64_t series_bytes = 0;
};
DESCRIBE(Finish, run, status, reason, metrics, series, series_bytes)

// Forgets a run that is over; what was made from it keeps its id.
struct Delete {
  static constexpr std::string_view tag = "delete";
  RunId run;
};
DESCRIBE(Delete, run)

using Command = std::variant<Start, AddOutput, Finish, Delete>;

// ---- events

struct RunStarted {
  static constexpr std::uint16_t fact = 0x2301;
  static constexpr std::string_view tag = "run_started";
  RunId id;
  OrgId project;
  std::string experiment;
  std::string name;
  json::Raw parameters{"{}"};
  std::map<std::string, Goal> goals;
  Digest code;
  Digest environment;
  std::vector<std::string> command;
  std::vector<Input> inputs;
  WorkloadId workload;
  PipelineRunId pipeline_run;
  std::string step;
  std::map<std::string, std::string> tags;
  friend bool operator==(const RunStarted&, const RunStarted&) = default;
};
DESCRIBE(RunStarted, id, project, experiment, name, parameters, goals, code, environment, command,
         inputs, workload, pipeline_run, step, tags)

struct RunOutputAdded {
  static constexpr std::uint16_t fact = 0x2302;
  static constexpr std::string_view tag = "run_output_added";
  RunId run;
  Output output;
  friend bool operator==(const RunOutputAdded&, const RunOutputAdded&) = default;
};
DESCRIBE(RunOutputAdded, run, output)

struct RunFinished {
  static constexpr std::uint16_t fact = 0x2303;
  static constexpr std::string_view tag = "run_finished";
  RunId run;
  Status status = Status::succeeded;
  std::string reason;
  std::map<std::string, Summary> metrics;
  Digest series;
  std::uint64_t series_bytes = 0;
  friend bool operator==(const RunFinished&, const RunFinished&) = default;
};
DESCRIBE(RunFinished, run, status, reason, metrics, series, series_bytes)

struct RunDeleted {
  static constexpr std::uint16_t fact = 0x2304;
  static constexpr std::string_view tag = "run_deleted";
  RunId run;
  friend bool operator==(const RunDeleted&, const RunDeleted&) = default;
};
DESCRIBE(RunDeleted, run)

using Event = std::variant<RunStarted, RunOutputAdded, RunFinished, RunDeleted>;

// Errors: invalid, not_found, conflict (over already, still running), exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- queries

const Run* find(const State& state, RunId id);
const Run* find(const State& state, WorkloadId workload);
// Newest first. An empty experiment is all of the project's.
std::vector<const Run*> list(const State& state, OrgId project, std::string_view experiment);
// The run of an experiment with the best last value of `metric`; nothing when none has it.
const Run* best(const State& state, OrgId project, std::string_view experiment,
                std::string_view metric, Goal goal);
// By the run's declared goal: its best value. Nothing when not measured or no goal is declared.
std::optional<double> best_value(const Run& run, std::string_view metric);

}  // namespace bessemer::run
