// Proposes what a run needs done now.
#include "orchestration/pipeline/advance.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "orchestration/pipeline/progress.h"
#include "orchestration/pipeline/resolve.h"

namespace bessemer::pipeline {

namespace {

// The end of a step that needs nothing from outside.
Settle settled(const Run& run, const StepRun& step, StepStatus outcome, std::string note) {
  if (note.size() > max_note) note.resize(max_note);
  while (!is_utf8(note)) note.pop_back();  // cut inside a character
  Settle settle;
  settle.finish.run = run.id;
  settle.finish.step = step.instance.name;
  settle.finish.attempt = step.attempt + 1;
  settle.finish.outcome = outcome;
  settle.finish.note = std::move(note);
  return settle;
}

// The operands of a gate, and a record of what they were for the cache's key.
class GateOperands final : public Operands {
 public:
  GateOperands(const Run& run, const StepRun& step, const Gate& gate,
               const std::optional<Champion>& champion)
      : gate_(gate), champion_(champion), lookup_(run, step.instance) {}

  Result<std::optional<double>> value(std::string_view of, std::string_view name) const override {
    if (of == "champion") return champions(name);
    json::Raw found;
    if (of == "params" || of == "matrix") {
      const Scope scope = of == "params" ? Scope::params : Scope::matrix;
      TRY_ASSIGN(found, lookup_.value({scope, "", std::string(name)}));
    } else {
      const std::string step(of.empty() ? std::string_view(gate_.of.value_or("")) : of);
      TRY_ASSIGN(found, lookup_.value({Scope::metrics, step, std::string(name)}));
      TRY_ASSIGN(const StepRun* measured, lookup_.step(step));
      used += "run " + to_text(measured->result.run) + "\n";
      runs.insert(measured->result.run);
    }
    used += fmt::format("{}.{} = {}\n", of, name, found.text);
    TRY_ASSIGN(const double number, number_in(found));
    return std::optional<double>(number);
  }

  mutable std::string used;          // what the verdict came from, champion apart
  mutable std::set<RunId> runs;      // that measured it
  mutable bool asked_champion = false;

 private:
  Result<std::optional<double>> champions(std::string_view name) const {
    asked_champion = true;
    if (!champion_) return std::optional<double>{};
    const auto at = champion_->metrics.find(std::string(name));
    if (at != champion_->metrics.end()) return std::optional<double>(at->second);
    return not_found(fmt::format("the champion of {} has no metric {}",
                                 gate_.champion.value_or(""), name));
  }

  static Result<double> number_in(const json::Raw& value) {
    double number = 0;
    TRY(json::parse("[" + value.text + "]", [&](json::Value& root) -> Result<void> {
      return root.array([&](json::Value& only) -> Result<void> {
        TRY_ASSIGN(number, only.real());
        return {};
      });
    }));
    return number;
  }

  const Gate& gate_;
  const std::optional<Champion>& champion_;
  InstanceLookup lookup_;
};

// One run being asked what it needs.
class Advance {
 public:
  Advance(const State& state, const Run& run, const Surroundings& surroundings)
      : state_(state), run_(run), around_(surroundings) {}

  std::vector<Action> all() {
    std::vector<Action> actions;
    for (const std::string& name : run_.order) {
      const StepRun& step = run_.steps.at(name);
      if (run_.status == RunStatus::cancelling) {
        if (step.status == StepStatus::running && step.workload) {
          actions.push_back(CancelJob{run_.id, name, step.workload});
        }
        continue;
      }
      if (run_.status != RunStatus::running || step.status != StepStatus::waiting) continue;
      if (progress::standing(run_, step) != progress::Standing::ready) continue;
      auto action = next(step);
      if (action) actions.push_back(*std::move(action));
      else actions.push_back(settled(run_, step, StepStatus::failed, to_text(action.error())));
    }
    return actions;
  }

 private:
  Result<Action> next(const StepRun& step) const {
    const Step* written = find_step(run_.definition, step.instance.step);
    check(written != nullptr, "pipeline: an instance of no step");
    if (written->ingest) return ingest(step, *written->ingest);
    if (written->job) return job(step, *written->job);
    if (written->gate) return gate(step, *written->gate);
    if (written->choose) return choose(step, *written->choose);
    if (written->register_) return registration(step, *written->register_);
    return deploy(step, *written->deploy);
  }

