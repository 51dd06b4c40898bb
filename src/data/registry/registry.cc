// Judges and applies what happens to models.
#include "data/registry/registry.h"

#include <fmt/format.h>

#include <cmath>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::registry {

namespace {

using Judged = Result<std::vector<Event>>;

constexpr std::size_t max_format = 64;  // bytes

Judged nothing() { return std::vector<Event>{}; }
template <class E>
Judged one(E event) { return std::vector<Event>{Event(std::move(event))}; }

Result<void> check_text(std::string_view text, std::size_t limit, std::string_view field) {
  if (text.size() > limit) {
    return invalid(fmt::format("must be at most {} bytes", limit)).at(std::string(field));
  }
  if (!is_utf8(text)) return invalid("must be UTF-8").at(std::string(field));
  return {};
}

Result<void> check_named(std::string_view name, std::string_view field) {
  auto fits = check_name(name);
  if (!fits) return std::move(fits).error().at(std::string(field));
  return {};
}

Result<void> check_metrics(const std::map<std::string, double>& metrics) {
  if (metrics.size() > max_metrics) return invalid("at most 256 metrics").at("metrics");
  for (const auto& [name, value] : metrics) {
    if (name.empty() || name.size() > limits::name || !is_utf8(name)) {
      return invalid("a metric's name must be 1 to 63 bytes").at("metrics");
    }
    if (!std::isfinite(value)) return invalid("must be finite").at("metrics." + name);
  }
  return {};
}

Result<const Model*> known(const State& state, ModelId id) {
  if (const Model* found = find(state, id)) return found;
  return not_found("no such model").at("model");
}

struct Place {
  const Model* model;
  const Version* version;
};

// A version that is not deleted.
Result<Place> known(const State& state, ModelId id, std::uint32_t number) {
  TRY_ASSIGN(const Model* model, known(state, id));
  const auto at = model->versions.find(number);
  if (at == model->versions.end() || at->second.state == VersionState::deleted) {
    return not_found(fmt::format("{} has no version {}", model->name, number)).at("version");
  }
  return Place{model, &at->second};
}

// The version an alias points at now; 0 for none.
std::uint32_t target_of(const Model& model, const std::string& alias) {
  const auto at = model.aliases.find(alias);
  return at == model.aliases.end() || at->second.empty() ? 0 : at->second.back().version;
}

Result<void> check_lineage(const State& state, const Lineage& lineage) {
  if (lineage.datasets.size() > max_datasets) {
    return invalid("at most 256 datasets").at("lineage.datasets");
  }
  if (lineage.parameters.text.size() > max_parameters_bytes) {
    return invalid("must be at most 64 KiB of JSON").at("lineage.parameters");
  }
  auto parsed = json::parse(lineage.parameters.text, [](json::Value& root) -> Result<void> {
    if (!root.is_object()) return invalid("must be an object");
    TRY(root.raw());
    return {};
  });
  if (!parsed) return std::move(parsed).error().within("lineage.parameters");
  if (lineage.parent && find_version(state, lineage.parent, lineage.parent_version) == nullptr) {
    return not_found("no such model version").at("lineage.parent");
  }
  return {};
}

Judged decide(const State& state, const Create& command) {
  if (!command.id) return invalid("is required").at("id");
  if (!command.project) return invalid("is required").at("project");
  TRY(check_named(command.name, "name"));
  TRY(check_text(command.description, max_description, "description"));
  if (const Model* there = find(state, command.project, command.name)) {
    if (there->id == command.id && there->description == command.description) return nothing();
    return conflict(fmt::format("there is a model {} already", command.name))
        .at("name")
        .fix("add a version to it, or choose another name");
  }
  if (state.models.contains(command.id)) return conflict("is in use").at("id");
  const auto names = state.names.find(command.project);
  if (names != state.names.end() && names->second.size() >= max_models) {
    return exhausted("a project may hold at most 100000 models");
  }
  return one(ModelCreated{command.id, command.project, command.name, command.description});
}

Judged decide(const State& state, const AddVersion& command) {
  TRY_ASSIGN(const Model* model, known(state, command.model));
  if (!command.artifact) return invalid("is required").at("artifact");
  if (command.format.empty()) {
    return invalid("is required").at("format").fix("say gguf, safetensors, onnx, …");
  }
  TRY(check_text(command.format, max_format, "format"));
  TRY(check_text(command.source, max_source, "source"));
  TRY(check_metrics(command.metrics));
  TRY(check_lineage(state, command.lineage));
  const Version* same = find_artifact(*model, command.artifact);
  if (same != nullptr && same->lineage == command.lineage && same->format == command.format) {
    return nothing();
  }
  const auto number = static_cast<std::uint32_t>(model->versions.size() + 1);
  if (number > max_versions) return exhausted("a model may have at most 100000 versions");
  return one(ModelVersionAdded{command.model, number, command.artifact, command.bytes,
                               command.format, command.lineage, command.metrics, command.origin,
                               command.source});
}

Judged decide(const State& state, const Evaluate& command) {
  TRY_ASSIGN(const Place place, known(state, command.model, command.version));
  TRY(check_named(command.name, "name"));
  if (command.metrics.empty()) return invalid("must name at least one metric").at("metrics");
  TRY(check_metrics(command.metrics));
  const auto& evaluations = place.version->evaluations;
  for (auto at = evaluations.rbegin(); at != evaluations.rend(); ++at) {
    if (at->name != command.name) continue;
    if (at->run == command.run && at->metrics == command.metrics &&
        at->dataset == command.dataset) {
      return nothing();
    }
    break;
  }
  if (evaluations.size() >= max_evaluations) {
    return exhausted("a version may have at most 1000 evaluations");
  }
  return one(ModelVersionEvaluated{command.model, command.version, command.name, command.run,
                                   command.dataset, command.metrics});
}

Judged decide(const State& state, const SetAlias& command) {
  TRY_ASSIGN(const Model* model, known(state, command.model));
  TRY(check_named(command.alias, "alias"));
  if (command.alias == "latest" || parse_unsigned(command.alias)) {
    return invalid("must be neither \"latest\" nor a number: these name versions").at("alias");
  }
  if (target_of(*model, command.alias) == command.version) return nothing();
  if (command.version != 0) TRY(known(state, command.model, command.version));
  if (!model->aliases.contains(command.alias) && model->aliases.size() >= max_aliases) {
    return exhausted("a model may have at most 100 aliases").at("alias");
  }
  return one(ModelAliasSet{command.model, command.alias, command.version});
}

Judged decide(const State& state, const SetStage& command) {
  TRY_ASSIGN(const Place place, known(state, command.model, command.version));
  if (place.version->stage == command.stage) return nothing();
  return one(ModelStageSet{command.model, command.version, command.stage});
}

Judged decide(const State& state, const DeleteVersion& command) {
  if (const Version* there = find_version(state, command.model, command.version);
      there != nullptr && there->state == VersionState::deleted) {
    return nothing();
  }
  TRY_ASSIGN(const Place place, known(state, command.model, command.version));
  for (const auto& [alias, _] : place.model->aliases) {
    if (target_of(*place.model, alias) != command.version) continue;
    return conflict(fmt::format("the alias {} points at it", alias))
        .at("version")
        .fix("move or remove the alias first");
  }
  return one(ModelVersionDeleted{command.model, command.version});
}

Judged decide(const State& state, const Delete& command) {
  if (const auto at = state.models.find(command.model);
      at != state.models.end() && at->second.deleted) {
    return nothing();
  }
  TRY_ASSIGN(const Model* model, known(state, command.model));
  for (const auto& [number, version] : model->versions) {
    if (version.state == VersionState::deleted) continue;
    return conflict(fmt::format("version {} is not deleted", number))
        .at("model")
        .fix("delete its versions first");
  }
  return one(ModelDeleted{command.model});
}

// ---- apply

Model& there(State& state, ModelId id) {
  const auto at = state.models.find(id);
  check(at != state.models.end(), "registry: unknown model in a fact");
  return at->second;
}

Version& there(State& state, ModelId id, std::uint32_t number) {
  Model& model = there(state, id);
  const auto at = model.versions.find(number);
  check(at != model.versions.end(), "registry: unknown version in a fact");
  return at->second;
}

void happen(State& state, const ModelCreated& event, const Context& context) {
  Model model;
  model.id = event.id;
  model.project = event.project;
  model.name = event.name;
  model.description = event.description;
  model.created_at = context.occurred_at;
  model.created_by = context.actor;
  check(state.models.emplace(event.id, std::move(model)).second, "registry: created twice");
  state.names[event.project][event.name] = event.id;
}

void happen(State& state, const ModelVersionAdded& event, const Context& context) {
  Version version;
  version.number = event.version;
  version.artifact = event.artifact;
  version.bytes = event.bytes;
  version.format = event.format;
  version.lineage = event.lineage;
  version.metrics = event.metrics;
  version.origin = event.origin;
  version.source = event.source;
  version.created_at = context.occurred_at;
  version.created_by = context.actor;
  check(there(state, event.model).versions.emplace(event.version, std::move(version)).second,
        "registry: version added twice");
}

void happen(State& state, const ModelVersionEvaluated& event, const Context& context) {
  there(state, event.model, event.version)
      .evaluations.push_back({event.name, event.run, event.dataset, event.metrics,
                              context.occurred_at, context.actor});
}

void happen(State& state, const ModelAliasSet& event, const Context& context) {
  auto& moves = there(state, event.model).aliases[event.alias];
  if (moves.size() >= max_alias_history) moves.erase(moves.begin());
  moves.push_back({event.version, context.occurred_at, context.actor});
}

void happen(State& state, const ModelStageSet& event, const Context&) {
  there(state, event.model, event.version).stage = event.stage;
}

void happen(State& state, const ModelVersionDeleted& event, const Context&) {
  there(state, event.model, event.version).state = VersionState::deleted;
}

void happen(State& state, const ModelDeleted& event, const Context&) {
  Model& model = there(state, event.model);
  model.deleted = true;
  auto& names = state.names[model.project];
  names.erase(model.name);
  if (names.empty()) state.names.erase(model.project);
}

}  // namespace

