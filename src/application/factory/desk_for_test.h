// A factory for tests of money: prices, machines, tenants, and whatever is asked of it.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "application/factory/charge.h"

namespace bessemer::factory {

inline constexpr Currency euro{{'E', 'U', 'R'}};
inline constexpr Wide unit = 1'000'000'000;

inline Instant utc(std::string_view text) {
  return *from_text(std::type_identity<Instant>{}, text);
}
inline const Instant may = utc("2026-05-10T00:00:00Z");

// An hour ahead of UTC, all year.
inline const Zone ahead_zone{"Test/Ahead", {{Instant{}, 3600}}};

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

inline Desk with_machines() {
  Desk desk;
  desk.publish();
  desk.machines();
  return desk;
}

inline const Instant may_first = utc("2026-05-01T00:00:00Z"), june = utc("2026-06-01T00:00:00Z");

}  // namespace bessemer::factory
