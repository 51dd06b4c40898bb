// Judges what is asked of pipelines and their runs.
#include "orchestration/pipeline/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "orchestration/pipeline/expression.h"
#include "orchestration/pipeline/instances.h"
#include "orchestration/pipeline/progress.h"

namespace bessemer::pipeline {

namespace {

using Judged = Result<std::vector<Event>>;

Judged nothing() { return std::vector<Event>{}; }
template <class E>
Judged one(E event) { return std::vector<Event>{Event(std::move(event))}; }

Result<const Pipeline*> known(const State& state, PipelineId id) {
  if (const Pipeline* found = find(state, id)) return found;
  return not_found("no such pipeline").at("pipeline");
}

struct Place {
  const Run* run;
  const StepRun* step;
};

Result<Place> known(const State& state, PipelineRunId id, const std::string& step) {
  const Run* run = find(state, id);
  if (run == nullptr) return not_found("no such pipeline run").at("run");
  const auto at = run->steps.find(step);
  if (at == run->steps.end()) {
    return not_found(fmt::format("the run has no step {}", step.substr(0, 128))).at("step");
  }
  return Place{run, &at->second};
}

Judged decide(const State& state, const Define& command) {
  if (!command.project) return invalid("is required").at("project");
  auto fits = check_definition(command.definition);
  if (!fits) return std::move(fits).error().within("definition");
  auto instances = instances_of(command.definition);
  if (!instances) return std::move(instances).error().within("definition");
  if (const Pipeline* there = find(state, command.project, command.definition.name)) {
    if (there->definition == command.definition) return nothing();
    return one(PipelineDefined{there->id, command.project, there->revision + 1,
                               command.definition});
  }
  if (!command.id) return invalid("is required").at("id");
  if (state.pipelines.contains(command.id)) return conflict("is in use").at("id");
  const auto names = state.names.find(command.project);
  if (names != state.names.end() && names->second.size() >= max_pipelines) {
    return exhausted("a project may have at most 10000 pipelines").fix("remove some");
  }
  return one(PipelineDefined{command.id, command.project, 1, command.definition});
}

Judged decide(const State& state, const Remove& command) {
  if (const auto at = state.pipelines.find(command.pipeline);
      at != state.pipelines.end() && at->second.removed) {
    return nothing();
  }
  TRY(known(state, command.pipeline));
  return one(PipelineRemoved{command.pipeline});
}

// A word for the type of a JSON value.
std::string_view type_of(const json::Raw& value) {
  switch (value.text.empty() ? 'n' : value.text.front()) {
    case '"': return "a text";
    case '{': return "an object";
    case '[': return "a list";
    case 't':
    case 'f': return "true or false";
    case 'n': return "null";
    default: return "a number";
  }
}

Result<std::map<std::string, json::Raw>> parameters_of(const Definition& definition,
                                                       const Start& command) {
  auto parameters = definition.parameters;
  for (const auto& [name, value] : command.parameters) {
    const std::string field = "parameters." + name;
    const auto at = parameters.find(name);
    if (at == parameters.end()) return invalid("the pipeline has no such parameter").at(field);
    if (value.text.size() > max_parameter_bytes) {
      return invalid("must be at most 4096 bytes of JSON").at(field);
    }
    auto references = references_in(value);
    if (!references) return std::move(references).error().at(field);
    if (!references->empty()) return invalid("must not hold ${…}").at(field);
    const std::string_view wanted = type_of(at->second);
    if (wanted != "null" && type_of(value) != wanted) {
      return invalid(fmt::format("must be {}, like its default", wanted)).at(field);
    }
    at->second = value;
  }
  return parameters;
}

Result<void> check_environments(const Definition& definition, const Start& command) {
  std::set<std::string> wanted;
  for (const Step& step : definition.steps) {
    if (step.job) {
      wanted.insert(step.job->environment.value_or(definition.environment.value_or("host")));
    }
  }
  for (const std::string& name : wanted) {
    const auto at = command.environments.find(name);
    if (at != command.environments.end() && at->second) continue;
    return not_found(fmt::format("there is no environment {}", name)).at("environment");
  }
  return {};
}

Judged decide(const State& state, const Start& command) {
  if (!command.id) return invalid("is required").at("id");
  TRY_ASSIGN(const Pipeline* pipeline, known(state, command.pipeline));
  TRY_ASSIGN(const auto parameters, parameters_of(pipeline->definition, command));
  TRY(check_environments(pipeline->definition, command));
  if (const Run* there = find(state, command.id)) {
    const bool same = there->pipeline == command.pipeline && there->parameters == parameters &&
                      there->use_cache == command.use_cache;
    if (same) return nothing();
    return conflict("is in use by another run").at("id");
  }
  const auto active = std::count_if(
      pipeline->runs.begin(), pipeline->runs.end(),
      [&](PipelineRunId id) { return state.active.contains(id); });
  if (static_cast<std::size_t>(active) >= max_active_runs) {
    return exhausted("a pipeline may have at most 1000 runs under way");
  }
  TRY_ASSIGN(const auto instances, instances_of(pipeline->definition));
  return one(PipelineRunStarted{command.id, command.pipeline, pipeline->revision, parameters,
                                command.environments, command.use_cache, instances});
}

Judged decide(const State& state, const BeginStep& command) {
  TRY_ASSIGN(const Place place, known(state, command.run, command.step));
  const StepRun& step = *place.step;
  if (step.status == StepStatus::running && step.attempt == command.attempt &&
      step.workload == command.workload) {
    return nothing();
  }
  if (step.status != StepStatus::waiting) {
    return conflict(fmt::format("the step is {}", enum_text(step.status))).at("step");
  }
  if (command.attempt != step.attempt + 1) {
    return conflict(fmt::format("the next attempt is {}", step.attempt + 1)).at("attempt");
  }
  if (place.run->status != RunStatus::running) {
    return conflict("the run is being cancelled").at("run");
  }
  if (progress::standing(*place.run, step) != progress::Standing::ready) {
    return conflict(explain(*place.run, step)).at("step");
  }
  return one(PipelineStepBegun{command.run, command.step, command.attempt, command.key,
                               command.workload, command.experiment_run});
}

Result<void> check_result(const FinishStep& command) {
  using enum StepStatus;
  const StepStatus outcome = command.outcome;
  if (outcome != succeeded && outcome != reused && outcome != failed && outcome != cancelled) {
    return invalid("must be succeeded, reused, failed or cancelled").at("outcome");
  }
  if (command.note.size() > max_note || !is_utf8(command.note)) {
    return invalid("must be at most 2048 bytes of UTF-8").at("note");
  }
  if (command.result.outputs.size() > max_outputs) {
    return invalid("at most 64 outputs").at("result.outputs");
  }
  for (const auto& [name, value] : command.result.metrics) {
    if (!std::isfinite(value)) return invalid("must be finite").at("result.metrics." + name);
  }
  return {};
}

Judged decide(const State& state, const FinishStep& command) {
  TRY_ASSIGN(const Place place, known(state, command.run, command.step));
  TRY(check_result(command));
  const StepRun& step = *place.step;
  if (progress::is_over(step.status)) {
    if (step.attempt == command.attempt && step.status == command.outcome) return nothing();
    if (command.attempt < step.attempt) return nothing();  // late: that attempt is history
    return conflict(fmt::format("the step is {}", enum_text(step.status))).at("step");
  }
  const bool waits = step.status == StepStatus::waiting;
  if (!waits && command.attempt < step.attempt) return nothing();
  if (command.attempt != step.attempt + (waits ? 1 : 0)) {
    return conflict(fmt::format("attempt {} is under way", step.attempt)).at("attempt");
  }
  if (waits && progress::standing(*place.run, step) != progress::Standing::ready) {
    return conflict(explain(*place.run, step)).at("step");
  }
  std::vector<Event> events{PipelineStepFinished{command.run, command.step, command.attempt,
                                                 command.outcome, command.key, command.result,
                                                 command.note}};
  progress::follow(*place.run, {{command.step, command.outcome}}, events);
  return events;
}

Judged decide(const State& state, const Cancel& command) {
  const Run* run = find(state, command.run);
  if (run == nullptr) return not_found("no such pipeline run").at("run");
  if (run->status == RunStatus::cancelling || run->status == RunStatus::cancelled) {
    return nothing();
  }
  if (run->status != RunStatus::running) {
    return conflict(fmt::format("the run is over: {}", enum_text(run->status))).at("run");
  }
  std::vector<Event> events{PipelineRunCancelling{command.run}};
  progress::Statuses changed;
  for (const std::string& name : run->order) {
    const StepRun& step = run->steps.at(name);
    if (step.status != StepStatus::waiting) continue;
    changed[name] = StepStatus::cancelled;
    events.push_back(PipelineStepFinished{command.run, name, step.attempt, StepStatus::cancelled,
                                          {}, {}, "the run was cancelled"});
  }
  progress::end_if_over(*run, changed, RunStatus::cancelling, events);
  return events;
}

Judged decide(const State& state, const RetryStep& command) {
  TRY_ASSIGN(const Place place, known(state, command.run, command.step));
  const StepStatus status = place.step->status;
  if (status == StepStatus::waiting || status == StepStatus::running) return nothing();
  if (status != StepStatus::failed && status != StepStatus::cancelled) {
    return conflict(fmt::format("the step is {}: only a failed or cancelled one is tried again",
                                enum_text(status)))
        .at("step");
  }
  if (place.run->status == RunStatus::cancelling) {
    return conflict("the run is being cancelled").at("run").fix("wait until it is over");
  }
  return one(PipelineStepRetried{command.run, progress::to_reset(*place.run, command.step)});
}

Judged decide(const State& state, const ForgetCache& command) {
  const auto cache = state.cache.find(command.project);
  if (cache == state.cache.end()) return nothing();
  if (command.key && !cache->second.contains(command.key)) return nothing();
  return one(PipelineCacheForgotten{command.project, command.key});
}

}  // namespace

Judged judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& asked) { return decide(state, asked); }, command);
}

