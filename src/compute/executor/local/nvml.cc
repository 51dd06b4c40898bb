// NVML by dlopen; prototypes after NVIDIA's API reference (nvml.h, driver 450 and later).
#include "compute/executor/local/nvml.h"

#include <dlfcn.h>

#include <utility>

namespace bessemer::executor {
namespace {

using Device = void*;
constexpr int success = 0;
constexpr unsigned text_size = 96;

struct MemoryInfo {
  unsigned long long total = 0, free = 0, used = 0;
};
struct Utilization {
  unsigned gpu = 0, memory = 0;
};

}  // namespace

struct Nvml::Calls {
  void* handle = nullptr;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*error_text)(int) = nullptr;
  int (*driver)(char*, unsigned) = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*by_index)(unsigned, Device*) = nullptr;
  int (*by_uuid)(const char*, Device*) = nullptr;
  int (*uuid)(Device, char*, unsigned) = nullptr;
  int (*name)(Device, char*, unsigned) = nullptr;
  int (*minor)(Device, unsigned*) = nullptr;
  int (*memory)(Device, MemoryInfo*) = nullptr;
  int (*mig_mode)(Device, unsigned*, unsigned*) = nullptr;  // absent from old drivers
  int (*energy)(Device, unsigned long long*) = nullptr;
  int (*utilization)(Device, Utilization*) = nullptr;
  bool initialised = false;

  ~Calls() {
    if (initialised) shutdown();
    if (handle != nullptr) ::dlclose(handle);
  }
  template <class F>
  void load(F& into, const char* symbol) {
    into = reinterpret_cast<F>(::dlsym(handle, symbol));
  }
  void load_all() {
    load(init, "nvmlInit_v2");
    load(shutdown, "nvmlShutdown");
    load(error_text, "nvmlErrorString");
    load(driver, "nvmlSystemGetDriverVersion");
    load(count, "nvmlDeviceGetCount_v2");
    load(by_index, "nvmlDeviceGetHandleByIndex_v2");
    load(by_uuid, "nvmlDeviceGetHandleByUUID");
    load(uuid, "nvmlDeviceGetUUID");
    load(name, "nvmlDeviceGetName");
    load(minor, "nvmlDeviceGetMinorNumber");
    load(memory, "nvmlDeviceGetMemoryInfo");
    load(mig_mode, "nvmlDeviceGetMigMode");
    load(energy, "nvmlDeviceGetTotalEnergyConsumption");
    load(utilization, "nvmlDeviceGetUtilizationRates");
  }
  bool complete() const {
    return init && shutdown && error_text && driver && count && by_index && by_uuid && uuid &&
           name && minor && memory;
  }
  Error failed(const std::string& doing, int code) const {
    return unavailable(doing + ": " + error_text(code));
  }
  Result<GpuInfo> describe(unsigned index) const {
    const std::string which = "GPU " + std::to_string(index);
    Device device = nullptr;
    GpuInfo out;
    out.index = index;
    char text[text_size] = {};
    MemoryInfo about;
    if (int code = by_index(index, &device)) return failed("opening " + which, code);
    if (int code = uuid(device, text, text_size)) return failed("naming " + which, code);
    out.uuid = text;
    if (int code = name(device, text, text_size)) return failed("the model of " + which, code);
    out.model = text;
    if (int code = minor(device, &out.minor)) return failed("the node of " + which, code);
    if (int code = memory(device, &about)) return failed("the memory of " + which, code);
    out.memory_bytes = about.total;
    unsigned current = 0, pending = 0;
    out.mig = mig_mode && mig_mode(device, &current, &pending) == success && current != 0;
    return out;
  }
};

Nvml::Nvml(std::unique_ptr<Calls> calls) : calls_(std::move(calls)) {}
Nvml::~Nvml() = default;

Result<std::unique_ptr<Nvml>> Nvml::open(const std::string& name) {
  auto calls = std::make_unique<Calls>();
  calls->handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (calls->handle == nullptr) return not_found("no NVIDIA driver on this machine: " + name);
  calls->load_all();
  if (!calls->complete()) {
    return unavailable(name + " lacks calls that every driver since version 450 has")
        .fix("install a newer NVIDIA driver");
  }
  if (int code = calls->init()) return calls->failed("starting " + name, code);
  calls->initialised = true;
  return std::unique_ptr<Nvml>(new Nvml(std::move(calls)));
}

Result<std::vector<GpuInfo>> Nvml::devices() const {
  unsigned count = 0;
  if (int code = calls_->count(&count)) return calls_->failed("counting GPUs", code);
  std::vector<GpuInfo> out;
  for (unsigned index = 0; index < count; ++index) {
    TRY_ASSIGN(out.emplace_back(), calls_->describe(index));
  }
  return out;
}

std::string Nvml::driver_version() const {
  char text[text_size] = {};
  return calls_->driver(text, text_size) == success ? text : "unknown";
}

std::optional<std::uint64_t> Nvml::energy(const std::string& uuid) const {
  Device device = nullptr;
  unsigned long long millijoules = 0;
  if (!calls_->energy || calls_->by_uuid(uuid.c_str(), &device) != success ||
      calls_->energy(device, &millijoules) != success) {
    return std::nullopt;
  }
  return millijoules;
}

std::optional<unsigned> Nvml::utilization(const std::string& uuid) const {
  Device device = nullptr;
  Utilization rates;
  if (!calls_->utilization || calls_->by_uuid(uuid.c_str(), &device) != success ||
      calls_->utilization(device, &rates) != success) {
    return std::nullopt;
  }
  return rates.gpu;
}

}  // namespace bessemer::executor
