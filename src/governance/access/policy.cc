// The policy table and its text.
#include "governance/access/policy.h"

#include <array>
#include <initializer_list>

namespace bessemer::access {
namespace {

using enum Resource;
using enum Action;
using Actions = std::uint8_t;  // one bit per action

constexpr Actions bit(Action action) {
  return static_cast<Actions>(1u << static_cast<unsigned>(action));
}
constexpr Actions of(std::initializer_list<Action> actions) {
  unsigned bits = 0;
  for (const Action action : actions) bits |= bit(action);
  return static_cast<Actions>(bits);
}

constexpr Actions none = 0;
constexpr Actions see = of({read, list});
constexpr Actions change = of({create, update, remove});
constexpr Actions manage = of({read, list, create, update, remove});
// Own keys: judge() lets nobody but an admin touch another's.
constexpr Actions own_keys = of({read, list, create, remove});
// A secret is written and mounted, never read back: `read` shows its name and versions.
constexpr Actions secrets = of({read, list, create, update, remove, use});
constexpr Actions work = of({read, list, create, update, remove, use, exec});

// What a kind of thing admits, per role.
struct Row {
  Resource resource;
  Actions platform_admin, billing_admin, tenant_admin, developer, viewer;
};

constexpr Actions prices = of({read, list, create, update, remove, approve});
constexpr Actions books = of({read, list, create, approve});
constexpr Actions bills = of({read, list, create, update, approve});
constexpr Actions data = of({read, list, create, update, remove, use});
constexpr Actions models = of({read, list, create, update, remove, use, approve});
constexpr Actions models_by_developers = of({read, list, create, update, use});
constexpr Actions backups = of({read, list, create, remove});

constexpr std::array<Row, resource_count> table{{
    //           platform admin, billing admin, tenant admin, developer, viewer
    {org,        manage,   see,      manage,  see,                  see},
    {principal,  manage,   see,      manage,  see,                  none},
    {binding,    manage,   see,      manage,  see,                  none},
    {key,        manage,   own_keys, manage,  own_keys,             own_keys},
    {quota,      manage,   see,      manage,  see,                  see},
    {budget,     manage,   manage,   manage,  see,                  see},
    {price_book, prices,   prices,   see,     see,                  see},
    {ledger,     books,    books,    see,     none,                 none},
    {statement,  see,      see,      see,     see,                  none},
    {invoice,    bills,    bills,    see,     none,                 none},
    {audit,      see,      see,      see,     none,                 none},
    {secret,     secrets,  none,     secrets, secrets,              none},
    {node,       manage,   see,      none,    none,                 none},
    {pool,       manage,   see,      see,     see,                  see},
    {queue,      manage,   see,      manage,  see,                  see},
    {job,        work,     see,      work,    work,                 see},
    {service,    work,     see,      work,    work,                 see},
    {pipeline,   work,     see,      work,    work,                 see},
    {endpoint,   data,     see,      data,    data,                 see},
    {dataset,    data,     none,     data,    data,                 see},
    {artifact,   data,     none,     data,    data,                 see},
    {run,        data,     none,     data,    data,                 see},
    {model,      models,   see,      models,  models_by_developers, see},
    {gateway,    manage,   see,      see,     none,                 none},
    {backup,     backups,  none,     none,    none,                 none},
    {event,      see,      see,      see,     see,                  see},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].resource != static_cast<Resource>(i)) return false;
  }
  return true;
}
static_assert(in_order(), "one row per resource, in the order of the enum");

constexpr Actions actions_of(const Row& row, Role role) {
  switch (role) {
    case Role::platform_admin: return row.platform_admin;
    case Role::billing_admin: return row.billing_admin;
    case Role::tenant_admin: return row.tenant_admin;
    case Role::developer: return row.developer;
    case Role::viewer: return row.viewer;
  }
  return none;
}

void pad(std::string& line, std::size_t to) {
  line.append(line.size() < to ? to - line.size() : 1, ' ');
}

}  // namespace

bool permits(Role role, Resource resource, Action action) {
  return (actions_of(table[static_cast<std::size_t>(resource)], role) & bit(action)) != 0;
}

bool only_from_above(Role role, Resource resource, Action action) {
  if (role != Role::tenant_admin) return false;
  if (resource == org) return action == update || action == remove;
  return (resource == quota || resource == budget) && (change & bit(action)) != 0;
}

bool may_grant(Role role, Role granted) {
  if (role == Role::platform_admin) return true;
  return role == Role::tenant_admin &&
         (granted == Role::tenant_admin || granted == Role::developer || granted == Role::viewer);
}

std::string policy_matrix() {
  std::string out = "# resource   role            may  (+ only below the node where the role is)\n";
  for (const Row& row : table) {
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<Role>>([&](auto role) {
      std::string line(enum_text(row.resource));
      pad(line, 13);
      line += role.name;
      pad(line, 29);
      bool any = false;
      boost::mp11::mp_for_each<boost::describe::describe_enumerators<Action>>([&](auto action) {
        if (!permits(role.value, row.resource, action.value)) return;
        if (any) line += ' ';
        any = true;
        line += action.name;
        if (only_from_above(role.value, row.resource, action.value)) line += '+';
      });
      out += line + (any ? "\n" : "-\n");
    });
  }
  return out;
}

}  // namespace bessemer::access
