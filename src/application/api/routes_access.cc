// Principals, roles and API keys.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "governance/access/key.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

// ---- principals

struct PrincipalView {
  PrincipalId id;
  access::PrincipalKind kind = access::PrincipalKind::user;
  std::string name;   // of a person: from the sealed store, for those who may read it
  std::string email;
  std::string home_path;
  bool disabled = false;
  bool erased = false;
  Instant created_at;
};
DESCRIBE(PrincipalView, id, kind, name, email, home_path, disabled, erased, created_at)

PrincipalView view_of(Call& call, const access::Principal& principal) {
  PrincipalView view;
  view.id = principal.id;
  view.kind = principal.kind;
  view.name = principal.name;
  view.home_path = tenant::path_of(call.state().tenant, principal.home);
  view.disabled = principal.disabled;
  view.erased = principal.erased_at.has_value();
  view.created_at = principal.created_at;
  if (principal.kind == access::PrincipalKind::user && !view.erased) {
    if (const auto person = call.services().people.get(principal.id)) {
      view.name = person->name;
      view.email = person->email;
    }
  }
  return view;
}

Result<const access::Principal*> named_principal(Call& call) {
  return named_thing<PrincipalId>(
      call, "principal", "principal",
      [&](PrincipalId id) { return access::find(call.state().access, id); },
      [](const access::Principal& principal) { return principal.home; });
}

Result<PrincipalView> shown(Call& call, PrincipalId id) {
  return view_of(call, *access::find(call.state().access, id));
}

struct CreateUser {
  std::optional<std::string> name;
  std::optional<std::string> email;
};
DESCRIBE(CreateUser, name, email)

Result<PrincipalView> create_user(Call& call, const InOrg<CreateUser>& body) {
  TRY_ASSIGN(const OrgId home, placed(call, body.org, "org"));
  const PrincipalId id = call.draw<PrincipalId>();
  call.makes("/api/v1/principals/" + to_text(id));
  // The sealed store first: a fact must never name a person of whom nothing could be kept.
  if (body.rest.name || body.rest.email) {
    TRY(call.services().people.put(
        id, {body.rest.name.value_or(""), body.rest.email.value_or("")}));
  }
  auto written = call.submit(access::Command(access::CreateUser{id, home}));
  if (!written) {
    (void)call.services().people.erase(id).has_value();
    return std::move(written).error();
  }
  return shown(call, id);
}

struct CreateServiceAccount {
  std::string name;
};
DESCRIBE(CreateServiceAccount, name)

Result<PrincipalView> create_service_account(Call& call, const InOrg<CreateServiceAccount>& body) {
  TRY_ASSIGN(const OrgId home, placed(call, body.org, "org"));
  const PrincipalId id = call.draw<PrincipalId>();
  call.makes("/api/v1/principals/" + to_text(id));
  TRY(call.submit(access::Command(access::CreateServiceAccount{id, home, body.rest.name})));
  return shown(call, id);
}

Result<Page<PrincipalView>> list_principals(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  return paginate<PrincipalView>(
      call, access::principals_at(call.state().access, org),
      [](const access::Principal* one) { return to_text(one->id); },
      [&](const access::Principal* one) { return view_of(call, *one); });
}

Result<PrincipalView> get_principal(Call& call) {
  TRY_ASSIGN(const access::Principal* const found, named_principal(call));
  return view_of(call, *found);
}

template <class Command>
Result<PrincipalView> change_principal(Call& call) {
  TRY_ASSIGN(const access::Principal* const found, named_principal(call));
  const PrincipalId id = found->id;
  call.makes("/api/v1/principals/" + to_text(id));
  TRY(call.submit(access::Command(Command{id})));
  return shown(call, id);
}

// The fact first: from then on nobody acts in the person's name; then the data is destroyed.
Result<Nothing> erase_principal(Call& call) {
  TRY_ASSIGN(const access::Principal* const found, named_principal(call));
  const PrincipalId id = found->id;
  TRY(call.submit(access::Command(access::Erase{id})));
  TRY(call.services().people.erase(id));
  return Nothing{};
}

