// One history of a factory: random work, random weather, and a rest at the end.
#include "sim/history.h"

#include <algorithm>

#include "base/check.h"
#include "sim/judge.h"

namespace bessemer::sim {

namespace {

using simulated::Fault;
using simulated::Unsynced;

constexpr Currency euro{{'E', 'U', 'R'}};
constexpr Wide units = 1'000'000'000;

class History {
 public:
  explicit History(std::uint64_t seed)
      : random_(seed), machine_(seed), control_(machine_, seed ^ 0x5eed) {
    for (std::uint64_t i = 0; i < 2; ++i) {
      gateways_.push_back(std::make_unique<SimulatedGateway>(GatewayId{1, i + 1}, machine_.clock,
                                                             seed * 16 + i));
    }
  }

  Outcome run(std::uint64_t steps) {
    begin();
    for (std::uint64_t step = 0; step < steps && fault_.empty(); ++step) {
      this->step();
      if (step % 8 == 0) judge("at step " + std::to_string(step));
    }
    if (fault_.empty()) rest();
    Outcome out;
    out.fault = fault_;
    out.digest = digest();
    out.tally = machine_.tally;
    for (const auto& gateway : gateways_) count(*gateway, out.tally);
    return out;
  }

 private:
  // ---- setting up

  void begin() {
    revive();
    publish_prices(machine_.clock.now());
    for (std::uint64_t i = 0; i < 2; ++i) {
      const OrgId tenant = daemon_->draw<OrgId>(), project = daemon_->draw<OrgId>();
      ask(tenant::Command(tenant::CreateTenant{tenant, "tenant" + std::to_string(i), {}}));
      ask(tenant::Command(tenant::CreateProject{project, tenant, "project"}));
      tenants_.push_back(tenant);
      projects_.push_back(project);
      set_budget(tenant, SpendUnit::money, 300 + random_.between(0, 4000));
      if (random_.chance(1, 2)) set_budget(tenant, SpendUnit::tokens, random_.between(0, 500'000));
    }
    ask(site::Command(site::RegisterSite{"local", site::Engine::local}));
    for (std::uint64_t i = 0; i < 2; ++i) {
      const NodeId node = daemon_->draw<NodeId>();
      nodes_.push_back(node);
      ask(site::Command(site::RegisterNode{node, inventory(i)}));
    }
    name_kinds();
    commit();
  }

  static site::Inventory inventory(std::uint64_t number) {
    site::Inventory out;
    out.name = "node" + std::to_string(number);
    out.site = "local";
    out.pool = "standard";
    out.cpu_millis = 16'000;
    out.memory_bytes = 64ull << 30;
    out.boot = "1";
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

  void publish_prices(Instant from) {
    pricing::Publish publish;
    publish.id = daemon_->draw<PriceBookId>();
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
    add(input_tokens, pricing::any_sku, euro, random_.between(1, 3'000'000'000));
    add(output_tokens, pricing::any_sku, euro, random_.between(1, 9'000'000'000));
    add(requests, pricing::any_sku, euro, random_.between(0, 1000));
    ask(pricing::Command(publish));
  }

  void set_budget(OrgId node, SpendUnit unit, std::int64_t limit) {
    budget::Budget budget;
    budget.id = daemon_->draw<BudgetId>();
    budget.name = "cap" + std::to_string(budgets_.size());
    budget.scope.node = node;
    budget.unit = unit;
    if (unit == SpendUnit::money) budget.currency = euro;
    budget.limit = unit == SpendUnit::money ? Wide{limit} * units / 100 : Wide{limit};
    budget.term = random_.chance(1, 2) ? budget::Term::total : budget::Term::monthly;
    budget.warn_percents = {50, 90};
    budgets_.push_back(budget);
    ask(budget::Command(budget::Set{budget}));
  }

  // Requests of each tenant, at the prices in force.
  void name_kinds() {
    const Instant now = machine_.clock.now();
    for (std::size_t i = 0; i < tenants_.size(); ++i) {
      const auto* version = metering::version_for(daemon_->state().metering,
                                                  daemon_->state().pricing, tenants_[i], now);
      if (version == nullptr) continue;
      RequestKind kind;
      kind.spender.path = {tenants_[i], projects_[i]};
      kind.payer.tenant = tenants_[i];
      kind.payer.project = projects_[i];
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

  // ---- life and death of the daemon

  void revive() {
    for (int tries = 0; daemon_ == nullptr; ++tries) {
      check(tries < 50, "a daemon that never starts");
      auto started = Daemon::start(machine_);
      if (started) {
        daemon_ = std::move(*started);
        break;
      }
      const Error& error = started.error();
      if (error.reason == "journal_corrupt" || error.reason == "journal_newer") {
        fault_ = "recovery refuses: " + to_text(error);
        return;
      }
      ++machine_.tally["starts that failed"];
      machine_.disk.crash(any_unsynced());
    }
    control_.connect(daemon_.get());
    const engine::Sequence durable = daemon_->engine().durable();
    if (durable < machine_.acknowledged) {
      fault_ = "record " + std::to_string(machine_.acknowledged) +
               " was acknowledged and is lost; the journal ends at " + std::to_string(durable);
    }
    if (fault_.empty() && random_.chance(1, 3)) {
      fault_ = judge_replay(machine_.disk, daemon_->state(), daemon_->engine().applied());
    }
  }

  Unsynced any_unsynced() {
    const Unsynced all[] = {Unsynced::kept, Unsynced::lost, Unsynced::torn};
    return all[random_.below(3)];
  }

  void kill(Unsynced unsynced) {
    ++machine_.tally["daemon deaths"];
    control_.connect(nullptr);
    daemon_.reset();
    machine_.disk.crash(unsynced);
    if (unsynced != Unsynced::kept) {
      ++machine_.tally["power failures"];
      machine_.tasks.reboot();
    }
  }

  // ---- asking

  bool ask(const factory::Command& command) {
    if (daemon_ == nullptr) return false;
    const auto written = daemon_->ask(command);
    if (!written && written.error().code == Code::internal && !daemon_->failed()) {
      fault_ = "an internal error: " + to_text(written.error());
    }
    return written.has_value();
  }
  void commit() {
    if (daemon_ != nullptr) daemon_->commit();
  }

  void lose(const SimulatedGateway& gateway) {
    if (daemon_ == nullptr || daemon_->failed()) return;
    const auto newest = daemon_->state().lease.newest.find(gateway.id());
    if (newest == daemon_->state().lease.newest.end()) return;
    ask(lease::Command(lease::Lose{gateway.id(), newest->second}));
  }

  void submit_job() {
    workload::Submit submit;
    submit.workload = daemon_->draw<WorkloadId>();
    workload::Spec& spec = submit.spec;
    spec.project = projects_[random_.below(projects_.size())];
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
    spec.priority = static_cast<std::int32_t>(random_.between(-10, 10));
    spec.preemptible = random_.chance(1, 2);
    if (random_.chance(1, 3)) spec.max_run_time = minutes(random_.between(1, 20));
    if (random_.chance(1, 6)) {
      spec.deadline = machine_.clock.now() + minutes(random_.between(1, 60));
    }
    spec.grace = seconds(random_.between(0, 60));
    if (ask(workload::Command(submit))) jobs_.push_back(submit.workload);
  }

  void ask_something() {
    switch (random_.below(10)) {
      case 0: case 1: case 2: case 3: case 4: submit_job(); break;
      case 5: {
        if (jobs_.empty()) break;
        const WorkloadId job = jobs_[random_.below(jobs_.size())];
        ask(workload::Command(workload::Cancel{job, "not wanted"}));
        break;
      }
      case 6: {
        auto& budget = budgets_[random_.below(budgets_.size())];
        budget.limit = budget.limit * Wide{random_.between(50, 200)} / 100;
        ask(budget::Command(budget::Set{budget}));
        break;
      }
      case 7: {
        publish_prices(machine_.clock.now() + seconds(61 + random_.between(0, 600)));
        break;
      }
      case 8: {
        const NodeId node = nodes_[random_.below(nodes_.size())];
        const bool ready = random_.chance(2, 3);
        const auto state = ready ? site::NodeState::ready : site::NodeState::cordoned;
        ask(site::Command(site::SetNodeState{node, state, "by chance"}));
        break;
      }
      case 9: {
        queue::SetQueue queue;
        queue.node = tenants_[random_.below(tenants_.size())];
        queue.pool = "standard";
        queue.path = {tenant::root, queue.node};
        queue.deserved_gpu_milli = random_.below(5) * 1000;
        queue.weight = static_cast<std::uint32_t>(random_.below(200));
        ask(queue::Command(queue));
        break;
      }
    }
  }

  // ---- one step

  void step() {
    if (daemon_ != nullptr && daemon_->failed()) {
      ++machine_.tally["fail-stops"];
      kill(Unsynced::kept);
    }
    if (daemon_ == nullptr && random_.chance(1, 2)) revive();
    if (!fault_.empty()) return;
    weather();
    machine_.clock.advance(milliseconds(random_.between(1, random_.chance(1, 8) ? 120'000 : 3000)));
    machine_.tasks.advance(machine_.clock.now());
    if (!machine_.tasks.violations().empty()) fault_ = machine_.tasks.violations().front();
    if (daemon_ != nullptr && !daemon_->failed()) {
      if (random_.chance(1, 2)) ask_something();
      if (random_.chance(1, 2)) daemon_->turn();
      if (random_.chance(1, 10)) (void)daemon_->engine().journal().maintain().has_value();
    }
    for (const auto& gateway : gateways_) {
      // Its connection broke: it is dead, or stopped, and nobody can tell which.
      if ((!gateway->alive() || gateway->stopped()) && random_.chance(1, 10)) lose(*gateway);
      if (!gateway->alive() && random_.chance(1, 3)) gateway->start(control_);
      for (auto n = random_.below(6); n > 0 && gateway->alive(); --n) {
        gateway->step(control_, kinds_);
      }
    }
    if (random_.chance(1, 60)) snapshot();
  }

  void weather() {
    control_.set_losses(random_.chance(1, 10) ? 300 : 20);
    if (random_.chance(1, 40) && daemon_ != nullptr) kill(any_unsynced());
    if (random_.chance(1, 60)) {
      const Fault faults[] = {Fault::refuse, Fault::tear, Fault::crash};
      machine_.disk.fail_call(1 + random_.below(40), faults[random_.below(3)]);
    }
    if (random_.chance(1, 80)) {
      machine_.disk.set_capacity(machine_.disk.used() + random_.below(1 << 18));
    }
    if (random_.chance(1, 20)) machine_.disk.set_capacity(1ull << 40);
    for (const auto& gateway : gateways_) {
      if (random_.chance(1, 50)) gateway->kill(any_unsynced());
      if (random_.chance(1, 60)) gateway->set_stopped(!gateway->stopped());
      if (random_.chance(1, 80)) gateway->disk().fail_call(1 + random_.below(20), Fault::crash);
    }
  }

  void snapshot() {
    const auto written = engine::write_snapshot(machine_.disk, {});
    ++machine_.tally[written ? "snapshots" : "snapshots that failed"];
  }

  void judge(const std::string& when) {
    if (!fault_.empty() || daemon_ == nullptr || daemon_->failed()) return;
    fault_ = judge_state(daemon_->state(), machine_.clock.now());
    if (!fault_.empty()) fault_ += ", " + when;
  }

  // ---- the end: fair weather, nothing new, and patience

  void rest() {
    machine_.disk.clear_faults();
    machine_.disk.set_capacity(1ull << 40);
    control_.set_losses(0);
    for (const auto& gateway : gateways_) {
      gateway->set_stopped(false);
      gateway->disk().clear_faults();
    }
    if (daemon_ != nullptr && daemon_->failed()) kill(Unsynced::kept);
    if (daemon_ == nullptr) revive();
    if (!fault_.empty()) return;
    const auto live = daemon_->state().workload.live;
    for (const WorkloadId job : live) ask(workload::Command(workload::Cancel{job, "the end"}));
    for (int turn = 0; turn < 2000 && !at_rest(); ++turn) {
      machine_.clock.advance(seconds(5));
      daemon_->turn();
      if (turn % 16 == 0) (void)daemon_->engine().journal().maintain().has_value();
      for (const auto& gateway : gateways_) {
        if (drained_.contains(gateway->id())) continue;
        if (!gateway->alive()) gateway->start(control_);
        else if (gateway->drain(control_)) drained_.insert(gateway->id());
      }
    }
    if (drained_.size() < gateways_.size()) fault_ = "a gateway never comes to rest";
    judge("at rest");
    if (fault_.empty()) fault_ = judge_rest(daemon_->state());
    if (fault_.empty()) fault_ = judge_gateways(gateways_, daemon_->state(), kinds_);
    if (fault_.empty()) {
      fault_ = judge_replay(machine_.disk, daemon_->state(), daemon_->engine().applied());
    }
    if (!fault_.empty()) return;
    snapshot();
    kill(Unsynced::lost);
    revive();
    if (fault_.empty()) {
      fault_ = judge_replay(machine_.disk, daemon_->state(), daemon_->engine().applied());
    }
  }

  bool at_rest() const {
    return daemon_->state().workload.live.empty() && drained_.size() == gateways_.size() &&
           machine_.tasks.running() == 0;
  }

  Digest digest() const {
    Sha256 all;
    if (daemon_ != nullptr) all.add(factory::encode_state(daemon_->state()));
    for (const auto& [path, bytes] : machine_.disk.files()) all.add(path + bytes);
    all.add(fault_);
    return all.finish();
  }

  static void count(const SimulatedGateway& gateway, Tally& tally) {
    const GatewayCounts& c = gateway.counts();
    tally["requests opened"] += c.opened;
    tally["requests answered"] += c.answered;
    tally["requests voided"] += c.voided;
    tally["holds extended"] += c.extended;
    tally["gateway deaths"] += c.deaths;
    tally["usage logs recovered"] += c.recovered;
    tally["recalls answered"] += c.recalls;
  }

  Random random_;
  Machine machine_;
  Control control_;
  std::vector<std::unique_ptr<SimulatedGateway>> gateways_;
  std::unique_ptr<Daemon> daemon_;
  std::string fault_;
  std::vector<OrgId> tenants_, projects_;
  std::vector<NodeId> nodes_;
  std::vector<budget::Budget> budgets_;
  std::vector<WorkloadId> jobs_;
  std::vector<RequestKind> kinds_;
  std::set<GatewayId> drained_;
};

}  // namespace

Outcome run_history(std::uint64_t seed, std::uint64_t steps) { return History(seed).run(steps); }

}  // namespace bessemer::sim
