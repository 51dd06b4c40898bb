// A task's cgroups: its limits, its accounts, and the means to kill all of it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "compute/executor/channel.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// A character device that a task may use; minor -1 = every minor of that major.
struct CharDevice {
  std::uint32_t major = 0;
  std::int64_t minor = 0;
};

// Finds (and makes, where it may) the directories for tasks' cgroups: a pure v2 tree with its
// controllers, or v1 controllers beside a v2 tree without any. Fills limits, directories,
// devices, and says in `missing` what cannot be had.
void find_cgroups(wire::Site& site);

// Removes cgroups that killed supervisors left behind: empty, and older than a minute.
void sweep_cgroups(const wire::Site& site);

// One task's cgroups. With Limits::none every call does nothing and every account is zero.
class Cgroup {
 public:
  // Errors: forbidden, exhausted, internal, naming the file.
  static Result<Cgroup> create(const wire::Site& site, const std::string& name,
                               const Resources& resources,
                               const std::vector<CharDevice>& devices);
  Cgroup() = default;

  // The v2 directory, to clone into; -1 without one.
  int unified() const { return unified_.get(); }
  // Moves a process into all of the task's cgroups.
  Result<void> join(int pid);
  // Kills every process in it at once.
  void kill();
  Duration cpu_used() const;
  std::uint64_t memory_peak() const;
  // Processes that the kernel killed because the task was at its memory limit.
  std::uint64_t oom_kills() const;
  // Requires: nothing runs in it any more.
  void remove();

 private:
  Result<void> limit(const Resources& resources);
  Result<void> limit_devices(const std::vector<CharDevice>& devices);

  wire::Limits kind_ = wire::Limits::none;
  std::string cpu_, memory_, pids_, device_, unified_path_;
  Fd unified_;
};

// The v2 device filter: an eBPF program that lets only `devices` through.
// Errors: forbidden, unavailable (the kernel has no cgroup device programs).
Result<void> attach_device_filter(int cgroup, const std::vector<CharDevice>& devices);

}  // namespace bessemer::executor
