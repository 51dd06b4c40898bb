// Scopes of keys: their text, and what each covers.
#include "base/text.h"
#include "governance/access/access.h"

namespace bessemer::access {
namespace {

bool is_money(Resource resource) {
  using enum Resource;
  return resource == budget || resource == price_book || resource == ledger ||
         resource == statement || resource == invoice;
}

}  // namespace

std::string to_text(const Scope& scope) {
  std::string out = scope.over == Over::everything ? "*"
                    : scope.over == Over::billing  ? "billing"
                                                   : std::string(enum_text(scope.resource));
  out += ':';
  out += scope.action ? enum_text(*scope.action) : "*";
  return out;
}

Result<Scope> from_text(std::type_identity<Scope>, std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 2) {
    return invalid("must be resource:action").fix("for example job:create, *:read, billing:read");
  }
  Scope scope;
  if (parts[0] == "*") {
    scope.over = Over::everything;
  } else if (parts[0] == "billing") {
    scope.over = Over::billing;
  } else {
    const auto resource = enum_from_text<Resource>(parts[0]);
    if (!resource) {
      return invalid("names no resource; one of: *, billing, " + enum_choices<Resource>());
    }
    scope.over = Over::one;
    scope.resource = *resource;
  }
  if (parts[1] != "*") {
    scope.action = enum_from_text<Action>(parts[1]);
    if (!scope.action) return invalid("names no action; one of: *, " + enum_choices<Action>());
  }
  return scope;
}

bool covers(const Scope& scope, Resource resource, Action action) {
  if (scope.over == Over::one && scope.resource != resource) return false;
  if (scope.over == Over::billing && !is_money(resource)) return false;
  if (!scope.action || *scope.action == action) return true;
  return *scope.action == Action::read && action == Action::list;
}

bool covers(const std::vector<Scope>& scopes, Resource resource, Action action) {
  if (scopes.empty()) return true;
  for (const Scope& scope : scopes) {
    if (covers(scope, resource, action)) return true;
  }
  return false;
}

bool narrows(const std::vector<Scope>& narrow, const std::vector<Scope>& wide) {
  for (int r = 0; r < resource_count; ++r) {
    for (int a = 0; a < action_count; ++a) {
      const auto resource = static_cast<Resource>(r);
      const auto action = static_cast<Action>(a);
      if (covers(narrow, resource, action) && !covers(wide, resource, action)) return false;
    }
  }
  return true;
}

}  // namespace bessemer::access
