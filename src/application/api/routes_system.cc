// Health, the caller himself, and the OpenAPI document.
#include "application/api/api.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using http::Method;

struct HealthView {
  std::string status;
  std::uint64_t applied = 0;  // the last fact applied
  std::uint64_t durable = 0;  // the last fact on disk
};
DESCRIBE(HealthView, status, applied, durable)

Result<HealthView> get_health(Call& call) {
  const engine::Engine& engine = call.services().engine;
  if (engine.failed()) return unavailable("the journal has failed").fix("see the daemon's log");
  return HealthView{"ok", engine.applied(), engine.durable()};
}

struct RoleView {
  std::string org;
  access::Role role = access::Role::viewer;
};
DESCRIBE(RoleView, org, role)

struct WhoView {
  PrincipalId principal;
  access::PrincipalKind kind = access::PrincipalKind::user;
  KeyId key;
  std::vector<RoleView> roles;
};
DESCRIBE(WhoView, principal, kind, key, roles)

Result<WhoView> get_whoami(Call& call) {
  call.permit_self();
  const factory::State& state = call.state();
  WhoView view;
  view.principal = call.caller().principal;
  view.key = call.caller().key;
  if (const auto* principal = access::find(state.access, view.principal)) {
    view.kind = principal->kind;
  }
  const auto grants = state.access.grants.find(view.principal);
  if (grants == state.access.grants.end()) return view;
  for (const auto& [node, grant] : grants->second) {
    for (const access::Role role : grant.roles) {
      view.roles.push_back({tenant::path_of(state.tenant, node), role});
    }
  }
  return view;
}

Result<json::Raw> get_document(Call& call) {
  call.permit_self();
  return json::Raw{openapi_document()};
}

}  // namespace

Table system_routes() {
  using access::Action;
  using access::Resource;
  Table table = {
      route<&get_health>(Method::get, "/healthz", "health", "Is the daemon alive?", Resource::org,
                         Action::read),
      route<&get_health>(Method::get, "/readyz", "ready", "Does the daemon take work?",
                         Resource::org, Action::read),
      route<&get_whoami>(Method::get, "/api/v1/whoami", "whoami", "Who am I, and what may I do?",
                         Resource::principal, Action::read),
      route<&get_document>(Method::get, "/api/v1/openapi.json", "openapi",
                           "This document, as OpenAPI 3.1", Resource::org, Action::read),
  };
  table[0].entry = table[1].entry = Entry::anyone;
  table[2].entry = table[3].entry = Entry::signed_in;
  return table;
}

}  // namespace bessemer::api
