// Usage logs as gateways ship them: stored, folded, and counted as facts.
#pragma once
#include <map>
#include <string>

#include "application/engine/engine.h"
#include "journal/usage_log.h"
#include "world/world.h"

namespace bessemer::daemon {

// Ranges are stored in `usage/intake/<gateway>-<epoch>` before they are counted, so that the fold
// can be made again after a restart: u32 length, then the batches as they came.
class UsageIntake {
 public:
  UsageIntake(engine::Engine& engine, world::Disk& disk, const world::Clock& clock)
      : engine_(engine), disk_(disk), clock_(clock) {}

  // Takes a range: checks its chain, stores, rates, charges. Returns the offset up to which the log
  // is counted now; a repeated range changes nothing. The caller acknowledges once `written` is
  // durable. Errors: invalid (a gap, damage), not_found (an epoch never opened), the disk's.
  Result<journal::Sequence> take(GatewayId gateway, std::uint64_t epoch, std::string_view batches,
                                 journal::Sequence& written);
  // A closed epoch's range is not needed any more.
  void forget(GatewayId gateway, std::uint64_t epoch);

 private:
  struct Intake {
    metering::Log log;   // folded up to `head`
    journal::Head head;
    std::unique_ptr<world::File> file;
    std::uint64_t end = 0;  // of the file
  };
  Result<Intake*> open(const lease::EpochKey& key, journal::Sequence reported);
  static Result<void> fold(Intake& intake, std::string_view batches, journal::Sequence counted,
                           metering::UsageSums& sums);

  engine::Engine& engine_;
  world::Disk& disk_;
  const world::Clock& clock_;
  std::map<lease::EpochKey, Intake> intakes_;
};

}  // namespace bessemer::daemon
