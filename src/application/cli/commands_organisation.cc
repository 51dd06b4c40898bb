// Commands about the organisation: nodes, people, roles, keys, quotas, secrets.
#include "application/cli/catalog.h"
#include "application/cli/session.h"

namespace bessemer::cli {
namespace {

using Times = Operand::Times;

constexpr std::string_view principals = "/api/v1/principals";
const Operand user_operand = {.name = "USER", .help = "an id or a name", .lookup = principals};
const Operand key_operand = {.name = "KEY", .help = "an id or a name", .lookup = "/api/v1/keys"};
const Operand principal_operand = {.name = "PRINCIPAL", .help = "an id or a name",
                                   .as = As::text, .field = "principal", .lookup = principals};
constexpr std::string_view roles = "platform_admin billing_admin tenant_admin developer viewer";

const Noun org = {"node", "path|id",
                  {{"PATH", "path"}, {"KIND", "kind"}, {"ID", "id"}, {"SUSPENDED", "suspended"},
                   {"CURRENCY", "currency"}, {"AGE", "created_at", Show::age}}};
const Noun principal = {"principal", "id",
                        {{"ID", "id"}, {"KIND", "kind"}, {"NAME", "name"},
                         {"HOME", "home_path|home"}, {"DISABLED", "disabled"},
                         {"AGE", "created_at", Show::age}}};
const Noun binding = {"binding", "principal",
                      {{"PRINCIPAL", "principal"}, {"NAME", "name"}, {"ROLE", "role"},
                       {"ON", "path|node"}}};
const Noun key = {"key", "id",
                  {{"ID", "id"}, {"NAME", "name"}, {"OWNER", "owner"}, {"ON", "path|node"},
                   {"SCOPES", "scopes", Show::words}, {"MODELS", "models", Show::words},
                   {"EXPIRES", "expires_at", Show::moment}, {"REVOKED", "revoked_at", Show::moment},
                   {"AGE", "created_at", Show::age}}};
const Noun quota = {"quota", "counted",
                    {{"COUNTED", "counted"}, {"USED", "used", Show::number},
                     {"LIMIT", "limit", Show::number}, {"LEFT", "effective.left", Show::number},
                     {"SET ON", "effective.path|effective.node"}}};
const Noun secret = {"secret", "name",
                     {{"NAME", "name"}, {"VERSION", "version", Show::number},
                      {"CHANGED", "changed_at", Show::age}, {"BY", "changed_by"}}};

// At the top stands a tenant, below it a project unless the user says otherwise.
Result<int> create_org(Session& session) {
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(Document body, parse_document(asked.body));
  if (body.find("kind") == nullptr) {
    const bool top = body.text("path").find('/') == std::string::npos;
    body.set("kind", Document::of(top ? "tenant" : "project"));
  }
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Document made,
             remote->call(asked.method, asked.target, to_json(body, Layout::compact)));
  TRY(session.show(made));
  return 0;
}

// The value comes from a file or the standard input, never from the command line, where every
// process of the machine could read it.
Result<int> set_secret(Session& session) {
  TRY_ASSIGN(const std::string project, session.project());
  std::string value;
  if (session.arguments().has("from-env")) {
    value = session.around().variable(*session.arguments().value("from-env"));
    if (value.empty()) return invalid("is not set").at("--from-env");
  } else {
    TRY_ASSIGN(value, session.terminal().input(64 * 1024 + 1));
    if (!session.arguments().has("keep-newline") && value.ends_with('\n')) value.pop_back();
  }
  Document body = Document::object();
  body.set("value", Document::of(std::move(value)));
  TRY_ASSIGN(Remote* const remote, session.remote());
  const std::string target = path_of("/api/v1/secrets/{}", {session.arguments().operand(0)}) +
                             query_text({{"project", project}});
  TRY_ASSIGN(const Document answer,
             remote->call("PUT", target, to_json(body, Layout::compact)));
  TRY(session.show(answer));
  return 0;
}

std::vector<Command> node_commands() {
  const Operand node = {.name = "PATH", .help = "acme, acme/vision, or an id",
                        .lookup = "/api/v1/orgs"};
  return {
      {.path = "whoami", .summary = "who the key says you are, and what you may",
       .method = "GET", .target = "/api/v1/whoami"},
      {.path = "org list", .summary = "the organisation that you can see", .method = "GET",
       .target = "/api/v1/orgs", .noun = &org,
       .options = {{"below", 'b', "PATH", "only at and below this node", As::text, "?below"}}},
      {.path = "org get", .summary = "one node", .method = "GET", .target = "/api/v1/orgs/{PATH}",
       .noun = &org, .operands = {node}},
      {.path = "org create", .summary = "make a tenant, group or project", .method = "POST",
       .target = "/api/v1/orgs", .noun = &org,
       .operands = {{"PATH", "where it shall stand: acme/vision", Times::once, As::text, "path"}},
       .options = {{"kind", 'k', "KIND", "tenant, group or project (by default a project; a tenant "
                    "at the top)", As::text, "kind", "tenant group project"},
                   {"time-zone", 0, "ZONE", "of a tenant's billing periods: Europe/Berlin",
                    As::text, "time_zone"}},
       .run = &create_org},
      {.path = "org time-zone", .summary = "change the zone of a tenant's billing periods",
       .method = "PATCH", .target = "/api/v1/orgs/{PATH}", .noun = &org,
       .operands = {node, {"ZONE", "Europe/Berlin", Times::once, As::text, "time_zone"}},
       .details = "  bessemer org time-zone acme Europe/Berlin\n"
                  "  It takes effect when the present period ends."},
      {.path = "org suspend", .summary = "stop new work at and below a node", .method = "POST",
       .target = "/api/v1/orgs/{PATH}/suspend", .noun = &org, .operands = {node},
       .options = {{"why", 0, "TEXT", "what those it stops are told", As::text, "why"}}},
      {.path = "org resume", .summary = "let work go on", .method = "POST",
       .target = "/api/v1/orgs/{PATH}/resume", .noun = &org, .operands = {node}},
      {.path = "org delete", .summary = "close an empty node", .method = "DELETE",
       .target = "/api/v1/orgs/{PATH}", .operands = {node}},
  };
}

std::vector<Command> principal_commands() {
  return {
      {.path = "user list", .summary = "people of a node", .method = "GET",
       .target = "/api/v1/principals", .noun = &principal, .project = "?org"},
      {.path = "user create", .summary = "add a person", .method = "POST",
       .target = "/api/v1/users", .noun = &principal, .project = "org",
       .options = {{"name", 'n', "NAME", "sealed; facts hold an id only", As::text, "name"},
                   {"email", 'e', "ADDRESS", "sealed as well", As::text, "email"}}},
      {.path = "user get", .summary = "one principal", .method = "GET",
       .target = "/api/v1/principals/{USER}", .noun = &principal, .operands = {user_operand}},
      {.path = "user disable", .summary = "stop a principal and all keys", .method = "POST",
       .target = "/api/v1/principals/{USER}/disable", .operands = {user_operand}},
      {.path = "user enable", .summary = "let a principal in again", .method = "POST",
       .target = "/api/v1/principals/{USER}/enable", .operands = {user_operand}},
      {.path = "user erase", .summary = "forget a person for ever; the books stay valid",
       .method = "DELETE", .target = "/api/v1/principals/{USER}", .operands = {user_operand}},
      {.path = "service-account create", .summary = "add an account for a program",
       .method = "POST", .target = "/api/v1/service-accounts", .noun = &principal,
       .project = "org",
       .operands = {{"NAME", "unique in the node", Times::once, As::text, "name"}}},

      {.path = "role list", .summary = "who holds which role on a node", .method = "GET",
       .target = "/api/v1/bindings", .noun = &binding, .project = "?org"},
      {.path = "role grant", .summary = "give a role on the project, group or tenant",
       .method = "POST", .target = "/api/v1/bindings", .noun = &binding, .project = "org",
       .operands = {principal_operand,
                    {"ROLE", "platform_admin, billing_admin, tenant_admin, developer, viewer",
                     Times::once, As::text, "role", "", roles}}},
      {.path = "role revoke", .summary = "take a role away", .method = "DELETE",
       .target = "/api/v1/bindings", .project = "?org",
       .operands = {{.name = "PRINCIPAL", .help = "an id or a name", .as = As::text,
                     .field = "?principal", .lookup = principals},
                    {"ROLE", "which one", Times::once, As::text, "?role", "", roles}}},
  };
}

std::vector<Command> key_commands() {
  return {
      {.path = "key list", .summary = "API keys that you may see", .method = "GET",
       .target = "/api/v1/keys", .noun = &key, .project = "?org"},
      {.path = "key get", .summary = "one key", .method = "GET",
       .target = "/api/v1/keys/{KEY}", .noun = &key, .operands = {key_operand}},
      {.path = "key create", .summary = "make an API key; it is shown once", .method = "POST",
       .target = "/api/v1/keys", .noun = &key, .project = "org",
       .operands = {{"NAME", "what it is for", Times::once, As::text, "name"}},
       .options = {{"owner", 0, "PRINCIPAL", "a service account; you when left out", As::text,
                    "owner", "", principals},
                   {"scope", 's', "SCOPE", "job:create, *:read, billing:read; all when left out",
                    As::list, "scopes"},
                   {"model", 'm', "ALIAS", "a model it may call; all when left out", As::list,
                    "models"},
                   {"expires", 0, "MOMENT", "2027-01-31T00:00:00Z", As::text, "expires_at"}}},
      {.path = "key revoke", .summary = "end a key now", .method = "DELETE",
       .target = "/api/v1/keys/{KEY}", .operands = {key_operand}},

      {.path = "quota list", .summary = "what is counted, used and limited", .method = "GET",
       .target = "/api/v1/quotas", .noun = &quota, .project = "?org"},
      {.path = "quota set", .summary = "limit a counted thing; no LIMIT lifts it", .method = "PUT",
       .target = "/api/v1/quotas/{COUNTED}", .noun = &quota, .project = "?org",
       .operands = {{.name = "COUNTED", .help = "storage_bytes, endpoints, jobs, ...",
                     .lookup = "/api/v1/quotas",
                     .choices = "storage_bytes orgs principals keys secrets datasets artifacts "
                                "models runs pipelines endpoints services jobs"},
                    {"LIMIT", "a number, or 10GiB", Times::optional, As::bytes, "limit"}}},

      {.path = "secret list", .summary = "names of secrets, never values", .method = "GET",
       .target = "/api/v1/secrets", .noun = &secret, .project = "?project"},
      {.path = "secret set", .summary = "store a value read from the standard input",
       .noun = &secret, .operands = {{"NAME", "how jobs ask for it"}},
       .options = {{"from-env", 0, "VARIABLE", "read it from the environment instead"},
                   {"keep-newline", 0, "", "keep a line end at the end of the input"}},
       .run = &set_secret,
       .details = "  bessemer secret set hub-token -p acme/vision < token.txt"},
      {.path = "secret delete", .summary = "remove a secret", .method = "DELETE",
       .target = "/api/v1/secrets/{NAME}", .project = "?project", 
       .operands = {{.name = "NAME", .help = "which", .lookup = "/api/v1/secrets"}}},
  };
}

}  // namespace

std::vector<Command> organisation_commands() {
  std::vector<Command> all = node_commands();
  for (auto part : {&principal_commands, &key_commands}) {
    for (Command& command : part()) all.push_back(std::move(command));
  }
  return all;
}

}  // namespace bessemer::cli
