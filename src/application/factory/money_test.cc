// Money through the whole factory: holds that follow months and budgets, invoices that are cut at
// the period's end, tenants that come with their zones and books.
#include <gtest/gtest.h>

#include <map>

#include "application/factory/desk_for_test.h"

namespace bessemer::factory {
namespace {

// ---- holds follow months and budgets

TEST(FactoryMoney, AServiceThatRunsIntoTheNextMonthDrawsOnItsBudget) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme", ahead_zone), vision = desk.project(acme);
  const BudgetId cap = desk.budget(acme, 100, ahead_zone.name);
  const Instant month = utc("2026-05-31T23:00:00Z");  // June begins at 23:00 UTC there
  const Instant before = budget::window_of(desk.state.budget,
                                           *budget::find(desk.state.budget, cap), may).from;
  EXPECT_EQ(before, utc("2026-04-30T23:00:00Z"));
  desk.now = month - minutes(3);
  const WorkloadId id = desk.submit(vision, 1, workload::Kind::service);
  desk.begin(id);
  const HoldId first = desk.attempt(id).hold;
  EXPECT_GT(desk.counters(cap, before).held, 0);
  // Use is counted in the month in which it occurred, before any renewal.
  desk.now = month + minutes(3);
  desk.accrue(id);
  const Wide half = desk.counters(cap, before).used;
  EXPECT_EQ(desk.counters(cap, month).used, half);
  EXPECT_GT(half, unit / 20);  // 3 of 60 minutes at 2 EUR
  EXPECT_GT(desk.counters(cap, before).held, 0);
  // The renewal moves the hold into the new month, whole.
  ASSERT_TRUE(desk.renew(id));
  const HoldId second = desk.attempt(id).hold;
  EXPECT_NE(second, first);
  EXPECT_EQ(desk.counters(cap, before).held, 0);
  EXPECT_GT(desk.counters(cap, month).held, 0);
  EXPECT_EQ(desk.attempt(id).paid_until, desk.now + paid_quantum);
  // The next one finds it as it should be, and extends it.
  desk.now = desk.now + minutes(5);
  desk.accrue(id);
  ASSERT_TRUE(desk.renew(id));
  EXPECT_EQ(desk.attempt(id).hold, second);
  desk.now = desk.now + minutes(1);
  desk.end(id);
  EXPECT_EQ(desk.counters(cap, month).held, 0);
  EXPECT_TRUE(desk.state.budget.holds.empty());
  Wide billed = 0;
  for (const Instant at : {before, month}) {
    EXPECT_EQ(desk.counters(cap, at).used, desk.statement(acme, at).totals.at(euro));
    billed += desk.counters(cap, at).used;
  }
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), billed);
}

TEST(FactoryMoney, ABudgetMadeWhileWorkRunsCountsItAndStopsIt) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const WorkloadId id = desk.submit(vision, 1, workload::Kind::service);
  desk.begin(id);
  EXPECT_FALSE(desk.attempt(id).hold);
  EXPECT_FALSE(desk.attempt(id).paid_until);
  EXPECT_FALSE(hold_is_stale(desk.state, *workload::find(desk.state.workload, id), desk.now));
  const BudgetId cap = desk.budget(acme, 1);
  EXPECT_TRUE(hold_is_stale(desk.state, *workload::find(desk.state.workload, id), desk.now));
  desk.now = desk.now + minutes(6);
  desk.accrue(id);
  EXPECT_GT(desk.counters(cap, may_first).used, unit / 5 - 1);  // also without a hold
  ASSERT_TRUE(desk.renew(id));
  EXPECT_TRUE(desk.attempt(id).hold);
  EXPECT_EQ(desk.attempt(id).paid_until, desk.now + paid_quantum);
  EXPECT_GT(desk.counters(cap, may_first).held, unit / 3);
  for (int i = 0; i < 8; ++i) {
    desk.now = desk.now + minutes(5);
    desk.accrue(id);
    (void)desk.renew(id);
  }
  // Used up: paid until before now, and never more than the budget was let out.
  EXPECT_LT(*desk.attempt(id).paid_until, desk.now);
  const auto refused = desk.renew(id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "budget_exhausted");
}