// ---- roles

struct BindingView {
  PrincipalId principal;
  access::Role role = access::Role::viewer;
  std::string path;
};
DESCRIBE(BindingView, principal, role, path)

struct GrantRole {
  PrincipalId principal;
  access::Role role = access::Role::viewer;
};
DESCRIBE(GrantRole, principal, role)

Result<BindingView> grant_role(Call& call, const InOrg<GrantRole>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  access::Bind bind;
  bind.principal = body.rest.principal;
  bind.role = body.rest.role;
  bind.path = tenant::ancestors(call.state().tenant, org);
  TRY(call.submit(access::Command(std::move(bind))));
  return BindingView{body.rest.principal, body.rest.role,
                     tenant::path_of(call.state().tenant, org)};
}

Result<Page<BindingView>> list_roles(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  const std::string path = tenant::path_of(call.state().tenant, org);
  return paginate<BindingView>(
      call, access::bindings_on(call.state().access, org),
      [](const auto& binding) {
        return to_text(binding.first) + "/" + std::string(enum_text(binding.second));
      },
      [&](const auto& binding) { return BindingView{binding.first, binding.second, path}; });
}

Result<Nothing> revoke_role(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org"));
  auto principal = from_text(std::type_identity<PrincipalId>{},
                             call.query("principal").value_or(""));
  if (!principal) return std::move(principal).error().within("principal");
  const auto role = enum_from_text<access::Role>(call.query("role").value_or(""));
  if (!role) return invalid("must be one of: " + enum_choices<access::Role>()).at("role");
  TRY(call.submit(access::Command(access::Unbind{*principal, *role, org})));
  return Nothing{};
}

// ---- keys

struct KeyView {
  KeyId id;
  std::string name;
  PrincipalId owner;
  std::string path;
  std::vector<access::Scope> scopes;
  std::vector<std::string> models;
  std::optional<Instant> expires_at;
  std::optional<Instant> revoked_at;
  Instant created_at;
  std::optional<std::string> secret;  // shown once, when the key is made
};
DESCRIBE(KeyView, id, name, owner, path, scopes, models, expires_at, revoked_at, created_at, secret)

KeyView view_of(Call& call, const access::Key& key) {
  KeyView view;
  view.id = key.id;
  view.name = key.name;
  view.owner = key.owner;
  if (!key.path.empty()) view.path = tenant::path_of(call.state().tenant, key.path.front());
  view.scopes = key.scopes;
  view.models = key.models;
  view.expires_at = key.expires_at;
  view.revoked_at = key.revoked_at;
  view.created_at = key.created_at;
  return view;
}

OrgId node_of(const access::Key& key) { return key.path.empty() ? OrgId{} : key.path.front(); }

struct CreateKey {
  std::string name;
  std::optional<PrincipalId> owner;
  std::vector<access::Scope> scopes;
  std::vector<std::string> models;
  std::optional<Instant> expires_at;
};
DESCRIBE(CreateKey, name, owner, scopes, models, expires_at)

Result<KeyView> create_key(Call& call, const InOrg<CreateKey>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  std::array<std::byte, access::key_bytes> random{};
  call.services().entropy.fill(random);
  const Secret text = access::make_key(random);
  access::IssueKey issue;
  issue.id = call.draw<KeyId>();
  TRY_ASSIGN(issue.hash, access::hash_key(text.reveal()));
  issue.name = body.rest.name;
  issue.owner = body.rest.owner.value_or(call.caller().principal);
  issue.path = tenant::ancestors(call.state().tenant, org);
  if (const auto* owner = access::find(call.state().access, issue.owner)) {
    issue.home_path = tenant::ancestors(call.state().tenant, owner->home);
  }
  issue.scopes = body.rest.scopes;
  issue.models = body.rest.models;
  issue.expires_at = body.rest.expires_at;
  const KeyId id = issue.id;
  call.makes("/api/v1/keys/" + to_text(id));
  TRY(call.submit(access::Command(std::move(issue))));
  KeyView view = view_of(call, *access::find(call.state().access, id));
  view.secret = std::string(text.reveal());
  return view;
}

