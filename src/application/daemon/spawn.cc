// Starting a program beside the daemon.
#include "application/daemon/spawn.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char** environ;

namespace bessemer::daemon {

Result<pid_t> spawn_beside(std::vector<std::string> words, const std::vector<std::string>& more) {
  std::vector<char*> arguments, environment;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<std::string> given = more;
  const auto replaced = [&](std::string_view variable) {
    const std::string_view name = variable.substr(0, variable.find('=') + 1);
    for (const std::string& one : given) {
      if (one.starts_with(name)) return true;
    }
    return false;
  };
  for (char** at = environ; *at != nullptr; ++at) {
    if (!replaced(*at)) environment.push_back(*at);
  }
  for (std::string& one : given) environment.push_back(one.data());
  environment.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  pid_t process = 0;
  const int failed = ::posix_spawn(&process, words.front().c_str(), nullptr, &attributes,
                                   arguments.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  if (failed == 0) return process;
  return internal("starting " + words.front() + ": " + ::strerror(failed));
}

real::Descriptor handle_of(pid_t process) {
  return real::Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
}

}  // namespace bessemer::daemon
