// Everything that can be known to be wrong with a definition before it runs.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/text.h"
#include "orchestration/pipeline/definition.h"
#include "orchestration/pipeline/expression.h"

namespace bessemer::pipeline {

namespace {

constexpr std::size_t max_matrix_value = 64;  // bytes of one value's JSON

Result<void> named(std::string_view name, std::string field) {
  auto fits = check_name(name);
  if (!fits) return std::move(fits).error().at(std::move(field));
  return {};
}

Result<void> digest_text(std::string_view text, std::string field) {
  const auto digest = from_text(std::type_identity<Digest>{}, text);
  if (!digest || !*digest) {
    return invalid("must be the digest of a pushed tree")
        .at(std::move(field))
        .fix("let the CLI push the folder");
  }
  return {};
}

// Whether this is one ${steps.…outputs.…} and nothing else.
std::optional<Reference> only_output(std::string_view text) {
  const auto pieces = parse_text(text);
  if (!pieces || pieces->size() != 1 || !pieces->front().reference) return std::nullopt;
  if (pieces->front().reference->scope != Scope::outputs) return std::nullopt;
  return pieces->front().reference;
}

// A matrix value as it stands in an instance's name; empty when it cannot stand there.
std::string matrix_text(const json::Raw& value) {
  std::string_view text = value.text;
  if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._+-/:@%").find(c) != std::string_view::npos;
  });
  return plain && text.size() <= max_matrix_value ? std::string(text) : std::string();
}

// One step being checked against the whole definition.
class StepCheck {
 public:
  StepCheck(const Definition& definition, const Step& step)
      : definition_(definition), step_(step) {}

  Result<void> all() {
    TRY(shape());
    TRY(fan_out());
    for (const std::string& need : step_.needs) TRY(there(need, "needs"));
    TRY_ASSIGN(const auto references, references_in(json::Raw{json::write(step_)}));
    for (const Reference& reference : references) TRY(resolves(reference));
    if (step_.ingest) return ingest(*step_.ingest);
    if (step_.job) return job(*step_.job);
    if (step_.gate) return gate(*step_.gate);
    if (step_.choose) return choose(*step_.choose);
    if (step_.register_) return registration(*step_.register_);
    return deploy(*step_.deploy);
  }

 private:
  Result<void> shape() {
    TRY(named(step_.name, "name"));
    if (step_.name.find('.') != std::string::npos) {
      return invalid("must hold no dot: dots separate names in ${…}").at("name");
    }
    for (const char* reserved : {"champion", "params", "matrix", "steps"}) {
      if (step_.name == reserved) {
        return invalid(fmt::format("{} has a meaning of its own", reserved)).at("name");
      }
    }
    const int kinds = step_.ingest.has_value() + step_.job.has_value() + step_.gate.has_value() +
                      step_.choose.has_value() + step_.register_.has_value() +
                      step_.deploy.has_value();
    if (kinds != 1) {
      return invalid(fmt::format("has {} kinds", kinds))
          .fix("give exactly one of ingest, job, gate, choose, register, deploy");
    }
    return {};
  }

  Result<void> fan_out() {
    if (!step_.matrix.empty() && step_.each) return invalid("excludes matrix").at("each");
    if (!step_.matrix.empty() && !step_.job) return invalid("is for jobs only").at("matrix");
    std::size_t instances = 1;
    for (const auto& [name, list] : step_.matrix) {
      auto fits = check_parameter_name(name);
      if (!fits) return std::move(fits).error().at("matrix." + name);
      if (list.empty()) return invalid("must list at least one value").at("matrix." + name);
      std::set<std::string> seen;
      for (const json::Raw& value : list) {
        const std::string text = matrix_text(value);
        if (text.empty()) {
          return invalid("values must be 1 to 64 of a-z A-Z 0-9 . _ + - / : @ %")
              .at("matrix." + name);
        }
        if (!seen.insert(text).second) {
          return invalid(text + " is there twice").at("matrix." + name);
        }
      }
      instances *= list.size();
      if (instances > max_instances) return invalid("gives more than 1000 instances").at("matrix");
    }
    if (!step_.each) return {};
    if (!step_.job && !step_.gate) return invalid("is for jobs and gates only").at("each");
    TRY_ASSIGN(const Step* over, there(*step_.each, "each"));
    if (!is_fanned_out(*over)) return invalid(over->name + " is not fanned out").at("each");
    return {};
  }

  Result<const Step*> there(const std::string& name, std::string field) const {
    if (name == step_.name) return invalid("a step cannot wait for itself").at(std::move(field));
    if (const Step* step = find_step(definition_, name)) return step;
    return invalid(fmt::format("there is no step {}", name)).at(std::move(field));
  }

  // The step, and what `each` leads back to: the steps whose instances go along with its own.
  std::vector<const Step*> chain_of(const Step& step) const {
    std::vector<const Step*> chain{&step};
    while (chain.back()->each && chain.size() <= definition_.steps.size()) {
      const Step* next = find_step(definition_, *chain.back()->each);
      if (next == nullptr) break;
      chain.push_back(next);
    }
    return chain;
  }

