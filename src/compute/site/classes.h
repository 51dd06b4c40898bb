// The classes that a pool's time falls into.
#pragma once
#include "base/describe.h"
#include "base/wide.h"

namespace bessemer::site {

// Capacity x time of one kind of resource (milli-GPU or milli-CPU, times nanoseconds), by class in
// falling precedence. Their sum is `capacity`, exactly.
struct Classes {
  Wide down = 0;
  Wide foreign = 0;     // work on a shared site that we did not start
  Wide allocated = 0;
  Wide reserved = 0;    // set aside and not used
  Wide cordoned = 0;    // idle on a node that takes no new work
  Wide free = 0;
  Wide capacity = 0;
  Classes& operator+=(const Classes& more);
  friend bool operator==(const Classes&, const Classes&) = default;
};
DESCRIBE(Classes, down, foreign, allocated, reserved, cordoned, free, capacity)

struct TimeUse {
  Classes gpu;  // milli-GPU nanoseconds
  Classes cpu;  // milli-CPU nanoseconds
  TimeUse& operator+=(const TimeUse& more);
  friend bool operator==(const TimeUse&, const TimeUse&) = default;
};
DESCRIBE(TimeUse, gpu, cpu)

}  // namespace bessemer::site
