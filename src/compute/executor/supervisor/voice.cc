// Lines from a task, bounded and checked.
#include "compute/executor/supervisor/voice.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "compute/executor/lines.h"

namespace bessemer::executor {
namespace {

constexpr Duration metrics_interval = milliseconds(200);

// For a JSON string: an error's text holds only what we wrote and names from the line.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

void Voice::attach(Fd metrics, Fd socket) {
  metrics_ = std::move(metrics);
  listener_ = std::move(socket);
  loop_.watch(listener_.get(), [this] { accept(); });
  struct Again {
    Voice* voice;
    void operator()() const {
      voice->read_metrics(false);
      voice->loop_.after(metrics_interval, *this);
    }
  };
  loop_.after(metrics_interval, Again{this});
}

void Voice::read_metrics(bool last) {
  struct stat about {};
  if (!metrics_ || ::fstat(metrics_.get(), &about) != 0) return;
  const auto size = static_cast<std::uint64_t>(about.st_size);
  if (size < metrics_offset_) {  // emptied by the task: it begins anew
    metrics_offset_ = 0;
    metrics_held_.clear();
  }
  const std::uint64_t before = metrics_offset_;
  char piece[16384];
  while (metrics_offset_ < size) {
    const ssize_t got = ::pread(metrics_.get(), piece, sizeof piece,
                                static_cast<off_t>(metrics_offset_));
    if (got <= 0) break;
    metrics_offset_ += static_cast<std::uint64_t>(got);
    metrics_held_.append(piece, static_cast<std::size_t>(got));
    std::size_t from = 0;
    for (std::size_t end; (end = metrics_held_.find('\n', from)) != std::string::npos;
         from = end + 1) {
      auto line = parse_metrics(std::string_view(metrics_held_).substr(from, end - from));
      if (line) ear_.heard(std::move(*line));
    }
    metrics_held_.erase(0, from);
    // A line that is too long to be one: forget its beginning, its end will not parse.
    if (metrics_held_.size() > limits::line_bytes) metrics_held_.resize(limits::line_bytes + 1);
  }
  if (last && !metrics_held_.empty()) {
    auto line = parse_metrics(metrics_held_);
    if (line) ear_.heard(std::move(*line));
  }
  // Gives the memory back that the lines took.
  if (metrics_offset_ != before) {
    (void)::fallocate(metrics_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(metrics_offset_ & ~std::uint64_t{4095}));
  }
}

void Voice::accept() {
  Fd fresh(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fresh || speakers_.size() >= speakers_limit) return;
  const int fd = fresh.get();
  speakers_[fd].socket = std::move(fresh);
  loop_.watch(fd, [this, fd] { listen_to(fd); });
}

void Voice::listen_to(int fd) {
  Speaker& speaker = speakers_.at(fd);
  char piece[8192];
  const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  bool stays = got > 0;
  if (stays) {
    speaker.held.append(piece, static_cast<std::size_t>(got));
    stays = answer(speaker);
  }
  if (stays) return;
  loop_.forget(fd);
  speakers_.erase(fd);
}

bool Voice::answer(Speaker& speaker) {
  std::string replies;
  std::size_t from = 0;
  for (std::size_t end; (end = speaker.held.find('\n', from)) != std::string::npos;
       from = end + 1) {
    replies += reply_to(std::string_view(speaker.held).substr(from, end - from));
  }
  speaker.held.erase(0, from);
  bool stays = true;
  if (speaker.held.size() > limits::line_bytes) {
    replies += "{\"error\": \"a line may have at most 4096 bytes\"}\n";
    stays = false;
  }
  // A speaker that does not read its answers is cut off rather than waited for.
  return ::send(speaker.socket.get(), replies.data(), replies.size(), MSG_NOSIGNAL) ==
             static_cast<ssize_t>(replies.size()) &&
         stays;
}

std::string Voice::reply_to(std::string_view line) {
  auto said = parse_said(line);
  if (!said) return "{\"error\": " + quoted(to_text(said.error())) + "}\n";
  const bool checkpoint = std::holds_alternative<Checkpoint>(*said);
  ear_.heard(std::move(*said));
  if (checkpoint && !ear_.durable()) {
    return "{\"error\": \"the checkpoint could not be recorded: the disk is full or failing\"}\n";
  }
  return "{\"ok\": true}\n";
}

}  // namespace bessemer::executor