  // A step whose outputs or metrics this step may use.
  Result<const Step*> usable(const std::string& name, const std::string& field) const {
    TRY_ASSIGN(const Step* step, there(name, field));
    const auto chain = chain_of(step_);
    const bool goes_along = std::find(chain.begin(), chain.end(), step) != chain.end();
    if (is_fanned_out(*step) && !goes_along) {
      return invalid(fmt::format("{} has several instances", name))
          .at(field)
          .fix(fmt::format("take one with a choose step, or add each: {}", name));
    }
    return step;
  }

  static bool measures(const Step& step) { return step.job || step.choose; }

  // Whether a step, or for choose the steps it takes from, makes this output.
  bool makes(const Step& step, const std::string& output) const {
    if (step.ingest) return output == "dataset";
    if (step.register_) return output == "model";
    if (step.deploy) return output == "endpoint";
    if (step.job) return std::find(step.job->outputs.begin(), step.job->outputs.end(), output) !=
                         step.job->outputs.end();
    if (!step.choose) return false;
    const Step* from = find_step(definition_, step.choose->from);
    if (from == nullptr) return false;
    for (const Step* one : chain_of(*from)) {
      if (one->job && makes(*one, output)) return true;
    }
    return false;
  }

  Result<void> resolves(const Reference& reference) const {
    const std::string field = "${" + to_text(reference) + "}";
    switch (reference.scope) {
      case Scope::params:
        if (!definition_.parameters.contains(reference.name)) {
          return invalid("there is no such parameter").at(field);
        }
        return {};
      case Scope::matrix:
        for (const Step* step : chain_of(step_)) {
          if (step->matrix.contains(reference.name)) return {};
        }
        return invalid("the step has no such matrix dimension").at(field);
      case Scope::outputs: {
        TRY_ASSIGN(const Step* step, usable(reference.step, field));
        if (!makes(*step, reference.name)) {
          return invalid(fmt::format("{} has no output {}", step->name, reference.name)).at(field);
        }
        return {};
      }
      case Scope::metrics: {
        TRY_ASSIGN(const Step* step, usable(reference.step, field));
        if (!measures(*step)) return invalid(step->name + " measures nothing").at(field);
        return {};
      }
    }
    return {};
  }

  Result<void> ingest(const Ingest& ingest) const {
    TRY(named(ingest.dataset, "ingest.dataset"));
    if (ingest.from) {
      return invalid("is a folder on your machine").at("ingest.from").fix(
          "let the CLI push it and name its tree");
    }
    if (!ingest.tree) return invalid("is required").at("ingest.tree");
    if (only_output(*ingest.tree)) return {};
    return digest_text(*ingest.tree, "ingest.tree");
  }

  Result<void> job(const Job& job) const {
    if (job.command.empty()) return invalid("is required").at("job.command");
    if (job.command.size() > max_command_words) {
      return invalid("must be at most 200 words").at("job.command");
    }
    if (job.code) TRY(digest_text(*job.code, "job.code"));
    if (job.environment) TRY(named(*job.environment, "job.environment"));
    if (job.experiment) TRY(named(*job.experiment, "job.experiment"));
    if (job.inputs.size() > max_inputs) return invalid("at most 64 inputs").at("job.inputs");
    for (const auto& [name, value] : job.inputs) {
      TRY(named(name, "job.inputs"));
      if (!only_output(value)) TRY(digest_text(value, "job.inputs." + name));
    }
    if (job.outputs.size() > max_outputs) return invalid("at most 64 outputs").at("job.outputs");
    std::set<std::string> seen;
    for (const std::string& name : job.outputs) {
      TRY(named(name, "job.outputs"));
      if (!seen.insert(name).second) return invalid(name + " is there twice").at("job.outputs");
    }
    if (job.parameters.size() > max_parameters) {
      return invalid("at most 200 parameters").at("job.parameters");
    }
    for (const auto& [metric, goal] : job.goals) {
      if (goal == "minimise" || goal == "maximise") continue;
      return invalid("must be minimise or maximise").at("job.goals." + metric);
    }
    return {};
  }

  Result<void> gate(const Gate& gate) const {
    if (gate.require.empty()) return invalid("must require something").at("gate.require");
    if (gate.require.size() > max_requirements) {
      return invalid("at most 32 requirements").at("gate.require");
    }
    if (gate.of) {
      TRY_ASSIGN(const Step* of, usable(*gate.of, "gate.of"));
      if (!measures(*of)) return invalid(of->name + " measures nothing").at("gate.of");
    }
    if (gate.champion) TRY(named(*gate.champion, "gate.champion"));
    for (std::size_t i = 0; i < gate.require.size(); ++i) {
      const std::string field = fmt::format("gate.require[{}]", i);
      auto requirement = parse_requirement(gate.require[i]);
      if (!requirement) return std::move(requirement).error().at(field);
      for (const auto* side : {&requirement->left, &requirement->right}) {
        for (const Term& term : *side) {
          if (term.kind == Term::Kind::operand) TRY(operand(gate, term, field));
        }
      }
    }
    return {};
  }

