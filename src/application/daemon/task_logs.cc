// What tasks printed.
#include "application/daemon/task_logs.h"

#include "application/daemon/task_bytes.h"
#include "compute/executor/local/logs.h"

namespace bessemer::daemon {

Result<api::LogPiece> TaskLogs::read(const executor::TaskKey& key, api::Stream stream,
                                     std::uint64_t offset, std::size_t most) {
  const auto output =
      stream == api::Stream::errors ? executor::Output::error : executor::Output::standard;
  // A task that has just ended may be in either place: its logs are moved, never copied.
  Error last = not_found("nothing was kept of what it printed");
  for (const std::string& directory : {executor_.directory_of(key), kept_logs(home_, key)}) {
    const auto size = executor::log_size(directory, output);
    if (!size) continue;
    auto piece = executor::read_log(directory, output, offset, most);
    if (!piece) {
      last = std::move(piece).error();
      continue;
    }
    return api::LogPiece{std::move(piece->bytes), piece->next, *size};
  }
  return last;
}

}  // namespace bessemer::daemon
