// Ways into the tasks of this machine, through their supervisors.
#pragma once
#include "application/api/passage.h"
#include "compute/executor/local/local.h"
#include "world/real/loop.h"

namespace bessemer::daemon {

class TaskDoors final : public api::Doors {
 public:
  // Both outlive this, and this outlives every passage.
  TaskDoors(executor::LocalExecutor& executor, real::Loop& loop)
      : executor_(executor), loop_(loop) {}

  Result<std::unique_ptr<api::Passage>> execute(const executor::TaskKey& key,
                                                const executor::wire::Execute& what,
                                                api::PassageUser& user) override;
  Result<std::unique_ptr<api::Passage>> connect(const executor::TaskKey& key, std::uint16_t port,
                                                api::PassageUser& user) override;

 private:
  executor::LocalExecutor& executor_;
  real::Loop& loop_;
};

}  // namespace bessemer::daemon
