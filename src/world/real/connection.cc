// A buffered stream on a loop, with back-pressure in both directions.
#include "world/real/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace bessemer::real {
namespace {

constexpr std::size_t first_buffer = 4096;
constexpr std::size_t kept_buffer = 64 * 1024;  // a larger one is given back when empty
constexpr std::size_t spare_bytes = 64;         // simdjson may read (not use) this far past the end
constexpr std::size_t compact_output = 64 * 1024;

// Whom a connection tells after its user has let it linger.
struct Nobody final : ConnectionUser {
  void on_input(Connection& connection) override { connection.consume(connection.input().size()); }
  void on_end(Connection& connection) override { connection.close(); }
  void on_broken(Connection& connection, const Error&) override { connection.close(); }
};
Nobody nobody;

}  // namespace

void Bury::operator()(Connection* connection) const {
  connection->close();
  connection->loop_.bury(std::unique_ptr<Connection>(connection));
}

Connection::Connection(Loop& loop, Descriptor socket, ConnectionUser& user,
                       const ConnectionOptions& options)
    : loop_(loop), socket_(std::move(socket)), user_(&user), options_(options) {}

Connection::~Connection() { close(); }

Result<void> Connection::start() {
  TRY_ASSIGN(watch_, loop_.watch(socket_, *this));
  return {};
}

ConnectionPointer Connection::adopt(Loop& loop, Descriptor socket, ConnectionUser& user,
                                    const ConnectionOptions& options) {
  set_blocking(socket, Blocking::no);
  send_at_once(socket);
  ConnectionPointer made(new Connection(loop, std::move(socket), user, options));
  check(made->start().has_value(), "connection: epoll refused a socket");
  return made;
}

Result<ConnectionPointer> Connection::connect(Loop& loop, const Address& address,
                                              ConnectionUser& user,
                                              const ConnectionOptions& options) {
  TRY_ASSIGN(Descriptor socket, connect_to(address, Blocking::no));
  ConnectionPointer made(new Connection(loop, std::move(socket), user, options));
  made->state_ = State::connecting;
  TRY(made->start());
  return made;
}

void Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  if (watch_ != 0) loop_.forget(socket_, watch_);
  socket_.reset();
  output_.clear();
  unsent_ = 0;
  const auto linger = std::exchange(linger_, 0);
  if (linger != 0) loop_.cancel(linger);
}

void Connection::close_gently(ConnectionPointer connection, Duration patience) {
  if (connection->state_ != State::open) return;
  auto& self = *connection;
  self.user_ = &nobody;
  self.state_ = State::lingering;
  self.consume(self.input().size());
  self.paused_ = false;
  // The timer owns the connection: when it runs or is cancelled, both are gone.
  auto owned = std::make_shared<ConnectionPointer>(std::move(connection));
  self.linger_ = self.loop_.after(patience, [owned, &self] {
    self.linger_ = 0;
    owned->reset();
  });
  self.shut_when_sent();
  self.loop_.again(self.watch_, EPOLLIN);
}

void Connection::shut_when_sent() {
  if (state_ != State::lingering || unsent_ > 0 || shut_) return;
  shut_ = true;
  ::shutdown(socket_.get(), SHUT_WR);
}

void Connection::consume(std::size_t bytes) {
  check(bytes <= to_ - from_, "connection: more consumed than there is");
  from_ += bytes;
  const bool was_full = readable_ && !paused_ && bytes > 0;
  if (from_ == to_) {
    from_ = to_ = 0;
    if (capacity_ > kept_buffer) {
      buffer_.reset();
      capacity_ = 0;
    }
  }
  if (was_full && state_ != State::closed) loop_.again(watch_, EPOLLIN);
}

void Connection::set_max_input(std::size_t bytes) {
  options_.max_input = bytes;
  if (readable_ && !paused_ && state_ != State::closed) loop_.again(watch_, EPOLLIN);
}

void Connection::pause() { paused_ = true; }

void Connection::resume() {
  if (!paused_) return;
  paused_ = false;
  if (readable_ && state_ != State::closed) loop_.again(watch_, EPOLLIN);
}

Descriptor Connection::take_descriptor() {
  if (received_.empty()) return {};
  Descriptor first = std::move(received_.front());
  received_.pop_front();
  return first;
}

// Room for the next read: moves what is unread to the front, or doubles.
void Connection::make_room() {
  if (to_ < capacity_) return;
  const auto held = to_ - from_;
  if (from_ > 0 && held <= capacity_ / 2) {
    std::memmove(buffer_.get(), buffer_.get() + from_, held);
  } else {
    const auto wanted = std::max(first_buffer, capacity_ * 2);
    auto larger = std::make_unique_for_overwrite<char[]>(wanted + spare_bytes);
    std::memset(larger.get() + wanted, 0, spare_bytes);
    if (held > 0) std::memcpy(larger.get(), buffer_.get() + from_, held);
    buffer_ = std::move(larger);
    capacity_ = wanted;
  }
  from_ = 0;
  to_ = held;
}

