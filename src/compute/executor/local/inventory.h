// What this machine has: cores, memory, accelerators.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/describe.h"
#include "base/result.h"

namespace bessemer::executor {

// An accelerator of this machine, real or declared.
struct Accelerator {
  std::string uuid;   // of a simulated one "SIM-<model>-<number>"
  std::string model;  // "NVIDIA H200"
  std::uint64_t memory_bytes = 0;
  std::uint32_t index = 0, minor = 0;
  bool simulated = false;
  bool mig = false;
  friend bool operator==(const Accelerator&, const Accelerator&) = default;
};
DESCRIBE(Accelerator, uuid, model, memory_bytes, index, minor, simulated, mig)

// Accelerators that do not exist, so that everything else can be tried without them.
struct SimulatedAccelerators {
  std::string model = "simulated";
  std::uint32_t count = 0;
  std::uint64_t memory_bytes = 0;
  friend bool operator==(const SimulatedAccelerators&, const SimulatedAccelerators&) = default;
};
DESCRIBE(SimulatedAccelerators, model, count, memory_bytes)

struct Inventory {
  std::string host_name;
  std::string boot_id;
  std::string kernel;
  std::string driver;            // NVIDIA's version; empty without
  std::uint64_t cpu_millis = 0;  // that this process may use: affinity and cgroup limit
  std::uint64_t memory_bytes = 0;  // of the machine, or the cgroup limit where that is less
  std::vector<Accelerator> accelerators;
  std::vector<std::string> notes;  // what could not be found out, in words
  friend bool operator==(const Inventory&, const Inventory&) = default;
};
DESCRIBE(Inventory, host_name, boot_id, kernel, driver, cpu_millis, memory_bytes, accelerators,
         notes)

constexpr std::uint32_t simulated_limit = 4096;  // accelerators declared on one machine

// Looks at the machine. Simulated accelerators come after the real ones, numbered on.
// Errors: invalid (too many simulated ones, a model without a name).
Result<Inventory> take_inventory(const std::vector<SimulatedAccelerators>& simulated);

}  // namespace bessemer::executor
