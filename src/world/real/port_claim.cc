// The exclusive right to a TCP port.
#include "world/real/port_claim.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/check.h"

namespace bessemer::real {
namespace {

Error in_use(const Address& address) {
  return conflict(to_text(address) + " is in use by another program or factory")
      .fix("stop what listens there, or choose another address");
}

}  // namespace

Result<Descriptor> claim_port(const Address& address, Listeners listeners) {
  check(!address.is_unix() && address.port != 0, "only a TCP port can be claimed");
  const std::string name = "bessemer port " + to_text(address);
  sockaddr_un abstract{};
  abstract.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof abstract.sun_path) return invalid("the address is too long");
  std::memcpy(abstract.sun_path + 1, name.data(), name.size());  // begins with a zero byte
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  Descriptor claim(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!claim) return error_of(errno, "claiming", to_text(address));
  if (::bind(claim.get(), reinterpret_cast<const sockaddr*>(&abstract), size) != 0) {
    if (errno == EADDRINUSE) return in_use(address);
    return error_of(errno, "claiming", to_text(address));
  }
  if (listeners == Listeners::ours) return claim;
  // Whoever knows nothing of claims is found by listening alone for a moment.
  if (auto alone = listen_on(address); !alone) {
    return alone.error().code == Code::conflict ? in_use(address) : std::move(alone).error();
  }
  return claim;
}

}  // namespace bessemer::real
