// One living holder per directory, by flock on its file `lock`.
#include "world/real/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/text.h"

namespace bessemer::real {

namespace {

Error held_by_another(int file, const std::string& name) {
  char text[24] = {};
  const ssize_t got = ::pread(file, text, sizeof text - 1, 0);
  const auto pid = parse_unsigned(trim({text, got > 0 ? static_cast<std::size_t>(got) : 0}));
  const std::string who = pid ? "process " + std::to_string(*pid) : "another process";
  return conflict(name + " is in use by " + who)
      .fix("stop that process, or choose another directory");
}

}  // namespace

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(int directory,
                                                           const std::string& name) {
  Descriptor file(::openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return error_of(errno, "opening", name + "/lock");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return held_by_another(file.get(), name);
    return error_of(errno, "locking", name + "/lock");
  }
  // The number is for people: a full disk must not keep the holder from its lock.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    errno = 0;
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(std::move(file)));
}

}  // namespace bessemer::real
