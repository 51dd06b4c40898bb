// Sealing: the usage log of a gateway's life that is over becomes columns.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "governance/lease/lease.h"
#include "governance/metering/metering.h"
#include "world/world.h"

namespace bessemer::daemon {

// Where the daemon keeps a log as it was shipped: u32 length, then the batches as they came, again
// and again.
std::string intake_path(const lease::EpochKey& key);
constexpr std::size_t max_shipped_range = 4u << 20;

// One sealed stretch of a log, and what its settlements come to.
struct Stretch {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t first = 0, last = 0;  // records
  std::uint64_t settled = 0;
  std::map<metering::Meter, Wide> quantities;
  Digest digest;                      // SHA-256 of its file
};
DESCRIBE(Stretch, gateway, epoch, first, last, settled, quantities, digest)

// Writes a whole closed log, as the intake holds it, as sealed stretches beside its segments; each
// is read back and must hold the same records and settlements. Again, it gives the same and writes
// nothing. What it returns is for the journal to state.
// Errors: not_found (no intake), invalid (damaged, not closed), internal (what was read back is
// something else), the disk's.
Result<std::vector<Stretch>> seal_log(world::Disk& disk, const lease::EpochKey& key);

// What the journal says of a stretch: "<gateway>/<epoch> <first>-<last> <SHA-256>".
std::string target_of(const Stretch& stretch);
constexpr std::string_view sealed_resource = "usage_log", sealed_action = "seal";
// The stretch as it is on disk is the one that the journal states. Errors: not_found, invalid
// (damaged, or another than was stated).
Result<void> verify_sealed(world::Disk& disk, std::string_view target);

// Removes the segments and the intake that sealed stretches replace. Requires: the journal states
// them all. Errors: those of the disk; again, it goes on where it stopped.
Result<void> drop_raw_log(world::Disk& disk, const lease::EpochKey& key);

// The logs that an intake holds. Errors: those of the disk.
Result<std::vector<lease::EpochKey>> stored_logs(const world::Disk& disk);

}  // namespace bessemer::daemon
