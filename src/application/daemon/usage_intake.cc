// Usage logs as gateways ship them.
#include "application/daemon/usage_intake.h"

#include "application/daemon/usage_ranges.h"
#include "base/codec.h"

namespace bessemer::daemon {
namespace {

// The request whose hold a record ends.
std::optional<std::pair<std::uint64_t, UsageIntake::End>> end_of(
    const metering::LogRecord& record) {
  if (const auto* settled = std::get_if<metering::HoldSettled>(&record)) {
    return std::pair(settled->hold, UsageIntake::End::charged);
  }
  if (const auto* voided = std::get_if<metering::HoldVoided>(&record)) {
    return std::pair(voided->hold, UsageIntake::End::nothing);
  }
  return std::nullopt;
}

}  // namespace

Result<void> UsageIntake::fold(Intake& intake, std::string_view batches,
                               journal::Sequence counted, Counted& into) {
  const auto visit = [&](const journal::Batch& batch) -> Result<void> {
    journal::Record record;
    journal::Sequence at = batch.first;
    for (journal::Records each(batch.body); each.next(record); ++at) {
      TRY_ASSIGN(const auto decoded, codec::decode<metering::LogRecord>(record.bytes));
      if (const auto end = end_of(decoded)) {
        const auto hold = intake.log.holds.find(end->first);
        if (hold != intake.log.holds.end()) {
          into.ended.emplace_back(hold->second.request, end->second);
        }
      }
      TRY_ASSIGN(const auto settlement, metering::fold(intake.log, decoded));
      if (settlement && at > counted) into.sums.add(*settlement);
    }
    return {};
  };
  TRY_ASSIGN(intake.head, journal::walk_range(batches, intake.head, visit));
  return {};
}

// Folds what was stored up to what was counted; what was stored and never counted comes again.
Result<void> UsageIntake::open(world::Disk& disk, const lease::EpochKey& key,
                               journal::Sequence reported, Intake& intake, Counted& before) {
  const std::string path = intake_path(key);
  TRY(disk.make_directories(intake_folder));
  TRY_ASSIGN(intake.file, disk.open(path, disk.exists(path) ? world::OpenMode::read_write
                                                            : world::OpenMode::create));
  RangeReader ranges(*intake.file);
  while (intake.head.sequence < reported) {
    TRY_ASSIGN(const auto batches, ranges.next());
    if (!batches) break;
    TRY(fold(intake, *batches, ~journal::Sequence{0}, before));
  }
  intake.end = ranges.end();
  if (intake.head.sequence == reported) return {};
  return internal(path + " does not hold what was counted").because("usage_corrupt");
}

// On the thread. Nothing is stored of a range that is known already.
Result<UsageIntake::Counted> UsageIntake::store(world::Disk& disk, const lease::EpochKey& key,
                                                journal::Sequence reported,
                                                std::string_view batches, Intake& intake) {
  Counted counted;
  if (!intake.file) TRY(open(disk, key, reported, intake, counted));
  if (batches.size() > max_shipped_range) return invalid("a shipped range is too long");
  TRY(fold(intake, batches, reported, counted));
  if (intake.head.sequence <= reported) return counted;
  TRY_ASSIGN(intake.end, write_range(*intake.file, intake.end, batches));
  return counted;
}

void UsageIntake::take(GatewayId gateway, std::uint64_t epoch, std::string batches,
                       std::function<void(Result<Taken>)> taken) {
  const lease::EpochKey key{gateway, epoch};
  Line& line = lines_[key];
  if (line.waiting.size() >= max_waiting_ranges) {
    return taken(exhausted("too many ranges of one log wait to be counted"));
  }
  line.waiting.push_back({std::move(batches), std::move(taken)});
  if (!line.busy) next(key);
}

// One range of a log at a time: the thread folds and stores it, then the loop counts it.
void UsageIntake::next(const lease::EpochKey& key) {
  const auto found = lines_.find(key);
  if (found == lines_.end() || found->second.waiting.empty()) return;
  Line& line = found->second;
  const auto known = engine_.state().lease.epochs.find(key);
  if (known == engine_.state().lease.epochs.end()) {
    for (const auto& range : std::exchange(line.waiting, {})) {
      range.taken(not_found("no such epoch is open"));
    }
    lines_.erase(key);
    return;
  }
  if (!line.intake) line.intake = std::make_shared<Intake>();
  line.busy = true;
  auto range = std::make_shared<Range>(std::move(line.waiting.front()));
  line.waiting.pop_front();
  worker_.post([this, key, range, intake = line.intake, &disk = disk_,
                reported = known->second.reported]() -> Worker::Then {
    auto stored = std::make_shared<Result<Counted>>(
        store(disk, key, reported, range->batches, *intake));
    return [this, key, range, intake, stored] {
      auto taken = count(key, *intake, std::move(*stored));
      const auto at = lines_.find(key);
      if (at != lines_.end()) {
        at->second.busy = false;
        at->second.read = at->second.read || taken.has_value();
        // Nobody knows how far a failed fold came: it is made again from the file.
        if (!taken) at->second.intake.reset();
      }
      range->taken(std::move(taken));
      next(key);
    };
  });
}

Result<UsageIntake::Taken> UsageIntake::count(const lease::EpochKey& key, Intake& intake,
                                              Result<Counted> counted) {
  TRY_ASSIGN(Counted range, std::move(counted));
  const auto known = engine_.state().lease.epochs.find(key);
  if (known == engine_.state().lease.epochs.end()) return not_found("no such epoch is open");
  if (intake.head.sequence > known->second.reported) {
    factory::ReportUsage report;
    report.gateway = key.first;
    report.epoch = key.second;
    report.offset = intake.head.sequence;
    report.log = &intake.log;
    report.sums = &range.sums;
    Context context;
    context.now = context.occurred_at = clock_.now();
    context.origin = Origin::observed;
    TRY(engine_.submit(factory::OwnCommand(report), context));
  }
  for (const auto& [request, end] : range.ended) ended_(request, end);
  return Taken{std::max(intake.head.sequence, known->second.reported), engine_.applied()};
}

bool UsageIntake::has_read(GatewayId gateway, std::uint64_t epoch) const {
  const auto found = lines_.find(lease::EpochKey{gateway, epoch});
  return found != lines_.end() && found->second.read;
}

void UsageIntake::forget(GatewayId gateway, std::uint64_t epoch) {
  lines_.erase(lease::EpochKey{gateway, epoch});
}

}  // namespace bessemer::daemon
