// What running costs: meters of an allocation, money for a span of it, and ledger transfers for
// what was metered.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/factory/factory.h"

namespace bessemer::factory {

// The name of an accelerator model on a price list: "h200", "sim-h100".
std::string sku_of(const site::Accelerator& accelerator);
// The sku of what is not told apart further: cores, memory, storage.
constexpr std::string_view plain_sku = "standard";

// What one task of a placement holds: accelerators by model, cores, memory.
// Requires: the node exists.
std::vector<metering::Level> levels_of(const State& state, const workload::Spec& spec,
                                       const workload::Placement& placement);

// Who pays for a workload and what for.
metering::Payer payer_of(const State& state, const workload::Workload& workload);
metering::Subject subject_of_workload(const State& state, const workload::Workload& workload);
budget::Spender spender_of(const State& state, const workload::Workload& workload);
budget::WorkloadClass class_of(const workload::Workload& workload);

// Refuses what has no price in the tenant's book. A tenant without a book is unpriced, visibly.
Result<void> check_priced(const State& state, OrgId tenant,
                          const std::vector<metering::Level>& levels, Instant now);

// What `levels` take over `span`, ending where work is paid for: at the highest rate, rounded up.
Result<Spend> spend_for(const State& state, OrgId tenant,
                        const std::vector<metering::Level>& levels, Duration span, Instant now);

// The accounts of an owner that charges move between; ids are derived, so that they are opened
// once. Their opening is part of opening a tenant and of publishing a book.
AccountId account_id(OrgId owner, ledger::AccountKind kind, Currency currency,
                     EndpointId endpoint = {});
ledger::OpenAccount open_account(OrgId owner, ledger::AccountKind kind, Currency currency,
                                 EndpointId endpoint = {});

// The accounts between which what an endpoint costs and earns is moved, for its billing mode; none
// for a dedicated one. Their opening is part of creating and of configuring it.
std::vector<ledger::OpenAccount> endpoint_accounts(OrgId tenant, EndpointId endpoint,
                                                   deployment::Billing billing, Currency currency);

// The ledger's part of what was metered: one transfer per tenant, currency and destination, in one
// step of the stream "metering". No events when nothing costs anything.
// `batch` is what goes before them: each step of the stream has a sequence of its own.
Result<std::vector<ledger::Event>> transfers_for(const State& state,
                                                 const std::vector<metering::Posting>& postings,
                                                 const Batch& batch, const Context& context);

// Work that was metered: whose budgets its postings count against.
struct Metered {
  HoldId hold;  // none: it runs without one
  budget::Spender spender;
  std::vector<metering::Posting> postings;
  bool closes = false;  // the hold ends with it
};
// Books what was metered and counts it in budgets. Goes after the facts of the use; once a batch.
Result<void> book(const State& state, std::vector<Metered> metered, Batch& batch,
                  const Context& context);
// All postings of these facts, in order.
std::vector<metering::Posting> postings_of(const std::vector<metering::Event>& events);

// Refuses new work, and more of what runs, when the tenant's wallet is empty, also for what costs
// nothing or is borne by an endpoint. Without a wallet it pays later. What work costs is held in
// the wallet as in any budget: see budget::follow_wallet. Errors: exhausted/balance_exhausted.
Result<void> check_wallet(const State& state, OrgId tenant, Instant now);
// The tenant's wallet in the currency it is charged in; null: none.
const ledger::Account* wallet_of(const State& state, OrgId tenant, Instant now);
// Whose balance all that a tenant is charged comes from, and what it is given back goes to: its
// wallet in that currency, from the first top-up on; else its receivable.
AccountId payer_account(const State& state, OrgId tenant, Currency currency);
// The prepaid budget behind a wallet.
BudgetId wallet_budget(AccountId wallet);

// Whether work that runs holds money on other budgets or windows than those that match by now: it
// is to be renewed at once.
bool hold_is_stale(const State& state, const workload::Workload& workload, Instant now);

// Whether what is paid for is all that the work may have: it has a wallet, or a budget matches that
// stops its class of work. Without, it goes on and is billed.
bool stops_unpaid(const State& state, const workload::Workload& workload, Instant now);

// The organisation nodes whose budgets a project's spending counts against, the tenant first.
std::vector<OrgId> spender_path(const State& state, OrgId project);

}  // namespace bessemer::factory
