// Who reads all stored bytes and who removes some keep out of each other's way.
#pragma once
#include <memory>

#include "world/world.h"

namespace bessemer::engine {

// While somebody holds this, no stored bytes are removed: a backup while it reads, the collector
// while it removes. `home` is the state directory. Errors: conflict (the other one holds it).
Result<std::unique_ptr<world::Lock>> hold_bytes(world::Disk& home);

}  // namespace bessemer::engine