Judged judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& asked) { return decide(state, asked); }, command);
}

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& fact) { happen(state, fact, context); }, event);
}

// ---- queries

const Model* find(const State& state, ModelId id) {
  const auto at = state.models.find(id);
  return at == state.models.end() || at->second.deleted ? nullptr : &at->second;
}

const Model* find(const State& state, OrgId project, std::string_view name) {
  const auto names = state.names.find(project);
  if (names == state.names.end()) return nullptr;
  const auto at = names->second.find(std::string(name));
  return at == names->second.end() ? nullptr : find(state, at->second);
}

const Version* find_version(const State& state, ModelId id, std::uint32_t number) {
  const auto model = state.models.find(id);
  if (model == state.models.end()) return nullptr;
  const auto at = model->second.versions.find(number);
  return at == model->second.versions.end() ? nullptr : &at->second;
}

const Version* latest(const Model& model) {
  for (auto at = model.versions.rbegin(); at != model.versions.rend(); ++at) {
    if (at->second.state == VersionState::active) return &at->second;
  }
  return nullptr;
}

const Version* at_alias(const Model& model, std::string_view alias) {
  const auto at = model.versions.find(target_of(model, std::string(alias)));
  if (at == model.versions.end() || at->second.state == VersionState::deleted) return nullptr;
  return &at->second;
}

