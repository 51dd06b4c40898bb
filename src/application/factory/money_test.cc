// Money through the whole factory: holds that follow months and budgets, one payer for everything,
// invoices that are cut at the period's end, tenants that come with their zones and books.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "application/factory/charge.h"
#include "application/factory/storage.h"
#include "base/random.h"

namespace bessemer::factory {
namespace {

constexpr Currency euro{{'E', 'U', 'R'}};
constexpr Wide unit = 1'000'000'000;

Instant utc(std::string_view text) { return *from_text(std::type_identity<Instant>{}, text); }
const Instant may = utc("2026-05-10T00:00:00Z");

// An hour ahead of UTC, all year.
const Zone ahead_zone{"Test/Ahead", {{Instant{}, 3600}}};

// A factory with a machine of eight GPUs, of which the last four are simulated by a second one.
struct Desk {
  State state;
  Instant now = may;
  std::uint64_t drawn = 0;

  template <class I>
  I draw() {
    return I{static_cast<std::uint64_t>(now.ns / 1'000'000) << 16, ++drawn};
  }
  Result<Batch> give(const Command& command, std::optional<Instant> occurred = {}) {
    Context context{.now = now, .occurred_at = occurred.value_or(now), .actor = {}, .key = {}};
    auto batch = judge(state, command, context);
    if (batch) {
      for (const Event& event : batch->events) apply(state, event, context);
    }
    return batch;
  }
  void must(const Command& command, std::optional<Instant> occurred = {}) {
    const auto done = give(command, occurred);
    ASSERT_TRUE(done) << to_text(done.error());
  }
  std::string said(const Command& command) {
    const auto done = give(command);
    if (!done) return to_text(done.error());
    return done->events.empty() ? "nothing" : "done";
  }

  void publish(std::string_view tokens = "3 EUR") {
    pricing::Publish book{draw<PriceBookId>(), std::string(default_book), euro, {}, {}};
    using enum pricing::Meter;
    const auto price = [&](pricing::Meter meter, std::string_view sku, std::string_view amount) {
      const Money money = *from_text(std::type_identity<Money>{}, amount);
      book.prices.push_back({meter, std::string(sku), money, {}});
    };
    price(gpu_time, "*", "2 EUR");
    price(gpu_time, "sim-*", "2 SIM");
    price(cpu_time, "*", "0.040000001 EUR");
    price(memory_time, "*", "0.000000007 EUR");
    price(storage_time, "*", "730 EUR");  // a EUR per GiB-hour
    price(input_tokens, "*", tokens);
    price(output_tokens, "*", "7.000000001 EUR");
    must(pricing::Command(book));
  }
  void machines() {
    must(site::Command(site::RegisterSite{"local", site::Engine::local}));
    for (std::uint64_t i = 0; i < 2; ++i) {
      site::Inventory inventory;
      inventory.name = "node" + std::to_string(i);
      inventory.site = "local";
      inventory.pool = "default";
      inventory.cpu_millis = 64'000;
      inventory.memory_bytes = 1ull << 40;
      inventory.boot = "1";
      for (std::uint32_t g = 0; g < 8; ++g) {
        inventory.accelerators.push_back({g, "H100", "gpu-" + std::to_string(i * 8 + g),
                                          80ull << 30, i == 1});
      }
      must(site::Command(site::RegisterNode{NodeId{5, i + 1}, inventory}));
    }
  }
  OrgId tenant(const std::string& name, std::optional<Zone> zone = {}) {
    const OrgId id = draw<OrgId>();
    CreateTenant command{{id, name, {}}, zone};
    if (zone) command.create.time_zone = zone->name;
    must(OwnCommand(command));
    return id;
  }
  OrgId project(OrgId tenant) {
    const OrgId id = draw<OrgId>();
    must(tenant::Command(tenant::CreateProject{id, tenant, "vision"}));
    return id;
  }
  BudgetId budget(OrgId node, Wide euros, std::string zone = "UTC") {
    budget::Budget budget;
    budget.id = draw<BudgetId>();
    budget.name = "cap" + std::to_string(drawn);
    budget.scope.node = node;
    budget.currency = euro;
    budget.limit = euros * unit;
    budget.zone = std::move(zone);
    must(budget::Command(budget::Set{budget}));
    return budget.id;
  }
  budget::Counters counters(BudgetId id, Instant window) {
    return budget::counters_of(state.budget, id, window);
  }

