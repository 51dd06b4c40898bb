// Finding the thing that a path names, for a caller who may know of it.
#pragma once
#include <string>
#include <string_view>

#include "application/api/call.h"

namespace bessemer::api {

// The thing whose id stands in the path's `part`. `find(id)` gives a pointer or null, `org(thing)`
// whose it is. What the caller may not know of is not found, as what does not exist.
template <class I, class Find, class Org>
auto named_thing(Call& call, std::string_view part, std::string_view what, Find find, Org org)
    -> Result<decltype(find(I{}))> {
  const auto unknown = [&] { return not_found("no such " + std::string(what)); };
  const auto id = from_text(std::type_identity<I>{}, call.part(part));
  if (!id || !*id) return unknown();
  const auto found = find(*id);
  if (found == nullptr) return unknown();
  if (auto may = call.permit(org(*found)); !may) {
    if (may.error().code == Code::not_found) return unknown();
    return std::move(may).error();
  }
  return found;
}

// The node named by a query parameter, permitted; `fallback` when it is absent and that is given.
inline Result<OrgId> queried_org(Call& call, std::string_view name, OrgId fallback = {}) {
  OrgId org = fallback;
  if (const auto path = call.query(name)) {
    TRY_ASSIGN(org, call.org(*path));
  } else if (!fallback) {
    return invalid("is required").at(std::string(name));
  }
  TRY(call.permit(org));
  return org;
}

// The node named by a body's member, permitted.
inline Result<OrgId> placed(Call& call, const std::string& path, std::string_view member) {
  auto org = call.org(path);
  if (!org) return std::move(org).error().within(member);
  TRY(call.permit(*org));
  return org;
}

}  // namespace bessemer::api
