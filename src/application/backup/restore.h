// A factory from its backup: a new life of the same facts.
#pragma once
#include <string>

#include "application/backup/backup.h"

namespace bessemer::backup {

enum class Depth : std::uint8_t {
  digests,     // every file is what the list says, and the journal's chain holds
  everything,  // and what verify_home checks
};

struct Restoring {
  std::string place;  // of the backup
  std::string home;   // the state directory to be made
  Instant now;
  std::array<std::uint8_t, 16> mark{};  // random; see engine::Options
  Depth depth = Depth::digests;
  Progress progress;
};

struct Restored {
  Contents contents;
  std::uint32_t floor = 0;  // generations and epochs of the new life lie above it
  std::uint64_t artifacts = 0;  // verified, with Depth::everything
};

// Makes the state directory whole under another name and renames it at the end, so that a daemon
// never finds half of one. The new life's first fact fences every generation and gateway epoch of
// the old; the daemon's first start reconciles what was running before it serves.
// Errors: conflict (the directory is not empty or lies inside a factory; the clock is before 2026),
// not_found, invalid "backup_damaged" or "backup_newer", internal (a check failed), those of the
// disk. Nothing is left behind.
Result<Restored> restore(const Restoring& options);

// What a state directory at rest must be: the chain holds, the newest snapshot's state is what
// replaying every fact gives, the ledger balances, leases and budgets agree, secrets are there, and
// each artifact's bytes have its digest. Returns how many artifacts. Errors: internal, naming what.
Result<std::uint64_t> verify_home(world::Disk& home, const Progress& progress);

}  // namespace bessemer::backup
