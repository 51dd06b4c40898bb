// Garbage collection of artifacts: what no project refers to goes, and then its bytes.
#pragma once
#include "application/api/services.h"
#include "application/engine/engine.h"

namespace bessemer::daemon {

// What is published and then referred to by nothing for so long is given up; an upload that nobody
// went on with for so long too.
constexpr Duration artifact_grace = hours(24);
constexpr std::size_t collected_at_once = 1'000;  // artifacts of one round

// One round: facts first, bytes after they are durable, unless a backup reads. Loop's thread.
void collect_garbage(engine::Engine& engine, api::StoreQueue& store, world::Disk& home,
                     const world::Clock& clock);

}  // namespace bessemer::daemon
