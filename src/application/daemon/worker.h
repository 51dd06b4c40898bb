// A thread for slow work, so that the loop never waits for the disk.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "world/real/loop.h"

namespace bessemer::daemon {

class Worker {
 public:
  // A job runs on the thread, after those before it; what it returns runs on the loop's thread, but
  // not once the worker is gone.
  using Then = std::function<void()>;
  using Job = std::function<Then()>;
  explicit Worker(real::Loop& loop);
  // Finishes the job that runs; those that wait are dropped.
  ~Worker();
  Worker(const Worker&) = delete;
  // Loop's thread.
  void post(Job job);

 private:
  void run();

  real::Loop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace bessemer::daemon
