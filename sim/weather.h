// What befalls a simulated factory: lost messages, faulty disks, deaths, a clock that is set.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "base/random.h"
#include "sim/daemon.h"
#include "sim/gateway.h"

namespace bessemer::sim {

using Gateways = std::vector<std::unique_ptr<SimulatedGateway>>;

class Weather {
 public:
  explicit Weather(std::uint64_t seed) : random_(seed) {}

  // The weather of one step. When the daemon is to die in it: what becomes of unsynced writes.
  std::optional<simulated::Unsynced> blow(Machine& machine, Control& control,
                                          const Gateways& gateways, const Daemon* daemon);
  // Fair from now on.
  static void clear(Machine& machine, Control& control, const Gateways& gateways);
  simulated::Unsynced any_unsynced();

 private:
  void on_tasks(Machine& machine, const Daemon& daemon);
  void on_disk(Machine& machine);
  void on_gateways(const Gateways& gateways);

  Random random_;
};

}  // namespace bessemer::sim
