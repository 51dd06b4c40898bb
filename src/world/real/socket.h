// Sockets: addresses, listening, connecting, and passing descriptors between processes.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "world/real/descriptor.h"

namespace bessemer::real {

constexpr std::size_t max_passed_descriptors = 16;  // in one message

// Where to listen or connect: a TCP host and port, or the path of a unix socket.
struct Address {
  std::string host;        // a numeric IPv4 or IPv6 address, or "localhost"; empty for unix
  std::uint16_t port = 0;  // 0: the kernel picks one when listening
  std::string path;        // of a unix socket; empty for TCP
  bool is_unix() const { return !path.empty(); }
  bool is_loopback() const;
  friend bool operator==(const Address&, const Address&) = default;
};
// "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock".
std::string to_text(const Address& address);
// Errors: invalid. Names other than localhost are not looked up.
Result<Address> parse_address(std::string_view text);

enum class Blocking : bool { no, yes };

struct ListenOptions {
  bool share_port = false;    // SO_REUSEPORT: several processes or threads on one port
  int backlog = 1024;
  unsigned mode = 0600;       // of a unix socket's file
};
// A listening socket that never blocks. A unix socket's file that nobody answers on is replaced.
// Errors: conflict (in use, naming the address), forbidden, invalid.
Result<Descriptor> listen_on(const Address& address, const ListenOptions& options = {});
// The port that a TCP socket is bound to.
Result<std::uint16_t> port_of(const Descriptor& socket);

// Starts connecting; a socket that does not block may not be connected yet when this returns.
// Errors: unavailable (refused, no such socket, timed out), naming the address.
Result<Descriptor> connect_to(const Address& address, Blocking blocking,
                              Duration timeout = seconds(10));

// A connected SOCK_SEQPACKET unix socket that does not block. Errors: unavailable.
Result<Descriptor> connect_packets(const std::string& path);

// Both ends of a connected stream inside this process. Neither blocks.
Result<std::pair<Descriptor, Descriptor>> socket_pair();

// Turns off delay for small writes where the socket is TCP.
void send_at_once(const Descriptor& socket);
void set_blocking(const Descriptor& socket, Blocking blocking);
// Who is at the other end.
struct Peer {
  bool local = false;  // a unix socket: the ids below are true
  uid_t user = 0;
  pid_t process = 0;
  Address address;     // of TCP
};
Peer peer_of(const Descriptor& socket);

// Sends bytes with descriptors attached to the first of them. Returns how many bytes went.
// Errors: unavailable (peer gone), exhausted (would block).
Result<std::size_t> send_descriptors(const Descriptor& socket, std::string_view bytes,
                                     std::span<const int> descriptors);
// Reads up to into.size() bytes and takes over what was attached. 0 bytes: the peer closed.
Result<std::size_t> receive_descriptors(const Descriptor& socket, std::span<char> into,
                                        std::vector<Descriptor>& descriptors);

}  // namespace bessemer::real
