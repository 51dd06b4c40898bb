// The machine's clocks, by clock_gettime.
#include "world/real/clock.h"

#include <time.h>

#include "base/check.h"

namespace bessemer::real {

namespace {
std::int64_t read_clock(clockid_t which) {
  timespec at{};
  check(::clock_gettime(which, &at) == 0, "the machine has no such clock");
  return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}
}  // namespace

Instant RealClock::now() const { return {read_clock(CLOCK_REALTIME)}; }
Duration RealClock::since_boot() const { return {read_clock(CLOCK_BOOTTIME)}; }

}  // namespace bessemer::real
