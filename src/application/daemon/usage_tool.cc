// The gateways' usage logs as people can read them.
#include "application/daemon/usage_tool.h"

#include <fmt/format.h>

#include "base/codec.h"
#include "base/json.h"
#include "governance/metering/usage_columns.h"
#include "governance/metering/usage_log.h"
#include "journal/file_journal.h"
#include "journal/usage_log.h"

namespace bessemer::daemon {
namespace {

struct Line {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  journal::Sequence sequence = 0;
  metering::LogRecord record;
};
DESCRIBE(Line, gateway, epoch, sequence, record)

void print(const Line& line) { fmt::print("{}\n", json::write(line)); }

// The sealed stretches; gives the first record behind them, none when the log ends there.
Result<std::optional<journal::Sequence>> print_sealed(world::Disk& disk,
                                                      const std::string& directory, Line line) {
  std::optional<journal::Sequence> next = 1;
  TRY_ASSIGN(const auto stretches, journal::list_sealed_usage(disk, directory));
  for (const journal::Sequence first : stretches) {
    TRY_ASSIGN(const auto sealed, journal::read_sealed_usage(disk, directory, first, {}));
    TRY_ASSIGN(auto records, metering::unpack_columns(sealed.columns));
    line.sequence = first;
    for (auto& record : records) {
      line.record = std::move(record);
      print(line);
      ++line.sequence;
    }
    next = sealed.last + 1;
    if (std::holds_alternative<metering::LogClosed>(line.record)) next.reset();
  }
  return next;
}

Result<void> print_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch) {
  const std::string directory = journal::usage_directory(gateway, epoch);
  Line line{gateway, epoch, 0, {}};
  // Opened first: what is sealed meanwhile stays readable through it.
  auto opened = journal::read_journal(disk, directory, 1);
  TRY_ASSIGN(const auto next, print_sealed(disk, directory, line));
  if (!next) return {};
  if (!opened && opened.error().code == Code::not_found) return {};
  TRY_ASSIGN(const auto cursor, std::move(opened));
  journal::Batch batch;
  while (true) {
    TRY_ASSIGN(const bool more, cursor->next(batch));
    if (!more) return {};
    journal::Records records(batch.body);
    journal::Record record;
    for (line.sequence = batch.first; records.next(record); ++line.sequence) {
      if (line.sequence < *next) continue;
      TRY_ASSIGN(line.record, codec::decode<metering::LogRecord>(record.bytes));
      print(line);
    }
  }
}

}  // namespace

Result<void> print_usage(world::Disk& disk) {
  if (!disk.exists("usage")) return {};
  TRY_ASSIGN(const auto names, disk.list("usage"));
  for (const auto& name : names) {
    const auto gateway = from_text(std::type_identity<GatewayId>{}, name);
    if (!gateway) continue;  // the daemon's own copies
    TRY_ASSIGN(const auto epochs, journal::list_usage_epochs(disk, *gateway));
    for (const std::uint64_t epoch : epochs) TRY(print_log(disk, *gateway, epoch));
  }
  return {};
}

}  // namespace bessemer::daemon