// ---- queries

const Pipeline* find(const State& state, PipelineId id) {
  const auto at = state.pipelines.find(id);
  return at == state.pipelines.end() || at->second.removed ? nullptr : &at->second;
}

const Pipeline* find(const State& state, OrgId project, std::string_view name) {
  const auto names = state.names.find(project);
  if (names == state.names.end()) return nullptr;
  const auto at = names->second.find(std::string(name));
  return at == names->second.end() ? nullptr : find(state, at->second);
}

const Run* find(const State& state, PipelineRunId id) {
  const auto at = state.runs.find(id);
  return at == state.runs.end() ? nullptr : &at->second;
}

std::optional<std::pair<PipelineRunId, std::string>> step_of(const State& state,
                                                             WorkloadId workload) {
  const auto at = state.by_workload.find(workload);
  if (at == state.by_workload.end()) return std::nullopt;
  return at->second;
}

std::vector<const Pipeline*> list(const State& state, OrgId project) {
  std::vector<const Pipeline*> found;
  const auto names = state.names.find(project);
  if (names == state.names.end()) return found;
  for (const auto& [_, id] : names->second) found.push_back(find(state, id));
  return found;
}

std::vector<const Run*> runs_of(const State& state, PipelineId pipeline) {
  std::vector<const Run*> found;
  const auto at = state.pipelines.find(pipeline);
  if (at == state.pipelines.end()) return found;
  for (auto id = at->second.runs.rbegin(); id != at->second.runs.rend(); ++id) {
    found.push_back(find(state, *id));
  }
  return found;
}

