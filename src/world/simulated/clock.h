// A clock that stands until it is moved.
#pragma once
#include "base/check.h"
#include "world/world.h"

namespace bessemer::simulated {

// Wall-clock time and time since boot, moved by the simulator alone.
class SimulatedClock final : public world::Clock {
 public:
  // 2026-01-01T00:00:00Z, ten seconds after boot.
  SimulatedClock() = default;
  explicit SimulatedClock(Instant now) : now_(now) {}

  Instant now() const override { return now_; }
  Duration since_boot() const override { return since_boot_; }

  // Requires: by >= 0.
  void advance(Duration by) {
    check(by.ns >= 0, "time since boot never falls");
    now_ = now_ + by;
    since_boot_ = since_boot_ + by;
  }
  // Somebody sets the wall clock, forwards or backwards; time since boot goes on.
  void step(Duration by) { now_ = now_ + by; }
  // The machine boots again.
  void boot() { since_boot_ = seconds(10); }

 private:
  Instant now_{1'767'225'600'000'000'000};
  Duration since_boot_ = seconds(10);
};

}  // namespace bessemer::simulated
