// Sockets: addresses, listening, connecting, and passing descriptors between processes.
#include "world/real/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace bessemer::real {
namespace {

// An address as the kernel wants it. `directory` keeps the way to a long unix path open.
struct Raw {
  sockaddr_storage storage{};
  socklen_t size = 0;
  Descriptor directory;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

Result<Raw> raw_unix(const Address& address) {
  Raw raw;
  auto& unix = reinterpret_cast<sockaddr_un&>(raw.storage);
  std::string path = address.path;
  if (path.size() >= sizeof unix.sun_path) {
    // The kernel takes 107 bytes: reach the file through its directory's descriptor.
    const auto slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    raw.directory = Descriptor(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!raw.directory) return error_of(errno, "opening", directory);
    path = "/proc/self/fd/" + std::to_string(raw.directory.get()) + "/" + path.substr(slash + 1);
  }
  if (path.size() >= sizeof unix.sun_path) return invalid("the name of a socket is too long");
  unix.sun_family = AF_UNIX;
  std::memcpy(unix.sun_path, path.c_str(), path.size() + 1);
  raw.size = sizeof unix;
  return raw;
}

Result<Raw> raw_tcp(const Address& address) {
  Raw raw;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  auto& four = reinterpret_cast<sockaddr_in&>(raw.storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(raw.storage);
  if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(address.port);
    raw.size = sizeof four;
  } else if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(address.port);
    raw.size = sizeof six;
  } else {
    return invalid("'" + address.host + "' is not a numeric address").fix("use its IP address");
  }
  return raw;
}

Result<Raw> raw_of(const Address& address) {
  return address.is_unix() ? raw_unix(address) : raw_tcp(address);
}

// A unix socket's file stays behind when its owner dies: nobody answers on it.
bool is_left_behind(Raw& raw) {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe && ::connect(probe.get(), raw.get(), raw.size) != 0 && errno == ECONNREFUSED;
}

Error cannot_connect(int error_number, const Address& address) {
  return unavailable("connecting to " + to_text(address) + ": " + std::strerror(error_number));
}

Result<void> wait_connected(const Descriptor& socket, const Address& address, Duration timeout) {
  pollfd waiting{socket.get(), POLLOUT, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(timeout.ns / 1'000'000));
  if (ready == 0) return cannot_connect(ETIMEDOUT, address);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (ready < 0 || error != 0) return cannot_connect(ready < 0 ? errno : error, address);
  return {};
}

}  // namespace