// As recv(2); takes over descriptors where they are expected.
long Connection::receive(char* into, std::size_t bytes) {
  if (!options_.receives_descriptors) return ::recv(socket_.get(), into, bytes, 0);
  std::vector<Descriptor> passed;
  const auto got = receive_descriptors(socket_, {into, bytes}, passed);
  for (auto& descriptor : passed) received_.push_back(std::move(descriptor));
  if (got) return static_cast<long>(*got);
  errno = got.error().code == Code::exhausted ? EAGAIN : ECONNRESET;
  return -1;
}

Connection::Read Connection::read_until_drained() {
  while (true) {
    if (to_ - from_ >= options_.max_input) return Read::full;
    make_room();
    const auto wanted = capacity_ - to_;
    const auto got = receive(buffer_.get() + to_, wanted);
    if (got == 0) return Read::end;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? Read::drained : Read::failed;
    to_ += static_cast<std::size_t>(got);
    // A short read has emptied the socket: the kernel tells when there is more.
    if (static_cast<std::size_t>(got) < wanted && !hung_up_) return Read::drained;
  }
}

void Connection::read_input() {
  if (ended_) return;
  const auto before = to_ - from_;
  const auto read = read_until_drained();
  const int error = errno;
  readable_ = read == Read::full;
  if (to_ - from_ > before) {
    user_->on_input(*this);
    if (state_ == State::closed) return;
  }
  if (read == Read::failed) return break_off(error);
  if (read != Read::end) return;
  if (paused_) {  // the user paused with the end still to be told
    readable_ = true;
    return;
  }
  ended_ = true;
  tell_hang_up();
  if (state_ != State::closed) user_->on_end(*this);
}

void Connection::tell_hang_up() {
  if (std::exchange(hung_up_, true)) return;
  user_->on_hang_up(*this);
}

void Connection::break_off(int error_number) {
  const auto why = unavailable(std::string("the connection broke: ") + std::strerror(error_number));
  auto* const user = user_;
  close();
  user->on_broken(*this, why);
}

void Connection::finish_connecting() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return break_off(error);
  state_ = State::open;
  user_->on_connected(*this);
}

void Connection::on_events(std::uint32_t events) {
  if (state_ == State::connecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    finish_connecting();
    if (state_ == State::closed) return;
  }
  if (error_ != 0) return break_off(error_);
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    readable_ = true;
    const bool hang_up = (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    if (!paused_) read_input();
    if (state_ == State::closed) return;
    if (paused_ && (events & EPOLLERR) != 0) return break_off(ECONNRESET);
    if (hang_up) tell_hang_up();
    if (state_ == State::closed) return;
    // The end lies behind what was read: go on until it is reached.
    if (hang_up && !paused_ && !ended_) loop_.again(watch_, EPOLLIN);
  }
  if ((events & EPOLLOUT) != 0) flush();
}

void Connection::keep(std::string_view bytes) {
  output_ += bytes;
  unsent_ += bytes.size();
  if (unsent_ > options_.low_output) above_low_ = true;
}

void Connection::send(std::string_view bytes) { send(bytes, {}); }

void Connection::send(std::string_view head, std::string_view body) {
  if (state_ == State::closed || error_ != 0 || shut_) return;
  if (state_ == State::connecting || unsent_ > 0) {
    keep(head);
    keep(body);
    return;
  }
  iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                    {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = body.empty() ? 1 : 2;
  auto sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    // Told in the next turn: the caller is in the middle of its own work.
    error_ = errno;
    loop_.again(watch_, EPOLLERR);
    return;
  }
  const auto gone = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
  keep(head.substr(std::min(gone, head.size())));
  keep(body.substr(gone > head.size() ? gone - head.size() : 0));
}

void Connection::flush() {
  while (unsent_ > 0) {
    const auto sent = ::send(socket_.get(), output_.data() + sent_, unsent_, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) return break_off(errno);
    sent_ += static_cast<std::size_t>(sent);
    unsent_ -= static_cast<std::size_t>(sent);
  }
  if (unsent_ == 0) {
    output_.clear();
    sent_ = 0;
    if (output_.capacity() > kept_buffer) output_.shrink_to_fit();
  } else if (sent_ > compact_output && sent_ > unsent_) {
    output_.erase(0, sent_);
    sent_ = 0;
  }
  shut_when_sent();
  if (above_low_ && unsent_ <= options_.low_output) {
    above_low_ = false;
    user_->on_room(*this);
  }
}

}  // namespace bessemer::real
