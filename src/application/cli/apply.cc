// Declared things: found by their identity, compared, made or changed.
#include "application/cli/apply.h"

#include <algorithm>

#include "application/cli/session.h"
#include "application/cli/transfer.h"
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
  Document body = Document::object();
  for (const auto& [name, value] : declaration.members) {
    if (name != "in" && (name != "kind" || kind.sends_kind)) body.set(name, value);
  }
  return body;
}

// A row of the list is the declared thing. Lists show what is below a node too: the place counts.
bool same_identity(const Declared& kind, const Document& row, const Document& wanted,
                   std::string_view in) {
  const std::string path = row.text("path");
  if (!in.empty() && !path.empty() && !in.starts_with("org_") && path != in) return false;
  return std::all_of(kind.identity.begin(), kind.identity.end(), [&](std::string_view field) {
    const std::string_view shown = field == "name" && !kind.name_in_list.empty()
                                       ? kind.name_in_list
                                       : field;
    return row.text(shown) == wanted.text(field);
  });
}

std::string name_of(const Declared& kind, const Document& declaration) {
  std::string out(kind.kind);
  for (const std::string_view field : kind.identity) out += " " + declaration.text(field);
  return out;
}

Result<Step> plan_in(Session& session, const Document& declaration) {
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
  TRY_ASSIGN(const Document list, remote->all(std::string(kind->list), query));
  const Document* now = nullptr;
  if (const Document* items = list.find("items")) {
    for (const auto& [unnamed, row] : items->members) {
      if (same_identity(*kind, row, declaration, in)) now = &row;
    }
  }
  return plan_step(*kind, placed, now);
}

Result<void> carry_out(Session& session, const Step& step) {
  static constexpr std::string_view said[] = {" unchanged", " created", " changed"};
  if (step.what != Step::What::nothing && !session.arguments().has("dry-run")) {
    TRY_ASSIGN(Remote* const remote, session.remote());
    auto done = remote->call(step.method, step.target, to_json(step.body, Layout::compact));
    if (!done) return std::move(done).error().during(step.name);
  }
  session.print(step.name + std::string(said[static_cast<std::size_t>(step.what)]) + "\n");
  for (const std::string& line : step.differences) session.print("  " + printable(line) + "\n");
  return {};
}

Result<std::vector<std::string>> documents_of(Session& session, const std::string& file) {
  std::string text;
  if (file == "-") {
    TRY_ASSIGN(text, session.terminal().input(yaml::max_bytes));
  } else {
    TRY_ASSIGN(text, read_local_file(file, yaml::max_bytes));
  }
  return yaml::documents(text);
}

}  // namespace

const std::vector<Declared>& declared_kinds() {
  static const std::vector<Declared> kinds = {
      {"tenant", "/api/v1/orgs", "", {"path"}, "POST", "/api/v1/orgs", "", "", true},
      {"group", "/api/v1/orgs", "", {"path"}, "POST", "/api/v1/orgs", "", "", true},
      {"project", "/api/v1/orgs", "", {"path"}, "POST", "/api/v1/orgs", "", "", true},
      {"service-account", "/api/v1/principals", "org", {"name"}, "POST",
       "/api/v1/service-accounts", "", ""},
      {"role", "/api/v1/bindings", "org", {"principal", "role"}, "POST", "/api/v1/bindings", "",
       ""},
      {"quota", "/api/v1/quotas", "org", {"counted"}, "PUT", "/api/v1/quotas", "PUT",
       "/api/v1/quotas"},
      {"budget", "/api/v1/budgets", "org", {"name"}, "PUT", "/api/v1/budgets", "PUT",
       "/api/v1/budgets"},
      {"queue", "/api/v1/queues", "org", {"pool"}, "PUT", "/api/v1/queues", "PUT",
       "/api/v1/queues"},
      {"price-book", "/api/v1/price-books", "", {"name"}, "POST", "/api/v1/price-books", "POST",
       "/api/v1/price-books", false, "book"},
      {"dataset", "/api/v1/datasets", "project", {"name"}, "POST", "/api/v1/datasets", "", ""},
      {"model", "/api/v1/models", "project", {"name"}, "POST", "/api/v1/models", "", ""},
      {"endpoint", "/api/v1/endpoints", "project", {"name"}, "POST", "/api/v1/endpoints", "PATCH",
       "/api/v1/endpoints/{}"},
      {"pipeline", "/api/v1/pipelines", "project", {"name"}, "PUT", "/api/v1/pipelines", "PUT",
       "/api/v1/pipelines"},
  };
  return kinds;
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
  Document compared = step.body;
  if (!kind.scope.empty()) {
    std::erase_if(compared.members,
                  [&](const auto& member) { return member.first == kind.scope; });
  }
  if (!kind.name_in_list.empty()) {
    std::erase_if(compared.members, [](const auto& member) { return member.first == "name"; });
  }
  step.differences = differences(*now, compared, Compare::declared_only);
  if (step.differences.empty()) return step;
  if (kind.change.empty()) {
    return conflict(step.name + " is there and differs, and cannot be changed: " +
                    std::string(trim(step.differences.front())));
  }
  step.what = Step::What::change;
  step.method = kind.change_method;
  step.target = path_of(kind.change, {now->text("id")});
  return step;
}

Result<int> apply_files(Session& session) {
  const auto files = session.arguments().values("file");
  if (files.empty()) return invalid("needs -f FILE");
  for (const std::string& file : files) {
    auto documents = documents_of(session, file);
    if (!documents) return std::move(documents).error().during("reading " + file);
    for (std::size_t i = 0; i < documents->size(); ++i) {
      const std::string where = file + ", document " + std::to_string(i + 1);
      TRY_ASSIGN(const Document declaration, parse_document((*documents)[i]));
      auto step = plan_in(session, declaration);
      if (!step) return std::move(step).error().during(where);
      TRY(carry_out(session, *step));
    }
  }
  return 0;
}

}  // namespace bessemer::cli
