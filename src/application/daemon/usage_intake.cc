// Usage logs as gateways ship them.
#include "application/daemon/usage_intake.h"

#include <cstring>

#include "base/codec.h"

namespace bessemer::daemon {
namespace {

constexpr std::string_view folder = "usage/intake";
constexpr std::size_t max_range = 4u << 20;

std::string file_of(const lease::EpochKey& key) {
  return std::string(folder) + "/" + to_text(key.first) + "-" + std::to_string(key.second);
}

}  // namespace

Result<void> UsageIntake::fold(Intake& intake, std::string_view batches,
                               journal::Sequence counted, metering::UsageSums& sums) {
  const auto visit = [&](const journal::Batch& batch) -> Result<void> {
    journal::Record record;
    journal::Sequence at = batch.first;
    for (journal::Records each(batch.body); each.next(record); ++at) {
      TRY_ASSIGN(const auto decoded, codec::decode<metering::LogRecord>(record.bytes));
      TRY_ASSIGN(const auto settlement, metering::fold(intake.log, decoded));
      if (settlement && at > counted) sums.add(*settlement);
    }
    return {};
  };
  TRY_ASSIGN(intake.head, journal::walk_range(batches, intake.head, visit));
  return {};
}

// Folds what was stored up to what was counted; what was stored and never counted comes again.
Result<UsageIntake::Intake*> UsageIntake::open(const lease::EpochKey& key,
                                               journal::Sequence reported) {
  const auto [at, fresh] = intakes_.try_emplace(key);
  Intake& intake = at->second;
  if (!fresh) return &intake;
  const std::string path = file_of(key);
  const auto opened = [&]() -> Result<void> {
    TRY(disk_.make_directories(folder));
    TRY_ASSIGN(intake.file,
               disk_.open(path, disk_.exists(path) ? world::OpenMode::read_write
                                                   : world::OpenMode::create));
    TRY_ASSIGN(const std::uint64_t size, intake.file->size());
    metering::UsageSums ignored;
    while (intake.end + 4 <= size) {
      char head[4];
      TRY(intake.file->read_at(intake.end, head));
      std::uint32_t length = 0;
      std::memcpy(&length, head, 4);
      if (length > max_range || intake.end + 4 + length > size) break;  // torn: it comes again
      std::string batches(length, '\0');
      TRY(intake.file->read_at(intake.end + 4, batches));
      const metering::Log log = intake.log;
      const journal::Head before = intake.head;
      const auto folded = fold(intake, batches, ~journal::Sequence{0}, ignored);
      if (!folded || intake.head.sequence > reported) {
        intake.log = log;
        intake.head = before;
        break;
      }
      intake.end += 4 + length;
    }
    return {};
  }();
  if (!opened) {
    intakes_.erase(at);
    return opened.error();
  }
  return &intake;
}

Result<journal::Sequence> UsageIntake::take(GatewayId gateway, std::uint64_t epoch,
                                            std::string_view batches, journal::Sequence& written) {
  const lease::EpochKey key{gateway, epoch};
  const auto known = engine_.state().lease.epochs.find(key);
  if (known == engine_.state().lease.epochs.end()) return not_found("no such epoch was opened");
  const journal::Sequence reported = known->second.reported;
  TRY_ASSIGN(Intake* const intake, open(key, reported));
  const metering::Log log = intake->log;
  const journal::Head before = intake->head;
  metering::UsageSums sums;
  const auto counted = [&]() -> Result<void> {
    TRY(fold(*intake, batches, reported, sums));
    if (intake->head.sequence <= reported) return {};
    std::string framed(4, '\0');
    const auto length = static_cast<std::uint32_t>(batches.size());
    std::memcpy(framed.data(), &length, 4);
    framed += batches;
    TRY(intake->file->write_at(intake->end, framed));
    TRY(intake->file->sync());
    factory::ReportUsage report;
    report.gateway = gateway;
    report.epoch = epoch;
    report.offset = intake->head.sequence;
    report.log = &intake->log;
    report.sums = &sums;
    Context context;
    context.now = context.occurred_at = clock_.now();
    context.origin = Origin::observed;
    TRY_ASSIGN(const auto done, engine_.submit(factory::OwnCommand(report), context));
    written = done.last;
    intake->end += framed.size();
    return {};
  }();
  if (!counted) {
    intake->log = log;
    intake->head = before;
    return counted.error();
  }
  written = std::max(written, engine_.applied());
  return std::max(intake->head.sequence, reported);
}

void UsageIntake::forget(GatewayId gateway, std::uint64_t epoch) {
  const lease::EpochKey key{gateway, epoch};
  intakes_.erase(key);
}

}  // namespace bessemer::daemon
