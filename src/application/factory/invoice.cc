// Closing a period: metering, billing and ledger in one batch.
#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

using ledger::AccountKind;

ledger::TransferKind kind_of(const billing::Adjustment& adjustment) {
  if (adjustment.kind == billing::AdjustmentKind::tax) return ledger::TransferKind::tax;
  return adjustment.amount.nano < 0 ? ledger::TransferKind::credit_note
                                    : ledger::TransferKind::charge;
}

OrgId owner_of_account(const State& state, AccountId id) {
  const ledger::Account* const account = ledger::find(state.ledger, id);
  return account == nullptr ? OrgId{} : account->owner;
}

// What an adjustment moves: taxes to the tax account, all else between tenant and revenue.
ledger::Transfer transfer_of(const State& state, OrgId tenant,
                             const billing::Adjustment& adjustment) {
  const Currency currency = adjustment.amount.currency;
  const AccountId payer = payer_account(state, tenant, currency);
  const AccountId other =
      account_id({}, adjustment.kind == billing::AdjustmentKind::tax ? AccountKind::tax
                                                                     : AccountKind::revenue,
                 currency);
  const bool credit = adjustment.amount.nano < 0;
  ledger::Transfer transfer;
  transfer.id = adjustment.id;
  transfer.from = credit ? other : payer;
  transfer.to = credit ? payer : other;
  transfer.amount = credit ? -adjustment.amount : adjustment.amount;
  transfer.kind = kind_of(adjustment);
  transfer.memo = adjustment.description;
  transfer.cannot_be_refused = true;
  return transfer;
}

// Whose budgets an open interval counts against: a workload's, or the project's for what it stores.
Metered owner_of(const State& state, const std::string& interval, const metering::Payer& payer,
                 WorkloadId& workload) {
  Metered metered;
  const auto id = from_text(std::type_identity<AllocationId>{}, interval);
  const auto* allocation = id ? site::find_allocation(state.site, *id) : nullptr;
  const auto* found = allocation == nullptr
                          ? nullptr
                          : workload::find(state.workload, allocation->workload);
  if (found == nullptr) {
    metered.spender.path = spender_path(state, payer.project);
    return metered;
  }
  workload = found->id;
  metered.spender = spender_of(state, *found);
  if (found->last() != nullptr) metered.hold = found->last()->hold;
  return metered;
}

// A line of a period that ended before there was the tenant would have to be invoiced before all
// others, and nobody would know why.
Result<void> check_not_before(const State& state, OrgId tenant, Instant at) {
  const tenant::Node* const node = tenant::find(state.tenant, tenant);
  const metering::Account* const account = metering::find(state.metering, tenant);
  if (node == nullptr || account == nullptr) return not_found("no such tenant").at("org");
  const Period period = metering::period_of(state.metering, *account, at);
  if (period.until > node->created_at) return {};
  return invalid("must not end before there was the tenant, " + to_text(node->created_at))
      .at("period");
}

// What is open is posted up to the period's end, booked and counted. Gives the tenant's metering
// with that applied: what the invoice is made from.
Result<metering::State> accrue_to(const State& state, OrgId tenant, Instant until, Batch& batch,
                                  const Context& context) {
  TRY_ASSIGN(auto events, metering::judge(state.metering, state.pricing,
                                          metering::Command(metering::AccrueTenant{tenant, until}),
                                          context));
  metering::State part = metering::part_of(state.metering, tenant);
  std::map<WorkloadId, Metered> of_workloads;  // a gang has one hold for all its intervals
  std::vector<Metered> all;
  for (const metering::Event& event : events) {
    metering::apply(part, event, context);
    const auto& accrued = std::get<metering::IntervalAccrued>(event);
    const auto& interval = state.metering.intervals.at(accrued.interval);
    WorkloadId workload;
    Metered one = owner_of(state, accrued.interval, interval.payer, workload);
    one.postings = accrued.postings;
    if (!workload) {
      all.push_back(std::move(one));
      continue;
    }
    const auto [at, fresh] = of_workloads.try_emplace(workload, one);
    if (fresh) continue;
    auto& postings = at->second.postings;
    postings.insert(postings.end(), one.postings.begin(), one.postings.end());
  }
  for (auto& [id, one] : of_workloads) all.push_back(std::move(one));
  add(batch, std::move(events));
  TRY(book(state, std::move(all), batch, context));
  return part;
}

}  // namespace