TEST(FactoryMoney, WorkWithoutALimitIsToldWhenAnExhaustedOneComes) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const WorkloadId id = desk.submit(vision);
  desk.begin(id);
  (void)desk.budget(acme, 0);
  desk.now = desk.now + minutes(1);
  const auto told = desk.renew(id);
  ASSERT_TRUE(told) << to_text(told.error());
  EXPECT_FALSE(desk.attempt(id).hold);
  EXPECT_EQ(desk.attempt(id).paid_until,
            desk.now + paid_margin + workload::defaults::grace);
}

// Work is paid for ten minutes ahead: what a rise makes of them is held before, or not paid for.
TEST(FactoryMoney, APriceRiseOverspendsNoBudget) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const BudgetId cap = desk.budget(acme, 1);
  const WorkloadId id = desk.submit(vision);
  desk.begin(id);  // at 2 EUR an hour
  const Wide cheap = desk.counters(cap, may_first).held;
  pricing::Publish rise{desk.draw<PriceBookId>(), std::string(default_book), euro, {}, {}};
  for (const pricing::Price& price : desk.state.pricing.books.at(rise.name).front().prices) {
    if (price.sku == pricing::included_sku) continue;
    Money amount = price.amount;
    if (price.meter == pricing::Meter::gpu_time) amount.nano *= 100;
    rise.prices.push_back({price.meter, price.sku, amount, price.per});
  }
  desk.must(pricing::Command(rise));
  const Instant risen = desk.state.pricing.books.at(rise.name).back().effective_from;
  EXPECT_GT(risen, *desk.attempt(id).paid_until + paid_margin) << "it was held for before";
  // Also who begins before the rise and is paid for beyond it.
  const WorkloadId late = desk.submit(vision);
  desk.now = risen - minutes(5);
  const auto refused = desk.launch(late);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "budget_exhausted");
  for (int i = 0; i < 3 && desk.now < *desk.attempt(id).paid_until; ++i) {
    desk.accrue(id);
    (void)desk.renew(id);
    desk.now = desk.now + minutes(5);
  }
  desk.now = *desk.attempt(id).paid_until + paid_margin;
  desk.end(id);
  EXPECT_GT(desk.counters(cap, may_first).used, cheap / 2);
  EXPECT_LE(desk.counters(cap, may_first).used, 1 * unit);
}

// ---- what is lost

// A lost usage log: what was lent returns to the budgets, and the most that it can have paid for
// is the platform's loss, once, however many budgets it was out of.
TEST(FactoryMoney, AWrittenOffGatewayIsThePlatformsLoss) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const BudgetId outer = desk.budget(acme, 100), inner = desk.budget(vision, 50);
  const GatewayId gateway{8, 1};
  desk.must(lease::Command(lease::OpenEpoch{gateway, 1}));
  lease::Borrow borrow{gateway, 1, desk.draw<LeaseId>(), {.path = {acme, vision}, .key = {}}};
  borrow.need = spend_money({unit, euro});
  desk.must(lease::Command(borrow));
  const Wide lent = desk.counters(outer, may_first).leased;
  EXPECT_GT(desk.counters(inner, may_first).leased, 0);
  const lease::WriteOff write_off{gateway, 1, "the disk is lost"};
  EXPECT_NE(desk.said(lease::Command(write_off)).find("alive"), std::string::npos);
  desk.must(lease::Command(lease::Lose{gateway, 1}));
  EXPECT_EQ(desk.said(lease::Command(write_off)), "done");
  EXPECT_EQ(desk.said(lease::Command(write_off)), "nothing");
  EXPECT_EQ(desk.counters(outer, may_first).leased, 0);
  EXPECT_EQ(desk.counters(inner, may_first).leased, 0);
  EXPECT_EQ(desk.balance({}, ledger::AccountKind::platform_loss), -lent);
  EXPECT_EQ(desk.balance({}, ledger::AccountKind::provider_cost), lent);
  EXPECT_EQ(audit::find(desk.state.audit, 1)->action, "write_off");
  EXPECT_EQ(lease::audit(desk.state.lease, desk.state.budget), "");
}

// ---- tenants, zones, books

TEST(FactoryMoney, ATenantComesWithItsZoneOrNotAtAll) {
  Desk desk = with_machines();
  CreateTenant command{{desk.draw<OrgId>(), "acme", ahead_zone.name}, ahead_zone};
  EXPECT_EQ(desk.said(OwnCommand(command)), "done");
  EXPECT_EQ(metering::find(desk.state.metering, command.create.id)->zone, ahead_zone.name);
  EXPECT_TRUE(desk.state.budget.zones.contains(ahead_zone.name));
  EXPECT_EQ(desk.state.budget.zones, desk.state.metering.zones);
  // Refused, for its name is taken: neither is there.
  const Zone other{"Test/Other", {{Instant{}, 7200}}};
  CreateTenant twice{{desk.draw<OrgId>(), "acme", other.name}, other};
  EXPECT_NE(desk.said(OwnCommand(twice)).find("taken"), std::string::npos);
  EXPECT_FALSE(desk.state.metering.zones.contains(other.name));
}

