// Folding facts into state: what recovery, snapshots and backups have in common.
#pragma once
#include "application/engine/engine.h"

namespace bessemer::engine {

// Applies every fact of a batch that lies after `applied`, and moves it. Errors: as decode_fact;
// internal "journal_corrupt" when the batch leaves a gap.
Result<void> replay(const journal::Batch& batch, factory::State& state, Sequence& applied);

// The newest readable snapshot's state and place; an empty state and 0 when there is none.
Result<journal::Head> load_state(world::Disk& disk, const Options& options, factory::State& state);

}  // namespace bessemer::engine
