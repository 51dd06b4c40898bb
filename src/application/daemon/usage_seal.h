// Sealing: the usage log of a gateway's life that is over becomes columns.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "governance/lease/lease.h"
#include "governance/metering/metering.h"
#include "governance/metering/usage_log.h"
#include "world/world.h"

namespace bessemer::daemon {

// Writes a whole closed log, as the intake holds it, as sealed stretches beside its segments; each
// is read back and must hold the same records and settlements. Again, it gives the same and writes
// nothing. What it returns is for the journal to state.
// Errors: not_found (no intake), invalid (damaged, not closed), internal (what was read back is
// something else), the disk's.
Result<std::vector<metering::SealedSegment>> seal_log(world::Disk& disk,
                                                      const lease::EpochKey& key);

// Reads sealed stretches as the journal states them, in its order, and finds out whether they are
// what was stated and what was charged.
class SealAudit {
 public:
  explicit SealAudit(world::Disk& disk) : disk_(disk) {}
  // Takes every fact of the journal about usage. Errors: not_found, invalid (damaged, or another
  // than was stated), internal (its records come to something else than was stated, or, at the end
  // of a log, than was charged).
  Result<void> take(const metering::Event& event);
  std::uint64_t stretches() const { return stretches_; }

 private:
  struct PayerMeter {
    OrgId tenant, project;
    metering::Meter meter = metering::Meter::requests;
    friend auto operator<=>(const PayerMeter&, const PayerMeter&) = default;
  };
  using Quantities = std::map<PayerMeter, Wide>;
  struct Source {
    metering::Log log;    // folded from what is sealed
    Quantities sealed;    // by its settlements
    Quantities charged;   // by the postings of its records
  };
  Result<void> take(const metering::SealedSegment& stated);

  world::Disk& disk_;
  std::map<std::string, Source> sources_;  // by the stream's name, until their logs are closed
  std::uint64_t stretches_ = 0;
};

// Removes the segments and the intake that sealed stretches replace. Requires: the journal states
// them all. Errors: those of the disk; again, it goes on where it stopped.
Result<void> drop_raw_log(world::Disk& disk, const lease::EpochKey& key);

}  // namespace bessemer::daemon