  // ---- work: `gpus` of the node, each task alone on its share

  static workload::Spec spec(OrgId project, std::uint32_t gpus, workload::Kind kind) {
    workload::Spec spec;
    spec.project = project;
    spec.kind = kind;
    spec.command = {"/bin/work"};
    workload::Resources resources;
    resources.gpus = gpus;
    resources.cpu_millis = 1000;
    resources.memory_bytes = 1ull << 30;
    spec.resources = resources;
    if (kind == workload::Kind::service) spec.service = workload::Port{8000, {}};
    return spec;
  }
  WorkloadId submit(OrgId project, std::uint32_t gpus = 1,
                    workload::Kind kind = workload::Kind::job) {
    const WorkloadId id = draw<WorkloadId>();
    must(workload::Command(workload::Submit{id, spec(project, gpus, kind)}));
    return id;
  }
  Result<Batch> launch(WorkloadId id, NodeId node = {5, 1}) {
    const workload::Workload& work = *workload::find(state.workload, id);
    const std::uint32_t gpus = workload::shape_of(work.spec).gpus;
    std::set<std::uint32_t> taken;
    for (const auto& [alc, one] : state.site.allocations) {
      if (one.node != node) continue;
      for (const auto& share : one.accelerators) taken.insert(share.index);
    }
    Launch launch;
    launch.workload = id;
    launch.hold = draw<HoldId>();
    workload::Placement placement{node, draw<AllocationId>(), {}};
    for (std::uint32_t g = 0; g < 8 && placement.accelerators.size() < gpus; ++g) {
      if (!taken.contains(g)) placement.accelerators.push_back({g, 1000});
    }
    launch.placements.push_back(placement);
    return give(OwnCommand(launch));
  }
  const workload::Attempt& attempt(WorkloadId id) {
    return *workload::find(state.workload, id)->last();
  }
  void begin(WorkloadId id, NodeId node = {5, 1}) {
    const auto launched = launch(id, node);
    ASSERT_TRUE(launched) << to_text(launched.error());
    must(OwnCommand(TaskStarted{id, attempt(id).tasks[0].id, attempt(id).generation}));
  }
  void accrue(WorkloadId id, std::optional<Instant> until = {}) {
    must(OwnCommand(Accrue{id, attempt(id).tasks[0].id, attempt(id).generation}), until);
  }
  Result<Batch> renew(WorkloadId id) {
    return give(OwnCommand(Renew{id, attempt(id).generation, draw<HoldId>()}));
  }
  void end(WorkloadId id) {
    TaskExited exited;
    exited.report.workload = id;
    exited.report.task = attempt(id).tasks[0].id;
    exited.report.generation = attempt(id).generation;
    exited.report.reason = workload::Reason::completed;
    must(OwnCommand(exited));
  }
  void store(OrgId project, std::uint64_t bytes) {
    artifact::Publish publish;
    publish.project = project;
    publish.digest = sha256("blob " + std::to_string(++drawn));
    publish.kind = artifact::Kind::output;
    publish.bytes = bytes;
    publish.files = 1;
    must(artifact::Command(publish));
  }

