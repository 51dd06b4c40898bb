// Fills in what the texts of a step mean in a run.
#include "orchestration/pipeline/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.h"

namespace bessemer::pipeline {

namespace {

std::string quoted(std::string_view text) {
  std::string out;
  json::quote(out, text);
  return out;
}

// {"a":1,"b":"x"} from members in order.
class ObjectWriter {
 public:
  void raw(std::string_view key, std::string_view value) {
    out_ += out_.empty() ? "{" : ",";
    json::quote(out_, key);
    out_ += ':';
    out_ += value;
  }
  template <class T>
  void value(std::string_view key, const T& value) { raw(key, json::write(value)); }
  template <class T>
  void given(std::string_view key, const std::optional<T>& held) {
    if (held) value(key, *held);
  }
  template <class T>
  void filled(std::string_view key, const T& list) {
    if (!list.empty()) value(key, list);
  }
  std::string finish() const { return out_.empty() ? "{}" : out_ + "}"; }

 private:
  std::string out_;
};

Result<std::vector<std::string>> expand_all(const std::vector<std::string>& texts,
                                            const Lookup& lookup) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    TRY_ASSIGN(std::string filled, expand(text, lookup));
    out.push_back(std::move(filled));
  }
  return out;
}

Result<std::vector<JobInput>> inputs_of(const Job& job, const InstanceLookup& lookup) {
  std::vector<JobInput> inputs;
  for (const auto& [name, text] : job.inputs) {
    JobInput input{name, {}, {}};
    if (const auto reference = sole_reference(text)) {
      TRY_ASSIGN(input.output, lookup.output(*reference));
      TRY_ASSIGN(const StepRun* from, lookup.step(reference->step));
      input.run = from->result.run;
    } else {
      TRY_ASSIGN(input.output.digest, from_text(std::type_identity<Digest>{}, text));
    }
    if (!input.output.digest) return not_found("there are no bytes").at("job.inputs." + name);
    inputs.push_back(std::move(input));
  }
  return inputs;
}

// What the job's result depends on and nothing else: the cache's key.
Digest key_of(const SubmitJob& job, const std::map<std::string, std::string>& env,
              const std::vector<std::string>& outputs) {
  ObjectWriter key;
  key.value("kind", std::string("job 1"));
  key.value("command", job.command);
  key.value("code", to_text(job.code));
  key.value("environment", to_text(job.environment));
  std::map<std::string, std::string> inputs;
  for (const JobInput& input : job.inputs) inputs[input.name] = to_text(input.output.digest);
  key.value("inputs", inputs);
  key.raw("parameters", job.parameters.text);
  key.value("env", env);
  key.value("outputs", outputs);
  return sha256(key.finish());
}

// The workload specification, but for project and run.
Result<std::string> workload_of(const Run& run, const StepRun& step, const Job& job,
                                const SubmitJob& resolved,
                                const std::map<std::string, std::string>& env,
                                const std::string& environment, const Lookup& lookup) {
  ObjectWriter spec;
  spec.value("name", step.instance.step);
  spec.value("kind", std::string("job"));
  spec.value("command", resolved.command);
  spec.filled("env", env);
  if (resolved.code) spec.value("code", resolved.code);
  std::string inputs;
  for (const JobInput& input : resolved.inputs) {
    inputs += fmt::format("{}{{\"name\":{},\"artifact\":{}}}", inputs.empty() ? "" : ",",
                          quoted(input.name), quoted(to_text(input.output.digest)));
  }
  if (!inputs.empty()) spec.raw("inputs", "[" + inputs + "]");
  spec.filled("outputs", job.outputs);
  spec.raw("parameters", resolved.parameters.text);
  if (job.resources) {
    TRY_ASSIGN(const json::Raw filled, expand(*job.resources, lookup));
    spec.raw("resources", filled.text);
  }
  if (job.retries) {
    TRY_ASSIGN(const json::Raw filled, expand(*job.retries, lookup));
    spec.raw("retries", filled.text);
  }
  spec.given("tasks", job.tasks);
  spec.filled("pools", job.pools);
  spec.given("priority", job.priority);
  spec.given("preemptible", job.preemptible);
  spec.given("max_run_time", job.max_run_time);
  spec.given("no_progress", job.no_progress);
  spec.given("grace", job.grace);
  spec.given("network", job.network);
  spec.given("isolation", job.isolation);
  spec.value("environment", environment);
  spec.filled("secrets", job.secrets);
  spec.value("pipeline_run", to_text(run.id));
  spec.value("step", step.instance.name);
  spec.given("keep_on_failure", job.keep_on_failure);
  return spec.finish();
}

}  // namespace

Result<const StepRun*> InstanceLookup::step(std::string_view name) const {
  const auto bound = instance_.bindings.find(std::string(name));
  if (bound != instance_.bindings.end()) {
    if (const auto at = run_.steps.find(bound->second); at != run_.steps.end()) return &at->second;
  }
  return not_found(fmt::format("there is no step {}", name));
}

Result<Output> InstanceLookup::output(const Reference& reference) const {
  TRY_ASSIGN(const StepRun* from, step(reference.step));
  const auto at = from->result.outputs.find(reference.name);
  if (at != from->result.outputs.end()) return at->second;
  return not_found(fmt::format("{} left no output {}", from->instance.name, reference.name));
}

