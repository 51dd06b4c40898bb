// Applies what happened to pipelines and their runs.
#include <algorithm>

#include "base/check.h"
#include "orchestration/pipeline/pipeline.h"
#include "orchestration/pipeline/progress.h"

namespace bessemer::pipeline {

namespace {

Run& there(State& state, PipelineRunId id) {
  const auto at = state.runs.find(id);
  check(at != state.runs.end(), "pipeline: unknown run in a fact");
  return at->second;
}

StepRun& there(State& state, PipelineRunId id, const std::string& step) {
  Run& run = there(state, id);
  const auto at = run.steps.find(step);
  check(at != run.steps.end(), "pipeline: unknown step in a fact");
  return at->second;
}

void happen(State& state, const PipelineDefined& event, const Context& context) {
  Pipeline& pipeline = state.pipelines[event.id];
  pipeline.id = event.id;
  pipeline.project = event.project;
  pipeline.name = event.definition.name;
  pipeline.revision = event.revision;
  pipeline.definition = event.definition;
  pipeline.defined_at = context.occurred_at;
  pipeline.defined_by = context.actor;
  state.names[event.project][pipeline.name] = event.id;
}

void happen(State& state, const PipelineRemoved& event, const Context&) {
  const auto at = state.pipelines.find(event.pipeline);
  check(at != state.pipelines.end(), "pipeline: unknown in a fact");
  at->second.removed = true;
  auto& names = state.names[at->second.project];
  names.erase(at->second.name);
  if (names.empty()) state.names.erase(at->second.project);
}

// Forgets the oldest run that is over, so that history is bounded.
void forget_oldest(State& state, Pipeline& pipeline) {
  const auto oldest = std::find_if(pipeline.runs.begin(), pipeline.runs.end(),
                                   [&](PipelineRunId id) { return !state.active.contains(id); });
  if (oldest == pipeline.runs.end()) return;
  state.runs.erase(*oldest);
  pipeline.runs.erase(oldest);
}

void happen(State& state, const PipelineRunStarted& event, const Context& context) {
  const auto at = state.pipelines.find(event.pipeline);
  check(at != state.pipelines.end(), "pipeline: unknown in a fact");
  Pipeline& pipeline = at->second;
  Run run;
  run.id = event.id;
  run.pipeline = event.pipeline;
  run.project = pipeline.project;
  run.definition = pipeline.definition;
  run.parameters = event.parameters;
  run.environments = event.environments;
  run.use_cache = event.use_cache;
  run.started_at = context.occurred_at;
  run.started_by = context.actor;
  for (const Instance& instance : event.instances) {
    run.order.push_back(instance.name);
    run.steps[instance.name].instance = instance;
  }
  check(state.runs.emplace(event.id, std::move(run)).second, "pipeline: run started twice");
  state.active.insert(event.id);
  pipeline.runs.push_back(event.id);
  if (pipeline.runs.size() > kept_runs) forget_oldest(state, pipeline);
}

void happen(State& state, const PipelineStepBegun& event, const Context& context) {
  StepRun& step = there(state, event.run, event.step);
  step.status = StepStatus::running;
  step.attempt = event.attempt;
  step.key = event.key;
  step.workload = event.workload;
  step.result = {};
  step.result.run = event.experiment_run;
  step.note.clear();
  step.started_at = context.occurred_at;
  if (event.workload) state.by_workload[event.workload] = {event.run, event.step};
}

// Keeps a result for the next run; when a project has too many, the oldest goes.
void remember(State& state, const Run& run, const PipelineStepFinished& event,
              const Context& context) {
  auto& cache = state.cache[run.project];
  cache[event.key] = {event.run, event.step, event.result, context.occurred_at};
  if (cache.size() <= max_cache_entries) return;
  cache.erase(std::min_element(cache.begin(), cache.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.at, a.first) < std::pair(b.second.at, b.first);
  }));
}

void happen(State& state, const PipelineStepFinished& event, const Context& context) {
  StepRun& step = there(state, event.run, event.step);
  if (step.status == StepStatus::waiting) step.started_at = context.occurred_at;
  if (step.workload) state.by_workload.erase(step.workload);
  step.status = event.outcome;
  step.attempt = event.attempt;
  step.key = event.key;
  step.result = event.result;
  step.note = event.note;
  step.ended_at = context.occurred_at;
  if (event.outcome == StepStatus::succeeded && event.key) {
    remember(state, there(state, event.run), event, context);
  }
}

void happen(State& state, const PipelineRunCancelling& event, const Context&) {
  there(state, event.run).status = RunStatus::cancelling;
}

void happen(State& state, const PipelineStepRetried& event, const Context&) {
  for (const std::string& name : event.steps) {
    StepRun& step = there(state, event.run, name);
    step.status = StepStatus::waiting;
    step.note.clear();
    step.result = {};
    step.workload = {};
    step.ended_at = {};
  }
  Run& run = there(state, event.run);
  run.status = RunStatus::running;
  run.ended_at = {};
  state.active.insert(event.run);
}

void happen(State& state, const PipelineRunEnded& event, const Context& context) {
  Run& run = there(state, event.run);
  run.status = event.status;
  run.ended_at = context.occurred_at;
  state.active.erase(event.run);
}

void happen(State& state, const PipelineCacheForgotten& event, const Context&) {
  const auto at = state.cache.find(event.project);
  if (at == state.cache.end()) return;
  if (event.key) at->second.erase(event.key);
  if (!event.key || at->second.empty()) state.cache.erase(at);
}

}  // namespace

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& fact) { happen(state, fact, context); }, event);
}

}  // namespace bessemer::pipeline