  // Tokens, as a gateway reports them.
  void tokens(OrgId payer_tenant, OrgId payer_project, EndpointId endpoint, std::uint64_t input,
              std::uint64_t output) {
    const GatewayId gateway{8, ++drawn};
    must(lease::Command(lease::OpenEpoch{gateway, 1}));
    const pricing::Version& version =
        *metering::version_for(state.metering, state.pricing, payer_tenant, now);
    metering::Terms terms;
    terms.payer.tenant = payer_tenant;
    terms.payer.project = payer_project;
    terms.subject.endpoint = endpoint;
    terms.sku = "small";
    terms.version = version.id;
    for (const auto meter : {pricing::Meter::input_tokens, pricing::Meter::output_tokens}) {
      pricing::Price price = *pricing::find_price(version, meter, terms.sku);
      price.sku = terms.sku;
      terms.prices.push_back(price);
    }
    metering::Counts counts;
    counts.input = input;
    counts.output = output;
    const Wide cost = *metering::cost_of(terms, counts);
    metering::Log log;
    metering::UsageSums sums;
    const std::vector<metering::LogRecord> records = {
        metering::LogOpened{gateway, 1, now}, metering::TermsDefined{1, terms},
        metering::HoldOpened{1, draw<RequestId>(), 1, cost, input + output, 0, 0, now},
        metering::HoldSettled{1, counts, cost, metering::Resolution::settled, false, false, now}};
    for (const auto& record : records) {
      const auto settled = metering::fold(log, record);
      ASSERT_TRUE(settled) << to_text(settled.error());
      if (*settled) sums.add(**settled);
    }
    must(OwnCommand(ReportUsage{gateway, 1, 4, &log, &sums}));
  }

  billing::Statement statement(OrgId tenant, Instant at) {
    return *billing::statement(state.billing, state.metering, tenant, at);
  }
  Wide balance(OrgId owner, ledger::AccountKind kind, Currency currency = euro,
               EndpointId endpoint = {}) {
    const auto* account = ledger::find(state.ledger, owner, kind, currency, endpoint);
    return account == nullptr ? Wide{0} : account->balance;
  }
};

Desk with_machines() {
  Desk desk;
  desk.publish();
  desk.machines();
  return desk;
}

const Instant may_first = utc("2026-05-01T00:00:00Z"), june = utc("2026-06-01T00:00:00Z");

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

// ---- the wallet

TEST(FactoryMoney, AnEmptyWalletLetsNothingNewIn) {
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

// ---- exactly one payer

// A random life of three tenants: jobs, stored bytes, endpoints of every billing mode called by
// everyone, top-ups, invoices; and a tally beside the factory's own.
class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    desk_ = with_machines();
    for (int i = 0; i < 3; ++i) {
      std::optional<Zone> zone;
      if (i == 1) zone = ahead_zone;
      tenants_.push_back(desk_.tenant("tenant" + std::to_string(i), zone));
      projects_.push_back(desk_.project(tenants_.back()));
      if (random_.chance(1, 2)) desk_.budget(tenants_.back(), 5000);
    }
    pay(2);
    for (const auto billing : {deployment::Billing::dedicated, deployment::Billing::shared,
                               deployment::Billing::published}) {
      endpoint(billing);
    }
  }

  void step() {
    desk_.now = desk_.now + nanoseconds(random_.between(1, hours(40).ns));
    switch (random_.below(12)) {
      case 0: case 1: start_job(); break;
      case 2: case 3: start_replica(); break;
      case 4: end_one(); break;
      case 5: case 6: use_tokens(); break;
      case 7: desk_.store(projects_[random_.below(3)], 1 + random_.below(1 << 30)); break;
      case 8: configure(); break;
      case 9: pay(2); break;
      case 10: close_invoices(); break;
      default: adjust();
    }
    for (const WorkloadId id : running_) {
      if (random_.chance(1, 3)) desk_.accrue(id);
      if (random_.chance(1, 3)) (void)desk_.renew(id);
    }
  }
  void finish() {
    while (!running_.empty()) end_one();
    for (const OrgId project : projects_) desk_.must(OwnCommand(AccrueStorage{project}));
  }

