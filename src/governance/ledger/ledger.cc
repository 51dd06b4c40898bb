// Decides and makes transfers and credit notes.
#include "governance/ledger/ledger.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace bessemer::ledger {
namespace {

bool is_tenants(AccountKind kind) {
  return kind == AccountKind::wallet || kind == AccountKind::receivable;
}

// Balances as they will be, so that a list of transfers is judged as a whole.
class Trial {
 public:
  explicit Trial(const State& state) : state_(state) {}

  Wide balance(const Account& account) const {
    const auto moved = moved_.find(account.id);
    return account.balance + (moved == moved_.end() ? Wide{0} : moved->second);
  }
  void move(const Transfer& transfer) {
    moved_[transfer.from] -= transfer.amount.nano;
    moved_[transfer.to] += transfer.amount.nano;
  }
  // The tenant's billing currency, with what this list has fixed.
  void fix(OrgId owner, Currency currency) { fixed_.try_emplace(owner, currency); }
  const Currency* billing(OrgId owner) const {
    if (const auto at = state_.billing_currency.find(owner); at != state_.billing_currency.end()) {
      return &at->second;
    }
    const auto at = fixed_.find(owner);
    return at == fixed_.end() ? nullptr : &at->second;
  }
  const std::map<AccountId, Wide>& moved() const { return moved_; }