  // A result that can be used again: the same key, and the project still owns its bytes.
  const CacheEntry* cached(const Digest& key) const {
    if (!run_.use_cache) return nullptr;
    const auto cache = state_.cache.find(run_.project);
    if (cache == state_.cache.end()) return nullptr;
    const auto at = cache->second.find(key);
    if (at == cache->second.end()) return nullptr;
    for (const auto& [_, output] : at->second.result.outputs) {
      if (output.digest && !around_.owns(run_.project, output.digest)) return nullptr;
    }
    return &at->second;
  }

  Action reuse(const StepRun& step, const Digest& key, const CacheEntry& entry,
               std::string_view why) const {
    Settle settle = settled(run_, step, StepStatus::reused,
                            fmt::format("re-used from {} of {}: {}", entry.step,
                                        to_text(entry.run), why));
    settle.finish.key = key;
    settle.finish.result = entry.result;
    return settle;
  }

  Result<Action> job(const StepRun& step, const Job& job) const {
    TRY_ASSIGN(SubmitJob submit, resolve_job(run_, step));
    submit.attempt = step.attempt + 1;
    if (!job.cache.value_or(true)) {
      submit.key = {};
      return Action(std::move(submit));
    }
    if (const CacheEntry* entry = cached(submit.key)) {
      return reuse(step, submit.key, *entry,
                   "the same inputs, code, parameters, environment and command");
    }
    return Action(std::move(submit));
  }

  Result<Action> ingest(const StepRun& step, const Ingest& ingest) const {
    const InstanceLookup lookup(run_, step.instance);
    IngestDataset out;
    out.run = run_.id;
    out.project = run_.project;
    out.step = step.instance.name;
    out.attempt = step.attempt + 1;
    out.dataset = ingest.dataset;
    if (const auto reference = sole_reference(*ingest.tree)) {
      TRY_ASSIGN(const Output output, lookup.output(*reference));
      TRY_ASSIGN(const StepRun* maker, lookup.step(reference->step));
      out.tree = output.digest;
      out.produced_by = maker->result.run;
    } else {
      TRY_ASSIGN(out.tree, from_text(std::type_identity<Digest>{}, *ingest.tree));
    }
    TRY_ASSIGN(out.licence, expand(ingest.licence.value_or(""), lookup));
    TRY_ASSIGN(out.source, expand(ingest.source.value_or(""), lookup));
    TRY_ASSIGN(out.description, expand(ingest.description.value_or(""), lookup));
    if (ingest.schema) {
      TRY_ASSIGN(out.schema, expand(*ingest.schema, lookup));
    }
    return Action(std::move(out));
  }

  Result<Action> gate(const StepRun& step, const Gate& gate) const {
    std::optional<Champion> champion;
    if (gate.champion) champion = around_.champion(run_.project, *gate.champion);
    const GateOperands operands(run_, step, gate, champion);
    std::vector<std::string> held, failed;
    for (const std::string& text : gate.require) {
      TRY_ASSIGN(const Requirement requirement, parse_requirement(text));
      TRY_ASSIGN(const Verdict verdict, judge_requirement(requirement, operands));
      const bool holds = verdict.without_champion ? gate.without_champion.value_or(true)
                                                  : verdict.passed;
      (holds ? held : failed).push_back(verdict.says);
      operands.used += text + "\n";
    }
    operands.used += fmt::format("champion of {}, without: {}\n", gate.champion.value_or(""),
                                 gate.without_champion.value_or(true));
    const Digest key = sha256("gate 1\n" + operands.used);
    // What was measured here may have become the champion since: it is not compared with itself.
    const bool is_champion =
        champion && std::any_of(operands.runs.begin(), operands.runs.end(), [&](RunId id) {
          return champion->measured_by.contains(id);
        });
    if (const CacheEntry* entry = cached(key);
        entry != nullptr && (!operands.asked_champion || is_champion)) {
      return reuse(step, key, *entry, "the same measurements passed it");
    }
    Settle settle = failed.empty() ? settled(run_, step, StepStatus::succeeded, join(held, "; "))
                                   : settled(run_, step, StepStatus::failed, join(failed, "; "));
    settle.finish.key = key;
    return Action(std::move(settle));
  }