Result<const access::Key*> named_key(Call& call) {
  return named_thing<KeyId>(
      call, "key", "key", [&](KeyId id) { return access::find(call.state().access, id); },
      [](const access::Key& key) { return node_of(key); });
}

Result<KeyView> get_key(Call& call) {
  TRY_ASSIGN(const access::Key* const found, named_key(call));
  return view_of(call, *found);
}

Result<Page<KeyView>> list_keys(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  const auto path = tenant::ancestors(call.state().tenant, org);
  return paginate<KeyView>(
      call, access::keys_visible(call.state().access, call.caller(), path, call.now()),
      [](const access::Key* key) { return to_text(key->id); },
      [&](const access::Key* key) { return view_of(call, *key); });
}

Result<Nothing> revoke_key(Call& call) {
  TRY_ASSIGN(const access::Key* const found, named_key(call));
  TRY(call.submit(access::Command(access::RevokeKey{found->id})));
  return Nothing{};
}

}  // namespace

Table access_routes() {
  const Parameter org{"org", "path or id of the node; the platform when left out"};
  Table table = {
      route<&create_user>(Method::post, "/api/v1/users", "create_user", "Add a person",
                          Resource::principal, Action::create),
      route<&create_service_account>(Method::post, "/api/v1/service-accounts",
                                     "create_service_account", "Add an account for a program",
                                     Resource::principal, Action::create),
      route<&list_principals>(Method::get, "/api/v1/principals", "list_principals",
                              "Whom a node looks after", Resource::principal, Action::list,
                              with_page({org})),
      route<&get_principal>(Method::get, "/api/v1/principals/{principal}", "get_principal",
                            "One principal", Resource::principal, Action::read),
      route<&change_principal<access::Disable>>(
          Method::post, "/api/v1/principals/{principal}/disable", "disable_principal",
          "Stop a principal and all its keys", Resource::principal, Action::update),
      route<&change_principal<access::Enable>>(
          Method::post, "/api/v1/principals/{principal}/enable", "enable_principal",
          "Let a principal in again", Resource::principal, Action::update),
      route<&erase_principal>(Method::del, "/api/v1/principals/{principal}", "erase_principal",
                              "Forget a person for ever", Resource::principal, Action::remove),
      route<&grant_role>(Method::post, "/api/v1/bindings", "grant_role",
                         "Give a role on a node", Resource::binding, Action::create),
      route<&list_roles>(Method::get, "/api/v1/bindings", "list_roles", "Who holds which role",
                         Resource::binding, Action::list, with_page({org})),
      route<&revoke_role>(Method::del, "/api/v1/bindings", "revoke_role", "Take a role away",
                          Resource::binding, Action::remove,
                          {org, {"principal", "whose"}, {"role", "which"}}),
      route<&create_key>(Method::post, "/api/v1/keys", "create_key",
                         "Make an API key; its secret is shown once", Resource::key,
                         Action::create),
      route<&list_keys>(Method::get, "/api/v1/keys", "list_keys", "Keys that you may see",
                        Resource::key, Action::list, with_page({org})),
      route<&get_key>(Method::get, "/api/v1/keys/{key}", "get_key", "One key", Resource::key,
                      Action::read),
      route<&revoke_key>(Method::del, "/api/v1/keys/{key}", "revoke_key", "End a key now",
                         Resource::key, Action::remove),
  };
  for (Route& made : table) {
    if (made.operation == "create_user") made.repeat = Route::Repeat::made_again;
    if (made.operation == "create_key") made.repeat = Route::Repeat::refused;
    // Personal data lies in the sealed store alone.
    if (made.pattern.starts_with("/api/v1/principals/")) made.repeat = Route::Repeat::made_again;
  }
  return table;
}

}  // namespace bessemer::api
