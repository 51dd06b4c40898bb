// Configurations: what has changed between two, and bringing one forward.
#include "application/control/configuration.h"

#include <algorithm>
#include <map>

namespace bessemer::control {
namespace {

const KeyId& identity(const KeyEntry& entry) { return entry.id; }
const EndpointId& identity(const EndpointEntry& entry) { return entry.id; }
const OrgId& identity(const TenantEntry& entry) { return entry.tenant; }
const PriceBookId& identity(const pricing::Version& version) { return version.id; }

template <class Entry>
auto by_identity(const std::vector<Entry>& entries) {
  std::map<std::remove_cvref_t<decltype(identity(entries.front()))>, const Entry*> out;
  for (const auto& entry : entries) out.emplace(identity(entry), &entry);
  return out;
}

// Entries of `after` that are new or different, and identities that have vanished.
template <class Entry, class Gone>
void compare(const std::vector<Entry>& before, const std::vector<Entry>& after,
             std::vector<Entry>& changed, Gone&& gone) {
  const auto old = by_identity(before);
  const auto now = by_identity(after);
  for (const auto& [id, entry] : now) {
    const auto found = old.find(id);
    if (found == old.end() || *found->second != *entry) changed.push_back(*entry);
  }
  for (const auto& [id, entry] : old) {
    if (!now.contains(id)) gone(id);
  }
}

template <class Entry>
void merge(std::vector<Entry>& held, const std::vector<Entry>& changed) {
  if (changed.empty()) return;
  auto places = by_identity(held);
  std::vector<Entry> fresh;
  for (const auto& entry : changed) {
    const auto found = places.find(identity(entry));
    if (found == places.end()) fresh.push_back(entry);
    else held[static_cast<std::size_t>(found->second - held.data())] = entry;
  }
  held.insert(held.end(), fresh.begin(), fresh.end());
}

template <class Entry, class Ids>
void remove(std::vector<Entry>& held, const Ids& gone) {
  if (gone.empty()) return;
  std::erase_if(held, [&](const Entry& entry) {
    return std::find(gone.begin(), gone.end(), identity(entry)) != gone.end();
  });
}

}  // namespace

Configuration difference(const Configuration& before, const Configuration& after) {
  Configuration delta;
  delta.from = before.version;
  delta.version = after.version;
  delta.budgets = after.budgets;
  const auto never = [](const auto&) {};  // tenants and price versions only come
  compare(before.keys, after.keys, delta.keys,
          [&](const KeyId& id) { delta.gone_keys.push_back(id); });
  compare(before.endpoints, after.endpoints, delta.endpoints,
          [&](const EndpointId& id) { delta.gone_endpoints.push_back(id); });
  compare(before.tenants, after.tenants, delta.tenants, never);
  compare(before.prices, after.prices, delta.prices, never);
  return delta;
}

Result<void> advance(Configuration& held, const Configuration& delta) {
  if (delta.from == 0) {
    held = delta;
    return {};
  }
  if (delta.from != held.version) {
    return conflict("the change starts from version " + std::to_string(delta.from) +
                    ", but version " + std::to_string(held.version) + " is held");
  }
  remove(held.keys, delta.gone_keys);
  remove(held.endpoints, delta.gone_endpoints);
  merge(held.keys, delta.keys);
  merge(held.endpoints, delta.endpoints);
  merge(held.tenants, delta.tenants);
  merge(held.prices, delta.prices);
  held.version = delta.version;
  held.budgets = delta.budgets;
  return {};
}

}  // namespace bessemer::control