TEST(FactoryMoney, AnotherZoneTakesEffectWithTheNextPeriod) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme");
  EXPECT_EQ(desk.said(OwnCommand(SetTimeZone{acme, ahead_zone})), "done");
  EXPECT_EQ(desk.said(OwnCommand(SetTimeZone{acme, ahead_zone})), "nothing");
  const auto& account = *metering::find(desk.state.metering, acme);
  const auto period = [&](std::string_view at) {
    return metering::period_of(desk.state.metering, account, utc(at));
  };
  EXPECT_EQ(period("2026-05-20T00:00:00Z"), (Period{may_first, june}));
  EXPECT_EQ(period("2026-06-20T00:00:00Z"), (Period{june, utc("2026-06-30T23:00:00Z")}));
  EXPECT_EQ(period("2026-06-30T23:30:00Z").until, utc("2026-07-31T23:00:00Z"));
  // Westward: no period of a few hours comes between.
  const Zone behind{"Test/Behind", {{Instant{}, -5 * 3600}}};
  EXPECT_EQ(desk.said(OwnCommand(SetTimeZone{acme, behind})), "done");
  EXPECT_EQ(period("2026-06-01T01:00:00Z"), (Period{june, utc("2026-07-01T05:00:00Z")}));
  EXPECT_EQ(period("2026-07-01T04:00:00Z").from, june);
  EXPECT_EQ(period("2026-07-01T05:00:00Z").from, utc("2026-07-01T05:00:00Z"));
  EXPECT_NE(desk.said(OwnCommand(SetTimeZone{desk.project(acme), behind})), "done");
}

TEST(FactoryMoney, ATenantOlderThanItsPriceBookIsChargedFromTheBookOn) {
  Desk desk;
  desk.machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const WorkloadId id = desk.submit(vision);
  desk.begin(id);
  desk.now = desk.now + hours(1);
  desk.accrue(id);
  EXPECT_FALSE(desk.statement(acme, may).complete);  // visibly unpriced, not lost
  desk.publish();
  const Instant priced = desk.now;
  desk.now = desk.now + hours(2);
  desk.end(id);
  const auto statement = desk.statement(acme, may);
  Wide gpu = 0;
  for (const auto& line : statement.lines) {
    if (line.key.meter == pricing::Meter::gpu_time) gpu += line.amount.nano;
    if (!line.unpriced) continue;
    EXPECT_EQ(line.last, priced);
  }
  EXPECT_EQ(gpu, 4 * unit);
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), statement.totals.at(euro));
}

// ---- storage and the end of periods

TEST(FactoryMoney, StorageIsChargedByTheHourAndCountsAgainstBudgets) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const BudgetId cap = desk.budget(acme, 2);
  desk.store(vision, 1ull << 30);
  desk.now = desk.now + hours(1);
  desk.must(OwnCommand(AccrueStorage{vision}));
  EXPECT_EQ(desk.counters(cap, may_first).used, unit);
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), unit);
  desk.must(OwnCommand(AccrueStorage{vision}));  // again: nothing
  EXPECT_EQ(desk.counters(cap, may_first).used, unit);
  desk.now = desk.now + hours(3);  // it cannot be refused
  desk.must(OwnCommand(AccrueStorage{vision}));
  EXPECT_EQ(desk.counters(cap, may_first).used, 4 * unit);
  EXPECT_FALSE(desk.launch(desk.submit(vision)));
}

