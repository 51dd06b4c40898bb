// The files of a gateway's usage log: one directory per gateway process, one living writer.
//
// The log of (gateway, epoch) is a journal in `usage/<gateway>/<epoch>/`: same framing, same chain,
// same recovery, sequences from 1. What its records mean is governance/metering's business.
// A record's sequence is the offset by which ranges are shipped and acknowledged.
#pragma once
#include <memory>
#include <string>

#include "base/id.h"
#include "journal/file_journal.h"
#include "journal/journal.h"
#include "world/world.h"

namespace bessemer::journal {

constexpr std::uint64_t usage_segment_bytes = 8u << 20;

// Where the log of one gateway process lies: "usage/gw_01J.../0000000007".
std::string usage_directory(GatewayId gateway, std::uint64_t epoch);

// A log and the lock that proves its holder the only one alive.
struct UsageLog {
  std::unique_ptr<world::Lock> lock;
  std::unique_ptr<Journal> journal;
  Mark mark{};
};

// Begins the log of a new epoch. Errors: conflict (the epoch has a log already), exhausted.
Result<UsageLog> begin_usage_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch,
                                 const Mark& mark,
                                 std::uint64_t segment_bytes = usage_segment_bytes);

// Opens a dead process's log to resolve what it left open: cuts the torn tail, replays every batch
// whose segment was not dropped after sealing.
// Errors: not_found, conflict (its holder is alive), and those of open_journal.
Result<UsageLog> recover_usage_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch,
                                   const Replay& replay,
                                   std::uint64_t segment_bytes = usage_segment_bytes);

// The epochs of a gateway that have a directory, rising; none is fine.
Result<std::vector<std::uint64_t>> list_usage_epochs(const world::Disk& disk, GatewayId gateway);
// The gateways that have a directory. Errors: invalid (a name that is no gateway's).
Result<std::vector<GatewayId>> list_usage_gateways(const world::Disk& disk);

// ---- shipping: whole batches as they stand on disk, behind the log's mark

// Takes what is durable off a log, from one record on, for the daemon. After a lost connection
// make a new one from the last acknowledged record + 1.
class Shipper {
 public:
  // Errors: as Journal::read. `journal` must outlive it.
  static Result<Shipper> from(const UsageLog& log, Sequence from);
  // Whole batches, about `limit` bytes but at least one; empty when nothing more is durable yet.
  Result<std::string> take(std::size_t limit);

 private:
  Shipper(const Mark& mark, std::unique_ptr<Cursor> cursor)
      : mark_(mark), cursor_(std::move(cursor)) {}
  Mark mark_;
  std::unique_ptr<Cursor> cursor_;
};

// Checks a shipped range and walks its batches. `after` is where the receiver stands; batches must
// go on from there without a gap; those that lie wholly before it are passed over.
// Returns where it stands now. Errors: invalid (damaged, a gap, another log), and visit's.
Result<Head> walk_range(std::string_view range, const Head& after, const Replay& visit);

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
// Removes the segments whose records are all sealed; the one that is written to stays.
// Requires: the journal states the sealed stretches' digests, and nothing in them is still open.
Result<void> drop_sealed_segments(world::Disk& disk, std::string_view directory);
// The first sequences of the sealed stretches there, rising.
Result<std::vector<Sequence>> list_sealed_usage(const world::Disk& disk,
                                                std::string_view directory);

}  // namespace bessemer::journal
