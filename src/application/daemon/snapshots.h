// Snapshots of the state, folded by a process of their own whenever enough has happened.
#pragma once
#include <sys/types.h>

#include <string>

#include "application/engine/engine.h"
#include "world/real/loop.h"

namespace bessemer::daemon {

struct SnapshotOptions {
  std::string program;              // bessemer
  std::string home;                 // the state directory
  engine::Sequence every = 100'000;  // facts since the newest: so many are replayed at most
};

// A snapshot only makes the next start faster: one that fails is tried again later.
class Snapshots final : real::Watcher {
 public:
  // Errors: those of the disk. Everything outlives this.
  static Result<std::unique_ptr<Snapshots>> open(SnapshotOptions options,
                                                 const engine::Engine& engine, real::Loop& loop,
                                                 const world::Disk& home);
  ~Snapshots() override;

  // Begins one when it is due and none is under way. Cheap; called about once a second.
  void look();

 private:
  Snapshots(SnapshotOptions options, const engine::Engine& engine, real::Loop& loop,
            const world::Disk& home)
      : options_(std::move(options)), engine_(engine), loop_(loop), home_(home) {}
  Result<void> find_newest();
  void on_events(std::uint32_t events) override;

  SnapshotOptions options_;
  const engine::Engine& engine_;
  real::Loop& loop_;
  const world::Disk& home_;
  engine::Sequence newest_ = 0;
  pid_t process_ = 0;  // 0: none is under way
  real::Descriptor handle_;
  real::Loop::Watch watch_ = 0;
  Duration not_before_;  // since boot
};

}  // namespace bessemer::daemon
