// What a gateway serves: endpoints by name, the prices of tenants, and the keys.
#include "application/gateway/catalogue.h"

#include <algorithm>

namespace bessemer::gateway {

using control::EndpointEntry;
using pricing::Meter;

Result<void> Catalogue::apply(const control::Configuration& change) {
  const bool whole = change.from == 0;
  if (!whole && change.from != version_) {
    return conflict("the change starts from version " + std::to_string(change.from) +
                    ", but version " + std::to_string(version_) + " is held");
  }
  if (whole) {
    keys_.replace(change.keys);
    std::vector<EndpointId> gone;
    for (const auto& [id, endpoint] : endpoints_) {
      const auto stays = std::any_of(change.endpoints.begin(), change.endpoints.end(),
                                     [&](const EndpointEntry& entry) { return entry.id == id; });
      if (!stays) gone.push_back(id);
    }
    for (const auto& id : gone) drop(id);
    tenants_.clear();
    prices_ = {};
  } else {
    keys_.change(change.keys, change.gone_keys);
    for (const auto& id : change.gone_endpoints) drop(id);
  }
  for (const auto& entry : change.endpoints) put(entry);
  for (const auto& entry : change.tenants) tenants_[entry.tenant] = entry;
  for (const auto& version : change.prices) {
    auto& versions = prices_.books[version.book];
    std::erase_if(versions, [&](const pricing::Version& held) { return held.id == version.id; });
    const auto later = [](const pricing::Version& a, const pricing::Version& b) {
      return a.effective_from < b.effective_from;
    };
    versions.insert(std::upper_bound(versions.begin(), versions.end(), version, later), version);
  }
  version_ = change.version;
  current_ = true;
  budgets_ = change.budgets;
  return {};
}

void Catalogue::put(const EndpointEntry& entry) {
  const auto before = endpoints_.find(entry.id);
  if (before != endpoints_.end() && before->second->entry == entry) return;
  auto endpoint = std::make_shared<Endpoint>();
  endpoint->entry = entry;
  for (const auto& replica : entry.replicas) {
    std::shared_ptr<Upstream> upstream;
    if (before != endpoints_.end()) {
      for (const auto& old : before->second->replicas) {
        if (old->name() == replica.name && old->target() == replica.connect) upstream = old;
      }
    }
    if (!upstream) upstream = Upstream::make(loop_, replica.name, replica.connect);
    upstream->set_ready(replica.ready);
    endpoint->replicas.push_back(std::move(upstream));
  }
  if (before != endpoints_.end()) endpoint->recent = before->second->recent;
  drop(entry.id);
  for (const auto& name : entry.names) by_name_[name].push_back(entry.id);
  endpoints_[entry.id] = std::move(endpoint);
}

void Catalogue::drop(EndpointId id) {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return;
  for (const auto& name : found->second->entry.names) {
    auto& ids = by_name_[name];
    std::erase(ids, id);
    if (ids.empty()) by_name_.erase(name);
  }
  endpoints_.erase(found);
}

// `depth`: how close to the caller the node is that the endpoint is shown to; 0 for all.
bool Catalogue::visible(const KeyEntry& caller, const EndpointEntry& entry,
                        std::size_t& depth) const {
  depth = 0;
  if (!entry.visible_to) return true;
  const auto at = std::find(caller.path.begin(), caller.path.end(), entry.visible_to);
  if (at == caller.path.end()) return false;
  depth = 1 + static_cast<std::size_t>(at - caller.path.begin());
  return true;
}

Result<std::shared_ptr<Endpoint>> Catalogue::find(const KeyEntry& caller,
                                                  std::string_view name) const {
  std::shared_ptr<Endpoint> best;
  std::size_t best_depth = 0;
  if (const auto named = by_name_.find(name); named != by_name_.end()) {
    for (const auto& id : named->second) {
      const auto& endpoint = endpoints_.at(id);
      std::size_t depth = 0;
      if (!visible(caller, endpoint->entry, depth) || (best && depth <= best_depth)) continue;
      best = endpoint;
      best_depth = depth;
    }
  }
  if (best) return best;
  return not_found("the model '" + std::string(name) + "' does not exist")
      .at("model")
      .because("model_not_found")
      .fix("GET /v1/models lists what this key may call");
}

std::vector<std::string> Catalogue::names(const KeyEntry& caller) const {
  std::vector<std::string> out;
  for (const auto& [name, ids] : by_name_) {
    std::size_t depth = 0;
    const bool seen = std::any_of(ids.begin(), ids.end(), [&](const EndpointId& id) {
      return visible(caller, endpoints_.at(id)->entry, depth);
    });
    if (seen && may_call(caller, name)) out.push_back(name);
  }
  return out;
}

const pricing::Version* Catalogue::version_for(OrgId tenant, Instant now) const {
  const auto found = tenants_.find(tenant);
  if (found == tenants_.end()) return nullptr;
  std::string_view book;
  for (const auto& choice : found->second.books) {
    if (choice.from <= now) book = choice.book;
  }
  return book.empty() ? nullptr : pricing::in_force(prices_, book, now);
}

Result<Tariff> Catalogue::tariff(const KeyEntry& caller, const EndpointEntry& endpoint,
                                 Instant now) const {
  Tariff tariff;
  if (endpoint.free_of_charge) return tariff;
  const auto* version = version_for(caller.path.empty() ? OrgId{} : caller.path.front(), now);
  if (version != nullptr) {
    tariff.version = version->id;
    for (const auto meter : {Meter::input_tokens, Meter::cached_input_tokens, Meter::output_tokens,
                             Meter::reasoning_tokens, Meter::requests}) {
      const auto* price = pricing::find_price(*version, meter, endpoint.sku);
      if (price == nullptr) continue;
      tariff.prices.push_back(*price);
    }
  }
  const auto has = [&](Meter meter) {
    return std::any_of(tariff.prices.begin(), tariff.prices.end(),
                       [&](const pricing::Price& price) { return price.meter == meter; });
  };
  const bool by_request = endpoint.protocol == control::Protocol::v2;
  const bool priced =
      by_request ? has(Meter::requests) : has(Meter::input_tokens) && has(Meter::output_tokens);
  if (priced) return tariff;
  return unavailable("the model has no price, so that it cannot be charged")
      .because("unpriced")
      .fix("publish a price for '" + endpoint.sku + "' in the tenant's price book")
      .retried(Retry::never);
}

}  // namespace bessemer::gateway