bool Address::is_loopback() const {
  return is_unix() || host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string to_text(const Address& address) {
  if (address.is_unix()) return "unix:" + address.path;
  const bool six = address.host.find(':') != std::string::npos;
  return (six ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<Address> parse_address(std::string_view text) {
  Address address;
  if (text.starts_with("unix:")) {
    address.path = text.substr(5);
    if (address.path.empty()) return invalid("must name a socket's path after 'unix:'");
    return address;
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid("must be HOST:PORT or unix:PATH");
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = parse_unsigned(text.substr(colon + 1));
  if (!port || *port > 65535) return invalid("the port must be from 0 to 65535");
  address.host = host;
  address.port = static_cast<std::uint16_t>(*port);
  TRY(raw_tcp(address));
  return address;
}

Result<Descriptor> listen_on(const Address& address, const ListenOptions& options) {
  TRY_ASSIGN(Raw raw, raw_of(address));
  Descriptor socket(::socket(raw.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return error_of(errno, "making a socket for", to_text(address));
  const int on = 1;
  if (!address.is_unix()) {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.share_port) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }
  int bound = ::bind(socket.get(), raw.get(), raw.size);
  if (bound != 0 && errno == EADDRINUSE && address.is_unix() && is_left_behind(raw)) {
    ::unlink(address.path.c_str());
    bound = ::bind(socket.get(), raw.get(), raw.size);
  }
  if (bound != 0 && errno == EADDRINUSE) {
    return conflict(to_text(address) + " is in use").fix("stop what listens there, or choose "
                                                         "another address");
  }
  if (bound != 0) return error_of(errno, "listening on", to_text(address));
  if (address.is_unix() && ::chmod(address.path.c_str(), options.mode) != 0) {
    return error_of(errno, "setting the mode of", address.path);
  }
  if (::listen(socket.get(), options.backlog) != 0) {
    return error_of(errno, "listening on", to_text(address));
  }
  return socket;
}

Result<std::uint16_t> port_of(const Descriptor& socket) {
  Raw raw;
  raw.size = sizeof raw.storage;
  if (::getsockname(socket.get(), raw.get(), &raw.size) != 0) {
    return error_of(errno, "asking for the name of", "a socket");
  }
  if (raw.family() == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(raw.storage).sin_port);
  return ntohs(reinterpret_cast<sockaddr_in6&>(raw.storage).sin6_port);
}

Result<Descriptor> connect_to(const Address& address, Blocking blocking, Duration timeout) {
  TRY_ASSIGN(Raw raw, raw_of(address));
  Descriptor socket(::socket(raw.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return error_of(errno, "making a socket for", to_text(address));
  if (!address.is_unix()) send_at_once(socket);
  const bool done = ::connect(socket.get(), raw.get(), raw.size) == 0;
  if (!done && errno != EINPROGRESS) return cannot_connect(errno, address);
  if (blocking == Blocking::yes) {
    if (!done) TRY(wait_connected(socket, address, timeout));
    set_blocking(socket, Blocking::yes);
  }
  return socket;
}

Result<Descriptor> connect_packets(const std::string& path) {
  // A socket's path may have 107 bytes; by way of /proc the directory's own may be any length.
  const std::size_t slash = path.rfind('/');
  const bool reachable = path.size() > 100 && slash != std::string::npos;
  const Descriptor directory(
      reachable ? ::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1);
  const Address address{.path = directory ? "/proc/self/fd/" + std::to_string(directory.get()) +
                                                path.substr(slash)
                                          : path};
  TRY_ASSIGN(Raw raw, raw_unix(address));
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return error_of(errno, "making a socket for", path);
  if (::connect(socket.get(), raw.get(), raw.size) != 0) return cannot_connect(errno, address);
  return socket;
}

Result<std::pair<Descriptor, Descriptor>> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return error_of(errno, "making", "a socket pair");
  }
  return std::pair(Descriptor(ends[0]), Descriptor(ends[1]));
}

void send_at_once(const Descriptor& socket) {
  const int on = 1;  // fails harmlessly where there is no such delay
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void set_blocking(const Descriptor& socket, Blocking blocking) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  ::fcntl(socket.get(), F_SETFL,
          blocking == Blocking::yes ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

namespace {

Address address_of(const sockaddr_storage& storage) {
  Address address;
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    address.port = ntohs(four.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    address.port = ntohs(six.sin6_port);
  }
  address.host = text;
  return address;
}

}  // namespace

Peer peer_of(const Descriptor& socket) {
  Peer peer;
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return peer;
  if (storage.ss_family != AF_UNIX) {
    peer.address = address_of(storage);
    return peer;
  }
  struct {
    pid_t process;
    uid_t user;
    gid_t group;
  } credentials{};
  size = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
  peer.local = true;
  peer.user = credentials.user;
  peer.process = credentials.process;
  return peer;
}

Result<std::size_t> send_descriptors(const Descriptor& socket, std::string_view bytes,
                                     std::span<const int> descriptors) {
  if (descriptors.size() > max_passed_descriptors) return invalid("too many descriptors");
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_passed_descriptors)] = {};
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const auto sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN) return exhausted("the socket takes no more now").retried(Retry::now);
  return unavailable(std::string("passing a descriptor: ") + std::strerror(errno));
}

Result<std::size_t> receive_descriptors(const Descriptor& socket, std::span<char> into,
                                        std::vector<Descriptor>& descriptors) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_passed_descriptors)];
  iovec part{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto got = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  if (got < 0) {
    if (errno == EAGAIN) return exhausted("nothing has come yet").retried(Retry::now);
    return unavailable(std::string("receiving: ") + std::strerror(errno));
  }
  for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      descriptors.emplace_back(number);
    }
  }
  return static_cast<std::size_t>(got);
}

}  // namespace bessemer::real
