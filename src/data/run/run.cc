// Judges and applies what happens to experiment runs.
#include "data/run/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::run {

namespace {

using Judged = Result<std::vector<Event>>;

constexpr std::size_t max_command_words = 1'024;
constexpr std::size_t max_command_bytes = 128 << 10;
constexpr std::size_t max_tag = 256;  // bytes of a tag's value

Judged nothing() { return std::vector<Event>{}; }
template <class E>
Judged one(E event) { return std::vector<Event>{Event(std::move(event))}; }

Result<void> check_named(std::string_view name, std::string_view field) {
  auto fits = check_name(name);
  if (!fits) return std::move(fits).error().at(std::string(field));
  return {};
}

Result<void> check_parameters(const json::Raw& parameters) {
  if (parameters.text.size() > max_parameters_bytes) {
    return invalid("must be at most 64 KiB of JSON").at("parameters");
  }
  auto parsed = json::parse(parameters.text, [](json::Value& root) -> Result<void> {
    if (!root.is_object()) return invalid("must be an object");
    TRY(root.raw());
    return {};
  });
  if (!parsed) return std::move(parsed).error().within("parameters");
  return {};
}

Result<void> check_lists(const Start& command) {
  if (command.inputs.size() > max_inputs) return invalid("at most 256 inputs").at("inputs");
  std::set<std::string> names;
  for (const Input& input : command.inputs) {
    TRY(check_named(input.name, "inputs"));
    if (!names.insert(input.name).second) {
      return invalid(input.name + " is there twice").at("inputs");
    }
    if (!input.digest) return invalid(input.name + " has no digest").at("inputs");
  }
  std::size_t bytes = 0;
  for (const std::string& word : command.command) bytes += word.size();
  if (command.command.size() > max_command_words || bytes > max_command_bytes) {
    return invalid("must be at most 1024 words of 128 KiB together").at("command");
  }
  if (command.goals.size() > max_metrics) return invalid("at most 256 goals").at("goals");
  if (command.tags.size() > max_tags) return invalid("at most 64 tags").at("tags");
  for (const auto& [name, value] : command.tags) {
    TRY(check_named(name, "tags"));
    if (value.size() > max_tag || !is_utf8(value)) {
      return invalid("values must be at most 256 bytes of UTF-8").at("tags." + name);
    }
  }
  return {};
}

Result<const Run*> known(const State& state, RunId id) {
  if (const Run* found = find(state, id)) return found;
  return not_found("no such run").at("run");
}

RunStarted event_of(const Start& command) {
  return {command.id,          command.project,     command.experiment, command.name,
          command.parameters,  command.goals,       command.code,       command.environment,
          command.command,     command.inputs,      command.workload,   command.pipeline_run,
          command.step,        command.tags};
}

bool same(const Run& run, const Start& command) {
  return run.project == command.project && run.experiment == command.experiment &&
         run.name == command.name && run.parameters == command.parameters &&
         run.goals == command.goals && run.code == command.code &&
         run.environment == command.environment && run.command == command.command &&
         run.inputs == command.inputs && run.workload == command.workload &&
         run.pipeline_run == command.pipeline_run && run.step == command.step &&
         run.tags == command.tags;
}

Judged decide(const State& state, const Start& command) {
  if (!command.id) return invalid("is required").at("id");
  if (!command.project) return invalid("is required").at("project");
  TRY(check_named(command.experiment, "experiment"));
  if (!command.name.empty()) TRY(check_named(command.name, "name"));
  TRY(check_parameters(command.parameters));
  TRY(check_lists(command));
  if (const Run* there = find(state, command.id)) {
    if (same(*there, command)) return nothing();
    return conflict("is in use by another run").at("id");
  }
  if (command.workload && find(state, command.workload) != nullptr) {
    return conflict("has a run already").at("workload");
  }
  return one(event_of(command));
}

Result<void> check_output(const Output& output) {
  TRY(check_named(output.name, "output.name"));
  if (!output.digest) return invalid("is required").at("output.digest");
  return {};
}

Judged decide(const State& state, const AddOutput& command) {
  TRY_ASSIGN(const Run* run, known(state, command.run));
  TRY(check_output(command.output));
  const auto there = run->outputs.find(command.output.name);
  if (there != run->outputs.end() && there->second == command.output) return nothing();
  if (run->status != Status::running) {
    return conflict("the run is over").at("run");
  }
  if (there == run->outputs.end() && run->outputs.size() >= max_outputs) {
    return exhausted("a run may have at most 256 outputs").at("output.name");
  }
  return one(RunOutputAdded{command.run, command.output});
}

Judged decide(const State& state, const Finish& command) {
  TRY_ASSIGN(const Run* run, known(state, command.run));
  if (command.status == Status::running) {
    return invalid("must be succeeded, failed or cancelled").at("status");
  }
  if (command.reason.size() > max_reason || !is_utf8(command.reason)) {
    return invalid("must be at most 1024 bytes of UTF-8").at("reason");
  }
  if (command.metrics.size() > max_metrics) return invalid("at most 256 metrics").at("metrics");
  for (const auto& [name, summary] : command.metrics) {
    if (!std::isfinite(summary.last) || !std::isfinite(summary.min) ||
        !std::isfinite(summary.max)) {
      return invalid("must be finite").at("metrics." + name);
    }
  }
  if (run->status != Status::running) {
    const bool repeated = run->status == command.status && run->reason == command.reason &&
                          run->metrics == command.metrics && run->series == command.series;
    if (repeated) return nothing();
    return conflict(fmt::format("the run is over: {}", enum_text(run->status))).at("run");
  }
  return one(RunFinished{command.run, command.status, command.reason, command.metrics,
                         command.series, command.series_bytes});
}

Judged decide(const State& state, const Delete& command) {
  TRY_ASSIGN(const Run* run, known(state, command.run));
  if (run->status == Status::running) {
    return conflict("the run is still running").at("run").fix("cancel its job first");
  }
  return one(RunDeleted{command.run});
}

Run& there(State& state, RunId id) {
  const auto at = state.runs.find(id);
  check(at != state.runs.end(), "run: unknown in a fact");
  return at->second;
}

void happen(State& state, const RunStarted& event, const Context& context) {
  Run run;
  run.id = event.id;
  run.project = event.project;
  run.experiment = event.experiment;
  run.name = event.name;
  run.parameters = event.parameters;
  run.goals = event.goals;
  run.code = event.code;
  run.environment = event.environment;
  run.command = event.command;
  run.inputs = event.inputs;
  run.workload = event.workload;
  run.pipeline_run = event.pipeline_run;
  run.step = event.step;
  run.tags = event.tags;
  run.started_at = context.occurred_at;
  run.created_by = context.actor;
  check(state.runs.emplace(event.id, std::move(run)).second, "run: started twice");
  state.experiments[event.project][event.experiment].push_back(event.id);
  if (event.workload) state.by_workload[event.workload] = event.id;
}

void happen(State& state, const RunOutputAdded& event, const Context&) {
  there(state, event.run).outputs[event.output.name] = event.output;
}

void happen(State& state, const RunFinished& event, const Context& context) {
  Run& run = there(state, event.run);
  run.status = event.status;
  run.reason = event.reason;
  run.metrics = event.metrics;
  run.series = event.series;
  run.series_bytes = event.series_bytes;
  run.ended_at = context.occurred_at;
}

void happen(State& state, const RunDeleted& event, const Context&) {
  const Run& run = there(state, event.run);
  auto& experiments = state.experiments[run.project];
  auto& runs = experiments[run.experiment];
  std::erase(runs, event.run);
  if (runs.empty()) experiments.erase(run.experiment);
  if (experiments.empty()) state.experiments.erase(run.project);
  if (run.workload) state.by_workload.erase(run.workload);
  state.runs.erase(event.run);
}

}  // namespace

