// What is given up is gone, for the process and for what it runs.
#include "world/real/privileges.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

namespace bessemer::real {
namespace {

// The lines of /proc/self/status by name, as numbers.
std::map<std::string, std::uint64_t> standing() {
  std::map<std::string, std::uint64_t> found;
  std::ifstream lines("/proc/self/status");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos) {
      found[line.substr(0, colon)] = std::strtoull(line.c_str() + colon + 1, nullptr, 16);
    }
  }
  return found;
}

constexpr std::uint64_t listen_only = std::uint64_t{1} << CAP_NET_BIND_SERVICE;
constexpr std::uint64_t reach =
    listen_only | std::uint64_t{1} << CAP_DAC_OVERRIDE | std::uint64_t{1} << CAP_FOWNER;

// 0, or which of these is wrong: the exit status of a child that gave up what it had.
int given_up(Files files, bool for_ever) {
  const auto before = standing();
  const std::uint64_t keep = files == Files::own ? listen_only : reach;
  if (!(for_ever ? give_up_privileges(files) : lay_down_privileges(files))) return 1;
  auto after = standing();
  if (after["CapPrm"] != (before.at("CapPrm") & keep)) return 2;
  if (after["CapEff"] != after["CapPrm"] || after["CapInh"] != 0) return 3;
  const bool root = (before.at("CapEff") >> CAP_SETPCAP & 1) != 0;
  const std::uint64_t bound = for_ever && root ? before.at("CapBnd") & keep : before.at("CapBnd");
  if (after["CapBnd"] != bound) return 4;
  if (for_ever && after["NoNewPrivs"] != 1) return 5;
  if (::chroot("/") == 0) return 6;  // as only a capability allows
  return give_up_privileges(files) ? 0 : 7;
}

TEST(Privileges, WhatIsGivenUpIsGone) {
  for (const Files files : {Files::own, Files::of_others}) {
    for (const bool for_ever : {false, true}) {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(given_up(files, for_ever));
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_TRUE(WIFEXITED(status));
      EXPECT_EQ(WEXITSTATUS(status), 0) << for_ever;
    }
  }
}

}  // namespace
}  // namespace bessemer::real
