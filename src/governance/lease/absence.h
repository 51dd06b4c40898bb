// Which gateway processes have not been heard of for so long that they count as lost.
#pragma once
#include <map>
#include <set>
#include <vector>

#include "governance/lease/lease.h"

namespace bessemer::lease {

// Asked once in a while by the control plane. An epoch is lost when nobody has spoken for it for a
// lease's lifetime: it has stopped spending by its own clock. Its money stays out all the same.
class Absence {
 public:
  // The live epochs that are to be called lost now. `connected`: those that are spoken for.
  std::vector<EpochKey> due(const State& state, const std::set<EpochKey>& connected, Instant now);

 private:
  std::map<EpochKey, Instant> unheard_since_;
};

}  // namespace bessemer::lease
