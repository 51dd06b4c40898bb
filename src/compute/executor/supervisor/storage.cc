// Counts a tree that somebody else may be changing meanwhile.
#include "compute/executor/supervisor/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

namespace bessemer::executor {
namespace {

constexpr int deepest = 64;
constexpr std::uint64_t inode_bytes = 256;

std::uint64_t usage_below(int directory, std::uint64_t enough, int depth) {
  DIR* const listing = ::fdopendir(directory);
  if (listing == nullptr) {
    ::close(directory);
    return 0;
  }
  std::uint64_t total = 0;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat about {};
    if (::fstatat(::dirfd(listing), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
    total += inode_bytes + static_cast<std::uint64_t>(about.st_blocks) * 512;
    if (S_ISDIR(about.st_mode) && depth == deepest) {
      total = enough + 1;  // too deep to be counted is too much
    } else if (S_ISDIR(about.st_mode)) {
      const int inner = ::openat(::dirfd(listing), entry->d_name,
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (inner >= 0) total += usage_below(inner, enough, depth + 1);
    }
    if (total > enough) break;
  }
  ::closedir(listing);
  return total;
}

}  // namespace

std::uint64_t disk_usage(const std::string& path, std::uint64_t enough) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return directory < 0 ? 0 : usage_below(directory, enough, 0);
}

}  // namespace bessemer::executor