  Result<Action> choose(const StepRun& step, const Choose& choose) const {
    const bool highest = choose.highest.has_value();
    const std::string& metric = highest ? *choose.highest : *choose.lowest;
    const StepRun* best = nullptr;
    double value = 0;
    std::size_t among = 0;
    for (const std::string& need : step.instance.needs) {
      const StepRun& one = run_.steps.at(need);
      if (one.instance.step != choose.from || !progress::is_good(one.status)) continue;
      const auto measured = one.result.metrics.find(metric);
      if (measured == one.result.metrics.end()) continue;
      ++among;
      const double its = measured->second;
      if (best != nullptr && !(highest ? its > value : its < value)) continue;
      best = &one;
      value = its;
    }
    if (best == nullptr) {
      return not_found(fmt::format("no instance of {} measured {}", choose.from, metric));
    }
    Settle settle = settled(run_, step, StepStatus::succeeded,
                            fmt::format("{}: {} {:.6g} is the {} of {}", best->instance.name,
                                        metric, value, highest ? "highest" : "lowest", among));
    StepResult& result = settle.finish.result;
    result = best->result;
    for (auto& [_, output] : result.outputs) {
      if (output.made_by.empty()) output.made_by = best->instance.name;
    }
    for (const auto& [name, instance] : best->instance.bindings) {
      const Step* written = find_step(run_.definition, name);
      if (written == nullptr || !written->job || !is_fanned_out(*written)) continue;
      const StepRun& before = run_.steps.at(instance);
      for (Output output; const auto& [output_name, held] : before.result.outputs) {
        output = held;
        output.made_by = instance;
        result.outputs.try_emplace(output_name, std::move(output));
      }
      result.metrics.insert(before.result.metrics.begin(), before.result.metrics.end());
    }
    return Action(std::move(settle));
  }

  Result<Action> registration(const StepRun& step, const Register& registration) const {
    const InstanceLookup lookup(run_, step.instance);
    const Reference from = *sole_reference(registration.from);
    TRY_ASSIGN(const Output artifact, lookup.output(from));
    TRY_ASSIGN(Provenance provenance, provenance_of(run_, step, from));
    RegisterModel out;
    out.run = run_.id;
    out.project = run_.project;
    out.step = step.instance.name;
    out.attempt = step.attempt + 1;
    out.model = registration.model;
    TRY_ASSIGN(out.description, expand(registration.description.value_or(""), lookup));
    out.artifact = artifact.digest;
    out.bytes = artifact.bytes;
    out.format = registration.format;
    out.datasets = std::move(provenance.datasets);
    out.code = provenance.job.code;
    out.environment = provenance.job.environment;
    out.parameters = provenance.job.parameters;
    out.made_by = provenance.maker->result.run;
    out.metrics = provenance.maker->result.metrics;
    for (const std::string& name : registration.evaluations) {
      TRY_ASSIGN(const StepRun* measured, lookup.step(name));
      if (measured->result.metrics.empty()) continue;
      out.evaluations.push_back({name, measured->result.run, dataset_of(run_, *measured),
                                 measured->result.metrics});
    }
    out.aliases = registration.aliases;
    return Action(std::move(out));
  }

  Result<Action> deploy(const StepRun& step, const Deploy& deploy) const {
    const InstanceLookup lookup(run_, step.instance);
    TRY_ASSIGN(const Output model, lookup.output(*sole_reference(deploy.model)));
    DeployModel out;
    out.run = run_.id;
    out.project = run_.project;
    out.step = step.instance.name;
    out.attempt = step.attempt + 1;
    out.deploy = deploy;
    out.deploy.model.clear();
    TRY_ASSIGN(out.deploy.workload, expand(deploy.workload, lookup));
    TRY_ASSIGN(out.deploy.workload, with_code(out.deploy.workload, run_.definition.code));
    if (deploy.health) {
      TRY_ASSIGN(out.deploy.health, expand(*deploy.health, lookup));
    }
    out.model = model.model;
    out.version = model.model_version;
    out.artifact = model.digest;
    return Action(std::move(out));
  }

  const State& state_;
  const Run& run_;
  const Surroundings& around_;
};

}  // namespace

std::vector<Action> advance(const State& state, const Run& run, const Surroundings& surroundings) {
  return Advance(state, run, surroundings).all();
}

}  // namespace bessemer::pipeline
