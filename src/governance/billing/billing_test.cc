// Statements, adjustments, invoices and exports.
#include "governance/billing/billing.h"

#include <gtest/gtest.h>

#include "base/codec.h"

namespace bessemer::billing {
namespace {

using pricing::Meter;

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{1, 1}, project{1, 2}, other{1, 3};
constexpr ModelId model{7, 1};

Instant utc(std::string_view text) { return *from_text(std::type_identity<Instant>{}, text); }
const Instant may = utc("2026-05-01T00:00:00Z"), june = utc("2026-06-01T00:00:00Z");

struct Desk {
  State state;
  metering::State usage;
  pricing::State prices;
  Instant now = may;
  std::uint64_t sequence = 0;

  Context at() const { return {.now = now, .occurred_at = now}; }
  void use(Meter meter, std::string sku, Wide amount, Instant from, Instant until,
           OrgId in = project) {
    const metering::Record record{
        "test", ++sequence,
        {{.payer = {tenant, in, {}}, .subject = {.model = model}, .meter = meter,
          .sku = std::move(sku), .amount = amount, .from = from, .until = until}}};
    const auto events = metering::judge(usage, prices, record, at());
    ASSERT_TRUE(events) << to_text(events.error());
    for (const auto& event : *events) metering::apply(usage, event, at());
  }
  Result<std::vector<Event>> give(const Command& command) {
    auto events = judge(state, usage, command, at());
    if (events) {
      for (const auto& event : *events) apply(state, event, at());
    }
    return events;
  }
  std::string said(const Command& command) {
    const auto events = give(command);
    if (!events) return to_text(events.error());
    return events->empty() ? "already done" : "done";
  }
};

// May: 2 GPU-hours and 3 tokens (7.2 USD and 112 nano), a simulated hour. June is free to come.
Desk used() {
  Desk desk;
  const pricing::Publish book{
      .id = {9, 1}, .name = "standard", .currency = usd,
      .prices = {{Meter::gpu_time, "h200", {3'600'000'000, usd}, {}},
                 {Meter::gpu_time, "sim-*", {1'000'000'000, simulated_currency}, {}},
                 {Meter::output_tokens, "tiny", {37'500'000, usd}, {}}}};
  const auto published = pricing::judge(desk.prices, book, desk.at());
  for (const auto& event : *published) pricing::apply(desk.prices, event, desk.at());
  const auto opened = metering::judge(
      desk.usage, desk.prices, metering::OpenAccount{tenant, "standard", "UTC", {}}, desk.at());
  for (const auto& event : *opened) metering::apply(desk.usage, event, desk.at());
  desk.use(Meter::gpu_time, "h200", 1000, may, may + hours(2));
  desk.use(Meter::output_tokens, "tiny", 3, may + hours(1), may + hours(1), other);
  desk.use(Meter::gpu_time, "sim-h200", 1000, may, may + hours(1));
  desk.now = june;
  return desk;
}

Adjustment adjustment(std::uint64_t id, AdjustmentKind kind, std::int64_t nano) {
  return {{8, id}, kind, {nano, usd}, "an incident", "inc-1"};
}

TEST(Billing, AStatementShowsEverythingAndFilters) {
  Desk desk = used();
  const auto all = statement(desk.state, desk.usage, tenant, may + days(3));
  ASSERT_TRUE(all);
  ASSERT_EQ(all->lines.size(), 3u);
  EXPECT_EQ(all->totals.at(usd), 7'200'000'112);
  EXPECT_EQ(all->totals.at(simulated_currency), 1'000'000'000);
  EXPECT_TRUE(all->complete);
  EXPECT_EQ(all->lines[0].units, "2");
  EXPECT_EQ(all->lines[0].unit, "GPU-hour");
  EXPECT_FALSE(all->lines[0].simulated);
  EXPECT_TRUE(all->lines[1].simulated);
  const auto one = statement(desk.state, desk.usage, tenant, may, {.project = other});
  ASSERT_EQ(one->lines.size(), 1u);
  EXPECT_EQ(one->totals.at(usd), 112);
  EXPECT_TRUE(statement(desk.state, desk.usage, tenant, june)->lines.empty());
  EXPECT_FALSE(statement(desk.state, desk.usage, {1, 99}, may));
  const auto by_project = totals_by(*all, Dimension::project);
  EXPECT_EQ(by_project.at(to_text(other)).at(usd), 112);
  EXPECT_EQ(totals_by(*all, Dimension::meter).at("gpu_time").at(usd), 7'200'000'000);
  EXPECT_EQ(totals_by(*all, Dimension::model).size(), 1u);
  for (const auto dimension : {Dimension::project, Dimension::key, Dimension::model,
                               Dimension::endpoint, Dimension::workload, Dimension::meter,
                               Dimension::sku}) {
    Wide sum = 0;
    for (const auto& [name, totals] : totals_by(*all, dimension)) {
      if (totals.contains(usd)) sum += totals.at(usd);
    }
    EXPECT_EQ(sum, 7'200'000'112);
  }
}

TEST(Billing, RefusesAdjustmentsStepByStep) {
  Desk desk = used();
  Adjust adjust{.tenant = {1, 99}, .at = may, .adjustment = {}};
  const auto refused = [&](std::string_view why) {
    const std::string said = desk.said(adjust);
    EXPECT_NE(said.find(why), std::string::npos) << said;
  };
  refused("adjustment.id");
  adjust.adjustment.id = {8, 1};
  refused("adjustment.amount: must not be 0");
  adjust.adjustment.amount = {5, simulated_currency};
  refused("real currency");
  adjust.adjustment.amount.currency = usd;
  refused("below 0");
  adjust.adjustment.kind = AdjustmentKind::tax;
  refused("made when the invoice is closed");
  adjust.adjustment.kind = AdjustmentKind::fee;
  adjust.adjustment.amount.nano = -5;
  refused("above 0");
  adjust.adjustment.amount.nano = 5;
  refused("description");
  adjust.adjustment.description = "set-up";
  refused("no account");
  adjust.tenant = tenant;
  EXPECT_EQ(desk.said(adjust), "done");
  EXPECT_EQ(desk.said(adjust), "already done");
  adjust.at = june;  // repeated in another month: its transfer was made once
  EXPECT_EQ(desk.said(adjust), "already done");
  EXPECT_EQ(desk.state.adjustments.size(), 1u);
  adjust.adjustment.amount.nano = 6;
  refused("other content");
}

TEST(Billing, AnInvoiceIsExactlyItsLinesAndAdjustments) {
  Desk desk = used();
  EXPECT_EQ(desk.said(SetContract{tenant, {"VAT 19 %", 190'000, Money{8'000'000'000, usd}}}),
            "done");
  EXPECT_EQ(desk.said(Adjust{tenant, may, adjustment(1, AdjustmentKind::credit, -200'000'112)}),
            "done");
  const CloseInvoice close{{6, 1}, tenant, may, {}};
  EXPECT_EQ(desk.said(close), "done");
  EXPECT_EQ(desk.said(close), "already done");
  const Invoice& invoice = desk.state.invoices.at({6, 1});
  EXPECT_EQ(invoice.number, 1u);
  EXPECT_EQ(invoice.line_count, 2u);  // no simulated line
  EXPECT_EQ(invoice.statement.nano, 7'200'000'112);
  ASSERT_EQ(invoice.adjustments.size(), 3u);
  EXPECT_EQ(invoice.adjustments[1].amount.nano, 1'000'000'000);  // up to the minimum
  EXPECT_EQ(invoice.adjustments[2].amount.nano, 1'520'000'000);
  Money sum = invoice.statement;
  for (const auto& one : invoice.adjustments) sum = sum + one.amount;
  EXPECT_EQ(sum, invoice.total);
  EXPECT_EQ(to_text(invoice.total), "9.52 USD");
  EXPECT_NE(desk.said(Adjust{tenant, may, adjustment(2, AdjustmentKind::credit, -1)})
                .find("is invoiced"),
            std::string::npos);
  EXPECT_NE(desk.said(CloseInvoice{{6, 2}, tenant, may, {}}).find("is invoiced"),
            std::string::npos);
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, june, {}}).find("another period"),
            std::string::npos);
  const auto closed = statement(desk.state, desk.usage, tenant, may);
  EXPECT_EQ(closed->invoice->total, invoice.total);
  EXPECT_EQ(closed->adjustments.size(), 3u);
}

TEST(Billing, ClosesPeriodsInOrderAndOnlyWhenTheyAreOver) {
  Desk desk = used();
  desk.now = june + days(1);
  desk.use(Meter::gpu_time, "h200", 1000, june, june + hours(1));
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, june, {}}).find("not over"), std::string::npos);
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, may + hours(1), {}}).find("start of a period"),
            std::string::npos);
  desk.now = june + days(40);
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, june, {}}).find("close it first"),
            std::string::npos);
  EXPECT_EQ(desk.said(CloseInvoice{{6, 1}, tenant, may, {}}), "done");
  EXPECT_EQ(desk.said(CloseInvoice{{6, 2}, tenant, june, {}}), "done");
  EXPECT_EQ(desk.state.invoices.at({6, 2}).number, 2u);
}