  Result<void> operand(const Gate& gate, const Term& term, const std::string& field) const {
    if (term.of.empty()) {
      if (gate.of) return {};
      return invalid(fmt::format("whose metric is {}?", term.name))
          .at(field)
          .fix(fmt::format("say gate.of, or STEP.{}", term.name));
    }
    if (term.of == "champion") {
      if (gate.champion) return {};
      return invalid("whose champion?").at(field).fix("say gate.champion: the model's name");
    }
    if (term.of == "params") return resolves({Scope::params, "", term.name});
    if (term.of == "matrix") return resolves({Scope::matrix, "", term.name});
    TRY_ASSIGN(const Step* step, usable(term.of, field));
    if (!measures(*step)) return invalid(step->name + " measures nothing").at(field);
    return {};
  }

  Result<void> choose(const Choose& choose) const {
    TRY_ASSIGN(const Step* from, there(choose.from, "choose.from"));
    if (!is_fanned_out(*from) || !from->job) {
      return invalid(from->name + " is not a job with several instances").at("choose.from");
    }
    if (choose.highest.has_value() == choose.lowest.has_value()) {
      return invalid("give exactly one of highest, lowest").at("choose");
    }
    return {};
  }

  Result<void> registration(const Register& registration) const {
    TRY(named(registration.model, "register.model"));
    const auto from = only_output(registration.from);
    if (!from) {
      return invalid("must be one ${steps.STEP.outputs.NAME}").at("register.from");
    }
    const Step* maker = find_step(definition_, from->step);
    if (!maker->job && !maker->choose) {
      return invalid(maker->name + " makes no model").at("register.from");
    }
    if (registration.format.empty() || registration.format.size() > limits::name) {
      return invalid("must be 1 to 63 characters").at("register.format");
    }
    for (const std::string& name : registration.evaluations) {
      TRY_ASSIGN(const Step* step, usable(name, "register.evaluations"));
      if (!measures(*step)) return invalid(name + " measures nothing").at("register.evaluations");
    }
    for (const std::string& alias : registration.aliases) TRY(named(alias, "register.aliases"));
    return {};
  }

  Result<void> deploy(const Deploy& deploy) const {
    TRY(named(deploy.endpoint, "deploy.endpoint"));
    const auto from = only_output(deploy.model);
    const Step* maker = from ? find_step(definition_, from->step) : nullptr;
    if (maker == nullptr || !maker->register_) {
      return invalid("must be ${steps.STEP.outputs.model} of a register step").at("deploy.model");
    }
    if (!deploy.workload.text.starts_with('{')) {
      return invalid("must be an object").at("deploy.workload");
    }
    return {};
  }

  const Definition& definition_;
  const Step& step_;
};

Result<void> check_parameters(const Definition& definition) {
  if (definition.parameters.size() > max_parameters) {
    return invalid("at most 200 parameters").at("parameters");
  }
  for (const auto& [name, value] : definition.parameters) {
    auto fits = check_parameter_name(name);
    if (!fits) return std::move(fits).error().at("parameters." + name);
    if (value.text.size() > max_parameter_bytes) {
      return invalid("must be at most 4096 bytes of JSON").at("parameters." + name);
    }
    auto references = references_in(value);
    if (!references) return std::move(references).error().at("parameters." + name);
    if (!references->empty()) {
      return invalid("a default must not hold ${…}").at("parameters." + name);
    }
  }
  return {};
}

}  // namespace

Result<void> check_definition(const Definition& definition) {
  TRY(named(definition.name, "name"));
  if (definition.description && definition.description->size() > limits::text) {
    return invalid("must be at most 4096 bytes").at("description");
  }
  if (json::write(definition).size() > max_definition_bytes) {
    return invalid("a pipeline may be at most 256 KiB of JSON");
  }
  TRY(check_parameters(definition));
  if (definition.code) TRY(digest_text(*definition.code, "code"));
  if (definition.environment) TRY(named(*definition.environment, "environment"));
  if (definition.steps.empty()) return invalid("must hold at least one step").at("steps");
  if (definition.steps.size() > max_steps) return invalid("at most 200 steps").at("steps");
  std::set<std::string> names;
  for (std::size_t i = 0; i < definition.steps.size(); ++i) {
    const Step& step = definition.steps[i];
    const std::string where = fmt::format("steps[{}]", i);
    if (!names.insert(step.name).second) {
      return invalid(fmt::format("{} is there twice", step.name)).at(where + ".name");
    }
    auto fits = StepCheck(definition, step).all();
    if (!fits) return std::move(fits).error().within(where);
  }
  TRY(order_of(definition));
  return {};
}

}  // namespace bessemer::pipeline
