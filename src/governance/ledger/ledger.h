// Double entry: every amount leaves one account and enters another, so each currency sums to zero.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/wide.h"

namespace bessemer::ledger {

enum class AccountKind : std::uint8_t {
  wallet,         // a tenant's prepaid money
  receivable,     // what a tenant owes: below zero is owed
  revenue,        // what the platform, or the owner of a published endpoint, has earned
  tax,            // collected for the state
  provider_cost,  // paid to others for capacity
  platform_loss,  // what nobody is charged for: our faults, write-offs
  endpoint_cost,  // replica time of a shared endpoint
  payments,       // the outside: money that came in stands here below zero
};
DESCRIBE_ENUM(AccountKind, wallet, receivable, revenue, tax, provider_cost, platform_loss,
              endpoint_cost, payments)

constexpr Wide max_balance_nano = max_money_nano * 1'000'000'000;  // of one account, either sign
constexpr std::size_t max_text = 256;       // characters of a memo
constexpr std::size_t max_streams_name = 96;
constexpr std::size_t max_accounts = 1'000'000;
constexpr std::size_t max_stream_transfers = 20'000;  // of one step of a stream

struct Account {
  AccountId id;
  OrgId owner;  // none: the platform
  AccountKind kind = AccountKind::wallet;
  Currency currency;
  EndpointId endpoint;         // endpoint_cost; revenue: what this endpoint's tokens earned
  bool may_be_negative = true;
  Wide balance = 0;  // nano
  friend bool operator==(const Account&, const Account&) = default;
};
DESCRIBE(Account, id, owner, kind, currency, endpoint, may_be_negative, balance)

enum class TransferKind : std::uint8_t { charge, payment, credit_note, loss, internal, tax };
DESCRIBE_ENUM(TransferKind, charge, payment, credit_note, loss, internal, tax)

// Where an internal transfer comes from; a stream's sequence only rises.
struct Source {
  std::string stream;
  std::uint64_t sequence = 0;
  friend bool operator==(const Source&, const Source&) = default;
};
DESCRIBE(Source, stream, sequence)

// An immutable movement of `amount` > 0.
struct Transfer {
  TransferId id;
  AccountId from, to;
  Money amount;
  TransferKind kind = TransferKind::charge;
  TransferId original;  // credit notes: what is corrected; else none
  std::string memo;
  bool cannot_be_refused = false;  // storage, commitments, fees: may drive a wallet below zero
  friend bool operator==(const Transfer&, const Transfer&) = default;
};
DESCRIBE(Transfer, id, from, to, amount, kind, original, memo, cannot_be_refused)

// An owner has one account of each kind and currency (and endpoint).
struct AccountName {
  OrgId owner;
  AccountKind kind = AccountKind::wallet;
  Currency currency;
  EndpointId endpoint;
  friend auto operator<=>(const AccountName&, const AccountName&) = default;
};
DESCRIBE(AccountName, owner, kind, currency, endpoint)

struct State {
  std::map<AccountId, Account> accounts;
  std::map<AccountName, AccountId> by_owner;
  std::map<TransferId, Transfer> transfers;          // commanded ones; streamed ones are not kept
  std::map<TransferId, Wide> credited;               // nano of credit notes per original
  std::map<std::string, std::uint64_t> streams;      // high-water mark of each source stream
  std::map<OrgId, Currency> billing_currency;        // fixed at a tenant's first charge
};
DESCRIBE(State, accounts, by_owner, transfers, credited, streams, billing_currency)

// ---- commands

struct OpenAccount {
  static constexpr std::string_view tag = "open_account";
  Account account;  // its balance must be 0
};
DESCRIBE(OpenAccount, account)

// One transfer by itself. Repeated with the same content: already done; with other: conflict.
struct Move {
  static constexpr std::string_view tag = "transfer";
  Transfer transfer;
};
DESCRIBE(Move, transfer)

// Transfers that belong to one step of an internal stream, all or nothing. A sequence at or below
// the stream's mark is already done.
struct MoveFrom {
  static constexpr std::string_view tag = "transfer_from_stream";
  Source source;
  std::vector<Transfer> transfers;
};
DESCRIBE(MoveFrom, source, transfers)

// Gives back part or all of an earlier transfer (`original` of `transfers`, or none for streamed
// charges); never more than it moved.
struct IssueCreditNote {
  static constexpr std::string_view tag = "credit_note";
  Transfer transfer;  // kind credit_note; from and to are the original's, swapped
};
DESCRIBE(IssueCreditNote, transfer)

using Command = std::variant<OpenAccount, Move, MoveFrom, IssueCreditNote>;

// ---- facts

struct AccountOpened {
  static constexpr std::uint16_t fact = 0x0601;
  static constexpr std::string_view tag = "account_opened";
  Account account;
  friend bool operator==(const AccountOpened&, const AccountOpened&) = default;
};
DESCRIBE(AccountOpened, account)

struct Transferred {
  static constexpr std::uint16_t fact = 0x0602;
  static constexpr std::string_view tag = "transferred";
  Transfer transfer;
  friend bool operator==(const Transferred&, const Transferred&) = default;
};
DESCRIBE(Transferred, transfer)

struct TransferredFrom {
  static constexpr std::uint16_t fact = 0x0603;
  static constexpr std::string_view tag = "transferred_from_stream";
  Source source;
  std::vector<Transfer> transfers;
  friend bool operator==(const TransferredFrom&, const TransferredFrom&) = default;
};
DESCRIBE(TransferredFrom, source, transfers)

// A wallet that may not be negative went below zero through something that cannot be refused.
struct WalletOverdrawn {
  static constexpr std::uint16_t fact = 0x0607;
  static constexpr std::string_view tag = "wallet_overdrawn";
  AccountId account;
  Money balance;
  friend bool operator==(const WalletOverdrawn&, const WalletOverdrawn&) = default;
};
DESCRIBE(WalletOverdrawn, account, balance)

using Event = std::variant<AccountOpened, Transferred, TransferredFrom, WalletOverdrawn>;

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& at);
void apply(State& state, const Event& event, const Context& at);

// ---- asking

const Account* find(const State& state, AccountId id);
// The account of an owner by kind and currency (and endpoint, for endpoint_cost); null when none.
const Account* find(const State& state, OrgId owner, AccountKind kind, Currency currency,
                    EndpointId endpoint = {});
// Sum of all balances per currency: zero, always.
std::map<Currency, Wide> trial_balance(const State& state);
// Wallets below zero that may not be: their owners are suspended.
std::vector<AccountId> overdrawn(const State& state);

}  // namespace bessemer::ledger
