// Which datasets are read next.
#include "application/conductor/inspections.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::conductor {

void Inspections::add(OrgId tenant, dataset::Uninspected version) {
  tenants_[tenant].waiting.push_back({tenant, std::move(version), 0, {}});
}

// From the tenant after the one that had the last turn, around.
std::optional<Inspecting> Inspections::next(Instant now) {
  if (reading_ >= inspections_at_once) return {};
  auto at = tenants_.upper_bound(last_);
  for (std::size_t looked = 0; looked < tenants_.size(); ++looked, ++at) {
    if (at == tenants_.end()) at = tenants_.begin();
    Tenant& tenant = at->second;
    if (tenant.reading >= inspections_of_tenant) continue;
    const auto due = std::ranges::find_if(
        tenant.waiting, [&](const Inspecting& one) { return one.not_before <= now; });
    if (due == tenant.waiting.end()) continue;
    Inspecting found = std::move(*due);
    tenant.waiting.erase(due);
    ++tenant.reading;
    ++reading_;
    last_ = at->first;
    return found;
  }
  return {};
}

void Inspections::done(const Inspecting& read) {
  const auto at = tenants_.find(read.tenant);
  check(at != tenants_.end() && at->second.reading > 0, "inspections: nothing is being read");
  --at->second.reading;
  --reading_;
  if (at->second.reading == 0 && at->second.waiting.empty()) tenants_.erase(at);
}

bool Inspections::again(Inspecting failed, Instant now) {
  if (++failed.tries >= inspection_tries) {
    done(failed);
    return false;
  }
  const Duration wait{inspection_backoff.ns << (failed.tries - 1)};
  failed.not_before = now + std::min(wait, longest_inspection_backoff);
  const OrgId tenant = failed.tenant;
  tenants_.at(tenant).waiting.push_back(failed);
  done(failed);
  return true;
}

std::optional<Instant> Inspections::next_moment() const {
  std::optional<Instant> soonest;
  if (reading_ >= inspections_at_once) return soonest;
  for (const auto& [id, tenant] : tenants_) {
    if (tenant.reading >= inspections_of_tenant) continue;
    for (const Inspecting& one : tenant.waiting) {
      soonest = soonest ? std::min(*soonest, one.not_before) : one.not_before;
    }
  }
  return soonest;
}

}  // namespace bessemer::conductor
