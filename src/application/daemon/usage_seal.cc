// Sealing: the usage log of a gateway's life that is over becomes columns.
#include "application/daemon/usage_seal.h"

#include <fmt/format.h>

#include <tuple>

#include "application/daemon/usage_ranges.h"
#include "base/codec.h"
#include "governance/metering/usage_columns.h"
#include "governance/metering/usage_log.h"
#include "journal/usage_log.h"

namespace bessemer::daemon {
namespace {

// About; a batch is never divided. So few that the sums of a stretch, by payer and meter, are well
// within metering::max_sealed_sums, whoever called.
constexpr std::size_t stretch_records = 16'384;

using metering::LogRecord;

// What the settlements of records come to.
struct Sums {
  std::uint64_t settled = 0;
  std::vector<metering::SealedSum> by_payer;  // ascending
  friend bool operator==(const Sums&, const Sums&) = default;
};

constexpr metering::Meter counted_meters[] = {
    metering::Meter::input_tokens, metering::Meter::cached_input_tokens,
    metering::Meter::output_tokens, metering::Meter::reasoning_tokens, metering::Meter::requests};

Result<Sums> fold_all(metering::Log& log, const std::vector<LogRecord>& records) {
  Sums sums;
  std::map<std::tuple<OrgId, OrgId, metering::Meter>, Wide> quantities;
  for (const LogRecord& record : records) {
    TRY_ASSIGN(const auto settlement, metering::fold(log, record));
    if (!settlement) continue;
    ++sums.settled;
    const metering::Payer& payer = log.terms.at(settlement->terms).payer;
    for (const auto meter : counted_meters) {
      if (const auto count = metering::count_of(settlement->counts, meter); count > 0) {
        quantities[{payer.tenant, payer.project, meter}] += static_cast<Wide>(count);
      }
    }
  }
  for (const auto& [of, quantity] : quantities) {
    const auto& [tenant, project, meter] = of;
    sums.by_payer.push_back({tenant, project, meter, quantity});
  }
  return sums;
}

std::string name_of(journal::Sequence first) { return fmt::format("{:020}.sealed", first); }

// Seals stretch after stretch as batches come.
class Sealer {
 public:
  Sealer(world::Disk& disk, const lease::EpochKey& key)
      : disk_(disk), key_(key), directory_(journal::usage_directory(key.first, key.second)) {}

  Result<void> take(const journal::Batch& batch) {
    if (records_.size() + batch.count > metering::max_packed_records) TRY(seal());
    journal::Record record;
    for (journal::Records each(batch.body); each.next(record);) {
      TRY_ASSIGN(records_.emplace_back(), codec::decode<LogRecord>(record.bytes));
    }
    head_ = batch.head();
    return records_.size() >= stretch_records ? seal() : Result<void>{};
  }
  Result<std::vector<metering::SealedSegment>> finish() {
    TRY(seal());
    if (!before_.closed) return invalid("the usage log is not closed");
    return std::move(made_);
  }

 private:
  // The stretch as it is on disk must fold to what the records fold to.
  Result<void> seal() {
    if (records_.empty()) return {};
    journal::SealedUsage sealed;
    sealed.last = head_.sequence;
    sealed.first = head_.sequence - records_.size() + 1;
    sealed.chain = head_.chain;
    sealed.columns = metering::pack_columns(records_);
    metering::Log log = before_;
    TRY_ASSIGN(const Sums sums, fold_all(log, records_));
    metering::SealedSegment stated{
        key_.first,   key_.second,  sealed.first, sealed.last, name_of(sealed.first), {},
        sums.settled, sums.by_payer};
    sealed.sums = codec::encode(stated);  // without the digest, which is this file's
    TRY_ASSIGN(stated.sha256, journal::seal_usage(disk_, directory_, sealed));
    TRY_ASSIGN(const auto there, journal::read_sealed_usage(disk_, directory_, sealed.first,
                                                            stated.sha256));
    TRY_ASSIGN(const auto again, metering::unpack_columns(there.columns));
    metering::Log log_again = std::move(before_);
    TRY_ASSIGN(const Sums sums_again, fold_all(log_again, again));
    if (again != records_ || !(sums_again == sums) || !(log_again == log)) {
      return internal(directory_ + ": a sealed stretch does not hold what was counted")
          .because("usage_corrupt");
    }
    before_ = std::move(log);
    made_.push_back(std::move(stated));
    records_.clear();
    return {};
  }

