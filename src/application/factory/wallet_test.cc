// A tenant that pays in advance: never served past its wallet, by tokens or by the hour.
#include <gtest/gtest.h>

#include <vector>

#include "application/factory/desk_for_test.h"

namespace bessemer::factory {
namespace {

constexpr Wide cent = unit / 100;

// A tenant with so many cents in its wallet, and a project.
struct Prepaid {
  Desk desk = with_machines();
  OrgId acme = desk.tenant("acme"), vision = desk.project(acme);

  explicit Prepaid(std::int64_t cents) { pay(cents); }
  void pay(std::int64_t cents) {
    const Money amount{Wide{cents} * cent, euro};
    desk.must(OwnCommand(TopUp{acme, desk.draw<TransferId>(), amount}));
  }
  BudgetId wallet() const {
    return wallet_budget(account_id(acme, ledger::AccountKind::wallet, euro));
  }
  Wide balance() { return desk.balance(acme, ledger::AccountKind::wallet); }
  budget::Counters counters() { return desk.counters(wallet(), Instant{}); }
  Wide available() {
    return budget::available(desk.state.budget, *budget::find(desk.state.budget, wallet()),
                             Instant{}, budget::WorkloadClass::inference,
                             budget::Purpose::admission);
  }
};

// Gateways that lend, spend and report, as the daemon and they do it.
struct Shop {
  Prepaid& tenant;
  std::vector<lease::Lease> leases;  // one for each gateway, of the wallet
  std::vector<Wide> spent, reported;

  Shop(Prepaid& of, std::size_t gateways)
      : tenant(of), leases(gateways), spent(gateways), reported(gateways) {
    for (std::size_t i = 0; i < gateways; ++i) {
      tenant.desk.must(lease::Command(lease::OpenEpoch{id(i), 1}));
    }
  }
  static GatewayId id(std::size_t gateway) { return {8, 1 + gateway}; }

