// The facts as people can read them, their chain checked, and snapshots of their fold.
#include "application/daemon/journal_tool.h"

#include <fmt/format.h>
#include <unistd.h>

#include "application/daemon/home.h"
#include "application/daemon/usage_seal.h"
#include "application/daemon/usage_tool.h"
#include "application/engine/engine.h"
#include "base/text.h"

namespace bessemer::daemon {
namespace {

constexpr int snapshot_niceness = 10;

int explain() {
  fmt::print(stderr,
             "usage: bessemer journal cat [--from SEQUENCE] | usage | verify | snapshot\n");
  return 2;
}

int fail(const Error& error) {
  fmt::print(stderr, "bessemer journal: {}\n", to_text(error));
  return 1;
}

// Calls visit(fact) for each from that sequence on.
template <class Visit>
Result<void> each_fact(world::Disk& disk, journal::Sequence from, Visit visit) {
  auto opened = journal::read_journal(disk, "journal", from);
  if (!opened && opened.error().code == Code::not_found) return {};
  TRY_ASSIGN(const auto cursor, std::move(opened));
  journal::Batch batch;
  while (true) {
    TRY_ASSIGN(const bool more, cursor->next(batch));
    if (!more) return {};
    journal::Records records(batch.body);
    journal::Record record;
    for (journal::Sequence sequence = batch.first; records.next(record); ++sequence) {
      if (sequence < from) continue;
      TRY_ASSIGN(const factory::Fact fact,
                 factory::decode_fact(sequence, record.type, record.bytes));
      TRY(visit(fact));
    }
  }
}

Result<void> cat(world::Disk& disk, journal::Sequence from) {
  return each_fact(disk, from, [](const factory::Fact& fact) -> Result<void> {
    fmt::print("{}\n", factory::to_json(fact));
    return {};
  });
}

// The chain of facts, and every sealed stretch of usage: as it was stated, and as it was charged.
Result<void> verify(world::Disk& disk) {
  TRY_ASSIGN(const auto audit, journal::audit_journal(disk, "journal"));
  if (!audit.fault.empty()) return internal(audit.fault);
  SealAudit sealed(disk);
  TRY(each_fact(disk, 1, [&](const factory::Fact& fact) -> Result<void> {
    const auto* const usage = std::get_if<metering::Event>(&fact.event);
    return usage == nullptr ? Result<void>{} : sealed.take(*usage);
  }));
  fmt::print("{} facts in {} batches; the chain holds; head {}\n", audit.head.sequence,
             audit.batches, to_text(audit.head.chain));
  fmt::print("{} sealed stretches of usage; each is as it was stated, and as it was charged\n",
             sealed.stretches());
  return {};
}

}  // namespace

int run_journal_tool(const std::vector<std::string>& words) {
  const std::string verb = words.empty() ? "" : words.front();
  journal::Sequence from = 1;
  if (words.size() == 3 && words[1] == "--from") {
    const auto given = parse_unsigned(words[2]);
    if (!given || *given == 0) return fail(invalid("must be a sequence from 1").at("--from"));
    from = *given;
  } else if (words.size() != 1) {
    return explain();
  }
  auto disk = real::RealDisk::open_root(home_path());
  if (!disk) return fail(disk.error());
  if (verb == "cat") {
    const auto done = cat(**disk, from);
    return done ? 0 : fail(done.error());
  }
  if (verb == "usage") {
    const auto done = print_usage(**disk);
    return done ? 0 : fail(done.error());
  }
  if (verb == "verify") {
    const auto done = verify(**disk);
    return done ? 0 : fail(done.error());
  }
  if (verb == "snapshot") {
    (void)!::nice(snapshot_niceness);  // it never hurries: the daemon beside it does
    const auto at = engine::write_snapshot(**disk, {});
    if (!at) return fail(at.error());
    fmt::print("snapshot at fact {}\n", *at);
    return 0;
  }
  return explain();
}

}  // namespace bessemer::daemon