  world::Disk& disk_;
  lease::EpochKey key_;
  std::string directory_;
  metering::Log before_;  // folded up to the stretch under way
  std::vector<LogRecord> records_;
  journal::Head head_;
  std::vector<metering::SealedSegment> made_;
};

bool is_raw(std::string_view name) {
  return name.ends_with(".seg") || name.ends_with(".seg.zst") || name == "spare";
}

}  // namespace

Result<std::vector<metering::SealedSegment>> seal_log(world::Disk& disk,
                                                      const lease::EpochKey& key) {
  TRY_ASSIGN(const auto file, disk.open(intake_path(key), world::OpenMode::read));
  Sealer sealer(disk, key);
  RangeReader ranges(*file);
  journal::Head head;
  while (true) {
    TRY_ASSIGN(const auto batches, ranges.next());
    if (!batches) return sealer.finish();  // what was stored in part was never counted
    const auto walked = journal::walk_range(
        *batches, head, [&](const journal::Batch& batch) { return sealer.take(batch); });
    TRY_ASSIGN(head, walked);
  }
}

Result<void> SealAudit::take(const metering::Event& event) {
  if (const auto* recorded = std::get_if<metering::UsageRecorded>(&event)) {
    if (!recorded->stream.starts_with("gateway/")) return {};
    Quantities& charged = sources_[recorded->stream].charged;
    for (const metering::Posting& posting : recorded->postings) {
      charged[{posting.line.tenant, posting.line.project, posting.line.meter}] += posting.quantity;
    }
  } else if (const auto* sealed = std::get_if<metering::UsageSegmentSealed>(&event)) {
    auto sound = take(sealed->segment);
    if (sound) return {};
    return std::move(sound).error().during(
        "reading " + journal::usage_directory(sealed->segment.gateway, sealed->segment.epoch) +
        "/" + sealed->segment.name);
  }
  return {};
}

Result<void> SealAudit::take(const metering::SealedSegment& stated) {
  const std::string stream = metering::stream_of(stated.gateway, stated.epoch);
  Source& source = sources_[stream];
  TRY_ASSIGN(const auto there,
             journal::read_sealed_usage(
                 disk_, journal::usage_directory(stated.gateway, stated.epoch), stated.first,
                 stated.sha256));
  TRY_ASSIGN(const auto records, metering::unpack_columns(there.columns));
  TRY_ASSIGN(const Sums sums, fold_all(source.log, records));
  const bool same = there.first == stated.first && there.last == stated.last &&
                    records.size() == stated.last - stated.first + 1 &&
                    sums.settled == stated.settled && sums.by_payer == stated.sums;
  if (!same) return internal("its records come to something else than the journal states");
  for (const auto& one : sums.by_payer) {
    source.sealed[{one.tenant, one.project, one.meter}] += one.quantity;
  }
  ++stretches_;
  if (!source.log.closed) return {};
  if (source.sealed != source.charged) {
    return internal("the log comes to something else than was charged for it");
  }
  sources_.erase(stream);
  return {};
}

Result<void> drop_raw_log(world::Disk& disk, const lease::EpochKey& key) {
  const std::string directory = journal::usage_directory(key.first, key.second);
  TRY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    if (is_raw(name)) TRY(disk.remove(directory + "/" + name));
  }
  TRY(disk.sync_directory(directory));
  // The intake goes last: as long as it is there, sealing is not over.
  if (!disk.exists(intake_path(key))) return {};
  TRY(disk.remove(intake_path(key)));
  return disk.sync_directory(intake_folder);
}

}  // namespace bessemer::daemon
