// What the routes about money share.
#include "application/api/money.h"

namespace bessemer::api {

OrgId owner_of(const factory::State& state, const ledger::Transfer& transfer) {
  for (const AccountId id : {transfer.from, transfer.to}) {
    const ledger::Account* const account = ledger::find(state.ledger, id);
    if (account != nullptr && account->owner) return account->owner;
  }
  return tenant::root;
}

std::vector<Money> amounts_of(const std::map<Currency, Wide>& sums) {
  std::vector<Money> amounts;
  for (const auto& [currency, nano] : sums) amounts.push_back({nano, currency});
  return amounts;
}

Result<Instant> moment_of_month(std::string_view month) {
  auto middle = from_text(std::type_identity<Instant>{}, std::string(month) + "-15T12:00:00Z");
  if (!middle) return invalid("must be a month such as 2026-11").at("period");
  return middle;
}

Result<Instant> queried_period(const Call& call) {
  const auto month = call.query("period");
  return month ? moment_of_month(*month) : Result<Instant>(call.now());
}

}  // namespace bessemer::api
