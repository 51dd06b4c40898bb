// Prepaid money: a tenant's wallet, and what is paid into it.
#include <map>

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
  return part;
}

void follow_one(State& state, AccountId id) {
  const ledger::Account& account = *ledger::find(state.ledger, id);
  if (account.kind != ledger::AccountKind::wallet) return;
  budget::follow_wallet(state.budget,
                        {wallet_budget(id), account.owner,
                         tenant::path_of(state.tenant, account.owner), account.currency,
                         account.balance});
}

// What a batch does to wallets.
struct WalletMoves {
  std::map<AccountId, Wide> balance;  // what it moves, of every account
  std::map<BudgetId, Wide> released;  // what is not set aside any more, of every budget

  void take(const ledger::Transfer& transfer) {
    balance[transfer.from] -= transfer.amount.nano;
    balance[transfer.to] += transfer.amount.nano;
  }
  void take(const std::vector<budget::Move>& moves) {
    for (const budget::Move& move : moves) released[move.budget] += move.released;
  }
  void take(const ledger::Event& event) {
    if (const auto* one = std::get_if<ledger::Transferred>(&event)) take(one->transfer);
    const auto* step = std::get_if<ledger::TransferredFrom>(&event);
    if (step == nullptr) return;
    for (const ledger::Transfer& transfer : step->transfers) take(transfer);
  }
  void take(const budget::Event& event) {
    if (const auto* repaid = std::get_if<budget::BudgetRepaid>(&event)) take(repaid->moves);
    if (const auto* drawn = std::get_if<budget::BudgetDrawn>(&event)) take(drawn->moves);
  }
};

}  // namespace

Result<void> recall_for_wallets(const State& state, Batch& batch, const Context& context) {
  WalletMoves moves;
  for (const Event& event : batch.events) {
    if (const auto* booked = std::get_if<ledger::Event>(&event)) moves.take(*booked);
    if (const auto* counted = std::get_if<budget::Event>(&event)) moves.take(*counted);
  }
  for (const auto& [id, by] : moves.balance) {
    const ledger::Account* const account = ledger::find(state.ledger, id);
    if (account == nullptr || account->kind != ledger::AccountKind::wallet || by >= 0) continue;
    const BudgetId prepaid = wallet_budget(id);
    const budget::Counters now = budget::counters_of(state.budget, prepaid, Instant{});
    if (account->balance + by >= now.held + now.leased - moves.released[prepaid]) continue;
    lease::Recall recall;
    recall.spender.path = {account->owner};
    TRY_ASSIGN(auto decision,
               lease::judge(state.lease, state.budget, lease::Command(recall), context));
    add(batch, std::move(decision.events));
  }
  return {};
}

void follow_wallets(State& state, const ledger::Event& event) {
  if (const auto* opened = std::get_if<ledger::AccountOpened>(&event)) {
    follow_one(state, opened->account.id);
  } else if (const auto* one = std::get_if<ledger::Transferred>(&event)) {
    follow_one(state, one->transfer.from);
    follow_one(state, one->transfer.to);
  } else if (const auto* step = std::get_if<ledger::TransferredFrom>(&event)) {
    for (const ledger::Transfer& transfer : step->transfers) {
      follow_one(state, transfer.from);
      follow_one(state, transfer.to);
    }
  }
}

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
