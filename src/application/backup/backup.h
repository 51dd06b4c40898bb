// A backup of a factory, taken beside its running daemon and consistent at one fact.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "application/backup/contents.h"
#include "world/world.h"

namespace bessemer::backup {

// Told now and then of what is under way: "artifacts", 3 of 10 MB.
using Progress = std::function<void(std::string_view what, std::uint64_t done, std::uint64_t of)>;

struct Options {
  std::string home;   // the state directory
  std::string place;  // see archive.h
  Instant now;
  Progress progress;
};

struct Made {
  Contents contents;
  std::uint64_t bytes = 0;
  std::vector<std::string> passed_over;  // working files of tasks that changed while they were read
};

// Copies journal, a snapshot of its last fact, the artifacts that the facts name, usage logs, the
// sealed store with its keys, metrics, logs and checkpoints. Every chain and digest is checked.
// Not in it: tasks/, outputs/, run/ and uploads under way, which belong to this machine's moment.
// Errors: not_found (no factory there), invalid (`place` lies inside `home`), conflict (`place`
// exists; another backup runs), internal (stored bytes are damaged: names them), those of the
// disks.
Result<Made> make_backup(const Options& options);

}  // namespace bessemer::backup
