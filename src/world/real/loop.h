// One thread's event loop: edge-triggered epoll, timers, and work posted by other threads.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "world/real/descriptor.h"

namespace bessemer::real {

constexpr std::size_t max_posted = 1 << 16;  // waiting works of Loop::try_post

// Told about one descriptor.
struct Watcher {
  virtual ~Watcher() = default;
  // `events` as epoll names them: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR.
  virtual void on_events(std::uint32_t events) = 0;
};

using Work = std::function<void()>;

// Everything but post, try_post and stop is for the loop's own thread, or for any thread before
// run() begins.
class Loop {
 public:
  using Timer = std::uint64_t;  // 0: none
  using Watch = std::uint64_t;  // 0: none

  static Result<std::unique_ptr<Loop>> open();
  ~Loop();
  Loop(const Loop&) = delete;

  // Serves until stop().
  void run();
  // Serves what is ready and waits at most `patience` for the first of it.
  void run_once(Duration patience);
  // Any thread: run() returns after the callback that runs now.
  void stop();

  // Time since boot, read once per turn of the loop.
  Duration now() const { return now_; }

  // Calls `work` once, no sooner than `delay` from now. Cheap enough for thousands, not for one per
  // byte: sweep many deadlines with one timer.
  Timer after(Duration delay, Work work);
  // A timer that has run or does not exist is fine.
  void cancel(Timer timer);

  // Any thread: runs `work` in the loop's thread. False when max_posted works wait already.
  [[nodiscard]] bool try_post(Work work);
  // The same without a limit, for callers whose number of outstanding works is bounded otherwise.
  void post(Work work);
  // Runs `work` at the end of this turn, outside the callback that is running now.
  void later(Work work) { later_.push_back(std::move(work)); }
  // Destroys `thing` at the end of this turn: for objects that end inside their own callbacks.
  template <class T>
  void bury(std::unique_ptr<T> thing) {
    if (thing) buried_.push_back(std::shared_ptr<void>(std::move(thing)));
  }
  bool in_loop_thread() const;

  // Registers for reading, writing and hang-up, edge-triggered. The watcher must outlive the
  // registration. Nothing is delivered after forget(), also not from the same batch.
  Result<Watch> watch(const Descriptor& descriptor, Watcher& watcher);
  void forget(const Descriptor& descriptor, Watch watch);
  // Delivers `events` to the watcher in the next turn, unless it is forgotten before.
  void again(Watch watch, std::uint32_t events) { again_.emplace_back(watch, events); }

 private:
  struct Slot {
    Watcher* watcher = nullptr;
    std::uint32_t generation = 1;  // never 0, so that no watch is 0
  };
  Loop(Descriptor epoll, Descriptor wake);
  void wake();
  void deliver(Watch watch, std::uint32_t events);
  void take_posted();
  void run_timers();
  void finish_turn();
  int patience_ms(Duration most) const;

  Descriptor epoll_, wake_;
  Duration now_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::map<std::pair<Duration, Timer>, Work> timers_;
  std::map<Timer, Duration> timer_at_;
  Timer last_timer_ = 0;
  std::vector<std::pair<Watch, std::uint32_t>> again_;
  std::vector<Work> later_;
  std::vector<std::shared_ptr<void>> buried_;
  std::mutex posted_mutex_;
  std::vector<Work> posted_;
  std::atomic<bool> stopped_ = false;
  std::atomic<std::uint64_t> thread_ = 0;
};

}  // namespace bessemer::real
