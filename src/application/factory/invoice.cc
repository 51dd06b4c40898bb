// Closing a period: metering, billing and ledger in one batch.
#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

using ledger::AccountKind;

// What an adjustment moves: taxes to the tax account, all else between tenant and revenue.
ledger::Transfer transfer_of(const billing::Invoice& invoice,
                             const billing::Adjustment& adjustment) {
  const Currency currency = adjustment.amount.currency;
  const AccountId tenant = account_id(invoice.tenant, AccountKind::receivable, currency);
  const AccountId other =
      account_id({}, adjustment.kind == billing::AdjustmentKind::tax ? AccountKind::tax
                                                                     : AccountKind::revenue,
                 currency);
  const bool credit = adjustment.amount.nano < 0;
  ledger::Transfer transfer;
  transfer.id = adjustment.id;
  transfer.from = credit ? other : tenant;
  transfer.to = credit ? tenant : other;
  transfer.amount = credit ? -adjustment.amount : adjustment.amount;
  transfer.kind = adjustment.kind == billing::AdjustmentKind::tax ? ledger::TransferKind::tax
                                                                  : ledger::TransferKind::charge;
  transfer.memo = adjustment.description;
  transfer.cannot_be_refused = true;
  return transfer;
}

}  // namespace

Result<Batch> judge_invoice(const State& state, const CloseInvoice& command,
                            const Context& context) {
  const billing::CloseInvoice& close = command.close;
  const metering::Account* const account = metering::find(state.metering, close.tenant);
  if (account == nullptr) return not_found("the tenant has no account");
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  TRY_ASSIGN(auto invoiced, billing::judge(state.billing, state.metering,
                                           billing::Command(close), context));
  if (invoiced.empty()) return batch;  // closed already
  const Period period = metering::period_of(state.metering, *account, close.period);
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
      if (adjustment.amount.nano == 0) continue;
      move.transfers.push_back(transfer_of(closed->invoice, adjustment));
    }
  }
  add(batch, std::move(invoiced));
  if (!move.transfers.empty()) {
    ADD(batch, ledger::judge(state.ledger, ledger::Command(std::move(move)), context));
  }
  return batch;
}

}  // namespace bessemer::factory
