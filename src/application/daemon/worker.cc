// A thread for slow work.
#include "application/daemon/worker.h"

#include <utility>

namespace bessemer::daemon {

Worker::Worker(real::Loop& loop) : loop_(loop), thread_([this] { run(); }) {}

Worker::~Worker() {
  *alive_ = false;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Worker::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Then then = job();
    loop_.post([alive = alive_, then = std::move(then)] {
      if (*alive && then) then();
    });
    lock.lock();
  }
}

}  // namespace bessemer::daemon
