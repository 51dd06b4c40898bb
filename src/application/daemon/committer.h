// The thread that makes the journal durable, so that the loop never waits for the disk.
#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "journal/journal.h"
#include "world/real/loop.h"

namespace bessemer::daemon {

// At most one commit is under way; what is staged meanwhile goes into the next: group commit.
class Committer {
 public:
  // `committed` is called on the loop's thread after each commit, with its error when it failed.
  Committer(journal::Journal& journal, real::Loop& loop,
            std::function<void(Result<void>)> committed);
  ~Committer();

  // Commits what is staged, unless a commit is under way: then its end does. Loop's thread.
  void kick();
  // Waits until everything staged is durable. Loop's thread, at the end.
  Result<void> finish();

 private:
  void run();

  journal::Journal& journal_;
  real::Loop& loop_;
  std::function<void(Result<void>)> committed_;
  bool busy_ = false;  // loop's thread
  std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<journal::Staged> work_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace bessemer::daemon
