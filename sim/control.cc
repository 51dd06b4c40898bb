// What gateways reach of a simulated daemon.
#include "base/check.h"
#include "base/codec.h"
#include "sim/daemon.h"

namespace bessemer::sim {

void Control::connect(Daemon* daemon) {
  daemon_ = daemon;
  intakes_.clear();  // folded again from what was stored
}

bool Control::lost() {
  const bool gone = random_.chance(losses_, 1000);
  if (gone) ++machine_.tally["messages lost"];
  return gone;
}

std::optional<engine::Written> Control::settle(const factory::Command& command, Error* refused) {
  if (daemon_ == nullptr || daemon_->failed() || lost()) return std::nullopt;
  auto written = daemon_->ask(command);
  if (!written) {
    if (refused != nullptr) *refused = std::move(written).error();
    return std::nullopt;
  }
  bool released = false;
  daemon_->engine().when_durable(written->last, [&] { released = true; });
  // Released at once, or by the commit; never kept waiting beyond this call.
  if (!released) daemon_->commit();
  if (!released) {
    check(daemon_->failed(), "a commit that released nothing");
    return std::nullopt;
  }
  if (lost()) return std::nullopt;
  return std::move(*written);
}

std::optional<ControlPlane::Welcome> Control::hello(GatewayId gateway) {
  if (daemon_ == nullptr) return std::nullopt;
  const lease::State& leases = daemon_->state().lease;
  const auto newest = leases.newest.find(gateway);
  Welcome out;
  out.epoch = newest == leases.newest.end() ? 1 : newest->second + 1;
  if (!settle(lease::Command(lease::OpenEpoch{gateway, out.epoch}), nullptr)) return std::nullopt;
  for (const auto& [key, epoch] : daemon_->state().lease.epochs) {
    if (key.first == gateway && key.second != out.epoch) out.owed[key.second] = epoch.reported;
  }
  return out;
}

std::optional<ControlPlane::Answer> Control::borrow(GatewayId gateway, std::uint64_t epoch,
                                                    const budget::Spender& spender,
                                                    budget::Purpose purpose,
                                                    const lease::Ask& ask) {
  if (daemon_ == nullptr || daemon_->failed() || lost()) return std::nullopt;
  // Back after its connection broke.
  const auto known = daemon_->state().lease.epochs.find({gateway, epoch});
  if (known != daemon_->state().lease.epochs.end() &&
      known->second.status == lease::EpochStatus::lost &&
      !settle(lease::Command(lease::OpenEpoch{gateway, epoch}), nullptr)) {
    return std::nullopt;
  }
  lease::Borrow borrow;
  borrow.gateway = gateway;
  borrow.epoch = epoch;
  borrow.seed = daemon_->draw<LeaseId>();
  borrow.spender = spender;
  borrow.purpose = purpose;
  borrow.need = ask.need;
  borrow.idle = ask.idle;
  // What was decided beside the facts is asked of the factory on the state that settle() meets.
  Context context;
  context.now = context.occurred_at = machine_.clock.now();
  auto decided = factory::judge(daemon_->state(), lease::Command(borrow), context);
  Answer out;
  if (!decided) {
    out.refused = decided.error().reason.empty() ? decided.error().what : decided.error().reason;
    ++machine_.tally["borrowing refused: " + out.refused];
    return out;
  }
  if (!settle(lease::Command(borrow), nullptr)) return std::nullopt;
  out.outcome = decided->outcome;
  out.leases = std::move(decided->leases);
  ++machine_.tally[out.outcome == lease::Outcome::wait ? "borrowing waits" : "borrowings"];
  return out;
}

Result<void> Control::fold(Intake& intake, const std::string& range, journal::Sequence counted,
                           metering::UsageSums& sums) {
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
  TRY_ASSIGN(intake.head, journal::walk_range(range, intake.head, visit));
  return {};
}

Control::Intake& Control::intake_of(const lease::EpochKey& key, journal::Sequence reported) {
  const auto [at, fresh] = intakes_.try_emplace(key);
  if (!fresh) return at->second;
  metering::UsageSums counted;
  auto& stored = machine_.shipped[key];
  for (std::size_t i = 0; i < stored.size(); ++i) {
    Intake next = at->second;
    const bool whole = fold(next, stored[i], ~journal::Sequence{0}, counted).has_value();
    if (!whole || next.head.sequence > reported) {
      stored.resize(i);  // stored, and then never counted: it comes again, in other pieces
      break;
    }
    at->second = std::move(next);
  }
  return at->second;
}

std::optional<journal::Sequence> Control::ship(GatewayId gateway, std::uint64_t epoch,
                                               const std::string& range) {
  if (daemon_ == nullptr || daemon_->failed() || lost()) return std::nullopt;
  const lease::EpochKey key{gateway, epoch};
  const auto known = daemon_->state().lease.epochs.find(key);
  if (known == daemon_->state().lease.epochs.end()) return std::nullopt;
  Intake& intake = intake_of(key, known->second.reported);
  Intake next = intake;
  metering::UsageSums sums;
  if (!fold(next, range, known->second.reported, sums)) {
    ++machine_.tally["ranges with a gap"];
    return std::nullopt;
  }
  if (next.head.sequence == intake.head.sequence) return next.head.sequence;
  factory::ReportUsage report;
  report.gateway = gateway;
  report.epoch = epoch;
  report.offset = next.head.sequence;
  report.log = &next.log;
  report.sums = &sums;
  machine_.shipped[key].push_back(range);
  Error refused;
  const bool settled = settle(factory::OwnCommand(report), &refused).has_value();
  if (!refused.what.empty()) machine_.tally["usage refused: " + to_text(refused)]++;
  const auto now_known = daemon_->state().lease.epochs.find(key);
  const bool counted = now_known != daemon_->state().lease.epochs.end() &&
                       now_known->second.reported >= next.head.sequence;
  if (!counted) {
    machine_.shipped[key].pop_back();
    return std::nullopt;
  }
  const journal::Sequence offset = next.head.sequence;
  intake = std::move(next);
  ++machine_.tally["ranges counted"];
  if (!settled) return std::nullopt;
  return offset;
}

bool Control::reduce(const lease::Reduce& answer) {
  return settle(lease::Command(answer), nullptr).has_value();
}

bool Control::close(GatewayId gateway, std::uint64_t epoch, journal::Sequence offset) {
  if (daemon_ == nullptr) return false;
  if (!daemon_->state().lease.epochs.contains({gateway, epoch})) return true;
  Error refused;
  const bool closed =
      settle(lease::Command(lease::Close{gateway, epoch, offset}), &refused).has_value();
  if (!refused.what.empty()) machine_.tally["closing refused: " + to_text(refused)]++;
  return closed;
}

std::vector<lease::Lease> Control::recalled(GatewayId gateway) {
  if (daemon_ == nullptr || daemon_->failed() || lost()) return {};
  return lease::recalled(daemon_->state().lease, gateway);
}

}  // namespace bessemer::sim
