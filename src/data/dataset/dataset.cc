// Judges and applies what happens to datasets.
#include "data/dataset/dataset.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::dataset {

namespace {

using Judged = Result<std::vector<Event>>;

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

Result<const Dataset*> known(const State& state, DatasetId id) {
  if (const Dataset* found = find(state, id)) return found;
  return not_found("no such dataset").at("dataset");
}

struct Place {
  const Dataset* dataset;
  const Version* version;
};

// A version that is not deleted.
Result<Place> known(const State& state, DatasetId id, std::uint32_t number) {
  TRY_ASSIGN(const Dataset* dataset, known(state, id));
  const auto at = dataset->versions.find(number);
  if (at == dataset->versions.end() || at->second.state == VersionState::deleted) {
    return not_found(fmt::format("{} has no version {}", dataset->name, number)).at("version");
  }
  return Place{dataset, &at->second};
}

Result<void> check_validation(const Validation& validation) {
  if (validation.problems.size() > max_problems) {
    return invalid("at most 20 problems are kept").at("validation.problems");
  }
  for (const std::string& problem : validation.problems) {
    TRY(check_text(problem, max_source, "validation.problems"));
  }
  if (validation.passed && validation.problem_count > 0) {
    return invalid("what has problems has not passed").at("validation.passed");
  }
  return {};
}

Judged decide(const State& state, const Create& command) {
  if (!command.id) return invalid("is required").at("id");
  if (!command.project) return invalid("is required").at("project");
  TRY(check_named(command.name, "name"));
  TRY(check_text(command.description, max_description, "description"));
  if (const Dataset* there = find(state, command.project, command.name)) {
    if (there->id == command.id && there->description == command.description) return nothing();
    return conflict(fmt::format("there is a dataset {} already", command.name))
        .at("name")
        .fix("add a version to it, or choose another name");
  }
  if (state.datasets.contains(command.id)) return conflict("is in use").at("id");
  const auto names = state.names.find(command.project);
  if (names != state.names.end() && names->second.size() >= max_datasets) {
    return exhausted("a project may hold at most 100000 datasets");
  }
  return one(DatasetCreated{command.id, command.project, command.name, command.description});
}

Judged decide(const State& state, const AddVersion& command) {
  TRY_ASSIGN(const Dataset* dataset, known(state, command.dataset));
  if (!command.tree) return invalid("is required").at("tree");
  auto schema = check_schema(command.schema);
  if (!schema) return std::move(schema).error().within("schema");
  TRY(check_text(command.licence, max_licence, "licence"));
  TRY(check_text(command.source, max_source, "source"));
  if (command.validation) TRY(check_validation(*command.validation));
  if (const Version* same = find_tree(*dataset, command.tree, command.schema)) {
    if (!same->unreadable) return nothing();
    return one(DatasetInspectionAsked{command.dataset, same->number});
  }
  if (const Version* other = find_fit(*dataset, command.tree)) {
    return conflict(fmt::format("version {} holds the same bytes under another schema",
                                other->number))
        .at("schema")
        .fix("use that version, or delete it first");
  }
  const auto number = static_cast<std::uint32_t>(dataset->versions.size() + 1);
  if (number > max_versions) return exhausted("a dataset may have at most 100000 versions");
  return one(DatasetVersionAdded{command.dataset, number, command.tree, command.bytes,
                                 command.files, command.rows, command.schema, command.licence,
                                 command.source, command.validation, command.produced_by});
}

Judged decide(const State& state, const RecordValidation& command) {
  TRY_ASSIGN(const Place place, known(state, command.dataset, command.version));
  TRY(check_validation(command.validation));
  if (place.version->validation == command.validation) return nothing();
  std::vector<Event> events{
      DatasetVersionValidated{command.dataset, command.version, command.validation}};
  // What does not fit is nobody's latest version; who names its number still gets it.
  if (!command.validation.passed && place.version->state == VersionState::active) {
    events.emplace_back(DatasetVersionDeprecated{command.dataset, command.version,
                                                 "does not fit its schema"});
  }
  return events;
}

Judged decide(const State& state, const RecordUnreadable& command) {
  TRY_ASSIGN(const Place place, known(state, command.dataset, command.version));
  TRY(check_text(command.why, max_why, "why"));
  if (place.version->validation || place.version->unreadable) return nothing();
  return one(DatasetVersionUnreadable{command.dataset, command.version, command.why});
}

Judged decide(const State& state, const Inspect& command) {
  TRY_ASSIGN(const Place place, known(state, command.dataset, command.version));
  if (!place.version->unreadable) return nothing();
  return one(DatasetInspectionAsked{command.dataset, command.version});
}

Judged decide(const State& state, const Deprecate& command) {
  TRY_ASSIGN(const Place place, known(state, command.dataset, command.version));
  TRY(check_text(command.note, max_description, "note"));
  if (place.version->state == VersionState::deprecated && place.version->note == command.note) {
    return nothing();
  }
  return one(DatasetVersionDeprecated{command.dataset, command.version, command.note});
}

Judged decide(const State& state, const DeleteVersion& command) {
  if (const Version* there = find_version(state, command.dataset, command.version);
      there != nullptr && there->state == VersionState::deleted) {
    return nothing();
  }
  TRY_ASSIGN(const Place place, known(state, command.dataset, command.version));
  for (const auto& [alias, version] : place.dataset->aliases) {
    if (version != command.version) continue;
    return conflict(fmt::format("the alias {} points at it", alias))
        .at("version")
        .fix("move or remove the alias first");
  }
  return one(DatasetVersionDeleted{command.dataset, command.version});
}

Judged decide(const State& state, const Delete& command) {
  if (const auto at = state.datasets.find(command.dataset);
      at != state.datasets.end() && at->second.deleted) {
    return nothing();
  }
  TRY_ASSIGN(const Dataset* dataset, known(state, command.dataset));
  for (const auto& [number, version] : dataset->versions) {
    if (version.state == VersionState::deleted) continue;
    return conflict(fmt::format("version {} is not deleted", number))
        .at("dataset")
        .fix("delete its versions first");
  }
  return one(DatasetDeleted{command.dataset});
}

Judged decide(const State& state, const SetAlias& command) {
  TRY_ASSIGN(const Dataset* dataset, known(state, command.dataset));
  TRY(check_named(command.alias, "alias"));
  if (command.alias == "latest" || parse_unsigned(command.alias)) {
    return invalid("must be neither \"latest\" nor a number: these name versions").at("alias");
  }
  const auto at = dataset->aliases.find(command.alias);
  const std::uint32_t now = at == dataset->aliases.end() ? 0 : at->second;
  if (now == command.version) return nothing();
  if (command.version != 0) TRY(known(state, command.dataset, command.version));
  if (now == 0 && dataset->aliases.size() >= max_aliases) {
    return exhausted("a dataset may have at most 100 aliases").at("alias");
  }
  return one(DatasetAliasSet{command.dataset, command.alias, command.version});
}

// ---- apply

Dataset& there(State& state, DatasetId id) {
  const auto at = state.datasets.find(id);
  check(at != state.datasets.end(), "dataset: unknown in a fact");
  return at->second;
}

Version& there(State& state, DatasetId id, std::uint32_t number) {
  Dataset& dataset = there(state, id);
  const auto at = dataset.versions.find(number);
  check(at != dataset.versions.end(), "dataset: unknown version in a fact");
  return at->second;
}

void happen(State& state, const DatasetCreated& event, const Context& context) {
  Dataset dataset;
  dataset.id = event.id;
  dataset.project = event.project;
  dataset.name = event.name;
  dataset.description = event.description;
  dataset.created_at = context.occurred_at;
  dataset.created_by = context.actor;
  check(state.datasets.emplace(event.id, std::move(dataset)).second, "dataset: created twice");
  state.names[event.project][event.name] = event.id;
}

void happen(State& state, const DatasetVersionAdded& event, const Context& context) {
  Version version;
  version.number = event.version;
  version.tree = event.tree;
  version.bytes = event.bytes;
  version.files = event.files;
  version.rows = event.rows;
  version.schema = event.schema;
  version.licence = event.licence;
  version.source = event.source;
  version.validation = event.validation;
  version.produced_by = event.produced_by;
  version.created_at = context.occurred_at;
  version.created_by = context.actor;
  Dataset& dataset = there(state, event.dataset);
  check(dataset.versions.emplace(event.version, std::move(version)).second,
        "dataset: version added twice");
}

void happen(State& state, const DatasetVersionValidated& event, const Context&) {
  Version& version = there(state, event.dataset, event.version);
  version.validation = event.validation;
  version.unreadable.reset();
  version.rows = event.validation.rows;
}

void happen(State& state, const DatasetVersionUnreadable& event, const Context& context) {
  there(state, event.dataset, event.version).unreadable =
      Unreadable{event.why, context.occurred_at};
}

void happen(State& state, const DatasetInspectionAsked& event, const Context&) {
  there(state, event.dataset, event.version).unreadable.reset();
}

void happen(State& state, const DatasetVersionDeprecated& event, const Context&) {
  Version& version = there(state, event.dataset, event.version);
  version.state = VersionState::deprecated;
  version.note = event.note;
}

void happen(State& state, const DatasetVersionDeleted& event, const Context&) {
  there(state, event.dataset, event.version).state = VersionState::deleted;
}

void happen(State& state, const DatasetDeleted& event, const Context&) {
  Dataset& dataset = there(state, event.dataset);
  dataset.deleted = true;
  auto& names = state.names[dataset.project];
  names.erase(dataset.name);
  if (names.empty()) state.names.erase(dataset.project);
}

void happen(State& state, const DatasetAliasSet& event, const Context&) {
  Dataset& dataset = there(state, event.dataset);
  if (event.version == 0) dataset.aliases.erase(event.alias);
  else dataset.aliases[event.alias] = event.version;
}

}  // namespace

