// Who may do what: principals, role bindings, API keys, and the one place that decides.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"
#include "governance/access/policy.h"

namespace bessemer::access {

constexpr std::size_t max_principals = 1'000'000;
constexpr std::size_t max_bindings_per_principal = 1'000;  // nodes
constexpr std::size_t max_keys_per_principal = 1'000;      // neither revoked nor expired
constexpr std::size_t max_scopes = 64;
constexpr std::size_t max_models = 256;       // aliases named by one key
constexpr std::size_t max_model_alias = 255;  // characters

// The path of a node, as tenant::ancestors gives it: the node first, the platform last.
using Path = std::vector<OrgId>;

enum class PrincipalKind : std::uint8_t { user, service_account };
DESCRIBE_ENUM(PrincipalKind, user, service_account)

// Users are known here by id only: their names lie in the sealed store (secret/people.h).
struct Principal {
  PrincipalId id;
  PrincipalKind kind = PrincipalKind::user;
  std::string name;  // service accounts; unique within `home`
  OrgId home;        // whose admins look after this principal
  Instant created_at;
  bool disabled = false;
  std::optional<Instant> erased_at;  // a person who asked to be forgotten
  friend bool operator==(const Principal&, const Principal&) = default;
};
DESCRIBE(Principal, id, kind, name, home, created_at, disabled, erased_at)

// What one principal holds on one node.
struct Grant {
  Path path;  // of the node
  std::set<Role> roles;
  friend bool operator==(const Grant&, const Grant&) = default;
};
DESCRIBE(Grant, path, roles)

// What a scope is about: one resource, the money ones together, or all.
enum class Over : std::uint8_t { everything, billing, one };
DESCRIBE_ENUM(Over, everything, billing, one)

// "job:create", "job:*", "*:read", "billing:read". `read` covers `list`; `billing` covers budget,
// price_book, ledger, statement and invoice.
struct Scope {
  Over over = Over::everything;
  Resource resource = Resource::org;  // meaningful with Over::one
  std::optional<Action> action;       // none: every action
  friend auto operator<=>(const Scope&, const Scope&) = default;
};
DESCRIBE(Scope, over, resource, action)
std::string to_text(const Scope& scope);
Result<Scope> from_text(std::type_identity<Scope>, std::string_view text);
bool covers(const Scope& scope, Resource resource, Action action);
// Of a key: no scopes cover everything.
bool covers(const std::vector<Scope>& scopes, Resource resource, Action action);
// True when `wide` covers all that `narrow` covers.
bool narrows(const std::vector<Scope>& narrow, const std::vector<Scope>& wide);

// A key does what its owner may, at and below its node, narrowed by its scopes. The key itself is
// nowhere: only its SHA-256. When it was last used is not a fact; the shell keeps it.
struct Key {
  KeyId id;
  Digest hash;
  std::string name;
  PrincipalId owner;
  Path path;                        // of the node it is bound to
  std::vector<Scope> scopes;        // empty: all that the owner may
  std::vector<std::string> models;  // aliases it may call; "name*": all that begin so; empty: all
  std::optional<Instant> expires_at;
  Instant created_at;
  std::optional<Instant> revoked_at;
  PrincipalId created_by;
  friend bool operator==(const Key&, const Key&) = default;
};
DESCRIBE(Key, id, hash, name, owner, path, scopes, models, expires_at, created_at, revoked_at,
         created_by)

struct State {
  std::map<PrincipalId, Principal> principals;
  std::map<PrincipalId, std::map<OrgId, Grant>> grants;
  std::map<KeyId, Key> keys;
  std::map<Digest, KeyId> by_hash;
  std::map<PrincipalId, std::set<KeyId>> by_owner;                     // keys
  std::map<std::pair<OrgId, std::string>, PrincipalId> service_names;  // (home, name)
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, principals, grants, keys, by_hash, by_owner, service_names)

// ---- commands. judge() checks what only this module knows: that nobody gives a role above his
// own, mints a key wider than the key he uses, or acts as another user. The factory first asks
// authorize() with the resource and action of the route. A context without an actor is the
// factory itself and may do all.

// The first administrator and the first key: only on an empty state.
struct Bootstrap {
  PrincipalId admin;
  OrgId platform;  // tenant::root
  KeyId key;
  Digest hash;
};
DESCRIBE(Bootstrap, admin, platform, key, hash)
struct CreateUser {
  PrincipalId id;
  OrgId home;
};
DESCRIBE(CreateUser, id, home)
struct CreateServiceAccount {
  PrincipalId id;
  OrgId home;
  std::string name;
};
DESCRIBE(CreateServiceAccount, id, home, name)
struct Disable {
  PrincipalId principal;
};
DESCRIBE(Disable, principal)
struct Enable {
  PrincipalId principal;
};
DESCRIBE(Enable, principal)
// For ever: every role and key goes. The shell destroys the person's key in the sealed store.
struct Erase {
  PrincipalId principal;
};
DESCRIBE(Erase, principal)
struct Bind {
  PrincipalId principal;
  Role role = Role::viewer;
  Path path;  // of the node
};
DESCRIBE(Bind, principal, role, path)
struct Unbind {
  PrincipalId principal;
  Role role = Role::viewer;
  OrgId node;
};
DESCRIBE(Unbind, principal, role, node)
struct IssueKey {
  KeyId id;
  Digest hash;  // hash_key() of the text that the caller is shown
  std::string name;
  PrincipalId owner;
  Path path;       // of the node it is bound to
  Path home_path;  // of the owner's home, when the owner is a service account
  std::vector<Scope> scopes;
  std::vector<std::string> models;
  std::optional<Instant> expires_at;
};
DESCRIBE(IssueKey, id, hash, name, owner, path, home_path, scopes, models, expires_at)
struct RevokeKey {
  KeyId id;
};
DESCRIBE(RevokeKey, id)
// The node was closed: its bindings, keys and principals end.
struct ForgetNode {
  OrgId node;
};
DESCRIBE(ForgetNode, node)

using Command = std::variant<Bootstrap, CreateUser, CreateServiceAccount, Disable, Enable, Erase,
                             Bind, Unbind, IssueKey, RevokeKey, ForgetNode>;

// ---- events

struct PrincipalCreated {
  static constexpr std::uint16_t fact = 0x0201;
  static constexpr std::string_view tag = "principal_created";
  PrincipalId id;
  PrincipalKind kind = PrincipalKind::user;
  std::string name;
  OrgId home;
};
DESCRIBE(PrincipalCreated, id, kind, name, home)
struct PrincipalDisabled {
  static constexpr std::uint16_t fact = 0x0202;
  static constexpr std::string_view tag = "principal_disabled";
  PrincipalId principal;
};
DESCRIBE(PrincipalDisabled, principal)
struct PrincipalEnabled {
  static constexpr std::uint16_t fact = 0x0203;
  static constexpr std::string_view tag = "principal_enabled";
  PrincipalId principal;
};
DESCRIBE(PrincipalEnabled, principal)
struct PrincipalErased {
  static constexpr std::uint16_t fact = 0x0204;
  static constexpr std::string_view tag = "principal_erased";
  PrincipalId principal;
};
DESCRIBE(PrincipalErased, principal)
struct RoleBound {
  static constexpr std::uint16_t fact = 0x0205;
  static constexpr std::string_view tag = "role_bound";
  PrincipalId principal;
  Role role = Role::viewer;
  Path path;
};
DESCRIBE(RoleBound, principal, role, path)
struct RoleUnbound {
  static constexpr std::uint16_t fact = 0x0206;
  static constexpr std::string_view tag = "role_unbound";
  PrincipalId principal;
  Role role = Role::viewer;
  OrgId node;
};
DESCRIBE(RoleUnbound, principal, role, node)
struct KeyIssued {
  static constexpr std::uint16_t fact = 0x0207;
  static constexpr std::string_view tag = "key_issued";
  KeyId id;
  Digest hash;
  std::string name;
  PrincipalId owner;
  Path path;
  std::vector<Scope> scopes;
  std::vector<std::string> models;
  std::optional<Instant> expires_at;
};
DESCRIBE(KeyIssued, id, hash, name, owner, path, scopes, models, expires_at)
struct KeyRevoked {
  static constexpr std::uint16_t fact = 0x0208;
  static constexpr std::string_view tag = "key_revoked";
  KeyId id;
};
DESCRIBE(KeyRevoked, id)

using Event = std::variant<PrincipalCreated, PrincipalDisabled, PrincipalEnabled, PrincipalErased,
                           RoleBound, RoleUnbound, KeyIssued, KeyRevoked>;

// Decides. Errors: invalid, forbidden, not_found, conflict, exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& ctx);
void apply(State& state, const Event& event, const Context& ctx);

// ---- the one place that decides

// Who asks: as authenticate() found it, and as Context carries it.
struct Caller {
  PrincipalId principal;
  KeyId key;  // none: signed in without a key
  friend bool operator==(const Caller&, const Caller&) = default;
};
DESCRIBE(Caller, principal, key)

// Whose key this is. Errors: unauthenticated with reason key_unknown, key_revoked, key_expired or
// principal_disabled.
Result<Caller> authenticate(const State& state, const Digest& hash, Instant now);

// `not_found`: the caller may not even know that the node exists, having no role on it, above it
// or below it.
enum class Verdict : std::uint8_t { allowed, forbidden, not_found };
DESCRIBE_ENUM(Verdict, allowed, forbidden, not_found)

// The answer, and for explanations what it rests on.
struct Decision {
  Verdict verdict = Verdict::not_found;
  std::string why;            // one sentence, naming nothing that the caller may not see
  std::optional<Role> role;   // allowed: the role that permits it
  OrgId granted_at;           // allowed: the node where that role is bound
};
DESCRIBE(Decision, verdict, why, role, granted_at)

// Requires: `path` is that of an existing node, the node first, the platform last.
Decision decide(const State& state, const Caller& caller, std::span<const OrgId> path,
                Resource resource, Action action, Instant now);

// The same as a Result. Errors: forbidden, not_found; unauthenticated when the key or principal
// has ended since.
Result<void> authorize(const State& state, const Caller& caller, std::span<const OrgId> path,
                       Resource resource, Action action, Instant now);

// Nothing while the caller's key and principal are good: what goes on for long asks again.
// Errors: unauthenticated with reason key_revoked, key_expired or principal_disabled.
Result<void> still_good(const State& state, const Caller& caller, Instant now);

// True when the key names the alias, or names none. Sign-in without a key may call all.
bool may_call(const State& state, KeyId key, std::string_view model_alias);

// The roles that the caller holds on the nodes of the path, with where; empty when he, his key or
// the key's node does not reach the path. Scopes are not looked at.
std::vector<std::pair<Role, OrgId>> roles_on(const State& state, const Caller& caller,
                                             std::span<const OrgId> path, Instant now);

// ---- queries

const Principal* find(const State& state, PrincipalId id);
const Key* find(const State& state, KeyId id);
// Neither revoked nor expired, and the owner is not disabled.
bool is_live(const State& state, const Key& key, Instant now);
// Role bindings on `node`, by principal.
std::vector<std::pair<PrincipalId, Role>> bindings_on(const State& state, OrgId node);
// Principals whose home is `node`, by id.
std::vector<const Principal*> principals_at(const State& state, OrgId node);
// Keys that `caller` may see below the node of `path`: his own, and others' where he is an admin.
std::vector<const Key*> keys_visible(const State& state, const Caller& caller,
                                     std::span<const OrgId> path, Instant now);
// The nodes that the caller holds a role on, after narrowing by his key: roots of what he sees.
std::vector<OrgId> visible_roots(const State& state, const Caller& caller, Instant now);

}  // namespace bessemer::access
