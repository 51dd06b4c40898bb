// Sealing: the usage log of a gateway's life that is over becomes columns.
#include "application/daemon/usage_seal.h"

#include <fmt/format.h>

#include <cstring>

#include "base/codec.h"
#include "base/text.h"
#include "governance/metering/usage_columns.h"
#include "governance/metering/usage_log.h"
#include "journal/usage_log.h"

namespace bessemer::daemon {
namespace {

constexpr std::string_view folder = "usage/intake";
constexpr std::size_t length_bytes = 4;
constexpr std::size_t stretch_records = 65'536;  // about; a batch is never divided

using metering::LogRecord;

// What the settlements of records come to.
struct Sums {
  std::uint64_t settled = 0;
  std::map<metering::Meter, Wide> quantities;
  friend bool operator==(const Sums&, const Sums&) = default;
};

constexpr metering::Meter counted_meters[] = {
    metering::Meter::input_tokens, metering::Meter::cached_input_tokens,
    metering::Meter::output_tokens, metering::Meter::reasoning_tokens, metering::Meter::requests};

Result<Sums> fold_all(metering::Log& log, const std::vector<LogRecord>& records) {
  Sums sums;
  for (const LogRecord& record : records) {
    TRY_ASSIGN(const auto settlement, metering::fold(log, record));
    if (!settlement) continue;
    ++sums.settled;
    for (const auto meter : counted_meters) {
      if (const auto count = metering::count_of(settlement->counts, meter); count > 0) {
        sums.quantities[meter] += static_cast<Wide>(count);
      }
    }
  }
  return sums;
}

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
  Result<std::vector<Stretch>> finish() {
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
    Stretch stated{key_.first,   key_.second,     sealed.first, sealed.last,
                   sums.settled, sums.quantities, {}};
    sealed.sums = codec::encode(stated);  // without the digest, which is this file's
    TRY_ASSIGN(stated.digest, journal::seal_usage(disk_, directory_, sealed));
    TRY_ASSIGN(const auto there, journal::read_sealed_usage(disk_, directory_, sealed.first,
                                                            stated.digest));
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
  std::vector<Stretch> made_;
};

bool is_raw(std::string_view name) {
  return name.ends_with(".seg") || name.ends_with(".seg.zst") || name == "spare";
}

}  // namespace

std::string intake_path(const lease::EpochKey& key) {
  return std::string(folder) + "/" + to_text(key.first) + "-" + std::to_string(key.second);
}

Result<std::vector<Stretch>> seal_log(world::Disk& disk, const lease::EpochKey& key) {
  TRY_ASSIGN(const auto file, disk.open(intake_path(key), world::OpenMode::read));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  Sealer sealer(disk, key);
  journal::Head head;
  std::uint64_t at = 0;
  while (at + length_bytes <= size) {
    char bytes[length_bytes];
    TRY(file->read_at(at, bytes));
    std::uint32_t length = 0;
    std::memcpy(&length, bytes, length_bytes);
    if (length > max_shipped_range || at + length_bytes + length > size) break;  // never counted
    std::string batches(length, '\0');
    TRY(file->read_at(at + length_bytes, batches));
    const auto walked = journal::walk_range(
        batches, head, [&](const journal::Batch& batch) { return sealer.take(batch); });
    TRY_ASSIGN(head, walked);
    at += length_bytes + length;
  }
  return sealer.finish();
}

std::string target_of(const Stretch& stretch) {
  return fmt::format("{}/{} {}-{} {}", to_text(stretch.gateway), stretch.epoch, stretch.first,
                     stretch.last, to_text(stretch.digest));
}

Result<void> verify_sealed(world::Disk& disk, std::string_view target) {
  const auto words = split(target, ' ');
  if (words.size() != 3) return invalid("is no sealed stretch: " + std::string(target));
  const auto log = split(words[0], '/');
  const auto range = split(words[1], '-');
  const auto gateway = from_text(std::type_identity<GatewayId>{}, log.front());
  const auto epoch = parse_unsigned(log.back());
  const auto first = parse_unsigned(range.front());
  const auto digest = from_text(std::type_identity<Digest>{}, words[2]);
  if (!gateway || !epoch || !first || !digest) {
    return invalid("is no sealed stretch: " + std::string(target));
  }
  TRY_ASSIGN(const auto sealed,
             journal::read_sealed_usage(disk, journal::usage_directory(*gateway, *epoch), *first,
                                        *digest));
  TRY(metering::unpack_columns(sealed.columns));
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
  return disk.sync_directory(folder);
}

Result<std::vector<lease::EpochKey>> stored_logs(const world::Disk& disk) {
  std::vector<lease::EpochKey> found;
  if (!disk.exists(folder)) return found;
  TRY_ASSIGN(const auto names, disk.list(folder));
  for (const auto& name : names) {
    const auto dash = name.rfind('-');
    const auto gateway =
        from_text(std::type_identity<GatewayId>{}, std::string_view(name).substr(0, dash));
    const auto epoch = dash == std::string::npos
                           ? std::nullopt
                           : parse_unsigned(std::string_view(name).substr(dash + 1));
    if (gateway && epoch) found.push_back({*gateway, *epoch});
  }
  return found;
}

}  // namespace bessemer::daemon
