// One thread's event loop: edge-triggered epoll, timers, and work posted by other threads.
#include "world/real/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "world/real/clock.h"

namespace bessemer::real {
namespace {

constexpr int max_events = 256;              // taken from the kernel at once
constexpr Loop::Watch wake_watch = ~0ull;

// A number that differs between the threads of this process.
std::uint64_t this_thread() {
  thread_local char here;
  return reinterpret_cast<std::uint64_t>(&here);
}

Duration read_clock() { return RealClock().since_boot(); }

}  // namespace

Result<std::unique_ptr<Loop>> Loop::open() {
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return error_of(errno, "making", "an epoll");
  Descriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return error_of(errno, "making", "an eventfd");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = wake_watch;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return error_of(errno, "watching", "an eventfd");
  }
  return std::unique_ptr<Loop>(new Loop(std::move(epoll), std::move(wake)));
}

Loop::Loop(Descriptor epoll, Descriptor wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)), now_(read_clock()) {}

Loop::~Loop() {
  // Works may own connections, which cancel their timers and bury themselves here.
  timer_at_.clear();
  std::exchange(timers_, {}).clear();
  std::exchange(later_, {}).clear();
  std::exchange(posted_, {}).clear();
  while (!buried_.empty()) std::exchange(buried_, {}).clear();
}

bool Loop::in_loop_thread() const {
  const auto thread = thread_.load(std::memory_order_relaxed);
  return thread == 0 || thread == this_thread();
}

void Loop::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then it is awake anyway.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Loop::stop() {
  stopped_.store(true);
  wake();
}

bool Loop::try_post(Work work) {
  {
    const std::lock_guard lock(posted_mutex_);
    if (posted_.size() >= max_posted) return false;
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return true;  // whoever came first has woken it
  }
  wake();
  return true;
}

void Loop::post(Work work) {
  {
    const std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    if (posted_.size() > 1) return;
  }
  wake();
}

Loop::Timer Loop::after(Duration delay, Work work) {
  const Timer timer = ++last_timer_;
  const Duration at = now_ + std::max(delay, Duration{});
  timers_.emplace(std::pair(at, timer), std::move(work));
  timer_at_.emplace(timer, at);
  return timer;
}

void Loop::cancel(Timer timer) {
  const auto found = timer_at_.find(timer);
  if (found == timer_at_.end()) return;
  // The work may own what calls this: it goes only after the maps are whole again.
  const auto node = timers_.extract({found->second, timer});
  timer_at_.erase(found);
}

Result<Loop::Watch> Loop::watch(const Descriptor& descriptor, Watcher& watcher) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const auto slot = free_slots_.back();
  const Watch watch = std::uint64_t{slots_[slot].generation} << 32 | slot;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = watch;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) != 0) {
    return error_of(errno, "watching", "a descriptor");
  }
  free_slots_.pop_back();
  slots_[slot].watcher = &watcher;
  return watch;
}

void Loop::forget(const Descriptor& descriptor, Watch watch) {
  const auto slot = static_cast<std::uint32_t>(watch);
  check(slots_.at(slot).generation == watch >> 32, "loop: forgotten twice");
  // Closing is not enough: another process may share what the descriptor stands for.
  if (descriptor) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor.get(), nullptr);
  slots_[slot].watcher = nullptr;
  // 31 bits, so that no watch equals wake_watch.
  auto& generation = slots_[slot].generation;
  generation = generation == 0x7fffffff ? 1 : generation + 1;
  free_slots_.push_back(slot);
}

void Loop::deliver(Watch watch, std::uint32_t events) {
  const auto& slot = slots_.at(static_cast<std::uint32_t>(watch));
  if (slot.generation == watch >> 32 && slot.watcher != nullptr) slot.watcher->on_events(events);
}

void Loop::take_posted() {
  std::vector<Work> taken;
  {
    const std::lock_guard lock(posted_mutex_);
    taken.swap(posted_);
  }
  for (auto& work : taken) work();
}

void Loop::run_timers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_) {
    auto node = timers_.extract(timers_.begin());
    timer_at_.erase(node.key().second);
    node.mapped()();
  }
}

void Loop::finish_turn() {
  for (auto& work : std::exchange(later_, {})) work();
  std::exchange(buried_, {}).clear();
}

int Loop::patience_ms(Duration most) const {
  if (!later_.empty() || !again_.empty() || !buried_.empty()) return 0;
  if (!timers_.empty()) most = std::min(most, timers_.begin()->first.first - now_);
  if (most.ns <= 0) return 0;
  // Rounded up, so that a timer is due when it wakes.
  return static_cast<int>(std::min<std::int64_t>((most.ns + 999'999) / 1'000'000, 1'000'000));
}

void Loop::run_once(Duration patience) {
  thread_.store(this_thread(), std::memory_order_relaxed);
  epoll_event events[max_events];
  const int n = ::epoll_wait(epoll_.get(), events, max_events, patience_ms(patience));
  check(n >= 0 || errno == EINTR, "loop: epoll_wait failed");
  now_ = read_clock();
  for (const auto& [watch, kinds] : std::exchange(again_, {})) deliver(watch, kinds);
  bool woken = false;
  for (int i = 0; i < n; ++i) {
    if (events[i].data.u64 != wake_watch) {
      deliver(events[i].data.u64, events[i].events);
      continue;
    }
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    woken = true;
  }
  if (woken) take_posted();
  run_timers();
  finish_turn();
}

void Loop::run() {
  while (!stopped_.load(std::memory_order_relaxed)) run_once(hours(1));
  stopped_.store(false);
  thread_.store(0, std::memory_order_relaxed);
}

}  // namespace bessemer::real
