// What must be true of every factory at every moment, and at its rest.
#pragma once
#include <string>
#include <vector>

#include "sim/daemon.h"
#include "sim/gateway.h"

namespace bessemer::sim {

// Each gives the first thing that is wrong; empty: nothing.

// At any moment: books balance, counters agree with what they count, nothing is allocated twice,
// and no wallet is spent beyond what it has.
std::string judge_state(const factory::State& state, Instant now);
// Once everything has ended: no hold, lease, interval or allocation is left.
std::string judge_rest(const factory::State& state);
// The state that recovery gave is the fold of every fact from the first.
std::string judge_replay(simulated::SimulatedDisk& disk, const factory::State& state,
                         engine::Sequence applied);
// What clients were answered is settled once, by what they got; every hold of every log is
// resolved; and the factory has counted exactly what the logs settle.
std::string judge_gateways(const std::vector<std::unique_ptr<SimulatedGateway>>& gateways,
                           const factory::State& state, const std::vector<RequestKind>& kinds);

}  // namespace bessemer::sim
