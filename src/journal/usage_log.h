// The files of a gateway's usage log: one directory per gateway process, one living writer.
//
// The log of (gateway, epoch) is a journal in `usage/<gateway>/<epoch>/`: same framing, same chain,
// same recovery, sequences from 1. What its records mean is governance/metering's business.
// A record's sequence is the offset by which ranges are shipped and acknowledged.
#pragma once
#include <array>
#include <memory>
#include <string>

#include "base/id.h"
#include "journal/file_journal.h"
#include "journal/journal.h"
#include "world/world.h"

namespace bessemer::journal {

// Where the log of one gateway process lies: "usage/gw_01J.../0000000007".
std::string usage_directory(GatewayId gateway, std::uint64_t epoch);

// A log and the lock that proves its holder the only one alive.
struct UsageLog {
  std::unique_ptr<world::Lock> lock;
  std::unique_ptr<Journal> journal;
};

// Begins the log of a new epoch. Errors: conflict (the epoch has a log already), exhausted.
Result<UsageLog> begin_usage_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch,
                                 const std::array<std::uint8_t, 16>& mark);

// Opens a dead process's log to resolve what it left open: cuts the torn tail, replays every batch.
// Errors: not_found, conflict (its holder is alive), and those of open_journal.
Result<UsageLog> recover_usage_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch,
                                   const Replay& replay);

// The epochs of a gateway that have a directory, rising; none is fine.
Result<std::vector<std::uint64_t>> list_usage_epochs(const world::Disk& disk, GatewayId gateway);
// The gateways that have a directory. Errors: invalid (a name that is no gateway's).
Result<std::vector<GatewayId>> list_usage_gateways(const world::Disk& disk);

// ---- shipping: whole batches as they stand on disk

// Raw batches from the one that holds `from`, whole ones, up to `limit` bytes but at least one.
// Empty when `from` is beyond the last durable record.
Result<std::string> take_range(const Journal& journal, Sequence from, std::size_t limit);

// Checks shipped batches and walks them. `after` is where the receiver stands; batches must go on
// from there without a gap; one that lies wholly before it is passed over. Errors: invalid.
Result<Head> walk_range(std::string_view raw, const Head& after, const Replay& visit);

// ---- sealing: rows become columns once nobody waits for them

// A sealed stretch of a log. `columns` and `sums` are the caller's encodings.
struct SealedUsage {
  Sequence first = 0;
  Sequence last = 0;
  Digest chain;         // of the batch that ends with `last`
  std::string sums;     // what the journal's fact states about it
  std::string columns;  // the records, columnar
};
// Writes `<first>.sealed`, whole or not at all, and gives its SHA-256: what the journal's
// usage_segment_sealed states. Errors: conflict (other content under that name), exhausted.
Result<Digest> seal_usage(world::Disk& disk, std::string_view directory, const SealedUsage& sealed);
// Errors: not_found, invalid (damaged, or not the digest that is expected; none: any).
Result<SealedUsage> read_sealed_usage(world::Disk& disk, std::string_view directory, Sequence first,
                                      const Digest& expected);
// The first sequences of the sealed stretches there, rising.
Result<std::vector<Sequence>> list_sealed_usage(const world::Disk& disk,
                                                std::string_view directory);

}  // namespace bessemer::journal