Judged judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& asked) { return decide(state, asked); }, command);
}

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& fact) { happen(state, fact, context); }, event);
}

const Run* find(const State& state, RunId id) {
  const auto at = state.runs.find(id);
  return at == state.runs.end() ? nullptr : &at->second;
}

const Run* find(const State& state, WorkloadId workload) {
  const auto at = state.by_workload.find(workload);
  return at == state.by_workload.end() ? nullptr : find(state, at->second);
}

std::vector<const Run*> list(const State& state, OrgId project, std::string_view experiment) {
  std::vector<const Run*> found;
  const auto experiments = state.experiments.find(project);
  if (experiments == state.experiments.end()) return found;
  for (const auto& [name, runs] : experiments->second) {
    if (!experiment.empty() && name != experiment) continue;
    for (const RunId id : runs) found.push_back(find(state, id));
  }
  std::sort(found.begin(), found.end(), [](const Run* a, const Run* b) {
    return a->started_at != b->started_at ? a->started_at > b->started_at : a->id > b->id;
  });
  return found;
}

const Run* best(const State& state, OrgId project, std::string_view experiment,
                std::string_view metric, Goal goal) {
  const Run* found = nullptr;
  double value = 0;
  for (const Run* run : list(state, project, experiment)) {
    const auto summary = run->metrics.find(std::string(metric));
    if (summary == run->metrics.end() || summary->second.count == 0) continue;
    const double last = summary->second.last;
    const bool better = goal == Goal::minimise ? last < value : last > value;
    if (found != nullptr && !better) continue;
    found = run;
    value = last;
  }
  return found;
}

std::optional<double> best_value(const Run& run, std::string_view metric) {
  const std::string name(metric);
  const auto goal = run.goals.find(name);
  const auto summary = run.metrics.find(name);
  if (goal == run.goals.end() || goal->second == Goal::none || summary == run.metrics.end() ||
      summary->second.count == 0) {
    return std::nullopt;
  }
  return goal->second == Goal::minimise ? summary->second.min : summary->second.max;
}

}  // namespace bessemer::run
