// Packets with descriptors between the daemon, the launcher, the supervisors and their tasks.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bessemer::executor {

// Owns one descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

// "opening /x: No such file or directory", with a code that fits errno.
Error os_error(std::string_view doing);

constexpr std::size_t packet_bytes = 160 << 10;
constexpr std::size_t packet_fds = 8;

struct Packet {
  std::string bytes;
  std::vector<Fd> fds;
};

enum class Taken : std::uint8_t { packet, nothing, closed };

// A connected pair of SOCK_SEQPACKET sockets, close-on-exec; `flags` as of socket(2).
Result<std::pair<Fd, Fd>> packet_pair(int flags = 0);

// Sends one packet. Errors: unavailable (the reader is slow: try later), internal (it is gone).
Result<void> send_packet(int socket, std::string_view bytes, std::span<const int> fds = {});

// Takes one packet; received descriptors are close-on-exec.
Taken take_packet(int socket, Packet& into);

// A listening (or connected) SOCK_SEQPACKET socket of `name` in the directory, however long the
// directory's own path is. Errors: not_found, unavailable (nobody listens).
Result<Fd> listen_at(int directory, std::string_view name, int type_and_flags);
Result<Fd> connect_at(int directory, std::string_view name, int type_and_flags);

}  // namespace bessemer::executor