std::set<Digest> cached_artifacts(const State& state, OrgId project) {
  std::set<Digest> found;
  const auto cache = state.cache.find(project);
  if (cache == state.cache.end()) return found;
  for (const auto& [_, entry] : cache->second) {
    for (const auto& [name, output] : entry.result.outputs) {
      if (output.digest) found.insert(output.digest);
    }
  }
  return found;
}

std::string explain(const Run& run, const StepRun& step) {
  if (step.status != StepStatus::waiting) {
    std::string out(enum_text(step.status));
    return step.note.empty() ? out : out + ": " + step.note;
  }
  std::string waits_for;
  for (const std::string& need : step.instance.needs) {
    const StepRun& other = run.steps.at(need);
    if (progress::is_over(other.status)) continue;
    waits_for += fmt::format("{}{} ({})", waits_for.empty() ? "" : ", ", need,
                             enum_text(other.status));
  }
  return waits_for.empty() ? "is about to begin" : "waits for " + waits_for;
}

std::string summarise(const Run& run) {
  std::map<StepStatus, std::size_t> counts;
  for (const auto& [_, step] : run.steps) ++counts[step.status];
  std::string out = fmt::format("{} steps:", run.steps.size());
  for (const auto& [status, count] : counts) {
    out += fmt::format("{} {} {}", out.back() == ':' ? "" : ",", count, enum_text(status));
  }
  return out;
}

}  // namespace bessemer::pipeline
