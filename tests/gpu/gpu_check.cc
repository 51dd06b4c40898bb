// On a machine with an NVIDIA GPU: inventory, device isolation, GPU-seconds and energy.
//
// Usage: gpu_check TRAIN.PY. Exits 0 when everything holds or when there is no GPU.
#include <fmt/core.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "compute/executor/local/inventory.h"
#include "compute/executor/local/local.h"
#include "compute/executor/local/logs.h"
#include "compute/executor/local/nvml.h"
#include "world/real/clock.h"

namespace {

using namespace bessemer;
using namespace bessemer::executor;

const real::RealClock machine;
int failures = 0;

void expect(bool holds, const std::string& what) {
  fmt::print("{}: {}\n", holds ? "ok" : "FAILED", what);
  failures += holds ? 0 : 1;
}

struct Outcome {
  Exited exited;
  Instant started, ended;
  int metrics = 0;
  std::string output;
};

Outcome run(LocalExecutor& local, const TaskSpec& spec) {
  Outcome out;
  const auto begun = local.start(spec, {});
  if (!begun) {
    fmt::print("FAILED: {}\n", to_text(begun.error()));
    ::exit(1);
  }
  for (bool over = false; !over;) {
    pollfd one{local.poll_fd(), POLLIN, 0};
    ::poll(&one, 1, 1000);
    for (const auto& report : local.poll()) {
      if (std::holds_alternative<Started>(report.what)) out.started = report.occurred_at;
      out.metrics += std::holds_alternative<Metrics>(report.what);
      if (const auto* exited = std::get_if<Exited>(&report.what)) {
        out.exited = *exited;
        out.ended = report.occurred_at;
        over = true;
      }
    }
  }
  for (const Output which : {Output::standard, Output::error}) {
    const auto piece = read_log(local.directory_of(spec.key), which, 0, 1 << 16);
    if (piece) out.output += piece->bytes;
  }
  return out;
}

TaskSpec training(std::uint64_t number, const std::string& code) {
  const char* const chosen = ::getenv("BESSEMER_GPU_PYTHON");
  TaskSpec spec;
  spec.key = {TaskId{0x0190000000000000u, number}, 1};
  spec.argv = {chosen != nullptr ? chosen : "/usr/bin/python3", "train.py"};
  spec.code = code;
  spec.parameters.text = R"({"seconds": 15})";
  spec.resources.cpu_millis = 2000;
  spec.resources.memory_bytes = std::uint64_t{16} << 30;
  spec.uid = ::geteuid() == 0 ? 2'100'000'000 : 0;
  spec.isolation = Isolation::relaxed;
  return spec;
}

void check_training(LocalExecutor& local, const Accelerator& gpu, const std::string& code) {
  TaskSpec spec = training(1, code);
  spec.resources.gpus = {{.uuid = gpu.uuid, .index = gpu.index, .minor = gpu.minor}};
  auto nvml = Nvml::open();
  const auto before = nvml ? (*nvml)->energy(gpu.uuid) : std::nullopt;
  const Outcome trained = run(local, spec);
  const auto after = nvml ? (*nvml)->energy(gpu.uuid) : std::nullopt;
  fmt::print("{}", trained.output);
  expect(trained.exited.exit_code == 0 && trained.exited.reason == ExitReason::exit_code,
         "a training job runs on its GPU " + trained.exited.message);
  expect(trained.output.find("devices 1 ") != std::string::npos, "it sees exactly one device");
  expect(trained.metrics > 1, "its metrics arrive");
  const double seconds = static_cast<double>((trained.ended - trained.started).ns) * 1e-9;
  expect(seconds > 15 && seconds < 120, fmt::format("{:.3f} GPU-seconds metered", seconds));
  if (!before || !after) return expect(false, "the device has no energy counter");
  const double outside = static_cast<double>(*after - *before) / 1000;
  const double metered = static_cast<double>(trained.exited.usage.gpu_energy_millijoules) / 1000;
  expect(metered > 0 && std::abs(metered - outside) <= 0.1 * outside + 50,
         fmt::format("{:.0f} J metered, {:.0f} J by the device's own counter around it", metered,
                     outside));
}

void check_isolation(LocalExecutor& local, const std::vector<Accelerator>& gpus,
                     const std::string& code) {
  const Outcome without = run(local, training(2, code));
  expect(without.exited.exit_code == 3, "a job without a GPU finds none: " + without.output);
  // Unsetting the variables opens nothing: the nodes are not there, and cannot be made.
  TaskSpec probe = training(3, code);
  probe.resources.gpus = {{.uuid = gpus[0].uuid, .index = gpus[0].index, .minor = gpus[0].minor}};
  std::string script = "unset CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES; n=0; ";
  for (const auto& gpu : gpus) {
    const std::string node = "/dev/nvidia" + std::to_string(gpu.minor);
    script += "if (: < " + node + ") 2>/dev/null; then n=$((n+1)); fi; ";
  }
  probe.argv = {"/bin/sh", "-c", script + "echo opened $n"};
  const Outcome opened = run(local, probe);
  expect(opened.output.starts_with("opened 1"),
         fmt::format("of {} GPU nodes a job opens its own only: {}", gpus.size(), opened.output));
}

}  // namespace

int main(int argc, char** argv) {
  const auto inventory = take_inventory({});
  if (!inventory || inventory->accelerators.empty()) {
    fmt::print("gpu: no NVIDIA GPU on this machine: nothing to prove here\n");
    return 0;
  }
  for (const auto& note : inventory->notes) fmt::print("note: {}\n", note);
  for (const auto& gpu : inventory->accelerators) {
    fmt::print("GPU {} (/dev/nvidia{}): {}, {} MiB, {}\n", gpu.index, gpu.minor, gpu.model,
               gpu.memory_bytes >> 20, gpu.uuid);
    expect(std::filesystem::exists("/dev/nvidia" + std::to_string(gpu.minor)), "its node exists");
  }
  char place[] = "/tmp/bessemer-gpu-XXXXXX";
  if (argc < 2 || ::mkdtemp(place) == nullptr) return 1;
  const std::string code = std::string(place) + "/code";
  std::filesystem::create_directory(code);
  std::filesystem::copy(argv[1], code + "/train.py");
  LocalOptions options;
  options.tasks_directory = std::string(place) + "/tasks";
  options.supervisor =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bessemer-supervisor";
  options.clock = &machine;
  auto local = LocalExecutor::open(options);
  if (!local) {
    fmt::print("FAILED: {}\n", to_text(local.error()));
    return 1;
  }
  for (const auto& one : (*local)->capabilities().missing) fmt::print("missing: {}\n", one);
  check_training(**local, inventory->accelerators.front(), code);
  check_isolation(**local, inventory->accelerators, code);
  std::filesystem::remove_all(place);
  return failures == 0 ? 0 : 1;
}
