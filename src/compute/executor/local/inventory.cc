// Reads /proc, the cgroup limits that apply to us, and NVML.
#include "compute/executor/local/inventory.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "compute/executor/local/nvml.h"

namespace bessemer::executor {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::uint64_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint64_t>(std::max(CPU_COUNT(&set), 1));
}

// Our own place in the hierarchy of `controller` ("" = v2).
std::string own_place(std::string_view controller) {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const auto names = split(parts[1], ',');
    if (std::find(names.begin(), names.end(), controller) != names.end()) {
      return std::string(parts[2]);
    }
  }
  return "/";
}

void apply_memory_limit(Inventory& out) {
  for (const auto& path :
       {"/sys/fs/cgroup" + own_place("") + "/memory.max",
        "/sys/fs/cgroup/memory" + own_place("memory") + "/memory.limit_in_bytes"}) {
    const auto limit = parse_unsigned(first_line(path));
    if (limit && *limit != 0) out.memory_bytes = std::min(out.memory_bytes, *limit);
  }
}

void apply_cpu_limit(Inventory& out) {
  const std::string v2 = first_line("/sys/fs/cgroup" + own_place("") + "/cpu.max");
  const auto words = split(v2, ' ');
  auto quota = parse_unsigned(words[0]);
  auto period = words.size() == 2 ? parse_unsigned(words[1]) : std::nullopt;
  if (!quota) {
    const std::string base = "/sys/fs/cgroup/cpu" + own_place("cpu");
    quota = parse_unsigned(first_line(base + "/cpu.cfs_quota_us"));
    period = parse_unsigned(first_line(base + "/cpu.cfs_period_us"));
  }
  if (quota && period && *quota != 0 && *period != 0) {
    out.cpu_millis = std::min(out.cpu_millis, std::max<std::uint64_t>(*quota * 1000 / *period, 1));
  }
}

void find_gpus(Inventory& out) {
  auto nvml = Nvml::open();
  if (!nvml) {
    if (nvml.error().code != Code::not_found) out.notes.push_back(to_text(nvml.error()));
    return;
  }
  out.driver = (*nvml)->driver_version();
  auto devices = (*nvml)->devices();
  if (!devices) {
    out.notes.push_back(to_text(devices.error()));
    return;
  }
  for (const auto& device : *devices) {
    out.accelerators.push_back({.uuid = device.uuid, .model = device.model,
                                .memory_bytes = device.memory_bytes, .index = device.index,
                                .minor = device.minor, .mig = device.mig});
    if (device.mig) {
      out.notes.push_back("GPU " + std::to_string(device.index) +
                          " is divided by MIG: it is offered whole or not at all");
    }
  }
}

Result<void> declare(const std::vector<SimulatedAccelerators>& simulated, Inventory& out) {
  std::uint64_t total = 0;
  auto index = static_cast<std::uint32_t>(out.accelerators.size());
  for (const auto& kind : simulated) {
    auto named = check_name(kind.model);
    if (!named) return std::move(named).error().within("simulated.model");
    total += kind.count;
    if (total > simulated_limit) return invalid("must be at most 4096").at("simulated.count");
    for (std::uint32_t i = 0; i < kind.count; ++i) {
      out.accelerators.push_back({.uuid = "SIM-" + kind.model + "-" + std::to_string(i),
                                  .model = kind.model, .memory_bytes = kind.memory_bytes,
                                  .index = index++, .simulated = true});
    }
  }
  return {};
}

}  // namespace

Result<Inventory> take_inventory(const std::vector<SimulatedAccelerators>& simulated) {
  Inventory out;
  utsname about{};
  if (::uname(&about) == 0) {
    out.host_name = about.nodename;
    out.kernel = about.release;
  }
  out.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  out.cpu_millis = usable_cores() * 1000;
  struct sysinfo memory {};
  if (::sysinfo(&memory) == 0) {
    out.memory_bytes = static_cast<std::uint64_t>(memory.totalram) * memory.mem_unit;
  }
  apply_cpu_limit(out);
  apply_memory_limit(out);
  find_gpus(out);
  TRY(declare(simulated, out));
  return out;
}

}  // namespace bessemer::executor
