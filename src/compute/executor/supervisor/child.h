// A process of the task itself: stripped of every privilege, then replaced by its program.
#pragma once
#include <linux/filter.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compute/executor/channel.h"

namespace bessemer::executor {

// What a child is started with.
struct ChildPlan {
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::string directory;
  int input = -1, output = -1, error = -1;  // its first three descriptors
  bool terminal = false;                    // `input` is its controlling terminal
  std::uint32_t uid = 0;
  bool change_uid = false;  // needs CAP_SETUID and CAP_SETGID
  std::function<int()> body;  // set: runs in the place of the program; gives the exit code
};

// Starts it and waits until its program runs. Errors: invalid, naming what could not be run.
Result<int> start_child(const ChildPlan& plan, const std::vector<sock_filter>& filter);

// Gives up every capability but those that a task's first process needs to start and to signal
// its children.
Result<void> keep_init_capabilities();

}  // namespace bessemer::executor
