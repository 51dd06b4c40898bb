// Prepaid money: a tenant's wallet, and what is paid into it.
#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

// The two accounts of a transfer, and what is known of its id: enough to judge it.
ledger::State part_of(const ledger::State& ledger, AccountId from, AccountId to, TransferId id) {
  ledger::State part;
  for (const AccountId account : {from, to}) {
    if (const auto* found = ledger::find(ledger, account)) part.accounts.emplace(account, *found);
  }
  const auto known = ledger.transfers.find(id);
  if (known != ledger.transfers.end()) part.transfers.insert(*known);
  const auto hold = ledger.holds.find(id);
  if (hold != ledger.holds.end()) part.holds.insert(*hold);
  return part;
}

}  // namespace

Result<Batch> judge_top_up(const State& state, const TopUp& command, const Context& context) {
  const tenant::Node* const node = tenant::find(state.tenant, command.tenant);
  if (node == nullptr || node->kind != tenant::Kind::tenant) {
    return invalid("must be a tenant").at("org");
  }
  const auto* version =
      metering::version_for(state.metering, state.pricing, command.tenant, context.now);
  if (version == nullptr || version->currency != command.amount.currency) {
    return conflict("the tenant is charged in " +
                    (version == nullptr ? "no currency yet" : to_text(version->currency)))
        .at("amount");
  }
  const Currency currency = command.amount.currency;
  auto open = open_account(command.tenant, ledger::AccountKind::wallet, currency);
  open.account.may_be_negative = false;
  const auto source = command.kind == TopUpKind::payment ? ledger::AccountKind::payments
                                                         : ledger::AccountKind::platform_loss;
  const AccountId from = account_id({}, source, currency);
  ledger::State part = part_of(state.ledger, from, open.account.id, command.id);
  Batch batch;
  if (ledger::find(part, open.account.id) == nullptr) {
    TRY_ASSIGN(auto opened, ledger::judge(state.ledger, ledger::Command(open), context));
    for (const ledger::Event& event : opened) ledger::apply(part, event, context);
    add(batch, std::move(opened));
  }
  ledger::Transfer transfer{command.id, from, open.account.id, command.amount,
                            command.kind == TopUpKind::payment ? ledger::TransferKind::payment
                                                               : ledger::TransferKind::loss,
                            {}, command.memo, false};
  ADD(batch, ledger::judge(part, ledger::Command(ledger::Move{std::move(transfer)}), context));
  return batch;
}

}  // namespace bessemer::factory