  // Every line has one payer, who is charged exactly that.
  void judge() {
    std::map<std::pair<OrgId, Currency>, Wide> owed;
    std::map<std::pair<EndpointId, Currency>, Wide> borne;
    Wide gpu = 0, tokens = 0;
    for (const auto& [key, line] : desk_.state.metering.lines) {
      if (key.bearer == metering::Bearer::endpoint) {
        borne[{key.subject.endpoint, line.amount.currency}] += line.amount.nano;
      } else {
        owed[{key.tenant, line.amount.currency}] += line.amount.nano;
      }
      if (key.meter == pricing::Meter::gpu_time) gpu += line.quantity;
      if (pricing::is_tokens(key.meter)) tokens += line.quantity;
    }
    for (const auto& [id, invoice] : desk_.state.billing.invoices) {
      Wide sum = invoice.statement.nano;
      for (const auto& one : invoice.adjustments) sum += one.amount.nano;
      ASSERT_EQ(sum, invoice.total.nano);
      const auto closed = desk_.statement(invoice.tenant, invoice.period.from);
      ASSERT_EQ(closed.totals.contains(euro) ? closed.totals.at(euro) : Wide{0},
                invoice.statement.nano);
    }
    for (std::size_t i = 0; i < tenants_.size(); ++i) {
      for (const Currency currency : {euro, simulated_currency}) {
        const Wide paid = currency == euro ? paid_[i] - adjusted_[i] : Wide{0};
        const Wide charged =
            paid - desk_.balance(tenants_[i], ledger::AccountKind::receivable, currency) -
            desk_.balance(tenants_[i], ledger::AccountKind::wallet, currency);
        ASSERT_EQ(charged, (owed[{tenants_[i], currency}])) << i << to_text(currency);
      }
    }
    for (const auto& [id, owner] : endpoints_) {
      for (const Currency currency : {euro, simulated_currency}) {
        const Wide cost =
            -desk_.balance(tenants_[owner], ledger::AccountKind::endpoint_cost, currency, id);
        ASSERT_EQ(cost, (borne[{id, currency}]));
      }
    }
    for (const auto& [currency, sum] : ledger::trial_balance(desk_.state.ledger)) {
      ASSERT_EQ(sum, 0) << to_text(currency);
    }
    ASSERT_EQ(metering::audit(desk_.state.metering, desk_.state.pricing), "");
    ASSERT_EQ(tokens, tokens_);
    if (!running_.empty()) return;
    ASSERT_EQ(gpu, gpu_);
  }
  std::size_t invoices() const { return desk_.state.billing.invoices.size(); }
  // Revenue by the token less what the replicas cost, as the endpoint's accounts say it.
  void judge_margins() {
    for (const auto& [id, owner] : endpoints_) {
      Wide revenue = 0, cost = 0;
      for (const auto& [key, line] : desk_.state.metering.lines) {
        if (key.subject.endpoint != id || line.amount.currency != euro) continue;
        (pricing::is_time(key.meter) ? cost : revenue) += line.amount.nano;
      }
      const Wide earned =
          desk_.balance({}, ledger::AccountKind::revenue, euro, id) +
          desk_.balance(tenants_[owner], ledger::AccountKind::revenue, euro, id);
      ASSERT_EQ(earned, revenue);
      Wide by_period_revenue = 0, by_period_cost = 0;
      for (int month = 5; month < 13; ++month) {
        const auto at = from_civil({.year = 2026, .month = month, .day = 15});
        const auto margin = billing::margin(desk_.state.metering, id, at);
        if (margin.revenue.contains(euro)) by_period_revenue += margin.revenue.at(euro);
        if (margin.cost.contains(euro)) by_period_cost += margin.cost.at(euro);
      }
      ASSERT_EQ(by_period_revenue, revenue);
      ASSERT_EQ(by_period_cost, cost);
    }
  }

