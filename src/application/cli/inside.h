// Commands that reach into a running task: exec, cp, port-forward.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "application/cli/session.h"

namespace bessemer::cli {

// "JOB:PATH"; nothing for a path of this machine ("./a:b" and "/a:b" are such).
struct TaskPath {
  std::string job, path;
  friend bool operator==(const TaskPath&, const TaskPath&) = default;
};
std::optional<TaskPath> parse_task_path(std::string_view word);

// "8080:80" -> {8080, 80}; "80" -> {80, 80}; ":80" -> {0, 80}: any free port. Errors: invalid.
struct Ports {
  std::uint16_t local = 0, remote = 0;
  friend bool operator==(const Ports&, const Ports&) = default;
};
Result<Ports> parse_ports(std::string_view word);

Result<int> exec_in_task(Session& session);
Result<int> copy_files(Session& session);
Result<int> forward_port(Session& session);

}  // namespace bessemer::cli
