// One thread's events: descriptors and moments.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/time.h"
#include "compute/executor/channel.h"

namespace bessemer::executor {

// Wall clock, for records; and time since boot, for everything that waits.
Instant wall_now();
Duration since_boot();

// Calls back when descriptors are readable and when moments come. Everything may be added and
// removed from within a callback.
class Loop {
 public:
  using Callback = std::function<void()>;
  using Timer = std::pair<std::int64_t, std::uint64_t>;  // when (since boot), number

  Loop();
  void watch(int fd, Callback readable);
  void forget(int fd);
  Timer at(Duration since_boot, Callback callback);
  Timer after(Duration wait, Callback callback) { return at(since_boot() + wait, callback); }
  void cancel(Timer timer) { timers_.erase(timer); }
  // Until stop().
  void run();
  void stop() { stopped_ = true; }

 private:
  Fd epoll_;
  std::map<int, std::shared_ptr<Callback>> watched_;
  std::map<Timer, Callback> timers_;
  std::uint64_t next_timer_ = 0;
  bool stopped_ = false;
};

}  // namespace bessemer::executor