 private:
  void pay(std::size_t tenant) {
    const TopUp top_up{tenants_[tenant], desk_.draw<TransferId>(), {9000 * unit, euro}};
    desk_.must(OwnCommand(top_up));
    paid_[tenant] += top_up.amount.nano;
  }
  void adjust() {
    const std::size_t tenant = random_.below(3);
    const Wide nano = random_.between(1, 1'000'000'000);
    const Wide amount = random_.chance(1, 2) ? nano : -nano;
    desk_.must(billing::Command(billing::Adjust{
        tenants_[tenant], desk_.now,
        {desk_.draw<TransferId>(), billing::AdjustmentKind::correction, {amount, euro},
         "a correction", ""}}));
    adjusted_[tenant] += amount;
  }
  void endpoint(deployment::Billing billing) {
    deployment::Create create;
    create.endpoint = desk_.draw<EndpointId>();
    const std::size_t owner = endpoints_.size() % 3;
    create.project = projects_[owner];
    create.name = "e" + std::to_string(endpoints_.size());
    create.billing = billing;
    create.replicas = 1;
    const auto spec = Desk::spec({}, 1, workload::Kind::service);
    create.runs.workload.text = json::write(spec);
    desk_.must(deployment::Command(create));
    endpoints_.emplace_back(create.endpoint, owner);
  }
  void take(WorkloadId id) {
    const NodeId node{5, 1 + random_.below(2)};
    if (!desk_.launch(id, node)) return;
    const auto& attempt = desk_.attempt(id);
    desk_.must(OwnCommand(TaskStarted{id, attempt.tasks[0].id, attempt.generation}));
    running_.push_back(id);
    begun_[id] = desk_.now;
  }
  void start_job() {
    if (running_.size() < 6) take(desk_.submit(projects_[random_.below(3)], 1));
  }
  void start_replica() {
    if (running_.size() >= 6) return;
    const EndpointId id = endpoints_[random_.below(3)].first;
    const auto& endpoint = *deployment::find(desk_.state.deployment, id);
    const std::uint64_t ordinal = endpoint.next_ordinal;
    if (!desk_.give(OwnCommand(BeginReplica{id, 1, ordinal}))) return;
    take(deployment::replica_workload(id, ordinal));
  }
  void end_one() {
    if (running_.empty()) return;
    const std::size_t which = random_.below(running_.size());
    const WorkloadId id = running_[which];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(which));
    gpu_ += Wide{1000} * (desk_.now - begun_.at(id)).ns;
    desk_.end(id);
  }
  void use_tokens() {
    const std::size_t caller = random_.below(3);
    const std::uint64_t input = random_.below(100'000), output = random_.below(100'000);
    const EndpointId id = endpoints_[random_.below(3)].first;
    const auto& endpoint = *deployment::find(desk_.state.deployment, id);
    if (endpoint.billing == deployment::Billing::dedicated) return;  // counted as included
    desk_.tokens(tenants_[caller], projects_[caller], id, input, output);
    tokens_ += input + output;
  }
  void configure() {
    deployment::Configure configure;
    configure.endpoint = endpoints_[random_.below(3)].first;
    configure.billing = static_cast<deployment::Billing>(random_.below(3));
    desk_.must(deployment::Command(configure));
  }
  void close_invoices() {
    for (const OrgId tenant : tenants_) {
      const auto& account = *metering::find(desk_.state.metering, tenant);
      Instant period = metering::period_of(desk_.state.metering, account, may).from;
      while (true) {
        const Period one = metering::period_of(desk_.state.metering, account, period);
        if (one.until > desk_.now) break;
        (void)desk_.give(
            OwnCommand(CloseInvoice{{desk_.draw<InvoiceId>(), tenant, one.from, {}}}));
        period = one.until;
      }
    }
  }

  Random random_;
  Desk desk_;
  std::vector<OrgId> tenants_, projects_;
  std::vector<std::pair<EndpointId, std::size_t>> endpoints_;
  std::vector<WorkloadId> running_;
  std::map<WorkloadId, Instant> begun_;
  std::map<std::size_t, Wide> paid_, adjusted_;
  Wide gpu_ = 0, tokens_ = 0;
};

TEST(FactoryMoney, EveryGpuSecondAndEveryTokenHasOnePayer) {
  std::size_t invoices = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Life life(seed);
    for (int step = 0; step < 60; ++step) {
      life.step();
      ASSERT_NO_FATAL_FAILURE(life.judge()) << step;
    }
    life.finish();
    ASSERT_NO_FATAL_FAILURE(life.judge());
    ASSERT_NO_FATAL_FAILURE(life.judge_margins());
    invoices += life.invoices();
  }
  EXPECT_GT(invoices, 60u);  // it did come to that
}

}  // namespace
}  // namespace bessemer::factory
