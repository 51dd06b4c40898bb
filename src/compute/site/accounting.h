// Where the time of a pool went: each moment of its capacity in exactly one class.
#pragma once
#include <string_view>

#include "base/wide.h"
#include "compute/site/site.h"

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
  friend bool operator==(const Classes&, const Classes&) = default;
};
DESCRIBE(Classes, down, foreign, allocated, reserved, cordoned, free, capacity)

struct TimeUse {
  Classes gpu;  // milli-GPU nanoseconds
  Classes cpu;  // milli-CPU nanoseconds
  friend bool operator==(const TimeUse&, const TimeUse&) = default;
};
DESCRIBE(TimeUse, gpu, cpu)

// What a caller knows beside the node's own past: other people's work, reservations.
enum class Claim : std::uint8_t { foreign, reserved };
struct ClaimSpan {
  Claim claim = Claim::foreign;
  NodeId node;
  Instant from, to;
  std::uint64_t gpu_milli = 0;
  std::uint64_t cpu_millis = 0;
};

// Accounts [from, to) of every node of `pool`; live allocations count up to `to`. Where claims
// exceed a node's capacity the higher class takes precedence and the lower one is cut.
// Requires: from <= to. Exact as far back as kept_past.
TimeUse account(const State& state, std::string_view pool, Instant from, Instant to,
                const std::vector<ClaimSpan>& claims = {});

}  // namespace bessemer::site
