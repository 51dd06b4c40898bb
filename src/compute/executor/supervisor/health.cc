// A minimal HTTP question, asked in time.
#include "compute/executor/supervisor/health.h"

#include <sys/socket.h>

#include <cerrno>

namespace bessemer::executor {
namespace {

constexpr Duration patience = seconds(2);
constexpr int slow_start_failures = 50;  // about five seconds: say once what it waits for
constexpr Duration until_ready = milliseconds(100), once_ready = seconds(1);
constexpr std::string_view question =
    "GET /health HTTP/1.1\r\nHost: task\r\nConnection: close\r\n\r\n";

}  // namespace

void HealthCheck::ask() {
  means_.connect([this](Fd socket) {
    if (!socket) return settle(false, "nothing listens at its port");
    write(std::move(socket));
  });
}

void HealthCheck::write(Fd socket) {
  socket_ = std::move(socket);
  answer_.clear();
  if (::send(socket_.get(), question.data(), question.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(question.size())) {
    return settle(false, "it does not take a request");
  }
  loop_.watch(socket_.get(), [this] { read(); });
  give_up_ = loop_.after(patience, [this] { settle(false, "no answer to GET /health in 2s"); });
}

void HealthCheck::read() {
  char piece[512];
  const ssize_t got = ::recv(socket_.get(), piece, sizeof piece, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) answer_.append(piece, static_cast<std::size_t>(got));
  // "HTTP/1.1 200"
  if (answer_.size() >= 12) {
    const bool ready = answer_.starts_with("HTTP/1.") && answer_.compare(8, 4, " 200") == 0;
    const std::string line = answer_.substr(0, answer_.find('\r'));
    return settle(ready, ready ? "" : "GET /health answered " + line.substr(0, 100));
  }
  if (got <= 0) settle(false, "it closed without an answer to GET /health");
}

void HealthCheck::settle(bool ready, std::string why) {
  if (socket_) {
    loop_.cancel(give_up_);
    loop_.forget(socket_.get());
    socket_.reset();
  }
  failures_ = ready ? 0 : failures_ + 1;
  const bool changes = ready != ready_ && (ready || failures_ >= failures_limit);
  const bool long_unready = !told_ && failures_ == slow_start_failures;
  if (changes || long_unready) {
    ready_ = ready;
    told_ = true;
    means_.changed(ready, std::move(why));
  }
  loop_.after(ready_ ? once_ready : until_ready, [this] { ask(); });
}

}  // namespace bessemer::executor
