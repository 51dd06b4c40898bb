// The kernel's random source, by getrandom.
#include "world/real/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

namespace bessemer::real {

void RealEntropy::fill(std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::getrandom(into.data(), into.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    check(got > 0, "the kernel gives no random bytes: keys cannot be drawn");
    into = into.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace bessemer::real
