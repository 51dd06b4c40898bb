// The first process of a task: builds the sandbox, starts the task, reaps, runs what is asked.
#pragma once
#include <string>
#include <vector>

#include "compute/executor/channel.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// What the supervisor's copy that becomes the init is handed.
struct InitPlan {
  const TaskSpec* spec = nullptr;
  const wire::Site* site = nullptr;
  std::vector<wire::Granted>* secrets = nullptr;
  std::string directory_path;  // where no sandbox is built
  Fd directory, ids;
  Fd network;          // of a gang; else the task has one of its own already
  Fd channel;          // to the supervisor
  Fd output, error;    // of the task
  bool sandbox = true;
};

// Waits for Go, builds, says Ready, waits for Go, starts the task; ends with it. Never returns.
[[noreturn]] void run_init(InitPlan plan);

}  // namespace bessemer::executor
