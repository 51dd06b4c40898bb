// Accepts connections on a loop.
#include "world/real/listener.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace bessemer::real {
namespace {

constexpr Duration retry_after = milliseconds(100);  // when the process has no descriptor left

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const Address& address,
                                                 const ListenOptions& options,
                                                 Accepted accepted) {
  TRY_ASSIGN(Descriptor socket, listen_on(address, options));
  Address real = address;
  if (!address.is_unix()) {
    TRY_ASSIGN(real.port, port_of(socket));
  }
  std::unique_ptr<Listener> made(
      new Listener(loop, std::move(real), std::move(socket), std::move(accepted)));
  TRY_ASSIGN(made->watch_, loop.watch(made->socket_, *made));
  return made;
}

Listener::Listener(Loop& loop, Address address, Descriptor socket, Accepted accepted)
    : loop_(loop), address_(std::move(address)), socket_(std::move(socket)),
      accepted_(std::move(accepted)) {}

Listener::~Listener() {
  loop_.cancel(retry_);
  if (watch_ != 0) loop_.forget(socket_, watch_);
  if (address_.is_unix()) ::unlink(address_.path.c_str());
}

void Listener::pause() { paused_ = true; }

void Listener::resume() {
  paused_ = false;
  loop_.again(watch_, EPOLLIN);
}

void Listener::on_events(std::uint32_t) { accept_all(); }

void Listener::accept_all() {
  while (!paused_) {
    Descriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      accepted_(std::move(socket));
      continue;
    }
    if (errno == EAGAIN) return;
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    // Out of descriptors or memory. The kernel will not tell again of those already waiting.
    loop_.cancel(retry_);
    retry_ = loop_.after(retry_after, [this] { accept_all(); });
    return;
  }
}

}  // namespace bessemer::real
