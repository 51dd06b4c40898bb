// Principals, bindings and keys: refusals, then changes.
#include "governance/access/access.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::access {
namespace {

using Events = std::vector<Event>;

Caller caller_of(const Context& ctx) { return {ctx.actor, ctx.key}; }

// The factory itself (bootstrap, the simulator's scripts) is not held to anybody's roles.
bool by_the_factory(const Context& ctx) { return !ctx.actor; }

bool holds(const State& state, PrincipalId id, Role role) {
  const auto at = state.grants.find(id);
  if (at == state.grants.end()) return false;
  return std::any_of(at->second.begin(), at->second.end(),
                     [&](const auto& grant) { return grant.second.roles.contains(role); });
}

// True when nobody but `id` could still look after the platform.
bool last_admin(const State& state, PrincipalId id) {
  const Principal* self = find(state, id);
  if (self == nullptr || self->disabled || !holds(state, id, Role::platform_admin)) return false;
  for (const auto& [other, grants] : state.grants) {
    const Principal* principal = find(state, other);
    if (other != id && principal != nullptr && !principal->disabled &&
        holds(state, other, Role::platform_admin)) {
      return false;
    }
  }
  return true;
}

Error last_admin_error() {
  return conflict("this is the last platform administrator").because("last_admin")
      .fix("appoint another first");
}

Result<const Principal*> existing(const State& state, PrincipalId id) {
  const Principal* principal = find(state, id);
  if (principal == nullptr || principal->erased_at) {
    return not_found("no such principal").at("principal");
  }
  return principal;
}

Result<void> check_path(const Path& path) {
  if (path.empty() || !path.front()) return invalid("must name a node").at("node");
  return {};
}

Result<Events> judge_one(const State& state, const Bootstrap& c, const Context&) {
  if (!state.principals.empty()) {
    return conflict("the factory has its first administrator already").because("bootstrapped");
  }
  check(c.admin && c.platform && c.key && c.hash, "access: a bootstrap with parts missing");
  return Events{PrincipalCreated{c.admin, PrincipalKind::user, {}, c.platform},
                RoleBound{c.admin, Role::platform_admin, {c.platform}},
                KeyIssued{c.key, c.hash, "admin", c.admin, {c.platform}, {}, {}, {}}};
}

Result<Events> create(const State& state, const PrincipalCreated& wanted) {
  if (!wanted.id) return invalid("must not be empty").at("id");
  if (!wanted.home) return invalid("must name a node").at("home");
  if (const Principal* same = find(state, wanted.id)) {
    if (same->kind == wanted.kind && same->name == wanted.name && same->home == wanted.home) {
      return Events{};
    }
    return conflict("another principal has this id").at("id");
  }
  if (wanted.kind == PrincipalKind::service_account) {
    if (auto named = check_name(wanted.name); !named) return std::move(named).error().at("name");
    if (state.service_names.contains({wanted.home, wanted.name})) {
      return conflict("the name is taken here")
        .at("name")
        .because("name_taken")
        .fix("choose another");
    }
  }
  if (state.principals.size() >= max_principals) {
    return exhausted("at most " + std::to_string(max_principals) + " principals");
  }
  return Events{wanted};
}

Result<Events> judge_one(const State& state, const CreateUser& c, const Context&) {
  return create(state, {c.id, PrincipalKind::user, {}, c.home});
}
Result<Events> judge_one(const State& state, const CreateServiceAccount& c, const Context&) {
  return create(state, {c.id, PrincipalKind::service_account, c.name, c.home});
}

// A tenant's administrator does not end one of the platform's.
Result<void> may_end(const State& state, PrincipalId id, const Context& ctx) {
  if (by_the_factory(ctx) || !holds(state, id, Role::platform_admin)) return {};
  if (!holds(state, ctx.actor, Role::platform_admin)) {
    return forbidden("only a platform administrator may do this to another").at("principal");
  }
  return {};
}

Result<Events> judge_one(const State& state, const Disable& c, const Context& ctx) {
  TRY_ASSIGN(const Principal* principal, existing(state, c.principal));
  TRY(may_end(state, c.principal, ctx));
  if (principal->disabled) return Events{};
  if (last_admin(state, c.principal)) return last_admin_error();
  return Events{PrincipalDisabled{c.principal}};
}

Result<Events> judge_one(const State& state, const Enable& c, const Context& ctx) {
  TRY_ASSIGN(const Principal* principal, existing(state, c.principal));
  TRY(may_end(state, c.principal, ctx));
  if (!principal->disabled) return Events{};
  return Events{PrincipalEnabled{c.principal}};
}

Result<Events> judge_one(const State& state, const Erase& c, const Context& ctx) {
  const Principal* principal = find(state, c.principal);
  if (principal != nullptr && principal->erased_at) return Events{};
  TRY_ASSIGN(principal, existing(state, c.principal));
  TRY(may_end(state, c.principal, ctx));
  if (last_admin(state, c.principal)) return last_admin_error();
  return Events{PrincipalErased{c.principal}};
}

Result<void> may_grant_on(const State& state, Role role, const Path& path, const Context& ctx) {
  if (by_the_factory(ctx)) return {};
  for (const auto& [held, node] : roles_on(state, caller_of(ctx), path, ctx.now)) {
    if (may_grant(held, role)) return {};
  }
  return forbidden("your roles on this node do not let you give or take the role " +
                   std::string(enum_text(role))).at("role");
}

Result<Events> judge_one(const State& state, const Bind& c, const Context& ctx) {
  TRY(check_path(c.path));
  TRY_ASSIGN(const Principal* principal, existing(state, c.principal));
  if (c.role == Role::platform_admin && c.path.size() != 1) {
    return invalid("platform_admin belongs on the platform").at("role").fix("use tenant_admin");
  }
  if (c.role == Role::tenant_admin && c.path.size() == 1) {
    return invalid("tenant_admin belongs on a tenant or below").at("role")
        .fix("use platform_admin");
  }
  TRY(may_grant_on(state, c.role, c.path, ctx));
  if (principal->disabled) return conflict("the principal is disabled").at("principal");
  const auto at = state.grants.find(c.principal);
  if (at != state.grants.end()) {
    const auto grant = at->second.find(c.path.front());
    if (grant != at->second.end() && grant->second.roles.contains(c.role)) return Events{};
    if (grant == at->second.end() && at->second.size() >= max_bindings_per_principal) {
      return exhausted("one principal may hold roles on at most " +
                       std::to_string(max_bindings_per_principal) + " nodes");
    }
  }
  return Events{RoleBound{c.principal, c.role, c.path}};
}

Result<Events> judge_one(const State& state, const Unbind& c, const Context& ctx) {
  const auto at = state.grants.find(c.principal);
  if (at == state.grants.end()) return Events{};
  const auto grant = at->second.find(c.node);
  if (grant == at->second.end() || !grant->second.roles.contains(c.role)) return Events{};
  if (c.principal != ctx.actor) TRY(may_grant_on(state, c.role, grant->second.path, ctx));
  if (c.role == Role::platform_admin && last_admin(state, c.principal)) return last_admin_error();
  return Events{RoleUnbound{c.principal, c.role, c.node}};
}

// Who may make a key for the owner: the owner, or for a service account an admin of its home.
Result<void> may_act_for(const State& state, const Principal& owner, const Path& home_path,
                         const Context& ctx) {
  if (by_the_factory(ctx) || owner.id == ctx.actor) return {};
  if (owner.kind == PrincipalKind::user) {
    return forbidden("a key for a user is issued by that user").at("owner")
        .fix("make a service account");
  }
  check(!home_path.empty() && home_path.front() == owner.home, "access: not the path of the home");
  for (const auto& [role, node] : roles_on(state, caller_of(ctx), home_path, ctx.now)) {
    if (permits(role, Resource::principal, Action::update)) return {};
  }
  return forbidden("only an administrator of its home may issue keys for a service account")
      .at("owner");
}

bool contains(const Path& path, OrgId node) {
  return std::find(path.begin(), path.end(), node) != path.end();
}

// A key makes no key that can do more, or lives longer, than itself.
Result<void> no_wider_than(const Key& with, const IssueKey& c) {
  if (!contains(c.path, with.path.front())) {
    return forbidden("the key in use is bound to another part of the organisation").at("node");
  }
  if (!narrows(c.scopes, with.scopes)) {
    return forbidden("wider than the scopes of the key in use").at("scopes");
  }
  if (!with.models.empty()) {
    const bool within = !c.models.empty() &&
        std::all_of(c.models.begin(), c.models.end(), [&](const std::string& alias) {
          return std::find(with.models.begin(), with.models.end(), alias) != with.models.end();
        });
    if (!within) return forbidden("wider than the models of the key in use").at("models");
  }
  if (with.expires_at && (!c.expires_at || *c.expires_at > *with.expires_at)) {
    return forbidden("later than the key in use").at("expires_at");
  }
  return {};
}

Result<void> check_shape(const IssueKey& c, Instant now) {
  if (auto named = check_name(c.name); !named) return std::move(named).error().at("name");
  TRY(check_path(c.path));
  if (c.scopes.size() > max_scopes) {
    return invalid("at most " + std::to_string(max_scopes)).at("scopes");
  }
  if (c.models.size() > max_models) {
    return invalid("at most " + std::to_string(max_models)).at("models");
  }
  for (const std::string& alias : c.models) {
    if (alias.empty() || alias.size() > max_model_alias || !is_utf8(alias)) {
      return invalid("an alias has 1 to " + std::to_string(max_model_alias) + " bytes")
          .at("models");
    }
  }
  if (c.expires_at && *c.expires_at <= now) {
    return invalid("must lie in the future").at("expires_at");
  }
  return {};
}

Result<void> room_for_a_key(const State& state, PrincipalId owner, Instant now) {
  const auto at = state.by_owner.find(owner);
  if (at == state.by_owner.end()) return {};
  const auto live = std::count_if(at->second.begin(), at->second.end(), [&](KeyId id) {
    return is_live(state, *find(state, id), now);
  });
  if (static_cast<std::size_t>(live) >= max_keys_per_principal) {
    return exhausted("one principal may hold at most " + std::to_string(max_keys_per_principal) +
                     " keys").fix("revoke some");
  }
  return {};
}

Result<Events> judge_one(const State& state, const IssueKey& c, const Context& ctx) {
  TRY(check_shape(c, ctx.now));
  check(c.id && c.hash, "access: a key without id or hash");
  TRY_ASSIGN(const Principal* owner, existing(state, c.owner));
  TRY(may_act_for(state, *owner, c.home_path, ctx));
  if (owner->disabled) return conflict("the principal is disabled").at("owner");
  if (ctx.key) {
    const Key* with = find(state, ctx.key);
    check(with != nullptr, "access: issued with an unknown key");
    TRY(no_wider_than(*with, c));
  }
  const KeyIssued issued{c.id, c.hash, c.name, c.owner, c.path, c.scopes, c.models, c.expires_at};
  if (const Key* same = find(state, c.id)) {
    if (same->hash == c.hash) return Events{};
    return conflict("another key has this id").at("id");
  }
  if (state.by_hash.contains(c.hash)) return conflict("the key exists").at("hash");
  TRY(room_for_a_key(state, c.owner, ctx.now));
  return Events{issued};
}

Result<Events> judge_one(const State& state, const RevokeKey& c, const Context& ctx) {
  const Key* key = find(state, c.id);
  if (key == nullptr) return not_found("no such key");
  if (!by_the_factory(ctx)) {
    const auto seen = decide(state, caller_of(ctx), key->path, Resource::key, Action::update,
                             ctx.now);
    if (seen.verdict != Verdict::allowed && key->owner != ctx.actor) {
      return seen.verdict == Verdict::not_found
                 ? not_found("no such key")
                 : forbidden("only its owner or an administrator may revoke a key");
    }
  }
  if (key->revoked_at) return Events{};
  return Events{KeyRevoked{c.id}};
}

Result<Events> judge_one(const State& state, const ForgetNode& c, const Context&) {
  Events events;
  for (const auto& [principal, role] : bindings_on(state, c.node)) {
    if (role == Role::platform_admin && last_admin(state, principal)) return last_admin_error();
    events.emplace_back(RoleUnbound{principal, role, c.node});
  }
  for (const auto& [id, key] : state.keys) {
    if (key.path.front() == c.node && !key.revoked_at) events.emplace_back(KeyRevoked{id});
  }
  for (const Principal* principal : principals_at(state, c.node)) {
    if (principal->disabled || holds(state, principal->id, Role::platform_admin)) continue;
    events.emplace_back(PrincipalDisabled{principal->id});
  }
  return events;
}

Principal& known(State& state, PrincipalId id) {
  const auto at = state.principals.find(id);
  check(at != state.principals.end(), "access: event about an unknown principal");
  return at->second;
}

void apply_one(State& state, const PrincipalCreated& e, const Context& ctx) {
  Principal principal{e.id, e.kind, e.name, e.home, ctx.occurred_at, false, {}};
  check(state.principals.emplace(e.id, std::move(principal)).second, "access: created twice");
  if (e.kind == PrincipalKind::service_account) state.service_names[{e.home, e.name}] = e.id;
}
void apply_one(State& state, const PrincipalDisabled& e, const Context&) {
  known(state, e.principal).disabled = true;
}
void apply_one(State& state, const PrincipalEnabled& e, const Context&) {
  known(state, e.principal).disabled = false;
}
void apply_one(State& state, const PrincipalErased& e, const Context& ctx) {
  Principal& principal = known(state, e.principal);
  if (principal.kind == PrincipalKind::service_account) {
    state.service_names.erase({principal.home, principal.name});
  }
  principal.disabled = true;
  principal.erased_at = ctx.occurred_at;
  state.grants.erase(e.principal);
  const auto owned = state.by_owner.find(e.principal);
  if (owned == state.by_owner.end()) return;
  for (const KeyId id : owned->second) {
    Key& key = state.keys.at(id);
    if (!key.revoked_at) key.revoked_at = ctx.occurred_at;
  }
}
void apply_one(State& state, const RoleBound& e, const Context&) {
  check(!e.path.empty(), "access: a role on nothing");
  Grant& grant = state.grants[e.principal][e.path.front()];
  grant.path = e.path;
  grant.roles.insert(e.role);
}
void apply_one(State& state, const RoleUnbound& e, const Context&) {
  auto& grants = state.grants[e.principal];
  const auto at = grants.find(e.node);
  check(at != grants.end(), "access: took a role where none was held");
  check(at->second.roles.erase(e.role) == 1, "access: took a role that was not held");
  if (at->second.roles.empty()) grants.erase(at);
  if (grants.empty()) state.grants.erase(e.principal);
}
void apply_one(State& state, const KeyIssued& e, const Context& ctx) {
  Key key{e.id,     e.hash,   e.name,       e.owner,         e.path, e.scopes,
          e.models, e.expires_at, ctx.occurred_at, {}, ctx.actor};
  check(state.keys.emplace(e.id, std::move(key)).second, "access: issued twice");
  check(state.by_hash.emplace(e.hash, e.id).second, "access: one hash, two keys");
  state.by_owner[e.owner].insert(e.id);
}
void apply_one(State& state, const KeyRevoked& e, const Context& ctx) {
  const auto at = state.keys.find(e.id);
  check(at != state.keys.end(), "access: revoked an unknown key");
  at->second.revoked_at = ctx.occurred_at;
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& ctx) {
  return std::visit([&](const auto& one) { return judge_one(state, one, ctx); }, command);
}

void apply(State& state, const Event& event, const Context& ctx) {
  std::visit([&](const auto& one) { apply_one(state, one, ctx); }, event);
}

}  // namespace bessemer::access