Result<json::Raw> InstanceLookup::value(const Reference& reference) const {
  switch (reference.scope) {
    case Scope::params:
      if (const auto at = run_.parameters.find(reference.name); at != run_.parameters.end()) {
        return at->second;
      }
      break;
    case Scope::matrix:
      if (const auto at = instance_.matrix.find(reference.name); at != instance_.matrix.end()) {
        return at->second;
      }
      break;
    case Scope::outputs: {
      TRY_ASSIGN(const Output found, output(reference));
      return json::Raw{quoted(to_text(found.digest))};
    }
    case Scope::metrics: {
      TRY_ASSIGN(const StepRun* from, step(reference.step));
      const auto at = from->result.metrics.find(reference.name);
      if (at != from->result.metrics.end()) return json::Raw{json::write(at->second)};
      return not_found(fmt::format("{} measured no {}", from->instance.name, reference.name));
    }
  }
  return not_found("there is no " + to_text(reference));
}

std::optional<Reference> sole_reference(std::string_view text) {
  const auto pieces = parse_text(text);
  if (!pieces || pieces->size() != 1) return std::nullopt;
  return pieces->front().reference;
}

Result<SubmitJob> resolve_job(const Run& run, const StepRun& step) {
  const Job& job = *find_step(run.definition, step.instance.step)->job;
  const InstanceLookup lookup(run, step.instance);
  SubmitJob out;
  out.run = run.id;
  out.project = run.project;
  out.step = step.instance.name;
  out.experiment = job.experiment.value_or(run.definition.name);
  out.goals = job.goals;
  TRY_ASSIGN(out.command, expand_all(job.command, lookup));
  if (const auto& code = job.code ? job.code : run.definition.code) {
    TRY_ASSIGN(out.code, from_text(std::type_identity<Digest>{}, *code));
  }
  const std::string environment =
      job.environment.value_or(run.definition.environment.value_or("host"));
  const auto digest = run.environments.find(environment);
  if (digest == run.environments.end()) {
    return not_found(fmt::format("there is no environment {}", environment));
  }
  out.environment = digest->second;
  TRY_ASSIGN(out.inputs, inputs_of(job, lookup));
  ObjectWriter parameters;
  for (const auto& [name, value] : job.parameters) {
    TRY_ASSIGN(const json::Raw filled, expand(value, lookup));
    parameters.raw(name, filled.text);
  }
  out.parameters.text = parameters.finish();
  std::map<std::string, std::string> env;
  for (const auto& [name, text] : job.env) {
    TRY_ASSIGN(env[name], expand(text, lookup));
  }
  out.key = key_of(out, env, job.outputs);
  TRY_ASSIGN(out.workload.text, workload_of(run, step, job, out, env, environment, lookup));
  return out;
}

namespace {

// Walks from a job to what it read, and on through the jobs that made that.
class DatasetSearch {
 public:
  explicit DatasetSearch(const Run& run) : run_(run) {}

  Result<void> from(const StepRun& step) {
    if (!visited_.insert(step.instance.name).second) return {};
    const Step* written = find_step(run_.definition, step.instance.step);
    if (written->ingest || !written->job) return {};
    const InstanceLookup lookup(run_, step.instance);
    for (const auto& [name, text] : written->job->inputs) {
      const auto reference = sole_reference(text);
      if (!reference) continue;
      TRY_ASSIGN(const Output output, lookup.output(*reference));
      if (output.dataset) {
        const DatasetUsed used{output.dataset, output.dataset_version, output.digest};
        if (std::find(found.begin(), found.end(), used) == found.end()) found.push_back(used);
        continue;
      }
      TRY_ASSIGN(const StepRun* maker, lookup.step(reference->step));
      if (!output.made_by.empty()) maker = &run_.steps.at(output.made_by);
      TRY(from(*maker));
    }
    return {};
  }

  std::vector<DatasetUsed> found;

 private:
  const Run& run_;
  std::set<std::string> visited_;
};

}  // namespace

Result<Provenance> provenance_of(const Run& run, const StepRun& step, const Reference& output) {
  const InstanceLookup lookup(run, step.instance);
  TRY_ASSIGN(const Output found, lookup.output(output));
  Provenance out;
  TRY_ASSIGN(out.maker, lookup.step(output.step));
  if (!found.made_by.empty()) out.maker = &run.steps.at(found.made_by);
  TRY_ASSIGN(out.job, resolve_job(run, *out.maker));
  DatasetSearch search(run);
  TRY(search.from(*out.maker));
  out.datasets = std::move(search.found);
  return out;
}

std::optional<DatasetUsed> dataset_of(const Run& run, const StepRun& step) {
  const Step* written = find_step(run.definition, step.instance.step);
  if (written == nullptr || !written->job) return std::nullopt;
  const InstanceLookup lookup(run, step.instance);
  for (const auto& [name, text] : written->job->inputs) {
    const auto reference = sole_reference(text);
    if (!reference) continue;
    const auto output = lookup.output(*reference);
    if (output && output->dataset) {
      return DatasetUsed{output->dataset, output->dataset_version, output->digest};
    }
  }
  return std::nullopt;
}

Result<json::Raw> with_code(const json::Raw& object, const std::optional<std::string>& code) {
  if (!code) return object;
  bool has_code = false, empty = true;
  TRY(json::parse(object.text, [&](json::Value& root) -> Result<void> {
    return root.object([&](std::string_view key, json::Value& value) -> Result<void> {
      empty = false;
      has_code = has_code || key == "code";
      auto skipped = value.raw();
      if (!skipped) return std::move(skipped).error();
      return {};
    });
  }));
  if (has_code) return object;
  const std::size_t brace = object.text.find('{');
  return json::Raw{"{\"code\":" + quoted(*code) + (empty ? "" : ",") +
                   object.text.substr(brace + 1)};
}

}  // namespace bessemer::pipeline
