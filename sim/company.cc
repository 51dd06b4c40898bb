// Who asks a simulated factory, and for what.
#include "sim/company.h"

#include "application/factory/charge.h"
#include "base/check.h"
#include "governance/pricing/notice.h"

namespace bessemer::sim {

namespace {

constexpr Currency euro{{'E', 'U', 'R'}};
constexpr Wide cent = 10'000'000;
constexpr std::uint64_t tenant_count = 2, node_count = 2;

}  // namespace

bool Company::ask(Daemon& daemon, const factory::Command& command) {
  const auto written = daemon.ask(command);
  if (!written && written.error().code == Code::internal && !daemon.failed() && fault_.empty()) {
    fault_ = "an internal error: " + to_text(written.error());
  }
  return written.has_value();
}

void Company::found(Daemon& daemon) {
  publish_prices(daemon, machine_.clock.now());
  for (std::uint64_t i = 0; i < tenant_count; ++i) {
    const OrgId tenant = daemon.draw<OrgId>(), project = daemon.draw<OrgId>();
    ask(daemon, tenant::Command(tenant::CreateTenant{tenant, "tenant" + std::to_string(i), {}}));
    daemon.commit();  // the first day is done step by step
    ask(daemon, tenant::Command(tenant::CreateProject{project, tenant, "project"}));
    daemon.commit();
    tenants_.push_back(tenant);
    projects_.push_back(project);
    set_budget(daemon, tenant, SpendUnit::money, 300 + random_.between(0, 4000));
    if (random_.chance(1, 2)) {
      set_budget(daemon, tenant, SpendUnit::tokens, random_.between(0, 500'000));
    }
  }
  found_payer(daemon);
  ask(daemon, site::Command(site::RegisterSite{"local", site::Engine::local}));
  daemon.commit();
  for (std::uint64_t i = 0; i < node_count; ++i) nodes_.push_back(daemon.draw<NodeId>());
  register_nodes(daemon);
  daemon.commit();
  define_lines(daemon);
  name_kinds(daemon);
}

// A tenant that pays in advance, and buys tokens alone: all of it can be refused in time.
void Company::found_payer(Daemon& daemon) {
  payer_ = daemon.draw<OrgId>();
  shop_ = daemon.draw<OrgId>();
  ask(daemon, tenant::Command(tenant::CreateTenant{payer_, "payer", {}}));
  daemon.commit();
  ask(daemon, tenant::Command(tenant::CreateProject{shop_, payer_, "shop"}));
  daemon.commit();
  top_up(daemon);
  daemon.commit();
}

void Company::top_up(Daemon& daemon) {
  const auto* wallet = ledger::find(daemon.state().ledger, payer_, ledger::AccountKind::wallet,
                                    euro);
  if (wallet != nullptr) {
    const auto now = budget::counters_of(daemon.state().budget,
                                         factory::wallet_budget(wallet->id), Instant{});
    if (wallet->balance - now.held - now.leased < cent) ++machine_.tally["wallets empty"];
  }
  const Money amount{Wide{random_.between(1, 10)} * cent, euro};
  const factory::TopUp command{payer_, daemon.draw<TransferId>(), amount};
  if (ask(daemon, factory::OwnCommand(command))) ++machine_.tally["wallets topped up"];
}

void Company::register_nodes(Daemon& daemon) {
  for (std::uint64_t i = 0; i < nodes_.size(); ++i) {
    ask(daemon, site::Command(site::RegisterNode{nodes_[i], inventory(i)}));
  }
}

site::Inventory Company::inventory(std::uint64_t number) const {
  site::Inventory out;
  out.name = "node" + std::to_string(number);
  out.site = "local";
  out.pool = "standard";
  out.cpu_millis = 16'000;
  out.memory_bytes = 64ull << 30;
  out.boot = std::to_string(machine_.boots);
  for (std::uint32_t i = 0; i < 4; ++i) {
    site::Accelerator accelerator;
    accelerator.index = i;
    accelerator.model = "H100";
    accelerator.uuid = "gpu-" + std::to_string(number) + "-" + std::to_string(i);
    accelerator.memory_bytes = 80ull << 30;
    accelerator.simulated = number == 1;
    out.accelerators.push_back(accelerator);
  }
  return out;
}

void Company::publish_prices(Daemon& daemon, Instant from) {
  pricing::Publish publish;
  publish.id = daemon.draw<PriceBookId>();
  publish.name = std::string(factory::default_book);
  publish.currency = euro;
  publish.effective_from = from;
  const auto add = [&](pricing::Meter meter, std::string_view sku, Currency currency,
                       std::int64_t nano) {
    publish.prices.push_back({meter, std::string(sku), Money{Wide{nano}, currency}, {}});
  };
  using enum pricing::Meter;
  add(gpu_time, pricing::any_sku, euro, random_.between(1, 4'000'000'000));
  add(gpu_time, pricing::any_simulated_sku, simulated_currency, 1'000'000'007);
  add(cpu_time, pricing::any_sku, euro, random_.between(0, 50'000'000));
  add(memory_time, pricing::any_sku, euro, random_.between(0, 5'000'000));
  add(storage_time, pricing::any_sku, euro, random_.between(0, 50'000'000));
  add(input_tokens, pricing::any_sku, euro, random_.between(1, 3'000'000'000));
  add(output_tokens, pricing::any_sku, euro, random_.between(1, 9'000'000'000));
  add(requests, pricing::any_sku, euro, random_.between(0, 1000));
  ask(daemon, pricing::Command(publish));
}

void Company::set_budget(Daemon& daemon, OrgId node, SpendUnit unit, std::int64_t limit) {
  budget::Budget budget;
  budget.id = daemon.draw<BudgetId>();
  budget.name = "cap" + std::to_string(budgets_.size());
  budget.scope.node = node;
  budget.unit = unit;
  if (unit == SpendUnit::money) budget.currency = euro;
  budget.limit = unit == SpendUnit::money ? Wide{limit} * cent : Wide{limit};
  budget.term = random_.chance(1, 2) ? budget::Term::total : budget::Term::monthly;
  budget.warn_percents = {50, 90};
  if (!ask(daemon, budget::Command(budget::Set{budget}))) return;
  budgets_.push_back(budget);
  highest_[budget.id] = budget.limit;
}

// A limit moves, or a budget appears while work runs.
void Company::change_budget(Daemon& daemon) {
  if (random_.chance(1, 4) && budgets_.size() < 8) {
    const bool whole = random_.chance(1, 2);
    const OrgId node = whole ? tenants_[random_.below(tenants_.size())] : any_project();
    const SpendUnit units[] = {SpendUnit::money, SpendUnit::tokens, SpendUnit::gpu_time};
    const SpendUnit unit = units[random_.below(3)];
    const std::int64_t most = unit == SpendUnit::gpu_time ? 20'000 * hours(1).ns : 50'000;
    return set_budget(daemon, node, unit, random_.between(0, most));
  }
  budget::Budget& budget = budgets_[random_.below(budgets_.size())];
  budget::Budget changed = budget;
  changed.limit = budget.limit * Wide{random_.between(50, 200)} / 100;
  if (!ask(daemon, budget::Command(budget::Set{changed}))) return;
  budget = changed;
  Wide& highest = highest_[budget.id];
  if (highest < budget.limit) highest = budget.limit;
}

std::string Company::judge_limits(const factory::State& state) const {
  for (const auto& [id, windows] : state.budget.counters) {
    if (state.budget.budgets.at(id).prepaid) continue;  // a wallet's: judge_state looks at it
    const auto highest = highest_.find(id);
    if (highest == highest_.end()) return "a budget is counted that nobody set";
    for (const auto& [window, counters] : windows) {
      if (counters.held + counters.leased > highest->second) {
        return "of budget " + to_text(id) + " more is set aside than it ever had";
      }
      // Only requests spend tokens, and each is held whole before it is answered.
      const bool tokens = state.budget.budgets.at(id).unit == SpendUnit::tokens;
      if (tokens && counters.used + counters.held + counters.leased > highest->second) {
        return "of budget " + to_text(id) + " more tokens are spent than it ever had";
      }
    }
  }
  return {};
}

// Requests of each tenant, at the prices in force.
void Company::name_kinds(const Daemon& daemon) {
  const Instant now = machine_.clock.now();
  std::vector<std::pair<OrgId, OrgId>> callers{{payer_, shop_}};
  for (std::size_t i = 0; i < tenants_.size(); ++i) callers.emplace_back(tenants_[i], projects_[i]);
  for (const auto& [tenant, project] : callers) {
    const auto* version = metering::version_for(daemon.state().metering, daemon.state().pricing,
                                                tenant, now);
    if (version == nullptr) continue;
    RequestKind kind;
    kind.spender.path = {tenant, project};
    kind.payer.tenant = tenant;
    kind.payer.project = project;
    kind.sku = "small";
    kind.version = version->id;
    for (const auto meter : {pricing::Meter::input_tokens, pricing::Meter::output_tokens,
                             pricing::Meter::requests}) {
      const auto* price = pricing::find_price(*version, meter, kind.sku);
      check(price != nullptr, "the book prices every token");
      kind.prices.push_back(*price);
      kind.prices.back().sku = kind.sku;
    }
    kinds_.push_back(std::move(kind));
  }
}

void Company::submit_job(Daemon& daemon) {
  workload::Submit submit;
  submit.workload = daemon.draw<WorkloadId>();
  workload::Spec& spec = submit.spec;
  spec.project = any_project();
  spec.command = {"/bin/work"};
  workload::Resources resources;
  if (random_.chance(2, 3)) {
    const auto part = 1 + static_cast<std::uint32_t>(random_.below(999));
    if (random_.chance(1, 3)) resources.gpu_milli = part;
    else resources.gpus = 1 + part % 4;
  }
  resources.cpu_millis = 100 + random_.below(8000);
  resources.memory_bytes = (1 + random_.below(20)) << 30;
  spec.resources = resources;
  if (random_.chance(1, 4)) spec.tasks = 2 + static_cast<std::uint32_t>(random_.below(3));
  if (random_.chance(1, 5)) spec.outputs = {"result"};
  spec.priority = static_cast<std::int32_t>(random_.between(-10, 10));
  spec.preemptible = random_.chance(1, 2);
  if (random_.chance(1, 3)) spec.max_run_time = minutes(random_.between(1, 20));
  if (random_.chance(1, 6)) {
    spec.deadline = machine_.clock.now() + minutes(random_.between(1, 60));
  }
  spec.grace = seconds(random_.between(0, 60));
  if (ask(daemon, workload::Command(submit))) jobs_.push_back(submit.workload);
}

void Company::change_node(Daemon& daemon) {
  const NodeId node = nodes_[random_.below(nodes_.size())];
  const bool ready = random_.chance(2, 3);
  const auto state = ready ? site::NodeState::ready : site::NodeState::cordoned;
  ask(daemon, site::Command(site::SetNodeState{node, state, "by chance"}));
}

void Company::change_queue(Daemon& daemon) {
  queue::SetQueue queue;
  queue.node = tenants_[random_.below(tenants_.size())];
  queue.pool = "standard";
  queue.path = {tenant::root, queue.node};
  queue.deserved_gpu_milli = random_.below(5) * 1000;
  queue.weight = static_cast<std::uint32_t>(random_.below(200));
  ask(daemon, queue::Command(queue));
}

void Company::ask_something(Daemon& daemon) {
  switch (random_.below(14)) {
    case 0: case 1: case 2: case 3: submit_job(daemon); break;
    case 4: case 5: {
      if (jobs_.empty()) break;
      // The latest as often as any: a job may be cancelled before it starts.
      const std::size_t at = random_.chance(1, 2) ? jobs_.size() - 1 : random_.below(jobs_.size());
      ask(daemon, workload::Command(workload::Cancel{jobs_[at], "not wanted"}));
      break;
    }
    case 6: change_budget(daemon); break;
    case 7:
      publish_prices(daemon, machine_.clock.now() + pricing::time_price_notice +
                                 seconds(1 + random_.between(0, 600)));
      break;
    case 8: change_node(daemon); break;
    case 9: change_queue(daemon); break;
    case 10: case 11: run_line(daemon); break;
    case 12: serve_something(daemon); break;
    case 13: top_up(daemon); break;
  }
}

void Company::end_everything(Daemon& daemon) {
  const auto active = daemon.state().pipeline.active;
  for (const PipelineRunId run : active) ask(daemon, pipeline::Command(pipeline::Cancel{run}));
  const auto endpoints = daemon.state().deployment.endpoints;
  for (const auto& [id, endpoint] : endpoints) {
    if (!endpoint.deleted) ask(daemon, deployment::Command(deployment::Delete{id}));
  }
  const auto live = daemon.state().workload.live;
  for (const WorkloadId job : live) {
    ask(daemon, workload::Command(workload::Cancel{job, "the end"}));
  }
}

}  // namespace bessemer::sim
