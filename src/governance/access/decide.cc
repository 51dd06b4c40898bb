// The one place that says who may do what.
#include <algorithm>

#include "governance/access/access.h"

namespace bessemer::access {
namespace {

bool contains(std::span<const OrgId> path, OrgId node) {
  return std::find(path.begin(), path.end(), node) != path.end();
}

// The caller as the state knows him; `key` is null for a sign-in without one.
struct Known {
  const Principal* principal = nullptr;
  const Key* key = nullptr;
  const std::map<OrgId, Grant>* grants = nullptr;  // null: none
};

// Nothing when the principal or the key has ended, or the key is another's.
std::optional<Known> known(const State& state, const Caller& caller, Instant now) {
  Known who;
  who.principal = find(state, caller.principal);
  if (who.principal == nullptr || who.principal->disabled) return {};
  if (caller.key) {
    who.key = find(state, caller.key);
    if (who.key == nullptr || who.key->owner != caller.principal) return {};
    if (!is_live(state, *who.key, now)) return {};
  }
  const auto at = state.grants.find(caller.principal);
  if (at != state.grants.end()) who.grants = &at->second;
  return who;
}

// True when the key, if there is one, is bound to a node of the path.
bool key_reaches(const Known& who, std::span<const OrgId> path) {
  return who.key == nullptr || contains(path, who.key->path.front());
}

// True when the caller may know that the node exists: a role, and his key, on it, above it or
// below it.
bool may_know(const Known& who, std::span<const OrgId> path) {
  if (who.grants == nullptr) return false;
  if (!key_reaches(who, path) && !contains(who.key->path, path.front())) return false;
  for (const auto& [node, grant] : *who.grants) {
    if (contains(path, node) || contains(grant.path, path.front())) return true;
  }
  return false;
}

std::string named(Resource resource, Action action) {
  return std::string(enum_text(resource)) + ":" + std::string(enum_text(action));
}

// "job:create needs the role platform_admin, tenant_admin or developer".
std::string who_may(Resource resource, Action action) {
  std::vector<std::string> roles;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<Role>>([&](auto role) {
    if (permits(role.value, resource, action)) roles.emplace_back(role.name);
  });
  if (roles.empty()) return named(resource, action) + " is given to no role";
  std::string out = named(resource, action) + " needs the role ";
  for (std::size_t i = 0; i < roles.size(); ++i) {
    if (i > 0) out += i + 1 == roles.size() ? " or " : ", ";
    out += roles[i];
  }
  return out;
}

Decision refuse(Verdict verdict, std::string why) {
  Decision no;
  no.verdict = verdict;
  no.why = std::move(why);
  return no;
}

Decision decide_known(const Known& who, std::span<const OrgId> path, Resource resource,
                      Action action) {
  if (!may_know(who, path)) return refuse(Verdict::not_found, "no such organisation node");
  if (!key_reaches(who, path)) {
    return refuse(Verdict::forbidden, "the key is bound to a node further down");
  }
  bool from_above = false;
  for (const OrgId node : path) {
    const auto at = who.grants->find(node);
    if (at == who.grants->end()) continue;
    for (const Role role : at->second.roles) {
      if (!permits(role, resource, action)) continue;
      if (node == path.front() && only_from_above(role, resource, action)) {
        from_above = true;
        continue;
      }
      if (who.key != nullptr && !covers(who.key->scopes, resource, action)) {
        return refuse(Verdict::forbidden,
                      "the key's scopes do not cover " + named(resource, action));
      }
      Decision yes;
      yes.verdict = Verdict::allowed;
      yes.role = role;
      yes.granted_at = node;
      return yes;
    }
  }
  return refuse(Verdict::forbidden,
                from_above ? std::string(enum_text(resource)) +
                                 " is set from above: the role must be held above this node"
                           : who_may(resource, action) + " on this node or above it");
}

}  // namespace

Result<Caller> authenticate(const State& state, const Digest& hash, Instant now) {
  const auto at = state.by_hash.find(hash);
  if (at == state.by_hash.end()) {
    return unauthenticated("no such key").because("key_unknown");
  }
  const Key& key = *find(state, at->second);
  const Caller caller{key.owner, key.id};
  TRY(still_good(state, caller, now));
  return caller;
}

Decision decide(const State& state, const Caller& caller, std::span<const OrgId> path,
                Resource resource, Action action, Instant now) {
  const auto who = known(state, caller, now);
  if (!who) return refuse(Verdict::not_found, "no such organisation node");
  if (path.empty()) return refuse(Verdict::not_found, "no such organisation node");
  return decide_known(*who, path, resource, action);
}

Result<void> authorize(const State& state, const Caller& caller, std::span<const OrgId> path,
                       Resource resource, Action action, Instant now) {
  if (!known(state, caller, now)) {
    return unauthenticated("the key or its owner has ended").because("key_revoked");
  }
  Decision decision = decide(state, caller, path, resource, action, now);
  switch (decision.verdict) {
    case Verdict::allowed: return {};
    case Verdict::forbidden: return forbidden(std::move(decision.why));
    case Verdict::not_found: break;
  }
  return not_found(std::move(decision.why));
}

Result<void> still_good(const State& state, const Caller& caller, Instant now) {
  if (caller.key) {
    const Key* const key = find(state, caller.key);
    if (key == nullptr || key->owner != caller.principal || key->revoked_at) {
      return unauthenticated("the key is revoked").because("key_revoked").fix("issue a new one");
    }
    if (key->expires_at && *key->expires_at <= now) {
      return unauthenticated("the key expired at " + to_text(*key->expires_at))
          .because("key_expired").fix("issue a new one");
    }
  }
  const Principal* const principal = find(state, caller.principal);
  if (principal == nullptr || principal->disabled) {
    return unauthenticated("the key's owner is disabled")
        .because("principal_disabled")
        .fix("ask an administrator");
  }
  return {};
}

std::vector<std::pair<Role, OrgId>> roles_on(const State& state, const Caller& caller,
                                             std::span<const OrgId> path, Instant now) {
  std::vector<std::pair<Role, OrgId>> held;
  const auto who = known(state, caller, now);
  if (!who || who->grants == nullptr || !key_reaches(*who, path)) return held;
  for (const OrgId node : path) {
    const auto at = who->grants->find(node);
    if (at == who->grants->end()) continue;
    for (const Role role : at->second.roles) held.emplace_back(role, node);
  }
  return held;
}

bool may_call(const State& state, KeyId id, std::string_view model_alias) {
  if (!id) return true;
  const Key* key = find(state, id);
  if (key == nullptr) return false;
  if (key->models.empty()) return true;
  for (const std::string_view allowed : key->models) {
    if (allowed == model_alias) return true;
    if (allowed.ends_with('*') && model_alias.starts_with(allowed.substr(0, allowed.size() - 1))) {
      return true;
    }
  }
  return false;
}

const Principal* find(const State& state, PrincipalId id) {
  const auto at = state.principals.find(id);
  return at == state.principals.end() ? nullptr : &at->second;
}

const Key* find(const State& state, KeyId id) {
  const auto at = state.keys.find(id);
  return at == state.keys.end() ? nullptr : &at->second;
}

bool is_live(const State& state, const Key& key, Instant now) {
  if (key.revoked_at || (key.expires_at && *key.expires_at <= now)) return false;
  const Principal* owner = find(state, key.owner);
  return owner != nullptr && !owner->disabled;
}

std::vector<std::pair<PrincipalId, Role>> bindings_on(const State& state, OrgId node) {
  std::vector<std::pair<PrincipalId, Role>> found;
  for (const auto& [principal, grants] : state.grants) {
    const auto at = grants.find(node);
    if (at == grants.end()) continue;
    for (const Role role : at->second.roles) found.emplace_back(principal, role);
  }
  return found;
}

std::vector<const Principal*> principals_at(const State& state, OrgId node) {
  std::vector<const Principal*> found;
  for (const auto& [id, principal] : state.principals) {
    if (principal.home == node) found.push_back(&principal);
  }
  return found;
}

std::vector<const Key*> keys_visible(const State& state, const Caller& caller,
                                     std::span<const OrgId> path, Instant now) {
  std::vector<const Key*> found;
  const auto who = known(state, caller, now);
  if (!who || path.empty()) return found;
  for (const auto& [id, key] : state.keys) {
    if (!contains(key.path, path.front()) || !key_reaches(*who, key.path)) continue;
    if (key.owner == caller.principal ||
        decide_known(*who, key.path, Resource::key, Action::update).verdict == Verdict::allowed) {
      found.push_back(&key);
    }
  }
  return found;
}

std::vector<OrgId> visible_roots(const State& state, const Caller& caller, Instant now) {
  const auto who = known(state, caller, now);
  if (!who || who->grants == nullptr) return {};
  std::map<OrgId, const Path*> roots;
  for (const auto& [node, grant] : *who->grants) {
    if (who->key == nullptr || contains(grant.path, who->key->path.front())) {
      roots.emplace(node, &grant.path);
    } else if (contains(who->key->path, node)) {
      roots.emplace(who->key->path.front(), &who->key->path);
    }
  }
  std::vector<OrgId> top;
  for (const auto& [node, path] : roots) {
    const bool below_another = std::any_of(path->begin() + 1, path->end(), [&](OrgId above) {
      return roots.contains(above);
    });
    if (!below_another) top.push_back(node);
  }
  return top;
}

}  // namespace bessemer::access