Judged judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& asked) { return decide(state, asked); }, command);
}

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& fact) { happen(state, fact, context); }, event);
}

// ---- queries

const Dataset* find(const State& state, DatasetId id) {
  const auto at = state.datasets.find(id);
  return at == state.datasets.end() || at->second.deleted ? nullptr : &at->second;
}

const Dataset* find(const State& state, OrgId project, std::string_view name) {
  const auto names = state.names.find(project);
  if (names == state.names.end()) return nullptr;
  const auto at = names->second.find(std::string(name));
  return at == names->second.end() ? nullptr : find(state, at->second);
}

const Version* find_version(const State& state, DatasetId id, std::uint32_t number) {
  const auto dataset = state.datasets.find(id);
  if (dataset == state.datasets.end()) return nullptr;
  const auto at = dataset->second.versions.find(number);
  return at == dataset->second.versions.end() ? nullptr : &at->second;
}

const Version* latest(const Dataset& dataset) {
  for (auto at = dataset.versions.rbegin(); at != dataset.versions.rend(); ++at) {
    if (at->second.state == VersionState::active) return &at->second;
  }
  return nullptr;
}

const Version* find_tree(const Dataset& dataset, const Digest& tree, const Schema& schema) {
  for (const auto& [_, version] : dataset.versions) {
    const bool gone = version.state == VersionState::deleted;
    if (!gone && version.tree == tree && version.schema == schema) return &version;
  }
  return nullptr;
}

