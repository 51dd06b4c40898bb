// One life of the daemon in a simulation: the real engine, factory and conductor on one thread.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "application/conductor/conductor.h"
#include "application/engine/engine.h"
#include "compute/executor/simulated/simulated.h"
#include "sim/gateway.h"
#include "world/simulated/clock.h"
#include "world/simulated/disk.h"
#include "world/simulated/entropy.h"

namespace bessemer::sim {

// How often what came to pass. Rare branches that no seed reaches are found here.
using Tally = std::map<std::string, std::uint64_t>;

// What tasks do when they are left alone: most end well, some fail, some never start.
struct Crowd final : executor::Author {
  executor::Behaviour behaviour(const executor::TaskSpec& spec, Random& random) override;
};

// The machine that the daemon lives on: what outlives it.
struct Machine {
  explicit Machine(std::uint64_t seed);
  // Tasks go on until now. Where the clock was set back they stand until it has caught up.
  void let_tasks_live();
  simulated::SimulatedClock clock;
  simulated::SimulatedDisk disk;
  simulated::SimulatedEntropy entropy;
  Crowd crowd;
  executor::SimulatedMachine tasks;
  std::uint64_t boots = 1;
  // Usage that gateways shipped and that was stored before it was acknowledged.
  std::map<lease::EpochKey, std::vector<std::string>> shipped;
  Tally tally;
  // What the conductor should never have to say.
  std::string complaint;
  // The last sequence whose answer somebody has seen.
  engine::Sequence acknowledged = 0;
};

// Nothing to prepare; a task leaves what the same task always leaves, and measures likewise.
struct Shelf final : conductor::Bytes {
  void prepare(conductor::Wanted wanted,
               std::function<void(Result<conductor::Prepared>)> then) override;
  void take_outputs(conductor::Wanted wanted,
                    std::function<void(Result<std::vector<workload::Product>>)> then) override;
  void measure(RunId, const executor::Metrics&, Instant) override {}
  void end_series(RunId run, std::function<void(Result<run::SeriesEnd>)> then) override;
  void discard(const executor::TaskKey&, bool, std::function<void()> then) override { then(); }
  void inspect(OrgId tenant, const Digest& tree, const dataset::Schema& schema,
               std::function<void(Result<dataset::Validation>)> then) override;
};

class Daemon {
 public:
  // Recovers. The owner then says what machines there are, and calls adopt().
  static Result<std::unique_ptr<Daemon>> start(Machine& machine);
  void adopt() { conductor_->adopt(); }

  const factory::State& state() const { return engine_->state(); }
  engine::Engine& engine() { return *engine_; }
  // A commit failed: it can do nothing any more but end.
  bool failed() const { return engine_->failed(); }

  // As a client asks. The answer counts as seen once the engine releases it.
  Result<engine::Written> ask(const factory::Command& command);
  void commit();
  // One turn of the conductor, then a commit, which lets the orders out.
  void turn();

  template <class I>
  I draw() {
    return world::draw_id<I>(machine_.clock, machine_.entropy);
  }

 private:
  explicit Daemon(Machine& machine) : machine_(machine), executor_(machine.tasks) {}

  Machine& machine_;
  executor::SimulatedExecutor executor_;
  Shelf bytes_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<conductor::Conductor> conductor_;
};

// What gateways reach: the daemon while it lives, over connections that lose messages.
class Control final : public ControlPlane {
 public:
  Control(Machine& machine, std::uint64_t seed) : machine_(machine), random_(seed) {}
  // The daemon that lives now; none while it is dead.
  void connect(Daemon* daemon);
  void set_losses(std::uint32_t per_mille) { losses_ = per_mille; }

  std::optional<Welcome> hello(GatewayId gateway) override;
  std::optional<Answer> borrow(GatewayId gateway, std::uint64_t epoch,
                               const budget::Spender& spender, budget::Purpose purpose,
                               const lease::Ask& ask) override;
  std::optional<journal::Sequence> ship(GatewayId gateway, std::uint64_t epoch,
                                        const std::string& range) override;
  bool reduce(const lease::Reduce& answer) override;
  bool close(GatewayId gateway, std::uint64_t epoch, journal::Sequence offset) override;
  std::vector<lease::Lease> recalled(GatewayId gateway) override;
  bool ping() override { return daemon_ != nullptr && !lost(); }

 private:
  // The fold of one shipped log.
  struct Intake {
    metering::Log log;
    journal::Head head;
  };
  bool lost();
  // Submits and waits for durability; nothing when the answer never comes.
  std::optional<engine::Written> settle(const factory::Command& command, Error* refused);
  // Folds a range; what is new beyond `counted` goes into `sums`.
  Result<void> fold(Intake& intake, const std::string& range, journal::Sequence counted,
                    metering::UsageSums& sums);
  Intake& intake_of(const lease::EpochKey& key, journal::Sequence reported);

  Machine& machine_;
  Random random_;
  Daemon* daemon_ = nullptr;
  std::uint32_t losses_ = 0;
  std::map<lease::EpochKey, Intake> intakes_;
};

}  // namespace bessemer::sim
