// One history of a factory: random work, random weather, and a rest at the end.
#include "sim/history.h"

#include <set>

#include "base/check.h"
#include "sim/company.h"
#include "sim/judge.h"
#include "sim/weather.h"

namespace bessemer::sim {

namespace {

using simulated::Unsynced;

constexpr std::uint64_t gateway_count = 2;
constexpr int patience = 2000;  // turns until everything must have ended

class History {
 public:
  explicit History(std::uint64_t seed)
      : random_(seed), machine_(seed), control_(machine_, seed ^ 0x5eed),
        weather_(seed ^ 0x3ea7), company_(machine_, seed ^ 0xc0) {
    for (std::uint64_t i = 0; i < gateway_count; ++i) {
      gateways_.push_back(std::make_unique<SimulatedGateway>(GatewayId{1, i + 1}, machine_.clock,
                                                             seed * 16 + i));
    }
  }

  Outcome run(std::uint64_t steps) {
    revive();
    company_.found(*daemon_);
    daemon_->commit();
    for (std::uint64_t step = 0; step < steps && fault_.empty(); ++step) {
      this->step();
      if (fault_.empty()) fault_ = company_.fault();
      if (fault_.empty()) fault_ = machine_.complaint;
      if (step % 8 == 0) judge("at step " + std::to_string(step));
    }
    if (fault_.empty()) rest();
    Outcome out;
    out.fault = fault_;
    out.digest = digest();
    out.tally = machine_.tally;
    count(out.tally);
    return out;
  }

 private:
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
      machine_.disk.crash(weather_.any_unsynced());
    }
    const engine::Sequence durable = daemon_->engine().durable();
    if (durable < machine_.acknowledged) {
      fault_ = "record " + std::to_string(machine_.acknowledged) +
               " was acknowledged and is lost; the journal ends at " + std::to_string(durable);
    }
    if (fault_.empty() && random_.chance(1, 6)) {
      fault_ = judge_replay(machine_.disk, daemon_->state(), daemon_->engine().applied());
    }
    company_.register_nodes(*daemon_);
    daemon_->adopt();
    control_.connect(daemon_.get());
  }

  void kill(Unsynced unsynced) {
    ++machine_.tally["daemon deaths"];
    control_.connect(nullptr);
    daemon_.reset();
    machine_.disk.crash(unsynced);
    if (unsynced == Unsynced::kept) return;
    ++machine_.tally["power failures"];
    ++machine_.boots;
    machine_.tasks.reboot();
  }

  // The connection of a gateway broke: it is dead, or stopped, and nobody can tell which.
  void lose(const SimulatedGateway& gateway) {
    if (daemon_ == nullptr || daemon_->failed()) return;
    const auto newest = daemon_->state().lease.newest.find(gateway.id());
    if (newest == daemon_->state().lease.newest.end()) return;
    company_.ask(*daemon_, lease::Command(lease::Lose{gateway.id(), newest->second}));
  }

  // ---- one step

