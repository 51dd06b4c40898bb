// Pipelines and their runs: what is defined, which step stands where, what can be used again.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
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
#include "orchestration/pipeline/definition.h"

namespace bessemer::pipeline {

constexpr std::size_t max_pipelines = 10'000;       // of one project
constexpr std::size_t kept_runs = 1'000;            // of one pipeline; then the oldest over goes
constexpr std::size_t max_active_runs = 1'000;      // of one pipeline, at once
constexpr std::size_t max_cache_entries = 10'000;   // of one project; then the oldest goes
constexpr std::size_t max_note = 2048;              // bytes

enum class StepStatus : std::uint8_t {
  waiting,    // for what it needs
  running,    // its action was taken
  succeeded,  // of a gate: passed
  reused,     // its result was taken from an earlier run
  failed,
  skipped,    // something it needs failed
  cancelled,
};
DESCRIBE_ENUM(StepStatus, waiting, running, succeeded, reused, failed, skipped, cancelled)

enum class RunStatus : std::uint8_t { running, cancelling, succeeded, failed, cancelled };
DESCRIBE_ENUM(RunStatus, running, cancelling, succeeded, failed, cancelled)

// What a step made: bytes, and the name they were given.
struct Output {
  Digest digest;            // the tree; none for an endpoint
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  DatasetId dataset;        // of an ingest step
  std::uint32_t dataset_version = 0;
  ModelId model;            // of a register step
  std::uint32_t model_version = 0;
  EndpointId endpoint;      // of a deploy step
  std::string made_by;      // of a choose step: the instance that made it
  friend bool operator==(const Output&, const Output&) = default;
};
DESCRIBE(Output, digest, bytes, files, dataset, dataset_version, model, model_version, endpoint,
         made_by)

// What a finished step leaves for those that need it, and for the cache.
struct StepResult {
  std::map<std::string, Output> outputs;
  std::map<std::string, double> metrics;
  RunId run;  // the experiment run that measured them; none for steps that ran no job
  friend bool operator==(const StepResult&, const StepResult&) = default;
};
DESCRIBE(StepResult, outputs, metrics, run)

// One instance of a step, as a run begins: which step, at which point of its matrix.
struct Instance {
  std::string name;  // "train", or "train[seed=1,width=64]"
  std::string step;
  std::map<std::string, json::Raw> matrix;
  std::vector<std::string> needs;               // instances
  std::map<std::string, std::string> bindings;  // step -> the instance that ${steps.…} means
  friend bool operator==(const Instance&, const Instance&) = default;
};
DESCRIBE(Instance, name, step, matrix, needs, bindings)

struct StepRun {
  Instance instance;
  StepStatus status = StepStatus::waiting;
  std::uint32_t attempt = 0;  // 0: not begun
  Digest key;                 // what its result depends on; none: not cached
  WorkloadId workload;
  StepResult result;
  std::string note;           // "re-used from prn_…", "accuracy 0.87 is below 0.9 by 0.03"
  Instant started_at, ended_at;
  friend bool operator==(const StepRun&, const StepRun&) = default;
};
DESCRIBE(StepRun, instance, status, attempt, key, workload, result, note, started_at, ended_at)

struct Run {
  PipelineRunId id;
  PipelineId pipeline;
  OrgId project;
  Definition definition;  // as it was when the run began
  std::map<std::string, json::Raw> parameters;
  std::map<std::string, Digest> environments;  // by name, as the run began
  bool use_cache = true;
  RunStatus status = RunStatus::running;
  std::vector<std::string> order;  // instances, each after those it needs
  std::map<std::string, StepRun> steps;
  Instant started_at, ended_at;
  PrincipalId started_by;
  friend bool operator==(const Run&, const Run&) = default;
};
DESCRIBE(Run, id, pipeline, project, definition, parameters, environments, use_cache, status,
         order, steps, started_at, ended_at, started_by)

struct Pipeline {
  PipelineId id;
  OrgId project;
  std::string name;
  std::uint32_t revision = 0;
  Definition definition;
  Instant defined_at;
  PrincipalId defined_by;
  std::vector<PipelineRunId> runs;  // oldest first
  bool removed = false;
  friend bool operator==(const Pipeline&, const Pipeline&) = default;
};
DESCRIBE(Pipeline, id, project, name, revision, definition, defined_at, defined_by, runs, removed)

// A result that the same inputs, code, parameters, environment and command would give again.
struct CacheEntry {
  PipelineRunId run;
  std::string step;
  StepResult result;
  Instant at;
  friend bool operator==(const CacheEntry&, const CacheEntry&) = default;
};
DESCRIBE(CacheEntry, run, step, result, at)

struct State {
  std::map<PipelineId, Pipeline> pipelines;
  std::map<OrgId, std::map<std::string, PipelineId>> names;  // of those not removed
  std::map<PipelineRunId, Run> runs;
  std::set<PipelineRunId> active;                            // running or cancelling
  std::map<OrgId, std::map<Digest, CacheEntry>> cache;       // never crosses a project
  std::map<WorkloadId, std::pair<PipelineRunId, std::string>> by_workload;  // of running steps
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, pipelines, names, runs, active, cache, by_workload)

// ---- commands

// Defines a pipeline, or gives the one of this name its next revision (`id` is then ignored).
struct Define {
  static constexpr std::string_view tag = "define";
  PipelineId id;
  OrgId project;
  Definition definition;
};
DESCRIBE(Define, id, project, definition)

// Frees the name; runs that are under way go on.
struct Remove {
  static constexpr std::string_view tag = "remove";
  PipelineId pipeline;
};
DESCRIBE(Remove, pipeline)

struct Start {
  static constexpr std::string_view tag = "start";
  PipelineRunId id;
  PipelineId pipeline;
  std::map<std::string, json::Raw> parameters;   // others than the defaults
  std::map<std::string, Digest> environments;    // the digest of each environment named
  bool use_cache = true;
};
DESCRIBE(Start, id, pipeline, parameters, environments, use_cache)

// The step's action was taken: submitted, in the same batch.
struct BeginStep {
  static constexpr std::string_view tag = "begin_step";
  PipelineRunId run;
  std::string step;           // an instance
  std::uint32_t attempt = 0;  // one more than before
  Digest key;
  WorkloadId workload;
  RunId experiment_run;
};
DESCRIBE(BeginStep, run, step, attempt, key, workload, experiment_run)

// The step is over. A step that needs no work in between (gate, choose, a re-used result) goes
// from waiting to over at once. Repeated with the same outcome it is already done.
struct FinishStep {
  static constexpr std::string_view tag = "finish_step";
  PipelineRunId run;
  std::string step;
  std::uint32_t attempt = 0;
  StepStatus outcome = StepStatus::succeeded;  // succeeded, reused, failed, cancelled
  Digest key;
  StepResult result;
  std::string note;
};
DESCRIBE(FinishStep, run, step, attempt, outcome, key, result, note)

// Waiting steps are cancelled at once; running ones by the actions that advance then proposes.
struct Cancel {
  static constexpr std::string_view tag = "cancel";
  PipelineRunId run;
};
DESCRIBE(Cancel, run)

// Tries a failed or cancelled step of a run again, with everything that was skipped after it.
struct RetryStep {
  static constexpr std::string_view tag = "retry_step";
  PipelineRunId run;
  std::string step;
};
DESCRIBE(RetryStep, run, step)

// Drops cached results of a project: one, or all when `key` is none.
struct ForgetCache {
  static constexpr std::string_view tag = "forget_cache";
  OrgId project;
  Digest key;
};
DESCRIBE(ForgetCache, project, key)

using Command =
    std::variant<Define, Remove, Start, BeginStep, FinishStep, Cancel, RetryStep, ForgetCache>;

// ---- events

struct PipelineDefined {
  static constexpr std::uint16_t fact = 0x3301;
  static constexpr std::string_view tag = "pipeline_defined";
  PipelineId id;
  OrgId project;
  std::uint32_t revision = 0;
  Definition definition;
  friend bool operator==(const PipelineDefined&, const PipelineDefined&) = default;
};
DESCRIBE(PipelineDefined, id, project, revision, definition)

struct PipelineRemoved {
  static constexpr std::uint16_t fact = 0x3302;
  static constexpr std::string_view tag = "pipeline_removed";
  PipelineId pipeline;
  friend bool operator==(const PipelineRemoved&, const PipelineRemoved&) = default;
};
DESCRIBE(PipelineRemoved, pipeline)

struct PipelineRunStarted {
  static constexpr std::uint16_t fact = 0x3303;
  static constexpr std::string_view tag = "pipeline_run_started";
  PipelineRunId id;
  PipelineId pipeline;
  std::uint32_t revision = 0;
  std::map<std::string, json::Raw> parameters;  // all of them
  std::map<std::string, Digest> environments;
  bool use_cache = true;
  std::vector<Instance> instances;  // each after those it needs
  friend bool operator==(const PipelineRunStarted&, const PipelineRunStarted&) = default;
};
DESCRIBE(PipelineRunStarted, id, pipeline, revision, parameters, environments, use_cache,
         instances)

struct PipelineStepBegun {
  static constexpr std::uint16_t fact = 0x3304;
  static constexpr std::string_view tag = "pipeline_step_begun";
  PipelineRunId run;
  std::string step;
  std::uint32_t attempt = 0;
  Digest key;
  WorkloadId workload;
  RunId experiment_run;
  friend bool operator==(const PipelineStepBegun&, const PipelineStepBegun&) = default;
};
DESCRIBE(PipelineStepBegun, run, step, attempt, key, workload, experiment_run)

// Also of steps that are skipped or cancelled because of another.
struct PipelineStepFinished {
  static constexpr std::uint16_t fact = 0x3305;
  static constexpr std::string_view tag = "pipeline_step_finished";
  PipelineRunId run;
  std::string step;
  std::uint32_t attempt = 0;
  StepStatus outcome = StepStatus::succeeded;
  Digest key;
  StepResult result;
  std::string note;
  friend bool operator==(const PipelineStepFinished&, const PipelineStepFinished&) = default;
};
DESCRIBE(PipelineStepFinished, run, step, attempt, outcome, key, result, note)

struct PipelineRunCancelling {
  static constexpr std::uint16_t fact = 0x3306;
  static constexpr std::string_view tag = "pipeline_run_cancelling";
  PipelineRunId run;
  friend bool operator==(const PipelineRunCancelling&, const PipelineRunCancelling&) = default;
};
DESCRIBE(PipelineRunCancelling, run)

// The step and these others wait again; the run is running.
struct PipelineStepRetried {
  static constexpr std::uint16_t fact = 0x3307;
  static constexpr std::string_view tag = "pipeline_step_retried";
  PipelineRunId run;
  std::vector<std::string> steps;
  friend bool operator==(const PipelineStepRetried&, const PipelineStepRetried&) = default;
};
DESCRIBE(PipelineStepRetried, run, steps)

struct PipelineRunEnded {
  static constexpr std::uint16_t fact = 0x3308;
  static constexpr std::string_view tag = "pipeline_run_ended";
  PipelineRunId run;
  RunStatus status = RunStatus::succeeded;
  friend bool operator==(const PipelineRunEnded&, const PipelineRunEnded&) = default;
};
DESCRIBE(PipelineRunEnded, run, status)

struct PipelineCacheForgotten {
  static constexpr std::uint16_t fact = 0x3309;
  static constexpr std::string_view tag = "pipeline_cache_forgotten";
  OrgId project;
  Digest key;
  friend bool operator==(const PipelineCacheForgotten&, const PipelineCacheForgotten&) = default;
};
DESCRIBE(PipelineCacheForgotten, project, key)

using Event = std::variant<PipelineDefined, PipelineRemoved, PipelineRunStarted, PipelineStepBegun,
                           PipelineStepFinished, PipelineRunCancelling, PipelineStepRetried,
                           PipelineRunEnded, PipelineCacheForgotten>;

// Errors: invalid (the definition, with the field's path; parameters), not_found, conflict
// (an older attempt, a step in another state), exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- queries

// Nothing when unknown or removed.
const Pipeline* find(const State& state, PipelineId id);
const Pipeline* find(const State& state, OrgId project, std::string_view name);
const Run* find(const State& state, PipelineRunId id);
// The running step that a workload carries out; nothing when there is none.
std::optional<std::pair<PipelineRunId, std::string>> step_of(const State& state,
                                                             WorkloadId workload);
// Those of one project that are not removed, by name.
std::vector<const Pipeline*> list(const State& state, OrgId project);
// Of one pipeline, newest first.
std::vector<const Run*> runs_of(const State& state, PipelineId pipeline);
// Artifacts that a cached result of some project names: the collector must keep them, or the
// entry must be forgotten first.
std::set<Digest> cached_artifacts(const State& state, OrgId project);
// Why a step stands where it stands, in one line: "waits for train (running)".
std::string explain(const Run& run, const StepRun& step);
// "6 steps: 4 re-used, 1 succeeded, 1 failed".
std::string summarise(const Run& run);

}  // namespace bessemer::pipeline
