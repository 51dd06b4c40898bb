// The journal in files: opening one, which recovers it, and appending to it.
#pragma once
#include <array>
#include <functional>
#include <string>

#include "journal/journal.h"
#include "world/world.h"

namespace bessemer::journal {

using Mark = std::array<std::uint8_t, 16>;

constexpr std::uint64_t min_segment_bytes = 1024;

struct Options {
  std::string directory = "journal";  // below the disk's root
  std::uint64_t segment_bytes = 8u << 20;  // also bounds a group; at least min_segment_bytes
  // 16 random bytes that mark a new journal: no batch can be mistaken for one of another journal,
  // nor bytes inside a record for a batch. Drawn by the shell; ignored when the journal exists.
  Mark mark{};
  // The state up to here is already known (a snapshot); replay starts after it. Its chain is
  // compared with the journal's. Zero: from the beginning.
  Head known;
  bool compress = true;  // maintain() compresses sealed segments
};

// Called for each batch after `known`, in order; an error stops the opening and is returned.
using Replay = std::function<Result<void>(const Batch&)>;

// Opens the journal below `disk`, making it when there is none. Replays what is there, cuts off a
// torn last batch, copies the valid tail to a fresh file and syncs it, all before it returns.
// The caller holds the lock of the state directory. `disk` must outlive the journal.
// Errors: internal "journal_corrupt" (names segment and offset; nothing was changed), invalid
// "journal_newer", exhausted, and the replay's own.
Result<std::unique_ptr<Journal>> open_journal(world::Disk& disk, const Options& options,
                                              const Replay& replay);

// How far a reader goes who is not the journal's owner.
enum class Extent : std::uint8_t {
  whole,    // to the last whole batch: nobody writes now (journal cat, audit)
  certain,  // without the very last one, which its writer may not have synced yet: a snapshot or
            // backup beside a living daemon must not hold what a power failure can still take
};

// Reads the files of a journal: batches from the one that holds `from`. Errors: not_found, and as
// Cursor::next.
Result<std::unique_ptr<Cursor>> read_journal(world::Disk& disk, std::string_view directory,
                                             Sequence from, Extent extent = Extent::whole);

// The chain from the first batch to the last, compressed segments included.
struct Audit {
  std::uint64_t batches = 0;
  Head head;           // its sequence is also the number of records
  std::string fault;   // empty: the chain holds; else what is wrong, with segment and offset
};
// Errors: those of the disk only; a broken chain is a finding.
Result<Audit> audit_journal(world::Disk& disk, std::string_view directory);

}  // namespace bessemer::journal
