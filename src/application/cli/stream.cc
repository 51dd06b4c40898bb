// Relays a session inside a task.
#include "application/cli/stream.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "application/http/frame.h"

namespace bessemer::cli {
namespace {

constexpr std::size_t piece_bytes = 32 * 1024;
constexpr std::size_t high_bytes = 256 * 1024;  // unsent: nothing more is read from the input
constexpr std::size_t said_bytes = 64 * 1024;
constexpr int look_ms = 250;                    // at a terminal's size

volatile sig_atomic_t size_changed = 0;
void on_size_change(int) { size_changed = 1; }

class Relay {
 public:
  Relay(server::BlockingClient::Released connection, const LocalStreams& local)
      : socket_(std::move(connection.socket)), received_(std::move(connection.received)),
        local_(local), input_(local.input) {}

  Result<StreamEnd> run() {
    if (input_ < 0) http::append_frame(unsent_, http::FrameKind::end);
    while (true) {
      TRY(take_frames());
      if (over_) return std::move(end_);
      if (local_.terminal && std::exchange(size_changed, 0) != 0) tell_size();
      TRY(wait());
    }
  }

 private:
  Result<void> wait() {
    pollfd both[2] = {{socket_.get(), POLLIN, 0}, {-1, POLLIN, 0}};
    if (!unsent_.empty()) both[0].events |= POLLOUT;
    if (unsent_.size() < high_bytes) both[1].fd = input_;
    if (::poll(both, 2, local_.terminal ? look_ms : -1) < 0) {
      return errno == EINTR ? Result<void>{} : Result<void>(broken(errno));
    }
    if ((both[0].revents & POLLOUT) != 0) TRY(send());
    if ((both[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) TRY(receive());
    if (both[1].fd >= 0 && both[1].revents != 0) read_input();
    return {};
  }

  static Error broken(int error) {
    return unavailable(std::string("the connection broke: ") + std::strerror(error));
  }

  Result<void> send() {
    const ssize_t sent =
        ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    // The last word of the factory may still be there to be read.
    if (sent > 0) unsent_.erase(0, static_cast<std::size_t>(sent));
    else if (errno == EPIPE || errno == ECONNRESET) unsent_.clear();
    return {};
  }

  Result<void> receive() {
    char piece[piece_bytes];
    const ssize_t got = ::recv(socket_.get(), piece, sizeof piece, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? Result<void>{} : broken(errno);
    if (got == 0) return unavailable("the factory closed the connection");
    received_.append(piece, static_cast<std::size_t>(got));
    return {};
  }

  void read_input() {
    char piece[piece_bytes];
    const ssize_t got = ::read(input_, piece, sizeof piece);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0) {
      http::append_frame(unsent_, http::FrameKind::data, {piece, static_cast<std::size_t>(got)});
      return;
    }
    input_ = -1;
    http::append_frame(unsent_, http::FrameKind::end);
  }

  void tell_size() {
    winsize size{};
    if (::ioctl(local_.input, TIOCGWINSZ, &size) != 0) return;
    http::append_frame(unsent_, http::FrameKind::resize,
                       http::window_bytes({size.ws_row, size.ws_col}));
  }

  Result<void> take_frames() {
    std::string_view in = received_;
    http::Frame frame;
    while (!over_) {
      const auto step = http::take_frame(in, frame);
      if (step == http::FrameStep::refused) return invalid("the factory sent no frames");
      if (step == http::FrameStep::more) break;
      TRY(obey(frame));
    }
    received_.erase(0, received_.size() - in.size());
    return {};
  }

  Result<void> obey(const http::Frame& frame) {
    using enum http::FrameKind;
    switch (frame.kind) {
      case data: write(local_.output, frame.bytes); return {};
      case errors:
        if (local_.errors >= 0) write(local_.errors, frame.bytes);
        else end_.said += frame.bytes.substr(0, said_bytes - end_.said.size());
        return {};
      case http::FrameKind::end:
        if (local_.output_is_socket) ::shutdown(local_.output, SHUT_WR);
        return {};
      case exit:
        over_ = true;
        if (frame.bytes.size() == 1) end_.exit_code = static_cast<unsigned char>(frame.bytes[0]);
        return {};
      case refused: return conflict(std::string(frame.bytes));
      case resize: break;
    }
    return invalid("the factory sent a frame that only a client sends");
  }

  // Blocks: what the task says waits in the connection until there is room here.
  void write(int to, std::string_view bytes) {
    while (!bytes.empty() && !end_.output_gone) {
      const ssize_t done = ::write(to, bytes.data(), bytes.size());
      if (done > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(done));
      } else if (errno == EAGAIN) {
        pollfd room{to, POLLOUT, 0};
        ::poll(&room, 1, -1);
      } else if (errno != EINTR) {
        end_.output_gone = over_ = true;
      }
    }
  }

  real::Descriptor socket_;
  std::string received_, unsent_;
  LocalStreams local_;
  int input_;
  bool over_ = false;
  StreamEnd end_;
};

}  // namespace

Result<StreamEnd> relay(server::BlockingClient::Released connection, const LocalStreams& local) {
  ::signal(SIGPIPE, SIG_IGN);
  if (local.terminal) {
    struct sigaction action {};
    action.sa_handler = on_size_change;
    ::sigaction(SIGWINCH, &action, nullptr);
  }
  return Relay(std::move(connection), local).run();
}

Result<void> RawTerminal::enter(int descriptor) {
  termios settings{};
  if (::tcgetattr(descriptor, &settings) != 0) {
    return invalid("the standard input is no terminal").fix("leave out -t");
  }
  before_.assign(reinterpret_cast<const char*>(&settings), sizeof settings);
  descriptor_ = descriptor;
  ::cfmakeraw(&settings);
  ::tcsetattr(descriptor, TCSADRAIN, &settings);
  return {};
}

RawTerminal::~RawTerminal() {
  if (descriptor_ < 0) return;
  termios settings{};
  std::memcpy(&settings, before_.data(), sizeof settings);
  ::tcsetattr(descriptor_, TCSADRAIN, &settings);
}

}  // namespace bessemer::cli
