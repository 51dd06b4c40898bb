// Capabilities are of threads: given up before there is a second one.
#include "world/real/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace bessemer::real {
namespace {

Error failed(std::string_view doing) {
  return internal(std::string(doing) + ": " + std::strerror(errno));
}

constexpr std::uint64_t bit(unsigned capability) { return std::uint64_t{1} << capability; }

constexpr std::uint64_t kept(Files files) {
  const std::uint64_t listen = bit(CAP_NET_BIND_SERVICE);
  return files == Files::own ? listen : listen | bit(CAP_DAC_OVERRIDE) | bit(CAP_FOWNER);
}

}  // namespace

Result<void> lay_down_privileges(Files files) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return failed("asking for capabilities");
  for (unsigned half = 0; half < 2; ++half) {
    data[half].permitted &= static_cast<std::uint32_t>(kept(files) >> (32 * half));
    data[half].effective = data[half].permitted;
    data[half].inheritable = 0;
  }
  if (::syscall(SYS_capset, &header, data) != 0) return failed("giving up capabilities");
  return {};
}

Result<void> give_up_privileges(Files files) {
  for (unsigned capability = 0; capability < 64; ++capability) {
    if ((kept(files) & bit(capability)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 || errno == EPERM) continue;
    if (errno == EINVAL) break;  // beyond the last one that this kernel knows
    return failed("giving up capabilities for ever");
  }
  TRY(lay_down_privileges(files));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("forbidding new privileges");
  return {};
}

}  // namespace bessemer::real
