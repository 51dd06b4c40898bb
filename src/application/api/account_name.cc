// Names accounts for people, as far as they may know whose they are.
#include "application/api/account_name.h"

#include "governance/ledger/ledger.h"
#include "governance/tenant/tenant.h"

namespace bessemer::api {

std::string account_name(const factory::State& state, const access::Caller& caller, Instant now,
                         AccountId id) {
  const ledger::Account* const account = ledger::find(state.ledger, id);
  if (account == nullptr) return to_text(id);
  const std::string kind(enum_text(account->kind));
  if (account->owner) {
    const auto path = tenant::ancestors(state.tenant, account->owner);
    const auto decision = access::decide(state.access, caller, path, access::Resource::org,
                                         access::Action::read, now);
    if (decision.verdict != access::Verdict::allowed) return "another tenant's " + kind;
  }
  std::string name = account->owner ? tenant::path_of(state.tenant, account->owner) : "/";
  name += " " + kind;
  if (account->endpoint) name += " of " + to_text(account->endpoint);
  return name;
}

std::string account_name(const Call& call, AccountId id) {
  return account_name(call.state(), call.caller(), call.now(), id);
}

}  // namespace bessemer::api