  // One request at ten cents; the refusal where there is one.
  std::string buy(std::size_t gateway) {
    lease::Lease& lease = leases[gateway];
    const Wide price = 10 * cent;
    for (int asked = 0; lease.granted - spent[gateway] < price; ++asked) {
      lease::Borrow borrow{id(gateway), 1, tenant.desk.draw<LeaseId>(),
                           {.path = {tenant.acme, tenant.vision}, .key = {}}};
      borrow.need = spend_money({price, euro});
      if (lease.id) borrow.idle = {{lease.id, lease.granted - spent[gateway]}};
      const auto lent = tenant.desk.give(lease::Command(borrow));
      if (!lent) return to_text(lent.error());
      if (lent->outcome == lease::Outcome::wait) {
        if (asked > 3) return "waits";
        give_back();
        report();
        continue;
      }
      lease = lent->leases.front();
    }
    spent[gateway] += price;
    return "";
  }
  // What is spent is counted against the leases, and paid.
  void report() {
    Desk& desk = tenant.desk;
    for (std::size_t i = 0; i < leases.size(); ++i) {
      const Wide more = spent[i] - reported[i];
      if (more == 0) continue;
      reported[i] = spent[i];
      const auto offset = static_cast<std::uint64_t>(spent[i]);
      desk.must(lease::Command(lease::Report{id(i), 1, offset, {{leases[i].id, spent[i], more}}}));
      ledger::Transfer paid;
      paid.id = desk.draw<TransferId>();
      paid.from = account_id(tenant.acme, ledger::AccountKind::wallet, euro);
      paid.to = account_id({}, ledger::AccountKind::revenue, euro);
      paid.amount = {more, euro};
      desk.must(ledger::Command(ledger::Move{paid}));
    }
  }
  // Recalled leases come back but for what is spent of them.
  void give_back() {
    for (std::size_t i = 0; i < leases.size(); ++i) {
      for (const lease::Lease& one : lease::recalled(tenant.desk.state.lease, id(i))) {
        leases[i].granted = spent[i];
        leases[i].revision = one.revision + 1;
        tenant.desk.must(lease::Command(
            lease::Reduce{one.id, leases[i].granted, leases[i].revision, id(i)}));
      }
    }
  }
};

TEST(FactoryWallet, StopsTokensAtTheLastCent) {
  for (const std::size_t gateways : {1u, 2u, 4u}) {
    Prepaid tenant(500);
    Shop shop(tenant, gateways);
    std::size_t served = 0;
    std::string refused;
    for (std::size_t i = 0; i < 1000; ++i) {
      const std::string said = shop.buy(i % gateways);
      if (said.empty()) ++served;
      else refused = said;
    }
    EXPECT_EQ(served, 50u) << gateways;
    EXPECT_NE(refused.find("the wallet of \"acme\" has 0 EUR left"), std::string::npos) << refused;
    EXPECT_NE(refused.find("wallet top-up"), std::string::npos) << refused;
    tenant.pay(30);
    served = 0;
    for (std::size_t i = 0; i < 100; ++i) served += shop.buy(i % gateways).empty() ? 1u : 0u;
    EXPECT_EQ(served, 3u) << gateways;
    EXPECT_EQ(lease::audit(tenant.desk.state.lease, tenant.desk.state.budget), "");
  }
}

// Storage and fees cannot be refused: what gateways have idle comes back, so that the rest is not
// spent twice.
TEST(FactoryWallet, WhatCannotBeRefusedRecallsWhatIsLent) {
  Prepaid tenant(500);
  Shop shop(tenant, 2);
  EXPECT_EQ(shop.buy(0) + shop.buy(1), "");
  EXPECT_GT(tenant.counters().leased, 50 * cent);
  EXPECT_TRUE(lease::recalled(tenant.desk.state.lease, Shop::id(0)).empty());
  tenant.desk.must(billing::Command(billing::Adjust{
      tenant.acme, may,
      {tenant.desk.draw<TransferId>(), billing::AdjustmentKind::fee, {450 * cent, euro}, "set-up",
       ""}}));
  EXPECT_EQ(lease::recalled(tenant.desk.state.lease, Shop::id(0)).size(), 1u);
  EXPECT_EQ(lease::recalled(tenant.desk.state.lease, Shop::id(1)).size(), 1u);
  shop.give_back();
  EXPECT_EQ(tenant.counters().leased, 20 * cent);
  std::size_t served = 0;
  for (std::size_t i = 0; i < 20; ++i) served += shop.buy(i % 2).empty() ? 1u : 0u;
  EXPECT_EQ(served, 3u);  // of 50 cents, with the 20 that were spent and not reported
}

TEST(FactoryWallet, WhatCostsNothingIsServedWithAnEmptyWallet) {
  Prepaid tenant(1);
  const TransferId fee = tenant.desk.draw<TransferId>();
  tenant.desk.must(billing::Command(billing::Adjust{
      tenant.acme, may, {fee, billing::AdjustmentKind::fee, {2 * cent, euro}, "set-up", ""}}));
  EXPECT_EQ(tenant.balance(), -cent);
  const GatewayId gateway{8, 1};
  tenant.desk.must(lease::Command(lease::OpenEpoch{gateway, 1}));
  lease::Borrow borrow{gateway, 1, tenant.desk.draw<LeaseId>(),
                       {.path = {tenant.acme, tenant.vision}, .key = {}}};
  EXPECT_EQ(tenant.desk.said(lease::Command(borrow)), "done");
  borrow.seed = tenant.desk.draw<LeaseId>();
  borrow.need = spend_money({1, euro});
  EXPECT_EQ(tenant.desk.give(lease::Command(borrow)).error().reason, "balance_exhausted");
}

TEST(FactoryWallet, AJobHoldsItsTimeAndNeverRunsPastIt) {
  Prepaid tenant(100);
  Desk& desk = tenant.desk;
  // Ten minutes cost 34 cents and a little: two jobs fit, a third does not.
  const WorkloadId one = desk.submit(tenant.vision), two = desk.submit(tenant.vision);
  desk.begin(one);
  desk.begin(two);
  EXPECT_GT(tenant.counters().held, 67 * cent);
  EXPECT_EQ(tenant.available(), tenant.balance() - tenant.counters().held);
  const auto refused = desk.launch(desk.submit(tenant.vision));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "balance_exhausted");
  EXPECT_NE(to_text(refused.error()).find("the wallet of \"acme\""), std::string::npos);
  // Charged as they run, renewed while it lasts; each is stopped at its paid_until.
  std::map<WorkloadId, bool> running{{one, true}, {two, true}};
  for (int minute = 0; minute < 60; ++minute) {
    desk.now = desk.now + minutes(1);
    for (auto& [id, runs] : running) {
      if (!runs) continue;
      const Instant paid = *desk.attempt(id).paid_until;
      if (paid <= desk.now) {
        desk.now = paid;
        desk.end(id);
        runs = false;
        continue;
      }
      desk.accrue(id);
      (void)desk.renew(id);
    }
    ASSERT_GE(tenant.balance(), 0) << minute;
    ASSERT_LE(tenant.counters().held, tenant.balance()) << minute;
  }
  EXPECT_FALSE(running[one] || running[two]);
  EXPECT_LT(tenant.balance(), 34 * cent);
  EXPECT_EQ(tenant.counters().held, 0);
}

TEST(FactoryWallet, WorkThatRunsWhenTheWalletComesIsHeldInItFromThenOn) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const WorkloadId id = desk.submit(vision);
  desk.begin(id);
  EXPECT_FALSE(desk.attempt(id).hold);
  desk.must(OwnCommand(TopUp{acme, desk.draw<TransferId>(), {unit, euro}}));
  EXPECT_TRUE(hold_is_stale(desk.state, *workload::find(desk.state.workload, id), desk.now));
  ASSERT_TRUE(desk.renew(id));
  EXPECT_TRUE(desk.attempt(id).hold);
  EXPECT_EQ(desk.attempt(id).paid_until, desk.now + paid_quantum);
}

