// Seals the logs of gateways' lives that are over, and states each stretch in the journal.
#pragma once
#include "application/daemon/usage_seal.h"
#include "application/daemon/worker.h"
#include "application/engine/engine.h"
#include "world/world.h"

namespace bessemer::daemon {

// Each step may be the last before a crash: the columns are written whole or not at all, the
// journal states them (metering::UsageSegmentSealed), and only when that is durable the raw log
// goes, its intake last. The next start goes on with every intake whose
// epoch is over.
class UsageSealer {
 public:
  UsageSealer(engine::Engine& engine, world::Disk& disk, const world::Clock& clock,
              real::Loop& loop)
      : engine_(engine), disk_(disk), clock_(clock), loop_(loop), worker_(loop) {}

  // What a former daemon left. Call it once.
  void seal_what_is_left();
  // An epoch is closed.
  void seal(const lease::EpochKey& key);

 private:
  void state(const lease::EpochKey& key, const std::vector<metering::SealedSegment>& stretches);
  // Removes the raw log, once nobody else holds the bytes.
  void drop(const lease::EpochKey& key);

  engine::Engine& engine_;
  world::Disk& disk_;
  const world::Clock& clock_;
  real::Loop& loop_;
  Worker worker_;  // last: it ends first
};

}  // namespace bessemer::daemon
