// One payer for everything, whatever happens.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "application/factory/desk_for_test.h"
#include "base/random.h"

namespace bessemer::factory {
namespace {

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
    for (const auto& [id, account] : desk_.state.ledger.accounts) {
      if (account.kind != ledger::AccountKind::wallet) continue;
      ASSERT_EQ(desk_.state.budget.funds.at(wallet_budget(id)), account.balance);
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
