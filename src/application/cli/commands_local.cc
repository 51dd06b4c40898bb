// Commands about the command line itself: contexts, completion, raw calls, declared files.
#include <iterator>
#include <set>

#include "application/cli/apply.h"
#include "application/cli/catalog.h"
#include "application/cli/complete.h"
#include "application/cli/session.h"

namespace bessemer::cli {
namespace {

using Times = Operand::Times;

Result<int> list_contexts(Session& session) {
  TRY_ASSIGN(const Config config, read_config(session.around()));
  Document list = Document::list();
  for (const auto& [name, place] : config.contexts) {
    Document row = Document::object();
    row.set("current", Document::of(config.current == name ? "*" : ""));
    row.set("name", Document::of(name));
    row.set("url", Document::of(place.url.value_or("this machine")));
    row.set("project", Document::of(place.project.value_or("")));
    list.members.emplace_back("", std::move(row));
  }
  TRY(session.show(list));
  return 0;
}

Result<int> set_context(Session& session) {
  const Arguments& given = session.arguments();
  TRY_ASSIGN(Config config, read_config(session.around()));
  const std::string name = given.operand(0);
  Place& place = config.contexts[name];
  if (const auto url = given.value("url")) place.url = *url;
  if (const auto project = given.value("project")) place.project = *project;
  if (const auto file = given.value("key-file")) {
    place.key_file = file->starts_with('/')
                         ? *file
                         : session.around().working_directory + "/" + *file;
    place.key.reset();
  }
  if (given.has("key-stdin")) {
    TRY_ASSIGN(std::string key, session.terminal().input(4096));
    while (key.ends_with('\n')) key.pop_back();
    place.key = std::move(key);
    place.key_file.reset();
  }
  if (place.url && !place.key && !place.key_file) {
    return invalid("a context with --url needs a key").fix("add --key-file FILE or --key-stdin");
  }
  if (!config.current) config.current = name;
  TRY(write_config(session.around(), config));
  session.note("context " + name + " is saved\n");
  return 0;
}

Result<int> use_context(Session& session) {
  TRY_ASSIGN(Config config, read_config(session.around()));
  const std::string name = session.arguments().operand(0);
  if (!config.contexts.contains(name)) {
    return not_found("there is no context '" + name + "'").fix("see: bessemer context list");
  }
  config.current = name;
  TRY(write_config(session.around(), config));
  return 0;
}

Result<int> delete_context(Session& session) {
  TRY_ASSIGN(Config config, read_config(session.around()));
  const std::string name = session.arguments().operand(0);
  if (config.contexts.erase(name) == 0) return not_found("there is no context '" + name + "'");
  if (config.current == name) config.current.reset();
  TRY(write_config(session.around(), config));
  return 0;
}

Result<int> print_completion(Session& session) {
  TRY_ASSIGN(const std::string script, completion_script(session.arguments().operand(0)));
  session.print(script);
  return 0;
}

// Anything the API can do, as it is written in its OpenAPI document.
Result<int> call_api(Session& session) {
  const Arguments& given = session.arguments();
  TRY_ASSIGN(Remote* const remote, session.remote());
  std::string body;
  if (const auto data = given.value("data")) {
    body = *data;
    if (body == "-") {
      TRY_ASSIGN(body, session.terminal().input(std::size_t{1} << 20));
    }
  }
  TRY_ASSIGN(const Document answer, remote->call(given.operand(0), given.operand(1), body));
  session.print(to_json(answer) + "\n");
  return 0;
}

Result<int> print_requests(Session& session) {
  for (const std::string& request : all_requests()) session.print(request + "\n");
  return 0;
}

// Asked by code, not by a row.
constexpr std::string_view asked_by_code[] = {
    "PUT /api/v1/secrets/{}",
    "GET /api/v1/jobs/{}/logs",
    "POST /api/v1/jobs/{}/exec",
    "POST /api/v1/jobs/{}/files",
    "POST /api/v1/jobs/{}/connections",
    "PUT /api/v1/pipelines",
    "POST /api/v1/pipelines/{}/runs",
    "GET /api/v1/pipeline-runs/{}",
    "GET /api/v1/events",
    "POST /api/v1/trees",
    "GET /api/v1/trees/{}",
    "GET /api/v1/blobs/{}",
    "POST /api/v1/uploads",
    "PATCH /api/v1/uploads/{}",
    "POST /api/v1/uploads/{}/commit",
    "POST /api/v1/datasets",
    "GET /api/v1/datasets",
    "GET /api/v1/datasets/{}",
    "POST /api/v1/datasets/{}/versions",
    "POST /api/v1/datasets/{}/versions/{}/inspect",
    "POST /api/v1/models",
    "GET /api/v1/models",
    "GET /api/v1/models/{}",
    "POST /api/v1/models/{}/versions",
    "GET /api/v1/lineage",
};

// "{JOB}" -> "{}": names of operands are the user's, not the API's.
std::string anonymous(std::string_view method, std::string_view target) {
  std::string out = std::string(method) + " ";
  while (true) {
    const std::size_t open = target.find('{');
    out += target.substr(0, open);
    if (open == std::string_view::npos) return out;
    out += "{}";
    target.remove_prefix(target.find('}', open) + 1);
  }
}

const Noun context = {"context", "name",
                      {{"", "current"}, {"NAME", "name"}, {"URL", "url"}, {"PROJECT", "project"}}};

}  // namespace

std::vector<Command> local_commands() {
  return {
      {.path = "apply", .summary = "make what YAML files declare; again, it does nothing",
       .options = {{"file", 'f', "FILE", "several documents each; - for the standard input",
                    As::list},
                   {"dry-run", 0, "", "only show what would change"}},
       .run = &apply_files,
       .details = "  kind: budget\n  in: acme/vision\n  name: monthly\n  limit: 100 USD"},
      {.path = "api", .summary = "call the API directly",
       .operands = {{.name = "METHOD", .help = "GET, POST, ...",
                     .choices = "GET POST PUT PATCH DELETE"},
                    {"PATH", "/api/v1/..."}},
       .options = {{"data", 'd', "JSON", "the body; - for the standard input"}},
       .run = &call_api, .details = "  bessemer api GET /api/v1/whoami"},
      {.path = "context list", .summary = "the places in the config file", .noun = &context,
       .run = &list_contexts},
      {.path = "context set", .summary = "add or change a place",
       .operands = {{"NAME", "how --context names it"}},
       .options = {{"url", 0, "URL", "http://127.0.0.1:7420 or unix:/path/api.sock"},
                   {"key-file", 0, "FILE", "that holds the API key"},
                   {"key-stdin", 0, "", "read the key and keep it in the config file (0600)"}},
       .run = &set_context},
      {.path = "context use", .summary = "make a place the usual one",
       .operands = {{"NAME", "which"}}, .run = &use_context},
      {.path = "context delete", .summary = "forget a place", .operands = {{"NAME", "which"}},
       .run = &delete_context},
      {.path = "completion", .summary = "a script for bash, zsh or fish",
       .operands = {{.name = "SHELL", .help = "bash, zsh or fish", .choices = "bash zsh fish"}},
       .run = &print_completion,
       .details = "  source <(bessemer completion bash)"},
      {.path = "__requests", .summary = "what the API is asked, for a test",
       .run = &print_requests},
      {.path = "__complete", .summary = "for the scripts", .run = &complete, .rest = "WORDS..."},
  };
}

std::vector<Command> all_commands() {
  std::vector<Command> all;
  for (auto part : {&work_commands, &data_commands, &money_commands, &ledger_commands,
                    &organisation_commands, &platform_commands, &local_commands}) {
    for (Command& command : part()) all.push_back(std::move(command));
  }
  return all;
}

std::vector<std::string> all_requests() {
  std::set<std::string> all(std::begin(asked_by_code), std::end(asked_by_code));
  for (const Command& command : all_commands()) {
    if (!command.method.empty()) all.insert(anonymous(command.method, command.target));
    for (const Operand& operand : command.operands) {
      if (!operand.lookup.empty()) all.insert(anonymous("GET", operand.lookup));
    }
  }
  for (const Declared& kind : declared_kinds()) {
    all.insert(anonymous("GET", kind.list));
    all.insert(anonymous(kind.create_method, kind.create));
    if (!kind.change.empty()) all.insert(anonymous(kind.change_method, kind.change));
  }
  return {all.begin(), all.end()};
}

}  // namespace bessemer::cli
