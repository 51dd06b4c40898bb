// Requests from table rows, and answers on the terminal.
#include "application/cli/session.h"

#include <algorithm>

#include "application/cli/apply.h"
#include "application/http/uri.h"
#include "application/yaml/yaml.h"
#include "base/text.h"

namespace bessemer::cli {
namespace {

using Kind = Document::Kind;
constexpr Duration watch_every = seconds(1);

// Sets a member at a dotted path, making the objects on the way.
void set_at(Document& root, std::string_view path, Document value) {
  const std::size_t dot = path.find('.');
  if (dot == std::string_view::npos) {
    root.set(path, std::move(value));
    return;
  }
  const std::string_view name = path.substr(0, dot);
  const Document* inner = root.find(name);
  Document child = inner != nullptr ? *inner : Document::object();
  set_at(child, path.substr(dot + 1), std::move(value));
  root.set(name, std::move(child));
}

Document number(std::uint64_t value) {
  return {Kind::number, std::to_string(value), {}};
}

Result<Document> json_or_yaml(const std::string& text) {
  if (auto document = parse_document(text)) return document;
  TRY_ASSIGN(const std::string json, yaml::to_json(text));
  return parse_document(json);
}

Result<Document> pairs_of(const std::vector<std::string>& words, As as) {
  Document object = Document::object();
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return invalid("must be NAME=VALUE");
    const std::string name = word.substr(0, equals), text = word.substr(equals + 1);
    auto value = as == As::values ? parse_document(text) : Result<Document>(Document::of(text));
    object.set(name, value ? *std::move(value) : Document::of(text));
  }
  return object;
}

// Thousandths from a decimal of at most three places: "1.5" -> 1500.
Result<std::uint64_t> parse_milli(std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto whole = parse_unsigned(text.substr(0, dot));
  std::string places(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  const bool fits = places.size() <= 3 && (dot == std::string_view::npos || !places.empty());
  places.resize(3, '0');
  const auto part = parse_unsigned(places);
  if (!whole || !part || !fits || *whole > UINT64_MAX / 2000) {
    return invalid("must be a number with at most three decimals").fix("for example 2 or 0.5");
  }
  return *whole * 1000 + *part;
}

Result<Document> value_of(As as, const std::vector<std::string>& words) {
  switch (as) {
    case As::flag: return Document{Kind::boolean, "true", {}};
    case As::list: {
      Document list = Document::list();
      for (const std::string& word : words) list.members.emplace_back("", Document::of(word));
      return list;
    }
    case As::pairs:
    case As::values: return pairs_of(words, as);
    case As::json: return json_or_yaml(words.back());
    case As::bytes: {
      TRY_ASSIGN(const std::uint64_t bytes, parse_bytes(words.back()));
      return number(bytes);
    }
    case As::milli: {
      TRY_ASSIGN(const std::uint64_t milli, parse_milli(words.back()));
      return number(milli);
    }
    case As::number: {
      const std::string_view digits = words.back();
      if (!parse_unsigned(digits.substr(digits.starts_with('-') ? 1 : 0))) {
        return invalid("must be a whole number");
      }
      return Document{Kind::number, words.back(), {}};
    }
    case As::nothing:
    case As::text: break;
  }
  return Document::of(words.back());
}

// Puts one given word where its field says.
Result<void> place(As as, std::string_view field, const std::vector<std::string>& words,
                   Document& body, Query& query) {
  if (field.empty()) return {};
  TRY_ASSIGN(Document value, value_of(as, words));
  if (field.front() == '?') {
    query.emplace_back(std::string(field.substr(1)), value.scalar);
  } else {
    set_at(body, field, std::move(value));
  }
  return {};
}

bool takes_body(const Command& command) {
  const auto in_body = [](std::string_view field) { return !field.empty() && field[0] != '?'; };
  return in_body(command.project) ||
         std::any_of(command.options.begin(), command.options.end(),
                     [&](const Option& o) { return in_body(o.field); }) ||
         std::any_of(command.operands.begin(), command.operands.end(),
                     [&](const Operand& o) { return in_body(o.field); });
}

std::vector<const Document*> rows_of(const Document& answer) {
  std::vector<const Document*> rows;
  const Document* list = answer.is(Kind::list) ? &answer : answer.find("items");
  if (list == nullptr) return {&answer};
  for (const auto& [name, row] : list->members) rows.push_back(&row);
  return rows;
}

// Ids are a prefix, '_' and 26 characters; everything else is a name.
bool is_id(std::string_view word) {
  const std::size_t line = word.find('_');
  return line != std::string_view::npos && line <= 4 && word.size() == line + 1 + 26;
}

Result<std::string> fill_target(Session& session) {
  std::string_view pattern = session.command().target;
  std::string out;
  while (true) {
    const std::size_t open = pattern.find('{');
    out += pattern.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = pattern.find('}', open);
    const std::string_view name = pattern.substr(open + 1, close - open - 1);
    std::string value;
    if (name == "project") {
      TRY_ASSIGN(value, session.project());
    }
    for (std::size_t i = 0; i < session.command().operands.size(); ++i) {
      const Operand& operand = session.command().operands[i];
      if (operand.name != name) continue;
      TRY_ASSIGN(value, look_up(session, operand.lookup, session.arguments().operand(i)));
    }
    if (value.empty()) return invalid("must not be empty").at(std::string(name));
    http::append_encoded(out, value);
    pattern.remove_prefix(close + 1);
  }
}

// How things of a list are named and where they are looked for.
struct Naming {
  std::string_view list;
  std::string_view scope;      // the query parameter that takes --project; empty: it has none
  std::string_view name;
  std::string_view listed_by;  // the command that shows them
  enum class Takes : std::uint8_t {
    one,     // the id of the one thing with this name
    newest,  // several may have a name: the id of the last
    name,    // the API takes the name itself
  } takes = Takes::one;
};

Naming naming_of(std::string_view list) {
  using enum Naming::Takes;
  static constexpr Naming known[] = {
      {"/api/v1/jobs", "project", "name", "job list", newest},
      {"/api/v1/pipelines", "project", "name", "pipeline list"},
      {"/api/v1/pipeline-runs", "project", "pipeline_name", "pipeline runs", newest},
      {"/api/v1/runs", "project", "name", "experiment list", newest},
      {"/api/v1/endpoints", "project", "name", "endpoint list"},
      {"/api/v1/datasets", "project", "name", "dataset list"},
      {"/api/v1/models", "project", "name", "model list"},
      {"/api/v1/nodes", "", "name", "node list"},
      {"/api/v1/budgets", "org", "name", "budget list"},
      {"/api/v1/keys", "org", "name", "key list"},
      {"/api/v1/principals", "org", "name", "user list"},
      {"/api/v1/invoices", "org", "period", "invoice list"},
      {"/api/v1/secrets", "project", "name", "secret list", name},
      {"/api/v1/quotas", "org", "counted", "quota list", name},
      {"/api/v1/price-books", "", "book", "price list", name},
      {"/api/v1/orgs", "", "path", "org list", name}};
  for (const Naming& one : known) {
    if (one.list == list) return one;
  }
  return {list, "project", "name", "--help"};
}

bool is_list(const Document& answer) {
  return answer.is(Kind::list) || answer.find("items") != nullptr;
}

}  // namespace

Result<Remote*> Session::remote() {
  if (!remote_) {
    TRY_ASSIGN(Profile profile, find_profile(arguments_, around_));
    profile_ = std::make_unique<Profile>(std::move(profile));
    remote_ = std::make_unique<Remote>(*profile_, terminal_);
  }
  return remote_.get();
}

Result<std::string> Session::project() {
  TRY(remote());
  if (profile_->project.empty()) {
    return invalid("no project was named").fix("use --project acme/vision, or set it once: "
                                               "bessemer context set NAME --project acme/vision");
  }
  return profile_->project;
}

void Session::place(std::string node) {
  if (profile_) profile_->project = std::move(node);
}

Result<Output> Session::output() const {
  if (arguments_.has("quiet")) return Output::name;
  const std::string word = arguments_.value("output").value_or("table");
  if (word == "table") return Output::table;
  if (word == "json") return Output::json;
  if (word == "yaml") return Output::yaml;
  if (word == "name") return Output::name;
  return invalid("must be table, json, yaml or name").at("--output");
}

std::string Session::render(const Document& answer, Output how) {
  if (how == Output::json) return to_json(answer) + "\n";
  if (how == Output::yaml) {
    // What can be declared comes out as `apply` takes it.
    if (command_.method == "GET") {
      if (auto declared = declarations_of(command_.target, answer)) return *std::move(declared);
    }
    return to_yaml(answer);
  }
  const Noun* noun = command_.noun;
  if (how == Output::name) {
    const Column column{"", noun != nullptr ? noun->name : "id|name", Show::text};
    std::string out;
    for (const Document* row : rows_of(answer)) out += cli::show(*row, column, {}) + "\n";
    return out;
  }
  if (answer.is(Kind::null)) return "done\n";
  if (noun != nullptr && is_list(answer)) {
    const auto rows = rows_of(answer);
    if (rows.empty()) return "nothing to show\n";
    const std::size_t width = terminal_.is_interactive() ? terminal_.columns() : 0;
    return render_table(noun->columns, rows, terminal_.now(), width);
  }
  return render_fields(answer);
}

Result<void> Session::show(const Document& answer) {
  TRY_ASSIGN(const Output how, output());
  print(render(answer, how));
  return {};
}

Result<int> Session::watch(const std::function<Result<Document>()>& fetch,
                           const std::function<bool(const Document&)>& finished) {
  TRY_ASSIGN(const Output how, output());
  std::string before;
  while (true) {
    TRY_ASSIGN(const Document answer, fetch());
    const std::string text = render(answer, how);
    if (text != before) {
      if (arguments_.has("watch") && terminal_.is_interactive()) print("\x1b[H\x1b[2J");
      print(text);
      before = text;
    }
    if (!arguments_.has("watch") || (finished && finished(answer))) return 0;
    if (!terminal_.pause(watch_every)) return 0;
  }
}

Query list_query(Session& session, std::string_view list) {
  const std::string_view scope = naming_of(list).scope;
  const auto project = session.project();
  if (scope.empty() || !project) return {};
  return {{std::string(scope), *project}};
}

std::string name_in(std::string_view list, const Document& row) {
  return row.text(naming_of(list).name);
}

Result<std::string> look_up(Session& session, std::string_view list, const std::string& word) {
  if (list.empty() || is_id(word)) return word;
  const Naming naming = naming_of(list);
  if (naming.takes == Naming::Takes::name) return word;
  TRY_ASSIGN(Remote* const remote, session.remote());
  Query query = list_query(session, list);
  const Query asked = query;
  while (true) {
    TRY_ASSIGN(const Document found, remote->all(std::string(list), query));
    std::string id;
    for (const Document* row : rows_of(found)) {
      if (row->text(naming.name) != word) continue;
      if (!id.empty() && naming.takes == Naming::Takes::one) {
        return conflict("several things are called '" + word + "'")
            .fix(query.empty() ? "say which with --project" : "use the id");
      }
      id = row->text("id");  // lists go from old to new
    }
    if (!id.empty()) return id;
    // People and their keys may belong to a node above the project.
    if (naming.scope != "org" || query.empty()) break;
    const std::size_t slash = query.front().second.rfind('/');
    if (slash == std::string::npos) break;
    query.front().second.resize(slash);
  }
  const std::string where = asked.empty() ? "" : " in " + asked.front().second;
  return not_found("there is no '" + word + "'" + where).fix("see what there is: bessemer " +
                                                             std::string(naming.listed_by));
}

Result<Asked> ask(Session& session) {
  const Command& command = session.command();
  Asked asked;
  asked.method = command.method;
  TRY_ASSIGN(asked.target, fill_target(session));
  Document body = Document::object();
  if (!command.project.empty()) {
    const bool needed = command.project.front() != '?';
    auto project = session.project();
    if (!project && needed) return std::move(project).error();
    if (project) TRY(place(As::text, command.project, {*project}, body, asked.query));
  }
  for (std::size_t i = 0; i < command.operands.size(); ++i) {
    const Operand& operand = command.operands[i];
    if (session.arguments().operands.size() <= i) break;
    std::vector<std::string> words = {session.arguments().operands[i]};
    if (operand.times == Operand::Times::any) {
      words.assign(session.arguments().operands.begin() + static_cast<std::ptrdiff_t>(i),
                   session.arguments().operands.end());
    }
    if (!operand.field.empty()) {
      TRY_ASSIGN(words.front(), look_up(session, operand.lookup, words.front()));
    }
    auto placed = place(operand.as, operand.field, words, body, asked.query);
    if (!placed) return std::move(placed).error().at(std::string(operand.name));
  }
  for (const Option& option : command.options) {
    if (!session.arguments().has(option.name)) continue;
    std::vector<std::string> words = session.arguments().values(option.name);
    TRY_ASSIGN(words.back(), look_up(session, option.lookup, words.back()));
    auto placed = place(option.as, option.field, words, body, asked.query);
    if (!placed) return std::move(placed).error().at("--" + std::string(option.name));
  }
  if (takes_body(command)) asked.body = to_json(body, Layout::compact);
  return asked;
}

Result<int> run_request(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  const std::string target = asked.target + query_text(asked.query);
  if (asked.method == "GET") {
    const bool list = session.command().path.ends_with(" list");
    return session.watch([&] {
      return list ? remote->all(asked.target, asked.query) : remote->get(target);
    });
  }
  TRY_ASSIGN(const Document answer, remote->call(asked.method, target, asked.body));
  TRY(session.show(answer));
  return 0;
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789");
  const auto count = parse_unsigned(text.substr(0, end));
  std::string unit(end == std::string_view::npos ? "" : text.substr(end));
  if (unit.ends_with('B')) unit.pop_back();
  static constexpr std::string_view units[] = {"", "K", "M", "G", "T", "P"};
  std::uint64_t size = 1;
  for (const std::string_view known : units) {
    const bool binary = unit == known || unit == std::string(known) + "i";
    if (binary && count && *count <= (std::uint64_t{1} << 62) / size) return *count * size;
    size *= 1024;
  }
  return invalid("must be a number of bytes").fix("for example 512MiB or 4G (of 1024s)");
}

}  // namespace bessemer::cli