const Version* find_artifact(const Model& model, const Digest& artifact) {
  for (auto at = model.versions.rbegin(); at != model.versions.rend(); ++at) {
    if (at->second.state == VersionState::active && at->second.artifact == artifact) {
      return &at->second;
    }
  }
  return nullptr;
}

Result<std::uint32_t> resolve(const Model& model, std::string_view which) {
  if (which.empty() || which == "latest") {
    if (const Version* version = latest(model)) return version->number;
    return not_found(model.name + " has no version").at("version").fix("register one");
  }
  if (const Version* version = at_alias(model, which)) return version->number;
  if (const auto number = parse_unsigned(which); number && *number <= max_versions) {
    const auto at = model.versions.find(static_cast<std::uint32_t>(*number));
    if (at != model.versions.end() && at->second.state == VersionState::active) return at->first;
  }
  return not_found(fmt::format("{} has no version or alias \"{}\"", model.name,
                               which.substr(0, 64)))
      .at("version");
}

std::map<std::string, double> metrics_of(const Version& version) {
  std::map<std::string, double> metrics = version.metrics;
  for (const Evaluation& evaluation : version.evaluations) {
    for (const auto& [name, value] : evaluation.metrics) metrics[name] = value;
  }
  return metrics;
}

std::vector<const Model*> list(const State& state, OrgId project) {
  std::vector<const Model*> found;
  const auto names = state.names.find(project);
  if (names == state.names.end()) return found;
  for (const auto& [_, id] : names->second) found.push_back(find(state, id));
  return found;
}

}  // namespace bessemer::registry
