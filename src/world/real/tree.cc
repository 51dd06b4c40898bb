// A directory of this machine as a world::Tree, one part of a path at a time.
#include "world/real/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "world/real/disk.h"

namespace bessemer::real {

namespace {

constexpr int max_links = 8;           // followed for one file
constexpr std::size_t max_target = 4096;  // bytes of a link

world::EntryStatus status_of(const struct stat& about) {
  world::EntryStatus status;
  if (S_ISREG(about.st_mode)) status.kind = world::EntryKind::file;
  else if (S_ISDIR(about.st_mode)) status.kind = world::EntryKind::directory;
  else if (S_ISLNK(about.st_mode)) status.kind = world::EntryKind::link;
  status.executable = (about.st_mode & S_IXUSR) != 0;
  status.bytes = about.st_size > 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
  return status;
}

// A file opened for what it is: without waiting for the other end of a pipe, without links.
Descriptor open_plain(int parent, const std::string& name) {
  return Descriptor(
      ::openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

Result<Descriptor> open_folder(int parent, const std::string& name, const std::string& shown) {
  Descriptor opened(
      ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (opened) return opened;
  if (errno == ENOTDIR || errno == ELOOP) {
    struct stat about{};
    const bool is_link = ::fstatat(parent, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
                         S_ISLNK(about.st_mode);
    if (is_link) return invalid(shown + " passes through a symbolic link to a directory");
    return invalid(shown + " passes through something that is not a directory");
  }
  return error_of(errno, "opening directory", shown);
}

}  // namespace

Result<std::unique_ptr<RealTree>> RealTree::open_root(const std::string& root) {
  Descriptor opened(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened && errno == ENOTDIR) return invalid(root + " is not a directory");
  if (!opened) return error_of(errno, "opening", root);
  return std::unique_ptr<RealTree>(new RealTree(root, std::move(opened)));
}

std::string RealTree::full(std::string_view path) const {
  return path.empty() ? root_ : root_ + "/" + std::string(path);
}

Result<Descriptor> RealTree::parent_of(std::string_view path, std::string& last) const {
  TRY(check_relative_path(path));
  Descriptor at(::fcntl(descriptor_.get(), F_DUPFD_CLOEXEC, 0));
  if (!at) return error_of(errno, "opening directory", root_);
  const auto parts = split(path, '/');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    TRY_ASSIGN(at, open_folder(at.get(), std::string(parts[i]), full(path)));
  }
  last = std::string(parts.back());
  return at;
}

Result<world::EntryStatus> RealTree::status(std::string_view path) const {
  std::string name;
  TRY_ASSIGN(const Descriptor parent, parent_of(path, name));
  struct stat about{};
  if (::fstatat(parent.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
    return error_of(errno, "looking at", full(path));
  }
  return status_of(about);
}

Result<std::vector<std::string>> RealTree::list(std::string_view directory,
                                                std::size_t limit) const {
  Descriptor opened;
  if (directory.empty()) {
    opened = Descriptor(::openat(descriptor_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened) return error_of(errno, "opening directory", root_);
  } else {
    std::string name;
    TRY_ASSIGN(const Descriptor parent, parent_of(directory, name));
    TRY_ASSIGN(opened, open_folder(parent.get(), name, full(directory)));
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(
      ::fdopendir(::fcntl(opened.get(), F_DUPFD_CLOEXEC, 0)), &::closedir);
  if (stream == nullptr) return error_of(errno, "listing", full(directory));
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names.size() >= limit) {
      return exhausted(full(directory) + " holds more than " + std::to_string(limit) +
                       " entries");
    }
    names.emplace_back(name);
  }
  if (errno != 0) return error_of(errno, "listing", full(directory));
  std::sort(names.begin(), names.end());
  return names;
}

// Where a link points, as a path below the root. No directory on the way is a link (parent_of
// refuses them), so ".." may be taken back as text.
Result<std::string> RealTree::target_of(std::string_view link) const {
  std::string name;
  TRY_ASSIGN(const Descriptor parent, parent_of(link, name));
  std::string target(max_target, '\0');
  const ssize_t size = ::readlinkat(parent.get(), name.c_str(), target.data(), target.size());
  if (size < 0) return error_of(errno, "reading link", full(link));
  target.resize(static_cast<std::size_t>(size));
  const Error leaves = invalid(full(link) + " is a symbolic link that leaves its directory tree")
                           .fix("copy the file, or link to it by a relative path");
  if (target.empty() || target.front() == '/' || target.size() >= max_target) return leaves;
  std::vector<std::string_view> parts = split(link, '/');
  parts.pop_back();
  for (const std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return leaves;
    } else {
      parts.pop_back();
    }
  }
  if (parts.empty()) return invalid(full(link) + " is a symbolic link to a directory");
  std::string path;
  for (const std::string_view part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

Result<std::unique_ptr<world::File>> RealTree::open(std::string_view path,
                                                    world::EntryStatus& about) const {
  std::string at(path);
  for (int followed = 0; followed <= max_links; ++followed) {
    std::string name;
    TRY_ASSIGN(const Descriptor parent, parent_of(at, name));
    Descriptor opened = open_plain(parent.get(), name);
    if (!opened && errno == ELOOP) {
      TRY_ASSIGN(at, target_of(at));
      continue;
    }
    if (!opened && errno == ENXIO) return invalid(full(path) + " is not a regular file");
    if (!opened) return error_of(errno, "opening", full(path));
    struct stat found{};
    if (::fstat(opened.get(), &found) != 0) return error_of(errno, "looking at", full(path));
    about = status_of(found);
    if (about.kind == world::EntryKind::directory && followed > 0) {
      return invalid(full(path) + " is a symbolic link to a directory");
    }
    if (about.kind != world::EntryKind::file) {
      return invalid(full(path) + " is not a regular file");
    }
    return make_file(std::move(opened), full(path));
  }
  return invalid(full(path) + " goes through more than 8 symbolic links");
}

Result<void> RealTree::link(std::string_view from, std::string_view to) {
  std::string name, fresh;
  TRY_ASSIGN(const Descriptor parent, parent_of(from, name));
  TRY_ASSIGN(const Descriptor into, parent_of(to, fresh));
  if (::linkat(parent.get(), name.c_str(), into.get(), fresh.c_str(), 0) == 0) return {};
  if (errno == EMLINK) return exhausted(full(from) + " has too many names");
  return error_of(errno, "linking", full(from));
}

Result<void> RealTree::set_mode(std::string_view path, unsigned mode) {
  std::string name;
  TRY_ASSIGN(const Descriptor parent, parent_of(path, name));
  const Descriptor opened = open_plain(parent.get(), name);
  if (!opened) return error_of(errno, "opening", full(path));
  if (::fchmod(opened.get(), static_cast<mode_t>(mode)) != 0) {
    return error_of(errno, "changing the mode of", full(path));
  }
  return {};
}

}  // namespace bessemer::real
