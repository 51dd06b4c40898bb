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

// 0, or which of these is wrong: the exit status of a child that gave up what it had.
int given_up(Files files) {
  const auto before = standing();
  if (!give_up_privileges(files)) return 1;
  auto after = standing();
  std::uint64_t keep = std::uint64_t{1} << CAP_NET_BIND_SERVICE;
  if (files == Files::of_others) keep |= std::uint64_t{1} << CAP_DAC_OVERRIDE;
  if (after["CapPrm"] != (before.at("CapPrm") & keep)) return 2;
  if (after["CapEff"] != after["CapPrm"] || after["CapInh"] != 0) return 3;
  const bool root = (before.at("CapEff") >> CAP_SETPCAP & 1) != 0;
  if (root && after["CapBnd"] != (before.at("CapBnd") & keep)) return 4;
  if (after["NoNewPrivs"] != 1) return 5;
  if (::chroot("/") == 0) return 6;  // as only a capability allows
  return give_up_privileges(files) ? 0 : 7;
}

TEST(Privileges, WhatIsGivenUpIsGone) {
  for (const Files files : {Files::own, Files::of_others}) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(given_up(files));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
}

}  // namespace
}  // namespace bessemer::real
