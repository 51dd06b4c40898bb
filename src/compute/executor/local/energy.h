// Energy of GPUs by their own counters.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compute/executor/executor.h"
#include "compute/executor/local/nvml.h"

namespace bessemer::executor {

// The counters of some devices at one moment: uuid -> millijoules since the driver was loaded.
using EnergyReading = std::map<std::string, std::uint64_t>;

// Reads the counters; answers nothing without a GPU that has one.
class EnergyMeter {
 public:
  std::optional<EnergyReading> read(const std::vector<std::string>& uuids);
  // Millijoules from one reading to a later one; a counter that ran backwards (the driver was
  // loaded anew) counts from zero.
  static std::uint64_t between(const EnergyReading& before, const EnergyReading& after);

 private:
  std::unique_ptr<Nvml> nvml_;
  bool looked_ = false;
};

// "uuid millijoules" lines, as kept in a task's directory.
std::string to_text(const EnergyReading& reading);
std::optional<EnergyReading> energy_from_text(std::string_view text);

}  // namespace bessemer::executor
