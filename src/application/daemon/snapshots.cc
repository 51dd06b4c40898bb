// When snapshots are due, and the process that writes one.
#include "application/daemon/snapshots.h"

#include <sys/wait.h>

#include "application/daemon/log.h"
#include "application/daemon/spawn.h"
#include "journal/snapshot.h"

namespace bessemer::daemon {
namespace {

constexpr Duration pause_after_failure = minutes(1);

}  // namespace

Result<std::unique_ptr<Snapshots>> Snapshots::open(SnapshotOptions options,
                                                   const engine::Engine& engine, real::Loop& loop,
                                                   const world::Disk& home) {
  std::unique_ptr<Snapshots> made(new Snapshots(std::move(options), engine, loop, home));
  TRY(made->find_newest());
  return made;
}

// One that is under way goes on without us.
Snapshots::~Snapshots() {
  if (watch_ != 0) loop_.forget(handle_, watch_);
}

Result<void> Snapshots::find_newest() {
  TRY_ASSIGN(const auto all, journal::list_snapshots(home_, engine::Options{}.snapshot_directory));
  newest_ = all.empty() ? 0 : all.back();
  return {};
}

void Snapshots::look() {
  if (process_ != 0 || engine_.durable() - newest_ < options_.every) return;
  if (loop_.now() < not_before_) return;
  not_before_ = loop_.now() + pause_after_failure;
  // One of a former daemon may have ended meanwhile.
  if (!find_newest() || engine_.durable() - newest_ < options_.every) return;
  const auto process = spawn_beside({options_.program, "journal", "snapshot"},
                                    {"BESSEMER_HOME=" + options_.home});
  if (!process) {
    return log_line("error", "a snapshot cannot be begun", {{"error", to_text(process.error())}});
  }
  handle_ = handle_of(*process);
  if (!handle_) return;  // it is not waited for: the next look may find what it wrote
  const auto watched = loop_.watch(handle_, *this);
  if (!watched) return handle_.reset();
  process_ = *process;
  watch_ = *watched;
}

void Snapshots::on_events(std::uint32_t) {
  loop_.forget(handle_, std::exchange(watch_, 0));
  handle_.reset();
  int status = 0;
  ::waitpid(std::exchange(process_, 0), &status, 0);
  const engine::Sequence before = newest_;
  if (const auto found = find_newest(); !found) {
    log_line("error", "snapshots cannot be listed", {{"error", to_text(found.error())}});
  }
  if (newest_ > before) {
    not_before_ = {};
    log_line("info", "a snapshot was written", {{"fact", std::to_string(newest_)}});
  } else {
    log_line("warning", "a snapshot was not written", {{"status", std::to_string(status)}});
  }
}

}  // namespace bessemer::daemon
