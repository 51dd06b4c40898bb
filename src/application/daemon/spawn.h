// Starting a program beside the daemon.
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "world/real/descriptor.h"

namespace bessemer::daemon {

// Starts words[0] with these words, the daemon's environment and `more` ("NAME=value") over it, in
// a session of its own: it goes on when the daemon or its terminal is gone.
Result<pid_t> spawn_beside(std::vector<std::string> words,
                           const std::vector<std::string>& more = {});

// Readable once the process has ended; none when it cannot be had.
real::Descriptor handle_of(pid_t process);

}  // namespace bessemer::daemon
