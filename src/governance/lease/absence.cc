// Counts the time since a gateway process was last connected.
#include "governance/lease/absence.h"

namespace bessemer::lease {

std::vector<EpochKey> Absence::due(const State& state, const std::set<EpochKey>& connected,
                                   Instant now) {
  std::map<EpochKey, Instant> still;
  std::vector<EpochKey> lost;
  for (const auto& [key, epoch] : state.epochs) {
    if (epoch.status != EpochStatus::live || connected.contains(key)) continue;
    const auto known = unheard_since_.find(key);
    const Instant since = known == unheard_since_.end() ? now : known->second;
    if (now - since > lifetime) lost.push_back(key);
    else still.emplace(key, since);
  }
  unheard_since_ = std::move(still);
  return lost;
}

}  // namespace bessemer::lease
