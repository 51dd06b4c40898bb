// NVIDIA's management library, opened at run time. Absent is normal.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace bessemer::executor {

struct GpuInfo {
  std::string uuid, model;
  std::uint32_t index = 0, minor = 0;
  std::uint64_t memory_bytes = 0;
  bool mig = false;  // divided in hardware; its parts are not handed out yet
};

// Keeps the library open. Own prototypes: no header of NVIDIA's is needed to build.
class Nvml {
 public:
  static constexpr const char* library = "libnvidia-ml.so.1";

  // Errors: not_found (no such library: no NVIDIA driver here), unavailable (it does not work,
  // with its own words).
  static Result<std::unique_ptr<Nvml>> open(const std::string& name = library);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  // Errors: unavailable, naming the device and the call.
  Result<std::vector<GpuInfo>> devices() const;
  std::string driver_version() const;
  // Millijoules since the driver was loaded; nothing where the device cannot tell.
  std::optional<std::uint64_t> energy(const std::string& uuid) const;
  // Percent of time in which a kernel ran, lately; nothing where the device cannot tell.
  std::optional<unsigned> utilization(const std::string& uuid) const;

 private:
  struct Calls;
  explicit Nvml(std::unique_ptr<Calls> calls);
  std::unique_ptr<Calls> calls_;
};

}  // namespace bessemer::executor
