// Events by epoll(7), with time-outs instead of timer descriptors.
#include "compute/executor/supervisor/loop.h"

#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "base/check.h"

namespace bessemer::executor {
namespace {

std::int64_t read_clock(clockid_t which) {
  timespec at{};
  check(::clock_gettime(which, &at) == 0);
  return at.tv_sec * 1'000'000'000 + at.tv_nsec;
}

}  // namespace

Instant wall_now() { return {read_clock(CLOCK_REALTIME)}; }
Duration since_boot() { return {read_clock(CLOCK_BOOTTIME)}; }

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { check(epoll_.get() >= 0); }

void Loop::watch(int fd, Callback readable) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.fd = fd;
  const bool fresh = !watched_.contains(fd);
  watched_[fd] = std::make_shared<Callback>(std::move(readable));
  if (fresh) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Loop::forget(int fd) {
  if (watched_.erase(fd) != 0) (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::Timer Loop::at(Duration when, Callback callback) {
  const Timer timer{when.ns, ++next_timer_};
  timers_.emplace(timer, std::move(callback));
  return timer;
}

void Loop::run() {
  while (!stopped_) {
    int wait_ms = -1;
    if (!timers_.empty()) {
      const std::int64_t left = timers_.begin()->first.first - since_boot().ns;
      wait_ms = static_cast<int>(std::clamp<std::int64_t>((left + 999'999) / 1'000'000, 0,
                                                          INT_MAX));
    }
    epoll_event events[16];
    const int count = ::epoll_wait(epoll_.get(), events, 16, wait_ms);
    check(count >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < count && !stopped_; ++i) {
      const auto at = watched_.find(events[i].data.fd);
      if (at == watched_.end()) continue;
      const std::shared_ptr<Callback> held = at->second;  // it may forget itself
      (*held)();
    }
    while (!stopped_ && !timers_.empty() &&
           timers_.begin()->first.first <= since_boot().ns) {
      auto due = timers_.extract(timers_.begin());
      due.mapped()();
    }
  }
}

}  // namespace bessemer::executor
