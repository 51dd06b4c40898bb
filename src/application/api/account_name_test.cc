// Whose an account is, is told to those who may know of its owner.
#include "application/api/account_name.h"

#include <gtest/gtest.h>

#include "application/factory/charge.h"

namespace bessemer::api {
namespace {

using ledger::AccountKind;

constexpr Currency euro{{'E', 'U', 'R'}};
constexpr OrgId acme{1, 1}, other{1, 2};
constexpr EndpointId endpoint{2, 1};
constexpr PrincipalId ada{3, 1}, root{3, 2};
const Instant noon = Instant{} + hours(12);

factory::State two_tenants() {
  factory::State state;
  const Context at{noon, noon, {}, {}, Origin::decided};
  for (const auto& [id, name] : {std::pair(acme, "acme"), std::pair(other, "other")}) {
    const tenant::CreateTenant create{id, name, {}};
    const auto made = tenant::judge(state.tenant, tenant::Command(create), at);
    EXPECT_TRUE(made) << name;
    for (const tenant::Event& event : *made) tenant::apply(state.tenant, event, at);
  }
  using access::Role;
  for (const auto& [who, where, role] :
       {std::tuple(ada, acme, Role::viewer),
        std::tuple(root, tenant::root, Role::platform_admin)}) {
    access::apply(state.access,
                  access::PrincipalCreated{who, access::PrincipalKind::user, "", where}, at);
    const auto path = tenant::ancestors(state.tenant, where);
    access::apply(state.access, access::RoleBound{who, role, {path.begin(), path.end()}}, at);
  }
  const auto open = [&](OrgId owner, AccountKind kind, EndpointId of) {
    const auto opened = factory::open_account(owner, kind, euro, of);
    ledger::apply(state.ledger, ledger::AccountOpened{opened.account}, at);
  };
  for (const OrgId owner : {acme, other}) {
    open(owner, AccountKind::wallet, {});
    open(owner, AccountKind::revenue, endpoint);
  }
  open({}, AccountKind::revenue, {});
  return state;
}

TEST(AccountName, AForeignOneIsToldByItsKindAlone) {
  const factory::State state = two_tenants();
  const std::string of_endpoint = " of " + to_text(endpoint);
  struct Row {
    OrgId owner;
    AccountKind kind;
    EndpointId of;
    std::string to_ada, to_root;
  };
  for (const Row& row : {
           Row{acme, AccountKind::wallet, {}, "acme wallet", "acme wallet"},
           Row{other, AccountKind::wallet, {}, "another tenant's wallet", "other wallet"},
           Row{acme, AccountKind::revenue, endpoint, "acme revenue" + of_endpoint,
               "acme revenue" + of_endpoint},
           Row{other, AccountKind::revenue, endpoint, "another tenant's revenue",
               "other revenue" + of_endpoint},
           Row{{}, AccountKind::revenue, {}, "/ revenue", "/ revenue"},
       }) {
    const AccountId id = factory::account_id(row.owner, row.kind, euro, row.of);
    EXPECT_EQ(account_name(state, {ada, {}}, noon, id), row.to_ada);
    EXPECT_EQ(account_name(state, {root, {}}, noon, id), row.to_root);
  }
  EXPECT_EQ(account_name(state, {ada, {}}, noon, {9, 9}), to_text(AccountId{9, 9}));
}

}  // namespace
}  // namespace bessemer::api
