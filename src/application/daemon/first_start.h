// What a new factory begins with, and what every start tells it of this machine.
#pragma once
#include "application/daemon/home.h"
#include "application/engine/engine.h"
#include "compute/executor/local/inventory.h"

namespace bessemer::daemon {

// Administrator with the admin key, site "local", price book "standard": each only when missing.
Result<void> begin_factory(engine::Engine& engine, const Home& home, const world::Clock& clock,
                           world::Entropy& entropy);

// Registers this machine, or what has changed of it.
Result<void> register_machine(engine::Engine& engine, const Home& home,
                              const executor::Inventory& inventory, const world::Clock& clock,
                              world::Entropy& entropy);

}  // namespace bessemer::daemon
