// A gateway's usage log that is lost for good: its leases return, and what they may have paid for
// is booked as the platform's loss.
#include <algorithm>
#include <map>

#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

// Whether every spender of `inner` counts in `outer` too.
bool covers(const State& state, const budget::Scope& outer, const budget::Scope& inner) {
  const auto fits = [](const auto& a, const auto& b) { return !a || a == b; };
  return tenant::is_within(state.tenant, inner.node, outer.node) && fits(outer.key, inner.key) &&
         fits(outer.model, inner.model) && fits(outer.endpoint, inner.endpoint) &&
         fits(outer.pipeline, inner.pipeline);
}

// The most that can have been spent, per currency: what is out of a budget is out of every other
// that covers it too, and counts once.
std::map<Currency, Wide> at_most(const State& state, const std::vector<budget::Leg>& legs) {
  std::map<Currency, Wide> sums;
  for (const budget::Leg& leg : legs) {
    const budget::Budget* const one = budget::find(state.budget, leg.budget);
    if (one == nullptr || one->unit != SpendUnit::money) continue;
    const bool counted = std::ranges::any_of(legs, [&](const budget::Leg& other) {
      const budget::Budget* const wider = budget::find(state.budget, other.budget);
      if (wider == nullptr || wider->unit != one->unit || wider->currency != one->currency) {
        return false;
      }
      const bool same = covers(state, one->scope, wider->scope);
      return covers(state, wider->scope, one->scope) && (!same || wider->id < one->id);
    });
    if (!counted) sums[one->currency] += leg.amount;
  }
  return sums;
}

}  // namespace

Result<Batch> judge_write_off(const State& state, const lease::WriteOff& command,
                              const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  TRY_ASSIGN(auto decision,
             lease::judge(state.lease, state.budget, lease::Command(command), context));
  if (decision.events.empty()) return batch;
  const auto& loss = std::get<lease::EpochWrittenOff>(decision.events.front());
  ledger::MoveFrom move;
  move.source.stream = "write-off/" + to_text(command.gateway);
  move.source.sequence = command.epoch;
  std::uint64_t salt = command.epoch << 8;
  for (const auto& [currency, nano] : at_most(state, loss.outstanding)) {
    const AccountId from = account_id({}, ledger::AccountKind::platform_loss, currency);
    if (nano <= 0 || ledger::find(state.ledger, from) == nullptr) continue;
    move.transfers.push_back({derive_id<TransferTag>(command.gateway, ++salt), from,
                              account_id({}, ledger::AccountKind::provider_cost, currency),
                              {nano, currency}, ledger::TransferKind::loss, {}, command.reason,
                              true});
  }
  audit::RecordAccess access;
  access.resource = "gateway";
  access.action = "write_off";
  access.target = to_text(command.gateway) + "/" + std::to_string(command.epoch);
  access.node = tenant::root;
  access.from = "local";
  add(batch, std::move(decision.events));
  add(batch, std::move(decision.budget_events));
  if (!move.transfers.empty()) {
    ADD(batch, ledger::judge(state.ledger, ledger::Command(std::move(move)), context));
  }
  ADD(batch, audit::judge(state.audit, audit::Command(std::move(access)), context));
  return batch;
}

}  // namespace bessemer::factory
