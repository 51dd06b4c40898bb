// The gateways' usage logs as people can read them.
#pragma once
#include "base/result.h"
#include "world/world.h"

namespace bessemer::daemon {

// Prints every durable record of every usage log of a state directory, sealed ones too, one a
// line: {"gateway":..,"epoch":..,"sequence":..,"record":{"hold_settled":{..}}}. Only reads: beside
// living gateways too. Errors: those of the logs, naming the file.
Result<void> print_usage(world::Disk& disk);

}  // namespace bessemer::daemon
