// What the routes about money share: whose a transfer is, sums as amounts, months as people say
// them.
#pragma once
#include <map>
#include <string_view>
#include <vector>

#include "application/api/call.h"

namespace bessemer::api {

// The tenant whose transfer it is; the platform's when both sides are its own.
OrgId owner_of(const factory::State& state, const ledger::Transfer& transfer);

// One amount for each currency, in order.
std::vector<Money> amounts_of(const std::map<Currency, Wide>& sums);

// "2026-11": some moment of that month, from which a tenant's zone finds the period. Errors:
// invalid (period).
Result<Instant> moment_of_month(std::string_view month);
// The month that the query names as `period`; now when it names none.
Result<Instant> queried_period(const Call& call);

}  // namespace bessemer::api
