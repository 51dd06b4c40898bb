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

// What `levels` take from budgets over `span`, at the budget rate, rounded up.
Result<Spend> spend_for(const State& state, OrgId tenant,
                        const std::vector<metering::Level>& levels, Duration span, Instant now);

// The accounts of an owner that charges move between; ids are derived, so that they are opened
// once. Their opening is part of opening a tenant and of publishing a book.
AccountId account_id(OrgId owner, ledger::AccountKind kind, Currency currency,
                     EndpointId endpoint = {});
ledger::OpenAccount open_account(OrgId owner, ledger::AccountKind kind, Currency currency,
                                 EndpointId endpoint = {});

// The ledger's part of what was metered: one transfer per tenant, currency and destination, in one
// step of the stream "metering". No events when nothing costs anything.
// `batch` is what goes before them: each step of the stream has a sequence of its own.
Result<std::vector<ledger::Event>> transfers_for(const State& state,
                                                 const std::vector<metering::Posting>& postings,
                                                 const Batch& batch, const Context& context);

// The organisation nodes whose budgets a project's spending counts against, the tenant first.
std::vector<OrgId> spender_path(const State& state, OrgId project);

}  // namespace bessemer::factory
