// Names accounts for people, as far as they may know whose they are.
#include "application/api/account_name.h"

#include "governance/ledger/ledger.h"
#include "governance/tenant/tenant.h"

namespace bessemer::api {

std::string account_name(const Call& call, AccountId id) {
  const factory::State& state = call.state();
  const ledger::Account* const account = ledger::find(state.ledger, id);
  if (account == nullptr) return to_text(id);
  const std::string kind(enum_text(account->kind));
  if (account->owner && !call.may(account->owner, access::Resource::org, access::Action::read)) {
    return "another tenant's " + kind;
  }
  std::string name = account->owner ? tenant::path_of(state.tenant, account->owner) : "/";
  name += " " + kind;
  if (account->endpoint) name += " of " + to_text(account->endpoint);
  return name;
}

}  // namespace bessemer::api
