// Names and versions of secrets: refusals, then changes.
#include "governance/secret/secret.h"

#include "base/check.h"
#include "base/text.h"

namespace bessemer::secret {
namespace {

using Events = std::vector<Event>;

Result<Events> judge_one(const State& state, const Put& c) {
  if (!c.project) return invalid("must name a project").at("project");
  if (auto named = check_name(c.name); !named) return std::move(named).error().at("name");
  check(static_cast<bool>(c.sealed), "secret: put without a sealed blob");
  const Entry* entry = find(state, c.project, c.name);
  if (entry != nullptr) {
    const Version& last = entry->versions.back();
    if (last.number == c.version && last.sealed == c.sealed) return Events{};
  } else {
    if (!c.id) return invalid("must not be empty").at("id");
    if (state.entries.contains(c.id)) return conflict("another secret has this id").at("id");
    if (list(state, c.project).size() >= max_per_project) {
      return exhausted("a project holds at most " + std::to_string(max_per_project) + " secrets");
    }
  }
  if (c.version != next_version(state, c.project, c.name)) {
    return conflict("another version was stored meanwhile").at("version").fix("store it again")
        .retried(Retry::now);
  }
  return Events{SecretPut{entry != nullptr ? entry->id : c.id, c.project, c.name, c.version,
                          c.sealed}};
}

Result<Events> judge_one(const State& state, const Remove& c) {
  const Entry* entry = find(state, c.project, c.name);
  if (entry == nullptr) return not_found("no such secret").at("name");
  return Events{SecretRemoved{entry->id}};
}

void apply_one(State& state, const SecretPut& e, const Context& ctx) {
  Entry& entry = state.entries[e.id];
  check(!entry.id || (entry.project == e.project && entry.name == e.name),
        "secret: one id, two names");
  entry.id = e.id;
  entry.project = e.project;
  entry.name = e.name;
  entry.versions.push_back({e.version, e.sealed, ctx.occurred_at, ctx.actor});
  if (entry.versions.size() > kept_versions) entry.versions.erase(entry.versions.begin());
  state.by_name[{e.project, e.name}] = e.id;
}

void apply_one(State& state, const SecretRemoved& e, const Context&) {
  const auto at = state.entries.find(e.id);
  check(at != state.entries.end(), "secret: removed an unknown secret");
  state.by_name.erase({at->second.project, at->second.name});
  state.entries.erase(at);
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& one) { return judge_one(state, one); }, command);
}

void apply(State& state, const Event& event, const Context& ctx) {
  std::visit([&](const auto& one) { apply_one(state, one, ctx); }, event);
}

const Entry* find(const State& state, OrgId project, std::string_view name) {
  const auto at = state.by_name.find({project, std::string(name)});
  return at == state.by_name.end() ? nullptr : &state.entries.at(at->second);
}

std::vector<const Entry*> list(const State& state, OrgId project) {
  std::vector<const Entry*> found;
  for (auto at = state.by_name.lower_bound({project, ""});
       at != state.by_name.end() && at->first.first == project; ++at) {
    found.push_back(&state.entries.at(at->second));
  }
  return found;
}

std::uint32_t next_version(const State& state, OrgId project, std::string_view name) {
  const Entry* entry = find(state, project, name);
  return entry == nullptr ? 1 : entry->versions.back().number + 1;
}

std::set<Digest> sealed_blobs(const State& state) {
  std::set<Digest> named;
  for (const auto& [id, entry] : state.entries) {
    for (const Version& version : entry.versions) named.insert(version.sealed);
  }
  return named;
}

}  // namespace bessemer::secret
