// The system calls a task may not make.
#pragma once
#include <linux/filter.h>

#include <vector>

#include "base/result.h"

namespace bessemer::executor {

// A filter that answers EPERM to what could reach beyond the task (mounts, namespaces, tracing,
// keys, kernel modules, clocks, raw devices, io_uring, foreign socket families) and ENOSYS to
// another architecture's calls and to calls newer than this program.
std::vector<sock_filter> task_filter();

// Binds the calling thread and all it starts to the filter, for ever.
// Requires: no-new-privileges is set. Errors: unavailable (the kernel has no seccomp).
Result<void> install_filter(const std::vector<sock_filter>& filter);

}  // namespace bessemer::executor