Result<Batch> judge_invoice(const State& state, const CloseInvoice& command,
                            const Context& context) {
  const billing::CloseInvoice& close = command.close;
  const metering::Account* const account = metering::find(state.metering, close.tenant);
  if (account == nullptr) return not_found("the tenant has no account");
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  const Period period = metering::period_of(state.metering, *account, close.period);
  Batch accrued;
  metering::State part;
  if (period.until <= context.now) {
    TRY_ASSIGN(part, accrue_to(state, close.tenant, period.until, accrued, context));
  } else {
    part = metering::part_of(state.metering, close.tenant);
  }
  TRY_ASSIGN(auto invoiced, billing::judge(state.billing, part, billing::Command(close), context));
  if (invoiced.empty()) return batch;  // closed already
  batch.events = std::move(accrued.events);
  ADD(batch, metering::judge(state.metering, state.pricing,
                             metering::Command(metering::ClosePeriod{close.tenant, period.until}),
                             context));
  ledger::MoveFrom move;
  move.source.stream = "invoice/" + to_text(close.id);
  move.source.sequence = 1;
  for (const billing::Event& event : invoiced) {
    const auto* closed = std::get_if<billing::InvoiceClosed>(&event);
    if (closed == nullptr) continue;
    for (const billing::Adjustment& adjustment : closed->invoice.adjustments) {
      if (!billing::is_made_by_closing(adjustment.kind)) continue;  // booked when it was made
      move.transfers.push_back(transfer_of(state, closed->invoice.tenant, adjustment));
    }
  }
  add(batch, std::move(invoiced));
  if (!move.transfers.empty()) {
    ADD(batch, ledger::judge(state.ledger, ledger::Command(std::move(move)), context));
  }
  return batch;
}

// An adjustment is a line of its period and a transfer of its own, in one batch.
Result<Batch> judge_billing(const State& state, const billing::Command& command,
                            const Context& context) {
  Batch batch;
  ADD(batch, billing::judge(state.billing, state.metering, command, context));
  const auto* adjust = std::get_if<billing::Adjust>(&command);
  if (adjust == nullptr || batch.events.empty()) return batch;
  TRY(check_not_before(state, adjust->tenant, adjust->at));
  ledger::Transfer transfer = transfer_of(state, adjust->tenant, adjust->adjustment);
  if (ledger::find(state.ledger, transfer.from) == nullptr ||
      ledger::find(state.ledger, transfer.to) == nullptr) {
    return conflict("the tenant is not charged in " +
                    to_text(adjust->adjustment.amount.currency))
        .at("adjustment.amount");
  }
  if (transfer.kind == ledger::TransferKind::credit_note) {
    // Where the reference names an earlier transfer, no more is given back than it moved, and to
    // the account it came from: the tenant may have got its wallet since.
    const auto original = from_text(std::type_identity<TransferId>{}, adjust->adjustment.reference);
    const auto known = original ? state.ledger.transfers.find(*original)
                                : state.ledger.transfers.end();
    if (known != state.ledger.transfers.end()) {
      transfer.original = *original;
      const bool own = known->second.to == transfer.from &&
                       owner_of_account(state, known->second.from) == adjust->tenant;
      if (own) transfer.to = known->second.from;
    }
    ADD(batch, ledger::judge(state.ledger,
                             ledger::Command(ledger::IssueCreditNote{std::move(transfer)}),
                             context));
    return batch;
  }
  ADD(batch, ledger::judge(state.ledger, ledger::Command(ledger::Move{std::move(transfer)}),
                           context));
  return batch;
}

}  // namespace bessemer::factory