TEST(Billing, NoInvoiceOverUnpricedLinesWithoutAWaiver) {
  Desk desk = used();
  desk.use(Meter::output_tokens, "unknown", 5, may, may);
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, may, {}}).find("without a price"),
            std::string::npos);
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, may, ""}).find("waiver"), std::string::npos);
  EXPECT_EQ(desk.said(CloseInvoice{{6, 1}, tenant, may, "a trial model"}), "done");
  EXPECT_EQ(desk.state.invoices.at({6, 1}).waiver, "a trial model");
  EXPECT_EQ(desk.state.invoices.at({6, 1}).line_count, 2u);
}

// Storage that nobody has priced yet: such a month is no invoice, and no other month waits for it.
TEST(Billing, AMonthWithoutAnyPriceKeepsNoLaterOneOpen) {
  Desk desk = used();
  desk.usage.lines.clear();
  desk.use(Meter::output_tokens, "unknown", 5, may, may);
  desk.use(Meter::output_tokens, "tiny", 5, june, june);
  desk.now = june + days(40);
  for (const bool waived : {false, true}) {
    CloseInvoice close{{6, 1}, tenant, may, {}};
    if (waived) close.waiver = "nobody knows the price";
    const std::string said = desk.said(close);
    EXPECT_NE(said.find("nothing to invoice"), std::string::npos) << said;
  }
  const Desk before = desk;
  EXPECT_EQ(desk.said(CloseInvoice{{6, 2}, tenant, june, {}}), "done");
  EXPECT_EQ(desk.state.invoices.at({6, 2}).number, 1u);
  // With a minimum, that month is one to be paid too.
  Desk owed = before;
  EXPECT_EQ(owed.said(SetContract{tenant, {"", 0, Money{1'000'000'000, usd}}}), "done");
  EXPECT_NE(owed.said(CloseInvoice{{6, 2}, tenant, june, {}}).find("close it first"),
            std::string::npos);
  EXPECT_EQ(owed.said(CloseInvoice{{6, 1}, tenant, may, "nobody knows the price"}), "done");
  EXPECT_EQ(owed.said(CloseInvoice{{6, 2}, tenant, june, {}}), "done");
}

TEST(Billing, SimulatedUsageReachesNoInvoice) {
  Desk desk = used();
  desk.usage.lines.clear();
  desk.use(Meter::gpu_time, "sim-h200", 1000, may, may + hours(1));
  EXPECT_NE(desk.said(CloseInvoice{{6, 1}, tenant, may, {}}).find("nothing to invoice"),
            std::string::npos);
  EXPECT_NE(desk.said(SetContract{tenant, {"", 0, Money{1, simulated_currency}}})
                .find("real currency"),
            std::string::npos);
}

// Replica time of a shared endpoint: on the statement, exported to be checked, and paid by nobody
// but the endpoint's cost account.
TEST(Billing, WhatAnEndpointBearsIsNoPartOfTheTotal) {
  Desk desk = used();
  const EndpointId endpoint{7, 1};
  metering::Usage replica{.payer = {tenant, project, {}, metering::Bearer::endpoint},
                          .subject = {.endpoint = endpoint}, .meter = Meter::gpu_time,
                          .sku = "h200", .amount = 1000, .from = may, .until = may + hours(3)};
  metering::Usage tokens{.payer = {tenant, other, {}}, .subject = {.endpoint = endpoint},
                         .meter = Meter::output_tokens, .sku = "tiny", .amount = 1'000'000,
                         .from = may, .until = may};
  const auto events = metering::judge(desk.usage, desk.prices,
                                      metering::Record{"shared", 1, {replica, tokens}}, desk.at());
  ASSERT_TRUE(events);
  for (const auto& event : *events) metering::apply(desk.usage, event, desk.at());
  const auto whole = *statement(desk.state, desk.usage, tenant, may);
  EXPECT_EQ(whole.totals.at(usd), 7'200'000'112 + 37'500'000);
  ASSERT_EQ(whole.borne.size(), 1u);
  EXPECT_EQ(whole.borne_totals.at(usd), 10'800'000'000);
  EXPECT_NE(statement_csv(whole).find(",0,USD,gpu_time,10800000000000000,"), std::string::npos);
  EXPECT_NE(statement_csv(whole).find(",10.8\n"), std::string::npos);
  const Margin earned = margin(desk.usage, endpoint, may);
  EXPECT_EQ(earned.revenue.at(usd), 37'500'000);
  EXPECT_EQ(earned.cost.at(usd), 10'800'000'000);
  EXPECT_EQ(find_line(desk.usage, tenant, line_id(whole.borne[0].key))->second.amount.nano,
            10'800'000'000);
  EXPECT_EQ(find_line(desk.usage, tenant, "line_0"), nullptr);
  EXPECT_EQ(desk.said(CloseInvoice{{6, 1}, tenant, may, {}}), "done");
  EXPECT_EQ(desk.state.invoices.at({6, 1}).total.nano, 7'237'500'112);
}

TEST(Billing, RefusesContractsThatMakeNoSense) {
  Desk desk = used();
  EXPECT_NE(desk.said(SetContract{{1, 99}, {}}).find("no account"), std::string::npos);
  EXPECT_NE(desk.said(SetContract{tenant, {"VAT", 1'000'001, {}}}).find("tax_ppm"),
            std::string::npos);
  EXPECT_NE(desk.said(SetContract{tenant, {"", 1, {}}}).find("tax_name"), std::string::npos);
  EXPECT_NE(desk.said(SetContract{tenant, {"", 0, Money{-1, usd}}}).find("minimum"),
            std::string::npos);
  EXPECT_EQ(desk.said(SetContract{tenant, {}}), "done");
  EXPECT_EQ(desk.said(SetContract{tenant, {}}), "already done");
}

TEST(Billing, ExportsAreTheSameBytesAndAddUp) {
  Desk desk = used();
  EXPECT_EQ(desk.said(Adjust{tenant, may, {{8, 1}, AdjustmentKind::credit, {-12, usd},
                                           "=cmd, \"quoted\"", "-1"}}),
            "done");
  const std::string csv = statement_csv(*statement(desk.state, desk.usage, tenant, may));
  EXPECT_EQ(csv, statement_csv(*statement(desk.state, desk.usage, tenant, may)));
  EXPECT_NE(csv.find(",7.2,USD,gpu_time,7200000000000000,"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",0.000000112,USD,output_tokens,3,"), std::string::npos);
  EXPECT_NE(csv.find(",1,SIM,gpu_time,"), std::string::npos);
  EXPECT_NE(csv.find(",\" =cmd, \"\"quoted\"\"\",Other,,,,,-0.000000012,USD,"), std::string::npos)
      << csv;
  const std::string prices = prices_csv(desk.prices);
  EXPECT_NE(prices.find(",standard,1,2026-05-01T00:00:00Z,output_tokens,tiny,0.0375,USD,1000000\n"),
            std::string::npos)
      << prices;
  const std::string bytes = codec::encode(desk.state);
  EXPECT_EQ(codec::encode(*codec::decode<State>(bytes)), bytes);
}

}  // namespace
}  // namespace bessemer::billing
