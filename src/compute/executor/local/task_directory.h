// The files of a task on this machine: see wire.h for what they are.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compute/executor/channel.h"
#include "compute/executor/local/energy.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// What the slots of a records file hold; a damaged slot counts as not written.
struct TaskRecords {
  std::optional<wire::StartRecord> start;
  std::optional<wire::HeartbeatRecord> heartbeat;  // the newer of the two
  std::optional<wire::ExitRecord> exit;

  // When the task certainly still ran.
  std::optional<Instant> last_heard() const;
};
TaskRecords read_records(int directory);

// Makes tasks/<task>/<generation>/. Errors: conflict (it is there), exhausted, internal.
Result<Fd> make_task_directory(const std::string& tasks, const TaskKey& key);

// 0 when there is none. Errors: internal.
Result<std::uint64_t> newest_generation(const std::string& tasks, TaskId task);

// Every generation on disk, in order.
std::vector<TaskKey> list_tasks(const std::string& tasks);

// Removes the generation's directory, and the task's when it was the last one in it.
Result<void> remove_task_directory(const std::string& tasks, const TaskKey& key);

// Leaves empty records where there are none, so that a supervisor that comes too late finds them
// and ends. Requires: its lock is held.
void fence_records(int directory);

Result<void> write_whole(int directory, const std::string& name, std::string_view bytes);
std::optional<EnergyReading> read_energy(int directory);

}  // namespace bessemer::executor
