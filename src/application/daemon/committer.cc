// The thread that makes the journal durable.
#include "application/daemon/committer.h"

namespace bessemer::daemon {

Committer::Committer(journal::Journal& journal, real::Loop& loop,
                     std::function<void(Result<void>)> committed)
    : journal_(journal),
      loop_(loop),
      committed_(std::move(committed)),
      thread_([this] { run(); }) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Committer::kick() {
  if (busy_) return;
  journal::Staged staged = journal_.take_staged();
  if (staged.empty()) return;
  busy_ = true;
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(staged);
  }
  wake_.notify_one();
}

void Committer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || work_.has_value(); });
    if (!work_.has_value()) return;
    journal::Staged staged = *std::move(work_);
    work_.reset();
    lock.unlock();
    auto head = journal_.commit(std::move(staged));
    loop_.post([this, failed = head ? std::optional<Error>() : std::optional(head.error())] {
      busy_ = false;
      committed_(failed ? Result<void>(*failed) : Result<void>());
      kick();
    });
    lock.lock();
  }
}

Result<void> Committer::finish() {
  while (busy_) loop_.run_once(seconds(1));
  journal::Staged staged = journal_.take_staged();
  if (staged.empty()) return {};
  TRY(journal_.commit(std::move(staged)));
  return {};
}

}  // namespace bessemer::daemon
