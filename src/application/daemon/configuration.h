// What gateways must know of the factory, taken from its state.
#pragma once
#include <string>

#include "application/control/configuration.h"
#include "application/factory/factory.h"
#include "compute/executor/local/local.h"

namespace bessemer::daemon {

// Complete, with version 0: whoever sends it numbers it.
control::Configuration configuration_of(const factory::State& state,
                                        const executor::LocalExecutor& executor, Instant now);

// True when a fact of this kind can change the configuration.
bool concerns_gateways(const factory::Event& event);

}  // namespace bessemer::daemon
