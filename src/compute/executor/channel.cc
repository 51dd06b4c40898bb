// Packets with descriptors, over Unix sockets.
#include "compute/executor/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace bessemer::executor {

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Error os_error(std::string_view doing) {
  const int number = errno;
  std::string what = std::string(doing) + ": " + std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR: return not_found(std::move(what));
    case EACCES:
    case EPERM: return forbidden(std::move(what));
    case EEXIST: return conflict(std::move(what));
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return exhausted(std::move(what));
    case EAGAIN:
    case ECONNREFUSED: return unavailable(std::move(what));
    default: return internal(std::move(what));
  }
}

Result<std::pair<Fd, Fd>> packet_pair(int flags) {
  int both[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, both) != 0) {
    return os_error("making a socket pair");
  }
  return std::pair<Fd, Fd>{Fd(both[0]), Fd(both[1])};
}

Result<void> send_packet(int socket, std::string_view bytes, std::span<const int> fds) {
  check(bytes.size() <= packet_bytes && fds.size() <= packet_fds, "packet too large");
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * packet_fds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return os_error("sending a packet");
  }
  return {};
}

Taken take_packet(int socket, Packet& into) {
  // Kept, and not cleared: most packets are a few bytes, and the room is 160 KiB.
  thread_local char room[packet_bytes];
  into.fds.clear();
  iovec part{room, sizeof room};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * packet_fds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = -1;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  into.bytes.assign(room, got > 0 ? static_cast<std::size_t>(got) : 0);
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof fd);
      into.fds.emplace_back(fd);
    }
  }
  if (got > 0) return Taken::packet;
  if (got < 0 && errno == EAGAIN) return Taken::nothing;
  return Taken::closed;
}

namespace {

// A path of a Unix socket may have 107 bytes; by way of /proc any directory will do.
sockaddr_un address_at(int directory, std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path =
      directory == AT_FDCWD
          ? std::string(name)
          : "/proc/self/fd/" + std::to_string(directory) + "/" + std::string(name);
  check(path.size() < sizeof address.sun_path, "a socket's name is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

Result<Fd> listen_at(int directory, std::string_view name, int type_and_flags) {
  Fd socket(::socket(AF_UNIX, type_and_flags | SOCK_CLOEXEC, 0));
  if (!socket) return os_error("making a socket");
  const sockaddr_un address = address_at(directory, name);
  ::unlinkat(directory, std::string(name).c_str(), 0);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    return os_error("listening at " + std::string(name));
  }
  return socket;
}

Result<Fd> connect_at(int directory, std::string_view name, int type_and_flags) {
  Fd socket(::socket(AF_UNIX, type_and_flags | SOCK_CLOEXEC, 0));
  if (!socket) return os_error("making a socket");
  const sockaddr_un address = address_at(directory, name);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return os_error("connecting to " + std::string(name));
  }
  return socket;
}

}  // namespace bessemer::executor
