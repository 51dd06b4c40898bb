// What opening a journal does before anything is appended.
#pragma once
#include "journal/file_journal.h"
#include "journal/writer.h"

namespace bessemer::journal {

// Replays, cuts off a torn last batch, and puts the valid tail into a fresh, synced file.
// Errors: as open_journal.
Result<Tail> recover(world::Disk& disk, const Options& options, const Replay& replay);

}  // namespace bessemer::journal
