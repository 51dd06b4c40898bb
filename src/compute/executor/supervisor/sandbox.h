// The file system, devices and network that a task sees.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "compute/executor/channel.h"
#include "compute/executor/supervisor/cgroup.h"
#include "compute/executor/supervisor/environment.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// What the sandbox is built from.
struct Ground {
  const TaskSpec* spec = nullptr;
  const wire::Site* site = nullptr;
  std::vector<wire::Granted>* secrets = nullptr;
  int directory = -1;  // the task's own, of this generation
  int ids = -1;        // a user namespace that maps the owner of our files to the task; -1 = none
  std::uint32_t uid = 0;  // as the task sees it
};

// What the sandbox hands out.
struct Built {
  Fd metrics;  // the task's metrics file, read and write
  Fd socket;   // listens at /run/bessemer.sock
};

// Builds the root of a task and enters it. Requires: a mount, pid, ipc, uts and network
// namespace of its own, privileges in them, and to be the first process of the pid namespace.
// Errors name the step.
Result<Built> build_sandbox(const Ground& ground);

// Without namespaces: the same things at paths of the host, which `places` is told.
Result<Built> build_bare(const Ground& ground, const std::string& directory_path, Places& places);

// The device nodes of a task, for its device cgroup: the harmless ones, terminals, its GPUs.
std::vector<CharDevice> task_devices(const Resources& resources);

}  // namespace bessemer::executor
