// Declared things: found by their identity, compared, made or changed.
#include "application/cli/apply.h"

#include <algorithm>

#include "application/cli/session.h"
#include "application/cli/transfer.h"
#include "application/cli/work.h"
#include "application/yaml/yaml.h"
#include "base/text.h"

namespace bessemer::cli {
namespace {

using Kind = Document::Kind;

std::string known_kinds() {
  std::vector<std::string> kinds;
  for (const Declared& declared : declared_kinds()) kinds.emplace_back(declared.kind);
  return join(kinds, ", ");
}

const Declared* find_kind(std::string_view kind) {
  for (const Declared& declared : declared_kinds()) {
    if (declared.kind == kind) return &declared;
  }
  return nullptr;
}

// What the API is sent: the declaration without `in`, and without `kind` where the path says it.
Document body_of(const Declared& kind, const Document& declaration) {
  Document body = Document::object(), wrapped = Document::object();
  for (const auto& [name, value] : declaration.members) {
    if (name == "in" || (name == "kind" && !kind.sends_kind)) continue;
    const bool inside = !kind.wrapped.empty() && name != kind.scope;
    (inside ? wrapped : body).set(name, value);
  }
  if (!kind.wrapped.empty()) body.set(kind.wrapped, std::move(wrapped));
  return body;
}

// A row of the list is the declared thing. Lists show what is below a node too: the place counts.
bool same_identity(const Declared& kind, const Document& row, const Document& wanted,
                   std::string_view in) {
  const std::string path = row.text("path");
  if (!in.empty() && !path.empty() && !in.starts_with("org_") && path != in) return false;
  if (!kind.listed_kind.empty() && row.text("kind") != kind.listed_kind) return false;
  return std::all_of(kind.identity.begin(), kind.identity.end(), [&](std::string_view field) {
    return row.text(kind.shown(field)) == wanted.text(field);
  });
}

// The fields of a declaration as they are now.
Document current(const Declared& kind, const Document& declaration, const Document& row) {
  Document now = Document::object();
  for (const auto& [name, value] : declaration.members) {
    if (const Document* shown = row.find(kind.shown(name))) now.set(name, *shown);
  }
  return now;
}

// The declaration without what says where it belongs.
Document content_of(const Declared& kind, const Document& declaration) {
  Document content = declaration;
  std::erase_if(content.members, [&](const auto& member) {
    return member.first == "in" || member.first == "kind" || member.first == kind.scope;
  });
  return content;
}

// Where a thing of a list belongs.
std::string place_of(const Document& row) {
  for (const std::string_view where : {"project_path", "home_path", "tenant_path", "path"}) {
    const std::string path = row.text(where);
    if (!path.empty()) return path;
  }
  return {};
}

bool is_empty(const Document& value) {
  return value.is(Kind::null) || (value.is(Kind::text) && value.scalar.empty()) ||
         ((value.is(Kind::list) || value.is(Kind::object)) && value.members.empty());
}

// A thing as it would be declared.
Document declaration_of(const Declared& kind, const Document& row) {
  Document declaration = Document::object();
  declaration.set("kind", Document::of(std::string(kind.kind)));
  const std::string in = place_of(row);
  if (!kind.scope.empty() && !in.empty()) declaration.set("in", Document::of(in));
  std::vector<std::string> fields(kind.identity.begin(), kind.identity.end());
  fields.insert(fields.end(), kind.fields.begin(), kind.fields.end());
  if (kind.fields.empty() && !kind.shown_as.empty()) {
    static constexpr std::string_view by_the_factory[] = {"project", "kind",     "pipeline_run",
                                                          "step",    "endpoint", "run"};
    if (const Document* all = row.find(kind.shown_as.front().second)) {
      for (const auto& [name, value] : all->members) {
        const bool known = std::find(fields.begin(), fields.end(), name) != fields.end();
        const bool own = std::find(std::begin(by_the_factory), std::end(by_the_factory), name) ==
                         std::end(by_the_factory);
        if (!known && own) fields.push_back(name);
      }
    }
  }
  for (const std::string& field : fields) {
    const Document* const value = row.find(kind.shown(field));
    if (value != nullptr && !is_empty(*value)) declaration.set(field, *value);
  }
  return declaration;
}

std::string name_of(const Declared& kind, const Document& declaration) {
  std::string out(kind.kind);
  for (const std::string_view field : kind.identity) out += " " + declaration.text(field);
  return out;
}

// What is not there yet may be made by an earlier document of the same file: --dry-run makes none.
bool may_come_first(Session& session, const Error& error) {
  return session.arguments().has("dry-run") && error.code == Code::not_found;
}

// What people write by name and the API takes by id, and folders as the digests of their trees.
Result<void> resolve_names(Session& session, const Declared& kind, const std::string& folder,
                           Document& declaration) {
  const auto by_name = [&](std::string_view field, std::string_view list) -> Result<void> {
    const std::string word = declaration.text(field);
    if (word.empty()) return {};
    auto id = look_up(session, list, word);
    if (!id && may_come_first(session, id.error())) return {};
    if (!id) return std::move(id).error().at(std::string(field));
    declaration.set(field, Document::of(*std::move(id)));
    return {};
  };
  if (kind.kind == "role") TRY(by_name("principal", "/api/v1/principals"));
  if (kind.kind == "key") TRY(by_name("owner", "/api/v1/principals"));
  if (kind.kind == "budget") TRY(by_name("key", "/api/v1/keys"));
  if (kind.kind == "pipeline" || kind.kind == "job" || kind.kind == "service") {
    TRY(push_folders(session, folder, declaration));
  }
  return {};
}

Result<Step> plan_in(Session& session, const Document& declaration, const std::string& folder) {
  if (!declaration.is(Kind::object)) return invalid("each document must be an object");
  const std::string word = declaration.text("kind");
  const Declared* kind = find_kind(word);
  if (kind == nullptr) {
    return invalid(word.empty() ? "is missing" : "is not known: " + word).at("kind")
        .fix("one of: " + known_kinds());
  }
  TRY_ASSIGN(Remote* const remote, session.remote());
  Document placed = declaration;
  Query query;
  std::string in;
  if (!kind->scope.empty()) {
    in = declaration.text("in");
    if (in.empty()) {
      TRY_ASSIGN(in, session.project());
    }
    query.emplace_back(std::string(kind->scope), in);
    placed.set(kind->scope, Document::of(in));
  }
  const std::string usual = session.project().value_or(std::string());
  if (!in.empty()) session.place(in);
  TRY(resolve_names(session, *kind, folder, placed));
  session.place(usual);
  auto list = remote->all(std::string(kind->list), query);
  if (!list && may_come_first(session, list.error())) list = Document{};
  if (!list) return std::move(list).error();
  const Document* now = nullptr;
  if (const Document* items = list->find("items")) {
    for (const auto& [unnamed, row] : items->members) {
      if (same_identity(*kind, row, placed, in)) now = &row;
    }
  }
  return plan_step(*kind, placed, now);
}

Result<void> carry_out(Session& session, const Step& step) {
  static constexpr std::string_view said[] = {" unchanged", " created", " changed"};
  std::string once;
  if (step.what != Step::What::nothing && !session.arguments().has("dry-run")) {
    TRY_ASSIGN(Remote* const remote, session.remote());
    auto done = remote->call(step.method, step.target, to_json(step.body, Layout::compact));
    if (!done) return std::move(done).error().during(step.name);
    once = done->text("secret");
  }
  session.print(step.name + std::string(said[static_cast<std::size_t>(step.what)]) + "\n");
  for (const std::string& line : step.differences) session.print("  " + printable(line) + "\n");
  if (!once.empty()) session.print("  its secret, shown once: " + printable(once) + "\n");
  return {};
}

Result<std::vector<std::string>> documents_of(Session& session, const std::string& file,
                                              std::string& text) {
  if (file == "-") {
    TRY_ASSIGN(text, session.terminal().input(yaml::max_bytes));
  } else {
    TRY_ASSIGN(text, read_local_file(file, yaml::max_bytes));
  }
  return yaml::documents(text);
}

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

}  // namespace

Error in_file(Error error, const std::string& file, std::string_view text, std::size_t document,
              std::string_view prefix) {
  std::string_view field = error.field;
  if (field.starts_with(prefix)) field.remove_prefix(prefix.size());
  const std::size_t line = yaml::line_of(text, field, document);
  error.what = file + (line == 0 ? "" : ":" + std::to_string(line)) + ": " +
               (field.empty() ? "" : std::string(field) + ": ") + error.what;
  error.field.clear();  // it is in the sentence
  return error;
}

const std::vector<Declared>& declared_kinds() {
  static const std::vector<Declared> kinds = {
      {"tenant", "/api/v1/orgs", "", {"path"}, "POST", "/api/v1/orgs", "", "", true,
       {"time_zone"}, {}, "", "tenant"},
      {"group", "/api/v1/orgs", "", {"path"}, "POST", "/api/v1/orgs", "", "", true, {"path"}, {},
       "", "group"},
      {"project", "/api/v1/orgs", "", {"path"}, "POST", "/api/v1/orgs", "", "", true, {"path"}, {},
       "", "project"},
      {"user", "/api/v1/principals", "org", {"name"}, "POST", "/api/v1/users", "", "", false,
       {"email"}, {}, "", "user"},
      {"service-account", "/api/v1/principals", "org", {"name"}, "POST",
       "/api/v1/service-accounts", "", "", false, {"name"}, {}, "", "service_account"},
      {"role", "/api/v1/bindings", "org", {"principal", "role"}, "POST", "/api/v1/bindings", "",
       "", false, {"role"}},
      {"key", "/api/v1/keys", "org", {"name"}, "POST", "/api/v1/keys", "", "", false,
       {"owner", "scopes", "models", "expires_at"}},
      {"quota", "/api/v1/quotas", "org", {"counted"}, "PUT", "/api/v1/quotas", "PUT",
       "/api/v1/quotas", false, {"limit"}},
      {"budget", "/api/v1/budgets", "org", {"name"}, "PUT", "/api/v1/budgets", "PUT",
       "/api/v1/budgets", false,
       {"limit", "overdraft", "term", "key", "model", "endpoint", "pipeline", "at_limit",
        "warn_percents"},
       {{"key", "scope.key"}, {"model", "scope.model"}, {"endpoint", "scope.endpoint"},
        {"pipeline", "scope.pipeline"}}},
      {"queue", "/api/v1/queues", "org", {"pool"}, "PUT", "/api/v1/queues", "PUT",
       "/api/v1/queues", false, {"deserved_gpu_milli", "weight", "limit"}},
      {"price-book", "/api/v1/price-books", "", {"name"}, "POST", "/api/v1/price-books", "POST",
       "/api/v1/price-books", false, {"currency", "prices"}, {{"name", "book"}}},
      {"dataset", "/api/v1/datasets", "project", {"name"}, "POST", "/api/v1/datasets", "", "",
       false, {"description"}},
      {"model", "/api/v1/models", "project", {"name"}, "POST", "/api/v1/models", "", "", false,
       {"description"}},
      {"endpoint", "/api/v1/endpoints", "project", {"name"}, "POST", "/api/v1/endpoints", "PATCH",
       "/api/v1/endpoints/{}", false,
       {"model", "aliases", "protocol", "billing", "health", "replicas", "workload"}},
      {"pipeline", "/api/v1/pipelines", "project", {"name"}, "PUT", "/api/v1/pipelines", "PUT",
       "/api/v1/pipelines", false, {}, {{"", "definition"}}, "definition"},
      {"job", "/api/v1/jobs", "project", {"name"}, "POST", "/api/v1/jobs", "", "", false, {},
       {{"", "spec"}}, "", "job"},
      {"service", "/api/v1/services", "project", {"name"}, "POST", "/api/v1/services", "", "",
       false, {}, {{"", "spec"}}, "", "service"},
  };
  return kinds;
}

std::string Declared::shown(std::string_view field) const {
  std::string_view inside;
  for (const auto& [name, path] : shown_as) {
    if (name == field) return std::string(path);
    if (name.empty()) inside = path;
  }
  return inside.empty() ? std::string(field) : std::string(inside) + "." + std::string(field);
}

Result<Step> plan_step(const Declared& kind, const Document& declaration, const Document* now) {
  for (const std::string_view field : kind.identity) {
    if (declaration.text(field).empty()) return invalid("is missing").at(std::string(field));
  }
  Step step;
  step.name = name_of(kind, declaration);
  step.body = body_of(kind, declaration);
  if (now == nullptr) {
    step.what = Step::What::create;
    step.method = kind.create_method;
    step.target = kind.create;
    return step;
  }
  const Document wanted = content_of(kind, declaration), there = current(kind, wanted, *now);
  step.differences = differences(there, wanted, Compare::declared_only);
  if (step.differences.empty()) return step;
  if (kind.change.empty()) {
    return conflict(step.name + " is there and differs, and cannot be changed: " +
                    std::string(trim(step.differences.front())))
        .fix("give it another name, or delete it first");
  }
  step.what = Step::What::change;
  step.method = kind.change_method;
  step.target = path_of(kind.change, {now->text("id")});
  if (step.method != "PATCH") return step;
  step.body = Document::object();  // what differs, and no more
  for (const auto& [name, value] : wanted.members) {
    Document one = Document::object();
    one.set(name, value);
    if (!differences(there, one, Compare::declared_only).empty()) step.body.set(name, value);
  }
  return step;
}

std::optional<std::string> declarations_of(std::string_view target, const Document& answer) {
  std::vector<const Declared*> kinds;
  for (const Declared& one : declared_kinds()) {
    if (target == one.list || target.starts_with(std::string(one.list) + "/{")) {
      kinds.push_back(&one);
    }
  }
  if (kinds.empty()) return {};
  std::vector<const Document*> rows;
  if (const Document* items = answer.find("items")) {
    for (const auto& [unnamed, row] : items->members) rows.push_back(&row);
  } else {
    rows.push_back(&answer);
  }
  std::string out;
  for (const Document* row : rows) {
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Declared* one) {
      const std::string_view listed = one->listed_kind;
      return listed.empty() || row->text("kind") == listed;
    });
    if (kind == kinds.end()) continue;  // the platform itself, which nobody declares
    const Document declaration = declaration_of(**kind, *row);
    if ((*kind)->kind == "quota" && declaration.find("limit") == nullptr) continue;  // inherited
    if (!out.empty()) out += "---\n";
    out += to_yaml(declaration);
  }
  return out;
}

Result<int> apply_files(Session& session) {
  const auto files = session.arguments().values("file");
  if (files.empty()) return invalid("needs -f FILE");
  for (const std::string& file : files) {
    std::string text;
    auto documents = documents_of(session, file, text);
    if (!documents) return std::move(documents).error().during("reading " + file);
    for (std::size_t i = 0; i < documents->size(); ++i) {
      TRY_ASSIGN(const Document declaration, parse_document((*documents)[i]));
      auto step = plan_in(session, declaration, folder_of(file));
      auto done = step ? carry_out(session, *step) : Result<void>(std::move(step).error());
      if (!done) return in_file(std::move(done).error(), file, text, i);
    }
  }
  return 0;
}

}  // namespace bessemer::cli
