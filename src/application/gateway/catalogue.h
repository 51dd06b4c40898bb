// What a gateway serves: endpoints by name, the prices of tenants, and the keys.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "application/control/configuration.h"
#include "application/gateway/bounds.h"
#include "application/gateway/keys.h"
#include "application/gateway/upstream.h"
#include "base/result.h"

namespace bessemer::gateway {

// One endpoint with its replicas. Requests hold it while they run; a changed entry makes a new one
// that takes the replicas over.
struct Endpoint {
  control::EndpointEntry entry;
  std::vector<std::shared_ptr<Upstream>> replicas;
  RecentOutputs recent;
  bool broke_bound = false;  // its engine gave more than was held: nothing is routed to it until
                             // the endpoint changes
};

// The prices that a request is held and charged at.
struct Tariff {
  PriceBookId version;
  std::vector<pricing::Price> prices;  // of the meters that have one
};

class Catalogue {
 public:
  explicit Catalogue(real::Loop& loop) : loop_(loop) {}

  // Takes a snapshot or a delta. Errors: conflict (a delta that starts elsewhere).
  Result<void> apply(const control::Configuration& change);
  std::uint64_t version() const { return version_; }
  // It is as the control plane had it last: what is not here is nowhere.
  bool current() const { return current_; }
  void lost_contact() { current_ = false; }
  std::uint64_t budgets() const { return budgets_; }
  const KeyRing& keys() const { return keys_; }

  // The endpoint that a caller means by a name. Errors: not_found, also for names that only others
  // may see.
  Result<std::shared_ptr<Endpoint>> find(const KeyEntry& caller, std::string_view name) const;
  // The names that a caller may use, in order.
  std::vector<std::string> names(const KeyEntry& caller) const;

  // What the endpoint costs this caller now. Errors: unavailable/unpriced.
  Result<Tariff> tariff(const KeyEntry& caller, const control::EndpointEntry& endpoint,
                        Instant now) const;

 private:
  void put(const control::EndpointEntry& entry);
  void drop(EndpointId id);
  bool visible(const KeyEntry& caller, const control::EndpointEntry& entry,
               std::size_t& depth) const;
  const pricing::Version* version_for(OrgId tenant, Instant now) const;

  real::Loop& loop_;
  std::uint64_t version_ = 0, budgets_ = 0;
  bool current_ = false;
  KeyRing keys_;
  std::map<EndpointId, std::shared_ptr<Endpoint>> endpoints_;
  std::map<std::string, std::vector<EndpointId>, std::less<>> by_name_;
  std::map<OrgId, control::TenantEntry> tenants_;
  pricing::State prices_;
};

}  // namespace bessemer::gateway