const Version* find_fit(const Dataset& dataset, const Digest& tree) {
  for (const auto& [_, version] : dataset.versions) {
    const bool gone = version.state == VersionState::deleted;
    if (!gone && version.tree == tree && !is_unfit(version)) return &version;
  }
  return nullptr;
}

Result<std::uint32_t> resolve(const Dataset& dataset, std::string_view which) {
  if (which.empty() || which == "latest") {
    if (const Version* version = latest(dataset)) return version->number;
    return not_found(dataset.name + " has no active version").at("version").fix("push one");
  }
  if (const auto alias = dataset.aliases.find(std::string(which));
      alias != dataset.aliases.end()) {
    return alias->second;
  }
  if (const auto number = parse_unsigned(which); number && *number <= max_versions) {
    const auto at = dataset.versions.find(static_cast<std::uint32_t>(*number));
    if (at != dataset.versions.end() && at->second.state != VersionState::deleted) {
      return at->first;
    }
  }
  return not_found(fmt::format("{} has no version or alias \"{}\"", dataset.name,
                               which.substr(0, 64)))
      .at("version");
}

std::vector<Uninspected> uninspected(const State& state) {
  std::vector<Uninspected> found;
  for (const auto& [id, dataset] : state.datasets) {
    for (const auto& [number, version] : dataset.versions) {
      if (auto one = uninspected(state, id, number)) found.push_back(*std::move(one));
    }
  }
  return found;
}

std::optional<Uninspected> uninspected(const State& state, DatasetId id, std::uint32_t number) {
  const Dataset* const dataset = find(state, id);
  const Version* const version = find_version(state, id, number);
  if (dataset == nullptr || version == nullptr) return {};
  const bool known = version->validation || version->unreadable;
  if (known || version->state == VersionState::deleted) return {};
  return Uninspected{id, dataset->project, number, version->tree, version->schema};
}

std::vector<const Dataset*> list(const State& state, OrgId project) {
  std::vector<const Dataset*> found;
  const auto names = state.names.find(project);
  if (names == state.names.end()) return found;
  for (const auto& [_, id] : names->second) found.push_back(find(state, id));
  return found;
}

}  // namespace bessemer::dataset
