// Which account a charge was made to, told by the transfer's id alone.
#pragma once
#include <cstdint>
#include <string_view>

#include "application/factory/state.h"

namespace bessemer::factory {

constexpr std::string_view metering_stream = "metering";  // of the ledger: charges for metered use

// The id of a transfer of metered use is derived from the account that pays and from the transfer's
// place in its stream: step `sequence`, then `index` within it.
TransferId charge_id(AccountId payer, std::uint64_t sequence, std::size_t index);

// The account that pays by the transfer of this id. Streamed transfers are not kept in the state,
// so whose one is must be known before the journal is read for it. Null: no id that charge_id()
// can have given so far.
const ledger::Account* charged_account(const State& state, TransferId id);

}  // namespace bessemer::factory
