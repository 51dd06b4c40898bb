// The thread that reads whole datasets: hours of bytes must not stand before somebody's start.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "data/artifact/store.h"
#include "data/dataset/inspect.h"
#include "world/real/loop.h"

namespace bessemer::daemon {

class Inspector {
 public:
  struct Asked {
    OrgId tenant;
    Digest tree;
    dataset::Schema schema;
    std::function<void(Result<dataset::Validation>)> then;  // on the loop's thread
  };

  // Both outlive this. Of the store only what may be called beside its own thread is used.
  Inspector(const artifact::Store& store, real::Loop& loop);
  ~Inspector();

  // One after the other. Loop's thread.
  void post(Asked asked);

 private:
  void run();
  Result<dataset::Validation> inspect(const Asked& asked) const;

  const artifact::Store& store_;
  real::Loop& loop_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Asked> waiting_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace bessemer::daemon
