// One task's supervisor: starts it, watches it, ends it, and writes down what happened.
#pragma once

namespace bessemer::executor {

// Descriptors that the launcher leaves open for a supervisor.
constexpr int directory_fd = 3, control_fd = 4, secrets_fd = 5, ids_fd = 6, network_fd = 7;

// Runs until the task is over. The site comes hex-encoded in BESSEMER_SITE.
// Answers the program's exit status.
int supervise();

}  // namespace bessemer::executor
