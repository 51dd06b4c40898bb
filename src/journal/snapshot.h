// Snapshot files: the state at one sequence, so that a restart need not replay from zero.
#pragma once
#include <optional>
#include <string>

#include "journal/journal.h"
#include "world/world.h"

namespace bessemer::journal {

struct Snapshot {
  Head at;         // a batch's end
  Digest schema;   // digest of the description of the state's types: another one cannot be read
  std::string bytes;
};

// A snapshot's file: its name in the directory, and its bytes.
std::string snapshot_name(Sequence at);
std::string encode(const Snapshot& snapshot);

// Writes `<directory>/<sequence>.snap` so that a crash leaves the whole file or none.
Result<void> save_snapshot(world::Disk& disk, std::string_view directory, const Snapshot& snapshot);

// The newest whole snapshot with this schema; a damaged one, one of another schema or of a newer
// format is passed over for an older. Nothing when there is none. Errors: those of the disk.
Result<std::optional<Snapshot>> load_snapshot(world::Disk& disk, std::string_view directory,
                                              const Digest& schema);

// Reads one file. Errors: not_found, invalid "snapshot_corrupt" or "snapshot_newer".
Result<Snapshot> read_snapshot(world::Disk& disk, std::string_view directory, Sequence at);

// The sequences of the snapshots there, rising.
Result<std::vector<Sequence>> list_snapshots(const world::Disk& disk, std::string_view directory);

// Removes all but the newest `keep`, and what a crash left unfinished. Requires: keep > 0, and that
// nobody else writes snapshots here.
Result<void> prune_snapshots(world::Disk& disk, std::string_view directory, std::size_t keep);

}  // namespace bessemer::journal
