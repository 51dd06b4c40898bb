// One history: a factory, its machines, gateways and weather, all from one seed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/random.h"
#include "sim/daemon.h"
#include "sim/gateway.h"

namespace bessemer::sim {

struct Outcome {
  std::string fault;  // empty: every judge is content
  Digest digest;      // of everything that was decided: the same with every compiler
  Tally tally;
};

// Runs `steps` steps of weather and work, then lets everything come to rest, judging all along.
Outcome run_history(std::uint64_t seed, std::uint64_t steps);

}  // namespace bessemer::sim