 private:
  const State& state_;
  std::map<AccountId, Wide> moved_;
  std::map<OrgId, Currency> fixed_;
};

// The owner whose first charge fixes its billing currency; none for other transfers.
OrgId charged_owner(const State& state, const Transfer& transfer) {
  const Account& from = state.accounts.at(transfer.from);
  const bool charges = transfer.kind == TransferKind::charge && is_tenants(from.kind) &&
                       from.currency != simulated_currency;
  return charges ? from.owner : OrgId{};
}

Result<void> check_content(const Transfer& transfer) {
  if (!transfer.id) return invalid("must not be empty").at("id");
  if (transfer.amount.nano <= 0 || transfer.amount.nano > max_money_nano) {
    return invalid("must be more than 0 and at most 10^15 units").at("amount");
  }
  if (transfer.from == transfer.to) return invalid("must be another account").at("to");
  if (transfer.memo.size() > max_text) return invalid("must be at most 256 bytes").at("memo");
  return {};
}

Result<void> check_balances(const Trial& trial, const Transfer& transfer, const Account& from,
                            const Account& to) {
  if (trial.balance(from) - transfer.amount.nano < -max_balance_nano ||
      trial.balance(to) + transfer.amount.nano > max_balance_nano) {
    return exhausted("an account may hold at most 10^24 units of its currency");
  }
  const bool bounded = !from.may_be_negative && !transfer.cannot_be_refused;
  if (bounded && trial.balance(from) < transfer.amount.nano) {
    return exhausted("the account has " +
                     to_text(Money{trial.balance(from), from.currency}) + " left, " +
                     to_text(transfer.amount) + " are needed")
        .at("from")
        .because("balance_exhausted")
        .fix("top it up");
  }
  return {};
}

// Whether the transfer may be made on top of what the trial holds already.
Result<void> check_transfer(const State& state, const Trial& trial, const Transfer& transfer) {
  TRY(check_content(transfer));
  const Account* from = find(state, transfer.from);
  const Account* to = find(state, transfer.to);
  if (from == nullptr) return not_found("no such account").at("from");
  if (to == nullptr) return not_found("no such account").at("to");
  if (from->currency != transfer.amount.currency || to->currency != transfer.amount.currency) {
    return invalid("must be in the currency of both accounts").at("amount");
  }
  if (const OrgId owner = charged_owner(state, transfer)) {
    const Currency* billing = trial.billing(owner);
    if (billing != nullptr && *billing != from->currency) {
      return conflict("the tenant is billed in " + to_text(*billing)).at("amount");
    }
  }
  return check_balances(trial, transfer, *from, *to);
}

void note(const State& state, Trial& trial, const Transfer& transfer) {
  trial.move(transfer);
  const OrgId owner = charged_owner(state, transfer);
  if (owner) trial.fix(owner, transfer.amount.currency);
}

// Wallets that the trial takes below zero although they may not be, and that were not yet.
void add_overdrawn(const State& state, const Trial& trial, std::vector<Event>& events) {
  for (const auto& [id, moved] : trial.moved()) {
    const Account& account = state.accounts.at(id);
    const bool crosses = account.balance >= 0 && account.balance + moved < 0;
    if (crosses && !account.may_be_negative) {
      events.emplace_back(WalletOverdrawn{id, {account.balance + moved, account.currency}});
    }
  }
}

Result<std::vector<Event>> judge_one(const State& state, const OpenAccount& command) {
  const Account& account = command.account;
  if (!account.id) return invalid("must not be empty").at("id");
  if (account.currency == Currency{}) return invalid("must be a currency").at("currency");
  if (account.balance != 0) return invalid("must open at 0").at("balance");
  const bool costs = account.kind == AccountKind::endpoint_cost;
  if (costs ? !account.endpoint : account.endpoint && account.kind != AccountKind::revenue) {
    return invalid("belongs to endpoint_cost accounts, and may be given for revenue only")
        .at("endpoint");
  }
  if (is_tenants(account.kind) && !account.owner) {
    return invalid("must be a tenant").at("owner");
  }
  if (const Account* known = find(state, account.id); known != nullptr) {
    Account opened = *known;
    opened.balance = 0;
    if (opened == account) return std::vector<Event>{};
    return conflict("an account with this id has other content").at("id");
  }
  if (find(state, account.owner, account.kind, account.currency, account.endpoint) != nullptr) {
    return conflict("the owner has such an account already");
  }
  if (state.accounts.size() >= max_accounts) return exhausted("there are 1000000 accounts already");
  return std::vector<Event>{AccountOpened{account}};
}

Result<std::vector<Event>> judge_one(const State& state, const Move& command) {
  const Transfer& transfer = command.transfer;
  if (const auto known = state.transfers.find(transfer.id); known != state.transfers.end()) {
    if (known->second == transfer) return std::vector<Event>{};
    return conflict("a transfer with this id has other content").at("id");
  }
  if (transfer.kind == TransferKind::credit_note || transfer.original) {
    return invalid("must be issued as a credit note").at("kind");
  }
  Trial trial(state);
  TRY(check_transfer(state, trial, transfer));
  note(state, trial, transfer);
  std::vector<Event> events{Transferred{transfer}};
  add_overdrawn(state, trial, events);
  return events;
}

Result<std::vector<Event>> judge_one(const State& state, const MoveFrom& command) {
  const Source& source = command.source;
  if (source.stream.empty() || source.stream.size() > max_streams_name) {
    return invalid("must be 1 to 96 bytes").at("source.stream");
  }
  const auto mark = state.streams.find(source.stream);
  if (mark != state.streams.end() && source.sequence <= mark->second) return std::vector<Event>{};
  if (source.sequence == 0) return invalid("must be at least 1").at("source.sequence");
  if (command.transfers.size() > max_stream_transfers) {
    return invalid("must hold at most 20000 transfers").at("transfers");
  }
  Trial trial(state);
  for (std::size_t i = 0; i < command.transfers.size(); ++i) {
    auto allowed = check_transfer(state, trial, command.transfers[i]);
    if (!allowed) {
      return std::move(allowed).error().within("transfers[" + std::to_string(i) + "]");
    }
    note(state, trial, command.transfers[i]);
  }
  std::vector<Event> events{TransferredFrom{source, command.transfers}};
  add_overdrawn(state, trial, events);
  return events;
}

Result<std::vector<Event>> judge_one(const State& state, const IssueCreditNote& command) {
  const Transfer& transfer = command.transfer;
  if (const auto known = state.transfers.find(transfer.id); known != state.transfers.end()) {
    if (known->second == transfer) return std::vector<Event>{};
    return conflict("a transfer with this id has other content").at("id");
  }
  if (transfer.kind != TransferKind::credit_note) return invalid("must be credit_note").at("kind");
  if (transfer.original) {
    const auto found = state.transfers.find(transfer.original);
    if (found == state.transfers.end()) return not_found("no such transfer").at("original");
    const Transfer* const original = &found->second;
    if (original->from != transfer.to || original->to != transfer.from) {
      return invalid("must go back between the accounts of the original").at("from");
    }
    const auto before = state.credited.find(transfer.original);
    const Wide left =
        original->amount.nano - (before == state.credited.end() ? Wide{0} : before->second);
    if (transfer.amount.nano > left) {
      return invalid("must be at most what is not credited yet: " +
                     to_text(Money{left, original->amount.currency}))
          .at("amount");
    }
  }
  Trial trial(state);
  TRY(check_transfer(state, trial, transfer));
  return std::vector<Event>{Transferred{transfer}};
}

// ---- changes

void move(State& state, const Transfer& transfer) {
  Account& from = state.accounts.at(transfer.from);
  Account& to = state.accounts.at(transfer.to);
  check(from.currency == transfer.amount.currency && to.currency == from.currency,
        "ledger: currencies differ");
  from.balance -= transfer.amount.nano;
  to.balance += transfer.amount.nano;
  if (const OrgId owner = charged_owner(state, transfer)) {
    state.billing_currency.try_emplace(owner, transfer.amount.currency);
  }
}

void apply_one(State& state, const AccountOpened& event) {
  const Account& account = event.account;
  state.accounts.emplace(account.id, account);
  state.by_owner.emplace(
      AccountName{account.owner, account.kind, account.currency, account.endpoint}, account.id);
}
void apply_one(State& state, const Transferred& event) {
  const Transfer& transfer = event.transfer;
  move(state, transfer);
  state.transfers.emplace(transfer.id, transfer);
  if (transfer.kind == TransferKind::credit_note && transfer.original) {
    state.credited[transfer.original] += transfer.amount.nano;
  }
}
void apply_one(State& state, const TransferredFrom& event) {
  for (const Transfer& transfer : event.transfers) move(state, transfer);
  state.streams[event.source.stream] = event.source.sequence;
}
void apply_one(State&, const WalletOverdrawn&) {}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& one) { return judge_one(state, one); }, command);
}

void apply(State& state, const Event& event, const Context&) {
  std::visit([&](const auto& one) { apply_one(state, one); }, event);
}

const Account* find(const State& state, AccountId id) {
  const auto at = state.accounts.find(id);
  return at == state.accounts.end() ? nullptr : &at->second;
}

const Account* find(const State& state, OrgId owner, AccountKind kind, Currency currency,
                    EndpointId endpoint) {
  const auto at = state.by_owner.find({owner, kind, currency, endpoint});
  return at == state.by_owner.end() ? nullptr : find(state, at->second);
}

std::map<Currency, Wide> trial_balance(const State& state) {
  std::map<Currency, Wide> sums;
  for (const auto& [id, account] : state.accounts) sums[account.currency] += account.balance;
  return sums;
}

std::vector<AccountId> overdrawn(const State& state) {
  std::vector<AccountId> found;
  for (const auto& [id, account] : state.accounts) {
    if (account.balance < 0 && !account.may_be_negative) found.push_back(id);
  }
  return found;
}

}  // namespace bessemer::ledger
