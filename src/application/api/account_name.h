// What an account of the ledger is called.
#pragma once
#include <string>

#include "application/api/call.h"

namespace bessemer::api {

// "acme receivable", "/ revenue of endpoint ep_...". An account of a tenant that the caller may not
// know of is told by its kind alone.
std::string account_name(const Call& call, AccountId id);
std::string account_name(const factory::State& state, const access::Caller& caller, Instant now,
                         AccountId id);

}  // namespace bessemer::api
