// Small whole-file reads and writes.
#include "compute/executor/supervisor/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

namespace bessemer::executor {

Result<std::string> read_text(int directory, const std::string& path, std::size_t limit) {
  const Fd file(::openat(directory, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return os_error("opening " + path);
  std::string out;
  char piece[4096];
  while (true) {
    const ssize_t got = ::read(file.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error("reading " + path);
    if (got == 0) return out;
    out.append(piece, static_cast<std::size_t>(got));
    if (out.size() > limit) return invalid(path + " is larger than expected");
  }
}

Result<void> write_control(int directory, const std::string& path, std::string_view text) {
  const Fd file(::openat(directory, path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), text.data(), text.size()) < 0) {
    return os_error("writing '" + std::string(text) + "' to " + path);
  }
  return {};
}

Result<void> write_new(int directory, const std::string& path, std::string_view bytes,
                       unsigned mode) {
  const Fd file(::openat(directory, path.c_str(),
                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) return os_error("creating " + path);
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return os_error("writing " + path);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Fd open_own(int directory, const std::string& name, int flags) {
  Fd file(::openat(directory, name.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat owner {};
  if (file && ::geteuid() == 0 && ::fstat(directory, &owner) == 0 && owner.st_uid != 0) {
    (void)!::fchown(file.get(), owner.st_uid, owner.st_gid);
  }
  return file;
}

void give_to_owner(int directory, const std::string& name) {
  struct stat owner {};
  if (::geteuid() == 0 && ::fstat(directory, &owner) == 0 && owner.st_uid != 0) {
    (void)!::fchownat(directory, name.c_str(), owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW);
  }
}

namespace {

constexpr int deepest = 128;

Result<void> give_below(Fd directory, unsigned uid, unsigned gid, int depth) {
  if (depth > deepest) return invalid("directories are nested too deeply");
  DIR* const listing = ::fdopendir(directory.get());
  if (listing == nullptr) return os_error("listing a directory");
  const int here = directory.release();
  Result<void> done;
  while (const dirent* entry = done ? ::readdir(listing) : nullptr) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (::fchownat(here, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
      done = os_error("giving " + name + " away");
      break;
    }
    Fd inner(::openat(here, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (inner) done = give_below(std::move(inner), uid, gid, depth + 1);
  }
  ::closedir(listing);
  return done;
}

}  // namespace

Result<void> give_tree(const std::string& path, unsigned uid, unsigned gid) {
  Fd top(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!top || ::fchown(top.get(), uid, gid) != 0) return os_error("giving " + path + " away");
  return give_below(std::move(top), uid, gid, 0);
}

std::uint64_t number_after(std::string_view lines, std::string_view key) {
  std::size_t at = 0;
  while (at < lines.size()) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    const std::string_view line = lines.substr(at, end - at);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ') {
      std::uint64_t value = 0;
      const std::string_view digits = line.substr(key.size() + 1);
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
      return value;
    }
    at = end + 1;
  }
  return 0;
}

}  // namespace bessemer::executor