TEST(FactoryMoney, AnInvoiceCutsWhatIsOpenExactlyAtThePeriodsEnd) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme"), vision = desk.project(acme);
  const BudgetId cap = desk.budget(acme, 1000);
  desk.now = june - hours(2);
  desk.store(vision, 1ull << 30);
  const WorkloadId id = desk.submit(vision, 2);
  desk.begin(id);
  desk.now = june - minutes(20);
  desk.accrue(id);
  desk.now = june + minutes(10);  // neither has been posted to the end of May
  CloseInvoice close{{desk.draw<InvoiceId>(), acme, may_first, {}}};
  desk.must(OwnCommand(close));
  const billing::Invoice& invoice = desk.state.billing.invoices.at(close.close.id);
  std::map<pricing::Meter, Wide> quantities;
  for (const auto& line : desk.statement(acme, may).lines) {
    quantities[line.key.meter] += line.quantity;
    EXPECT_EQ(line.last, june);
  }
  EXPECT_EQ(quantities[pricing::Meter::storage_time], (Wide{1} << 30) * hours(2).ns);
  EXPECT_EQ(quantities[pricing::Meter::gpu_time], Wide{2000} * hours(2).ns);
  EXPECT_EQ(invoice.total, (Money{desk.statement(acme, may).totals.at(euro), euro}));
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), invoice.total.nano);
  EXPECT_EQ(desk.counters(cap, may_first).used, invoice.total.nano);
  EXPECT_EQ(desk.said(OwnCommand(close)), "nothing");
  // What follows is June's, from its first nanosecond.
  desk.end(id);
  desk.must(OwnCommand(AccrueStorage{vision}));
  for (const auto& line : desk.statement(acme, june).lines) EXPECT_EQ(line.first, june);
  EXPECT_EQ(desk.counters(cap, june).used, desk.statement(acme, june).totals.at(euro));
  EXPECT_EQ(metering::audit(desk.state.metering, desk.state.pricing), "");
}

TEST(FactoryMoney, AnAdjustmentIsOfAPeriodOfTheTenantsAndNotFarAhead) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme");
  const auto said = [&](std::string_view at) {
    return desk.said(billing::Command(billing::Adjust{
        acme, utc(at),
        {desk.draw<TransferId>(), billing::AdjustmentKind::fee, {unit, euro}, "set-up", ""}}));
  };
  EXPECT_NE(said("2026-04-15T12:00:00Z").find("period: must not end before there was the tenant"),
            std::string::npos);
  EXPECT_NE(said("1999-05-15T12:00:00Z").find("period: must not end before"), std::string::npos);
  EXPECT_NE(said("2027-05-15T12:00:00Z").find("period: must be at most 366 days ahead"),
            std::string::npos);
  EXPECT_EQ(said("2026-05-01T00:00:00Z"), "done");  // it came in the middle of that month
  EXPECT_EQ(said("2027-05-10T00:00:00Z"), "done");
  desk.now = june;
  CloseInvoice close{{desk.draw<InvoiceId>(), acme, may_first, {}}};
  EXPECT_EQ(desk.said(OwnCommand(close)), "done");  // nothing before it is open
}

TEST(FactoryMoney, ACreditNoteIsALineAndATransferOnce) {
  Desk desk = with_machines();
  const OrgId acme = desk.tenant("acme");
  const TransferId fee = desk.draw<TransferId>(), credit = desk.draw<TransferId>();
  const auto adjust = [&](TransferId id, billing::AdjustmentKind kind, Wide nano,
                          std::string reference) {
    return desk.said(billing::Command(billing::Adjust{
        acme, may, {id, kind, {nano, euro}, "set-up", std::move(reference)}}));
  };
  EXPECT_EQ(adjust(fee, billing::AdjustmentKind::fee, 5 * unit, ""), "done");
  EXPECT_EQ(adjust(fee, billing::AdjustmentKind::fee, 5 * unit, ""), "nothing");
  EXPECT_NE(adjust(fee, billing::AdjustmentKind::fee, 6 * unit, "").find("other content"),
            std::string::npos);
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), 5 * unit);
  EXPECT_NE(adjust(credit, billing::AdjustmentKind::credit, -6 * unit, to_text(fee))
                .find("at most what is not credited yet"),
            std::string::npos);
  EXPECT_EQ(adjust(credit, billing::AdjustmentKind::credit, -2 * unit, to_text(fee)), "done");
  EXPECT_EQ(desk.state.ledger.transfers.at(credit).kind, ledger::TransferKind::credit_note);
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), 3 * unit);
  desk.now = june;
  CloseInvoice close{{desk.draw<InvoiceId>(), acme, may_first, {}}};
  desk.must(OwnCommand(close));
  EXPECT_EQ(desk.state.billing.invoices.at(close.close.id).total, (Money{3 * unit, euro}));
  EXPECT_EQ(-desk.balance(acme, ledger::AccountKind::receivable), 3 * unit);  // not once more
}

}  // namespace
}  // namespace bessemer::factory
