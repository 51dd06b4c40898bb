// What befalls a simulated factory.
#include "sim/weather.h"

namespace bessemer::sim {

using simulated::Fault;
using simulated::Unsynced;

namespace {
constexpr std::uint64_t no_limit = 1ull << 40;
}  // namespace

Unsynced Weather::any_unsynced() {
  const Unsynced all[] = {Unsynced::kept, Unsynced::lost, Unsynced::torn};
  return all[random_.below(3)];
}

std::optional<Unsynced> Weather::blow(Machine& machine, Control& control,
                                      const Gateways& gateways, const Daemon* daemon) {
  control.set_losses(random_.chance(1, 10) ? 300 : 20);
  on_disk(machine);
  on_gateways(gateways);
  if (daemon != nullptr && random_.chance(1, 40)) on_tasks(machine, *daemon);
  if (random_.chance(1, 60)) {  // somebody sets the wall clock
    machine.clock.step(seconds(random_.between(-300, 300)));
    ++machine.tally["clocks set"];
  }
  if (daemon != nullptr && random_.chance(1, 40)) return any_unsynced();
  return std::nullopt;
}

// One supervisor dies, and its task with it.
void Weather::on_tasks(Machine& machine, const Daemon& daemon) {
  const auto orders = workload::orders(daemon.state().workload);
  if (orders.empty()) return;
  const workload::TaskOrder& one = orders[random_.below(orders.size())];
  machine.tasks.kill_supervisor({one.task, one.generation});
  ++machine.tally["supervisors killed"];
}

void Weather::on_disk(Machine& machine) {
  if (random_.chance(1, 60)) {
    const Fault faults[] = {Fault::refuse, Fault::tear, Fault::crash};
    const Fault fault = faults[random_.below(3)];
    machine.disk.fail_call(1 + random_.below(40), fault);
  }
  if (random_.chance(1, 80)) {
    machine.disk.set_capacity(machine.disk.used() + random_.below(1 << 18));
  }
  if (random_.chance(1, 20)) machine.disk.set_capacity(no_limit);
}

void Weather::on_gateways(const Gateways& gateways) {
  for (const auto& gateway : gateways) {
    if (random_.chance(1, 50)) gateway->kill(any_unsynced());
    if (random_.chance(1, 60)) gateway->set_stopped(!gateway->stopped());
    if (random_.chance(1, 80)) gateway->disk().fail_call(1 + random_.below(20), Fault::crash);
    if (random_.chance(1, 120)) {
      gateway->disk().set_capacity(gateway->disk().used() + random_.below(1 << 14));
    }
    if (random_.chance(1, 20)) gateway->disk().set_capacity(no_limit);
  }
}

void Weather::clear(Machine& machine, Control& control, const Gateways& gateways) {
  machine.disk.clear_faults();
  machine.disk.set_capacity(no_limit);
  control.set_losses(0);
  for (const auto& gateway : gateways) {
    gateway->set_stopped(false);
    gateway->disk().clear_faults();
    gateway->disk().set_capacity(no_limit);
  }
}

}  // namespace bessemer::sim
