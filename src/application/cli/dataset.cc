// Datasets: pushed and checked against their schema, shown, pulled.
#include "application/cli/session.h"
#include "application/cli/transfer.h"
#include "application/yaml/yaml.h"

namespace bessemer::cli {
namespace {

constexpr Duration look_again = milliseconds(100);

const std::vector<Column>& version_columns() {
  static const std::vector<Column> columns = {
      {"VERSION", "number"},
      {"STATE", "state"},
      {"ROWS", "rows", Show::number},
      {"FILES", "files", Show::number},
      {"BYTES", "bytes", Show::bytes},
      {"FITS ITS SCHEMA", "fits"},
      {"AGE", "created_at", Show::age},
      {"TREE", "tree", Show::digest}};
  return columns;
}

constexpr std::string_view being_read = "is being read", not_read = "could not be read";

// "yes", "no: 3 problems", being_read, not_read.
std::string fit_of(const Document& version) {
  if (!version.text("unreadable.why").empty()) return std::string(not_read);
  const Document* const found = version.find("validation");
  if (found == nullptr || found->is(Document::Kind::null)) return std::string(being_read);
  if (found->text("passed") == "true") return "yes";
  const std::string count = found->text("problem_count");
  return "no: " + count + (count == "1" ? " problem" : " problems");
}

// "price number, name text (may be empty)".
std::string columns_of(const Document& schema) {
  std::string out;
  const Document* const columns = schema.find("columns");
  if (columns == nullptr) return out;
  for (const auto& [unnamed, column] : columns->members) {
    if (!out.empty()) out += ", ";
    out += column.text("name") + " " + column.text("type");
    if (column.text("required") == "false") out += " (may be empty)";
  }
  return out;
}

void add_line(std::string& out, const std::string& name, const std::string& value) {
  if (value.empty()) return;
  out += "  " + name + std::string(name.size() < 9 ? 9 - name.size() : 1, ' ') +
         printable(value) + "\n";
}

// What one version must be, and where it is not.
std::string explain(const Document& version) {
  std::string out = "version " + version.text("number") + "\n";
  const Document* const schema = version.find("schema");
  if (schema != nullptr) {
    add_line(out, "format", schema->text("format"));
    add_line(out, "columns", columns_of(*schema));
    std::string rows = schema->text("min_rows");
    if (!rows.empty()) rows = "at least " + rows;
    const std::string most = schema->text("max_rows");
    if (!most.empty()) rows += (rows.empty() ? "at most " : ", at most ") + most;
    add_line(out, "rows", rows);
  }
  add_line(out, "licence", version.text("licence"));
  add_line(out, "source", version.text("source"));
  add_line(out, "note", version.text("note"));
  if (const std::string why = version.text("unreadable.why"); !why.empty()) {
    out += "  could not be read: " + printable(why) + "\n";
  }
  const Document* const problems = version.find("validation.problems");
  if (problems == nullptr || problems->members.empty()) return out;
  out += "  does not fit:\n";
  for (const auto& [unnamed, problem] : problems->members) {
    out += "    " + printable(problem.scalar) + "\n";
  }
  return out;
}

Result<Document> version_of(Session& session, const std::string& id, const std::string& number) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Document dataset, remote->get(path_of("/api/v1/datasets/{}", {id})));
  if (const Document* const versions = dataset.find("versions")) {
    for (const auto& [unnamed, version] : versions->members) {
      if (version.text("number") == number) return version;
    }
  }
  return not_found("version " + number + " is gone");
}

// Waits until the factory has read it. A version that does not fit stays, deprecated: an error.
Result<Document> checked(Session& session, const std::string& id, Document version) {
  const std::string number = version.text("number");
  while (fit_of(version) == being_read) {
    if (!session.terminal().pause(look_again)) {
      session.note("it is read on without you: bessemer dataset get " + id + "\n");
      return version;
    }
    TRY_ASSIGN(version, version_of(session, id, number));
  }
  return version;
}

Result<std::string> tree_of(const Document& dataset, const std::string& which) {
  const std::string alias = dataset.text("aliases." + which);
  const std::string wanted = alias.empty() ? which : alias;
  std::string tree;
  const Document* const versions = dataset.find("versions");
  if (versions == nullptr) return not_found("the dataset has no version");
  for (const auto& [unnamed, version] : versions->members) {
    const bool latest = wanted.empty() || wanted == "latest";
    if (latest ? version.text("state") == "active" : version.text("number") == wanted) {
      tree = version.text("tree");
    }
  }
  if (!tree.empty()) return tree;
  return not_found("the dataset has no version or alias '" + which + "'")
      .fix("see: bessemer dataset get " + dataset.text("name"));
}

