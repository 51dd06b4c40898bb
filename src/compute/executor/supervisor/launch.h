// The launcher: the one privileged process, small, that starts supervisors for the daemon.
#pragma once
#include "compute/executor/supervisor/site.h"

namespace bessemer::executor {

// Serves the daemon at descriptor 3 until the daemon goes; supervisors outlive both.
// Answers the program's exit status.
int launch(const Without& without);

}  // namespace bessemer::executor
