// The policy: which role may do what to which kind of thing. One table, printed and diffed.
#pragma once
#include <cstdint>
#include <string>

#include "base/describe.h"

namespace bessemer::access {

// Bound to a node of the organisation tree, inherited by everything below it.
enum class Role : std::uint8_t { platform_admin, billing_admin, tenant_admin, developer, viewer };
DESCRIBE_ENUM(Role, platform_admin, billing_admin, tenant_admin, developer, viewer)

enum class Resource : std::uint8_t {
  org, principal, binding, key, quota, budget, price_book, ledger, statement, invoice, audit,
  secret, node, pool, queue, job, service, pipeline, endpoint, dataset, artifact, run, model,
  gateway, backup, event
};
DESCRIBE_ENUM(Resource, org, principal, binding, key, quota, budget, price_book, ledger, statement,
              invoice, audit, secret, node, pool, queue, job, service, pipeline, endpoint, dataset,
              artifact, run, model, gateway, backup, event)
constexpr int resource_count = 26;

// `remove` is the API's DELETE; `use` is to consume (call a model, mount a secret, write a run);
// `exec` opens a shell, a port or a copy into a running task; `approve` signs off what another
// asked for.
enum class Action : std::uint8_t { read, list, create, update, remove, use, exec, approve };
DESCRIBE_ENUM(Action, read, list, create, update, remove, use, exec, approve)
constexpr int action_count = 8;

// True when the role, held on the node or above it, permits the action there.
bool permits(Role role, Resource resource, Action action);

// True when the role must be held strictly above the node: limits are set from above, so a tenant
// admin cannot raise the quota or budget of the node he was given, nor resume or close it.
bool only_from_above(Role role, Resource resource, Action action);

// True when a holder of `role` (on the node or above) may give `granted` to others there.
bool may_grant(Role role, Role granted);

// The whole matrix as text: one line per resource and role, one column per action.
std::string policy_matrix();

}  // namespace bessemer::access
