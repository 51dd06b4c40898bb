// The machine's clocks.
#pragma once
#include "world/world.h"

namespace bessemer::real {

// CLOCK_REALTIME and CLOCK_BOOTTIME.
class RealClock final : public world::Clock {
 public:
  Instant now() const override;
  Duration since_boot() const override;
};

}  // namespace bessemer::real