  void step() {
    if (daemon_ != nullptr && daemon_->failed()) {
      ++machine_.tally["fail-stops"];
      kill(Unsynced::kept);
    }
    if (daemon_ == nullptr && random_.chance(1, 2)) revive();
    if (!fault_.empty()) return;
    const auto death = weather_.blow(machine_, control_, gateways_, daemon_.get());
    if (death) kill(*death);
    machine_.clock.advance(milliseconds(random_.between(1, random_.chance(1, 8) ? 120'000 : 3000)));
    machine_.let_tasks_live();
    if (!machine_.tasks.violations().empty()) fault_ = machine_.tasks.violations().front();
    if (daemon_ != nullptr && !daemon_->failed()) {
      if (random_.chance(1, 2)) company_.ask_something(*daemon_);
      if (random_.chance(1, 2)) daemon_->turn();
      if (random_.chance(1, 10)) (void)daemon_->engine().journal().maintain().has_value();
    }
    for (const auto& gateway : gateways_) {
      if ((!gateway->alive() || gateway->stopped()) && random_.chance(1, 10)) lose(*gateway);
      if (!gateway->alive() && random_.chance(1, 3)) gateway->start(control_);
      for (auto n = random_.below(6); n > 0 && gateway->alive(); --n) {
        gateway->step(control_, company_.kinds());
      }
    }
    if (random_.chance(1, 60)) snapshot();
  }

  void snapshot() {
    const auto written = engine::write_snapshot(machine_.disk, {});
    ++machine_.tally[written ? "snapshots" : "snapshots that failed"];
  }

  void judge(const std::string& when) {
    if (!fault_.empty() || daemon_ == nullptr || daemon_->failed()) return;
    fault_ = judge_state(daemon_->state(), machine_.clock.now());
    if (fault_.empty()) fault_ = company_.judge_limits(daemon_->state());
    if (!fault_.empty()) fault_ += ", " + when;
  }

  // ---- the end: fair weather, nothing new, and patience

  void rest() {
    Weather::clear(machine_, control_, gateways_);
    for (int turn = 0; turn < patience && fault_.empty(); ++turn) {
      if (daemon_ != nullptr && daemon_->failed()) kill(Unsynced::kept);
      if (daemon_ == nullptr) revive();
      if (!fault_.empty() || at_rest()) break;
      calm_turn(turn);
    }
    if (fault_.empty() && drained_.size() < gateways_.size()) {
      fault_ = "a gateway never comes to rest";
    }
    judge("at rest");
    if (fault_.empty()) fault_ = judge_rest(daemon_->state());
    if (fault_.empty()) fault_ = judge_gateways(gateways_, daemon_->state(), company_.kinds());
    if (fault_.empty()) judge_restart();
  }

  void calm_turn(int turn) {
    machine_.clock.advance(seconds(5));
    if (!daemon_->engine().journal().maintain()) return kill(Unsynced::kept);  // the disk is gone
    if (turn % 16 == 0) company_.end_everything(*daemon_);
    daemon_->turn();
    for (const auto& gateway : gateways_) {
      if (drained_.contains(gateway->id())) continue;
      if (!gateway->alive()) gateway->start(control_);
      else if (gateway->drain(control_)) drained_.insert(gateway->id());
    }
  }

  // Recovery, with a snapshot and after a power failure, gives the same.
  void judge_restart() {
    fault_ = judge_replay(machine_.disk, daemon_->state(), daemon_->engine().applied());
    if (!fault_.empty()) return;
    snapshot();
    const std::string before = factory::encode_state(daemon_->state());
    kill(Unsynced::lost);
    auto again = Daemon::start(machine_);
    if (!again) {
      fault_ = "it does not start again: " + to_text(again.error());
      return;
    }
    daemon_ = std::move(*again);
    if (factory::encode_state(daemon_->state()) != before) fault_ = "a restart changes the state";
  }

  bool at_rest() const {
    return daemon_->state().workload.live.empty() && daemon_->state().pipeline.active.empty() &&
           drained_.size() == gateways_.size() && machine_.tasks.running() == 0;
  }

  Digest digest() const {
    Sha256 all;
    if (daemon_ != nullptr) all.add(factory::encode_state(daemon_->state()));
    for (const auto& [path, bytes] : machine_.disk.files()) all.add(path + bytes);
    all.add(fault_);
    return all.finish();
  }

  void count(Tally& tally) const {
    for (const auto& gateway : gateways_) {
      const GatewayCounts& c = gateway->counts();
      tally["requests opened"] += c.opened;
      tally["requests answered"] += c.answered;
      tally["requests voided"] += c.voided;
      tally["holds extended"] += c.extended;
      tally["gateway deaths"] += c.deaths;
      tally["usage logs recovered"] += c.recovered;
      tally["recalls answered"] += c.recalls;
    }
    if (daemon_ == nullptr) return;
    const factory::State& state = daemon_->state();
    for (const auto& [id, one] : state.workload.workloads) {
      ++tally["workloads " + std::string(enum_text(one.phase))];
      if (one.reason) ++tally["ends " + std::string(enum_text(*one.reason))];
      for (const workload::Attempt& attempt : one.attempts) {
        if (attempt.detail.starts_with("it did not start within")) ++tally["starts that hung"];
      }
    }
    for (const auto& [id, run] : state.pipeline.runs) {
      ++tally["pipeline runs " + std::string(enum_text(run.status))];
      for (const auto& [name, step] : run.steps) {
        ++tally["step " + step.instance.step + " " + std::string(enum_text(step.status))];
      }
    }
  }

  Random random_;
  Machine machine_;
  Control control_;
  Weather weather_;
  Company company_;
  Gateways gateways_;
  std::unique_ptr<Daemon> daemon_;
  std::string fault_;
  std::set<GatewayId> drained_;
};

}  // namespace

Outcome run_history(std::uint64_t seed, std::uint64_t steps) { return History(seed).run(steps); }

}  // namespace bessemer::sim
