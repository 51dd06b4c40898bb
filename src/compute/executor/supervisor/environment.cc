// The environment of a task.
#include "compute/executor/supervisor/environment.h"

#include <map>

namespace bessemer::executor {
namespace {

using Variables = std::map<std::string, std::string>;

void describe_devices(const std::vector<Device>& devices, Variables& into) {
  std::string real, all;
  for (const auto& device : devices) {
    all += (all.empty() ? "" : ",") + device.uuid;
    if (!device.simulated) real += (real.empty() ? "" : ",") + device.uuid;
  }
  into["BESSEMER_GPUS"] = all;
  // Without a GPU of its own a program that asks for one finds none: the nodes are not there.
  into["CUDA_VISIBLE_DEVICES"] = real;
  into["NVIDIA_VISIBLE_DEVICES"] = real.empty() ? "none" : real;
}

void describe_rank(const Rank& rank, Variables& into) {
  into["RANK"] = std::to_string(rank.rank);
  into["WORLD_SIZE"] = std::to_string(rank.world_size);
  into["LOCAL_RANK"] = std::to_string(rank.local_rank);
  into["MASTER_ADDR"] = rank.master_address;
  into["MASTER_PORT"] = std::to_string(rank.master_port);
}

}  // namespace

std::vector<std::string> task_environment(const TaskSpec& spec, const Places& places) {
  Variables all = {{"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"},
                   {"LANG", "C.UTF-8"},
                   {"PYTHONUNBUFFERED", "1"},
                   {"USER", "task"},
                   {"LOGNAME", "task"}};
  for (const auto& [name, value] : spec.environment) all[name] = value;
  all["HOME"] = places.home;
  all["TMPDIR"] = places.scratch;
  if (!spec.code.empty()) all["BESSEMER_CODE"] = places.code;
  all["BESSEMER_INPUTS"] = places.inputs;
  all["BESSEMER_OUTPUTS"] = places.outputs;
  if (!spec.checkpoints.empty()) all["BESSEMER_CHECKPOINTS"] = places.checkpoints;
  all["BESSEMER_PARAMETERS"] = places.parameters;
  all["BESSEMER_METRICS"] = places.metrics;
  all["BESSEMER_SECRETS"] = places.secrets;
  all["BESSEMER_SOCKET"] = places.socket;
  all["BESSEMER_JOB"] = to_text(spec.workload);
  all["BESSEMER_JOB_NAME"] = spec.workload_name;
  all["BESSEMER_TASK"] = to_text(spec.key.task);
  all["BESSEMER_GENERATION"] = std::to_string(spec.key.generation);
  all["BESSEMER_PROJECT"] = spec.project_name.empty() ? to_text(spec.project) : spec.project_name;
  const std::uint64_t millis = spec.resources.cpu_millis;
  std::string cpus = std::to_string(millis / 1000);
  if (millis % 1000 != 0) cpus += "." + std::to_string(millis % 1000 + 1000).substr(1);
  all["BESSEMER_CPUS"] = cpus;
  all["BESSEMER_MEMORY_BYTES"] = std::to_string(spec.resources.memory_bytes);
  if (spec.service_port) all["BESSEMER_PORT"] = std::to_string(*spec.service_port);
  // Numeric libraries would start a thread per core of the machine, not of the task.
  if (millis != 0) {
    all.try_emplace("OMP_NUM_THREADS", std::to_string((millis + 999) / 1000));
  }
  describe_devices(spec.resources.gpus, all);
  if (spec.rank) describe_rank(*spec.rank, all);
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(name + "=" + value);
  return out;
}

std::string task_directory(const TaskSpec& spec, const Places& places) {
  if (!spec.working_directory.empty()) return spec.working_directory;
  return spec.code.empty() ? places.scratch : places.code;
}

}  // namespace bessemer::executor
