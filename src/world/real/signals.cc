// Signals as events of a loop.
#include "world/real/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace bessemer::real {

Signals::Signals(Loop& loop, Descriptor descriptor, std::function<void(int)> told)
    : loop_(loop), descriptor_(std::move(descriptor)), told_(std::move(told)) {}

Result<std::unique_ptr<Signals>> Signals::take(Loop& loop, std::initializer_list<int> numbers,
                                               std::function<void(int)> told) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : numbers) ::sigaddset(&set, number);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return error_of(error, "blocking", "signals");
  }
  Descriptor descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) return error_of(errno, "making", "a signalfd");
  std::unique_ptr<Signals> made(new Signals(loop, std::move(descriptor), std::move(told)));
  TRY_ASSIGN(made->watch_, loop.watch(made->descriptor_, *made));
  return made;
}

Signals::~Signals() {
  if (watch_ != 0) loop_.forget(descriptor_, watch_);
}

void Signals::on_events(std::uint32_t) {
  signalfd_siginfo information;
  while (::read(descriptor_.get(), &information, sizeof information) == sizeof information) {
    told_(static_cast<int>(information.ssi_signo));
  }
}

}  // namespace bessemer::real