// Its callers pay by the token: no wallet ever pays for the replica, so none holds money for it.
TEST(FactoryWallet, AReplicaThatItsEndpointBearsHoldsNothingInIt) {
  Prepaid tenant(100);
  Desk& desk = tenant.desk;
  deployment::Create create;
  create.endpoint = desk.draw<EndpointId>();
  create.project = tenant.vision;
  create.name = "shared";
  create.billing = deployment::Billing::shared;
  create.replicas = 1;
  create.runs.workload.text = json::write(Desk::spec({}, 1, workload::Kind::service));
  desk.must(deployment::Command(create));
  desk.must(OwnCommand(BeginReplica{create.endpoint, 1, 0}));
  const WorkloadId id = deployment::replica_workload(create.endpoint, 0);
  desk.begin(id);
  EXPECT_EQ(tenant.counters().held, 0);
  desk.now = desk.now + hours(1);
  desk.accrue(id);
  EXPECT_EQ(tenant.balance(), unit);
}

TEST(FactoryWallet, FeesAndCreditNotesAreItsToo) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme");
  const auto adjust = [&](billing::AdjustmentKind kind, Wide nano, std::string reference) {
    const TransferId id = desk.draw<TransferId>();
    desk.must(billing::Command(billing::Adjust{
        acme, may, {id, kind, {nano, euro}, "by hand", std::move(reference)}}));
    return id;
  };
  using enum billing::AdjustmentKind;
  const TransferId before = adjust(fee, 5 * unit, "");
  desk.must(OwnCommand(TopUp{acme, desk.draw<TransferId>(), {10 * unit, euro}}));
  adjust(fee, 3 * unit, "");
  EXPECT_EQ(desk.balance(acme, ledger::AccountKind::wallet), 7 * unit);
  adjust(credit, -unit, "");
  EXPECT_EQ(desk.balance(acme, ledger::AccountKind::wallet), 8 * unit);
  // What was owed before there was the wallet is given back where it was owed.
  adjust(credit, -2 * unit, to_text(before));
  EXPECT_EQ(desk.balance(acme, ledger::AccountKind::wallet), 8 * unit);
  EXPECT_EQ(desk.balance(acme, ledger::AccountKind::receivable), -3 * unit);
}

TEST(FactoryWallet, AnEmptyWalletLetsNothingNewIn) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  TopUp top_up{acme, desk.draw<TransferId>(), {unit, euro}, TopUpKind::payment, "bank"};
  top_up.amount.currency = simulated_currency;
  EXPECT_NE(desk.said(OwnCommand(top_up)).find("charged in EUR"), std::string::npos);
  top_up.amount.currency = euro;
  EXPECT_EQ(desk.said(OwnCommand(top_up)), "done");
  EXPECT_EQ(desk.said(OwnCommand(top_up)), "nothing");
  TopUp other = top_up;
  other.amount.nano += 1;
  EXPECT_NE(desk.said(OwnCommand(other)).find("other content"), std::string::npos);
  EXPECT_EQ(desk.balance(acme, ledger::AccountKind::wallet), unit);
  EXPECT_EQ(desk.balance({}, ledger::AccountKind::payments), -unit);
  const WorkloadId id = desk.submit(vision);
  desk.begin(id);
  EXPECT_TRUE(desk.attempt(id).paid_until);  // it is to be asked again, although no budget matches
  desk.now = desk.now + minutes(40);
  desk.accrue(id);
  EXPECT_LT(desk.balance(acme, ledger::AccountKind::wallet), 0);
  EXPECT_EQ(desk.balance(acme, ledger::AccountKind::receivable), 0);
  EXPECT_FALSE(desk.renew(id));
  const auto refused = desk.launch(desk.submit(vision));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "balance_exhausted");
  TopUp grant{acme, desk.draw<TransferId>(), {2 * unit, euro}, TopUpKind::grant, "courtesy"};
  EXPECT_EQ(desk.said(OwnCommand(grant)), "done");
  EXPECT_EQ(desk.balance({}, ledger::AccountKind::platform_loss), -2 * unit);
  EXPECT_TRUE(desk.renew(id));
}

}  // namespace
}  // namespace bessemer::factory