// Waits until the version is read and shows how it fits; 0 when it does.
Result<int> show_checked(Session& session, const std::string& name, const std::string& id,
                         Document version) {
  TRY_ASSIGN(version, checked(session, id, std::move(version)));
  TRY_ASSIGN(const Output how, session.output());
  const std::string fit = fit_of(version);
  if (how != Output::table) {
    TRY(session.show(version));
  } else {
    version.set("fits", Document::of(fit));
    session.print(render_table(version_columns(), {&version}, session.terminal().now(), 0));
  }
  if (!fit.starts_with("no") && fit != not_read) return 0;
  session.note(name + "@" + explain(version).substr(8));
  if (fit == not_read) {
    session.note("once it can be read: bessemer dataset inspect " + name + "@" +
                 version.text("number") + "\n");
  }
  return 1;
}

}  // namespace

Result<int> push_dataset(Session& session) {
  const Arguments& given = session.arguments();
  Document body = Document::object();
  if (const auto file = given.value("schema")) {
    TRY_ASSIGN(const std::string text, read_local_file(*file, yaml::max_bytes));
    auto json = yaml::to_json(text);
    if (!json) return std::move(json).error().within(*file);
    TRY_ASSIGN(Document schema, parse_document(*json));
    body.set("schema", std::move(schema));
  }
  TRY_ASSIGN(const Pushed pushed, push_tree(session, given.operand(1)));
  TRY_ASSIGN(const std::string id, find_or_make(session, "/api/v1/datasets", given.operand(0)));
  TRY_ASSIGN(Remote* const remote, session.remote());
  body.set("tree", Document::of(to_text(pushed.tree)));
  for (const std::string_view name : {"licence", "source"}) {
    if (const auto text = given.value(name)) body.set(name, Document::of(*text));
  }
  TRY_ASSIGN(Document version,
             remote->call("POST", path_of("/api/v1/datasets/{}/versions", {id}),
                          to_json(body, Layout::compact)));
  tell_pushed(session, pushed);
  return show_checked(session, given.operand(0), id, std::move(version));
}

Result<int> inspect_dataset(Session& session) {
  const std::string named = session.arguments().operand(0);
  const std::size_t at = named.find('@');
  const std::string name = named.substr(0, at);
  const std::string which = at == std::string::npos ? "latest" : named.substr(at + 1);
  TRY_ASSIGN(const std::string id, look_up(session, "/api/v1/datasets", name));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(Document version,
             remote->call("POST",
                          path_of("/api/v1/datasets/{}/versions/{}/inspect", {id, which}), ""));
  return show_checked(session, name, id, std::move(version));
}

Result<int> pull_dataset(Session& session) {
  const std::string named = session.arguments().operand(0);
  const std::size_t at = named.find('@');
  TRY_ASSIGN(const std::string id, look_up(session, "/api/v1/datasets", named.substr(0, at)));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Document dataset, remote->get(path_of("/api/v1/datasets/{}", {id})));
  TRY_ASSIGN(const std::string tree,
             tree_of(dataset, at == std::string::npos ? "" : named.substr(at + 1)));
  TRY(pull_tree(session, tree, session.arguments().operand(1)));
  return 0;
}

Result<int> show_dataset(Session& session) {
  TRY_ASSIGN(const std::string id,
             look_up(session, "/api/v1/datasets", session.arguments().operand(0)));
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Document dataset, remote->get(path_of("/api/v1/datasets/{}", {id})));
  TRY_ASSIGN(const Output how, session.output());
  if (how != Output::table) {
    TRY(session.show(dataset));
    return 0;
  }
  std::string out = printable(dataset.text("name")) + "  " + dataset.text("project_path") + "  " +
                    dataset.text("id") + "\n";
  if (const std::string text = dataset.text("description"); !text.empty()) {
    out += printable(text) + "\n";
  }
  std::vector<Document> rows;
  std::string explained;
  if (const Document* const versions = dataset.find("versions")) {
    for (const auto& [unnamed, version] : versions->members) {
      rows.push_back(version);
      rows.back().set("fits", Document::of(fit_of(version)));
      explained = explain(version);
    }
  }
  std::vector<const Document*> shown;
  for (const Document& row : rows) shown.push_back(&row);
  out += rows.empty() ? "no version yet\n"
                      : render_table(version_columns(), shown, session.terminal().now(), 0);
  if (const Document* const aliases = dataset.find("aliases")) {
    for (const auto& [name, number] : aliases->members) {
      out += printable(name) + " -> " + number.scalar + "\n";
    }
  }
  session.print(out + explained);
  return 0;
}

}  // namespace bessemer::cli
