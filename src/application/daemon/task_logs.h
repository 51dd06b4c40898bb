// What tasks printed: in the task's directory while it is there, kept beside it afterwards.
#pragma once
#include "application/api/services.h"
#include "application/daemon/home.h"
#include "compute/executor/local/local.h"

namespace bessemer::daemon {

class TaskLogs final : public api::LogSource {
 public:
  // Both outlive this.
  TaskLogs(const Home& home, const executor::LocalExecutor& executor)
      : home_(home), executor_(executor) {}

  Result<api::LogPiece> read(const executor::TaskKey& key, api::Stream stream,
                             std::uint64_t offset, std::size_t most) override;

 private:
  const Home& home_;
  const executor::LocalExecutor& executor_;
};

}  // namespace bessemer::daemon
