// A directory of this machine as a world::Disk, by the calls that end in -at.
#include "world/real/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "world/real/lock.h"

namespace bessemer::real {

namespace {

class RealFile final : public world::File {
 public:
  RealFile(Descriptor descriptor, std::string name)
      : descriptor_(std::move(descriptor)), name_(std::move(name)) {}

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(descriptor_.get(), bytes.data(), bytes.size(),
                                   static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return error_of(errno, "writing", name_);
      if (put == 0) return internal("writing " + name_ + ": nothing was written");
      bytes.remove_prefix(static_cast<std::size_t>(put));
      offset += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const override {
    std::size_t total = 0;
    while (total < into.size()) {
      const ssize_t got = ::pread(descriptor_.get(), into.data() + total, into.size() - total,
                                  static_cast<off_t>(offset + total));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return error_of(errno, "reading", name_);
      if (got == 0) break;
      total += static_cast<std::size_t>(got);
    }
    return total;
  }

  // EINTR is reported too: after a failed fdatasync a second one may answer "fine" for pages that
  // were dropped, so it is never repeated.
  Result<void> sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return error_of(errno, "syncing", name_);
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat about{};
    if (::fstat(descriptor_.get(), &about) != 0) return error_of(errno, "sizing", name_);
    return static_cast<std::uint64_t>(about.st_size);
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0) {
      return error_of(errno, "truncating", name_);
    }
    return {};
  }

 private:
  Descriptor descriptor_;
  std::string name_;
};

int flags_of(world::OpenMode mode) {
  constexpr int always = O_CLOEXEC | O_NOFOLLOW;
  switch (mode) {
    case world::OpenMode::read: return always | O_RDONLY;
    case world::OpenMode::create: return always | O_RDWR | O_CREAT | O_EXCL;
    case world::OpenMode::read_write: return always | O_RDWR;
  }
  return always | O_RDONLY;
}

// Makes each missing directory of `path` below `from`. An empty path is fine.
Result<void> make_each(int from, std::string_view path, const std::string& name) {
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = path.find('/', end + 1);
    const std::string part(path.substr(0, end));
    if (part.empty() || part == "/") continue;
    if (::mkdirat(from, part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    return error_of(errno, "making directory", name);
  }
  return {};
}

}  // namespace

std::unique_ptr<world::File> make_file(Descriptor descriptor, std::string name) {
  return std::make_unique<RealFile>(std::move(descriptor), std::move(name));
}

Result<std::unique_ptr<RealDisk>> RealDisk::open_root(const std::string& root) {
  if (root.empty() || root.find('\0') != std::string::npos) {
    return invalid("the directory's path must not be empty");
  }
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  Descriptor opened(::open(root.c_str(), flags));
  if (!opened && errno == ENOENT) {
    TRY(make_each(AT_FDCWD, root, root));
    opened = Descriptor(::open(root.c_str(), flags));
  }
  if (!opened && errno == ENOTDIR) {
    return invalid(root + " is not a directory").fix("name a directory, or one to be made");
  }
  if (!opened) return error_of(errno, "opening", root);
  return std::unique_ptr<RealDisk>(new RealDisk(root, std::move(opened)));
}

std::string RealDisk::full(std::string_view path) const {
  return path.empty() ? root_ : root_ + "/" + std::string(path);
}

Result<Descriptor> RealDisk::open_directory(std::string_view path) const {
  if (!path.empty()) TRY(check_relative_path(path));
  const std::string name = path.empty() ? "." : std::string(path);
  Descriptor opened(::openat(descriptor_.get(), name.c_str(),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!opened) return error_of(errno, "opening directory", full(path));
  return opened;
}

Result<std::unique_ptr<world::File>> RealDisk::open(std::string_view path, world::OpenMode mode) {
  TRY(check_relative_path(path));
  Descriptor opened(::openat(descriptor_.get(), std::string(path).c_str(), flags_of(mode), 0600));
  if (!opened) return error_of(errno, "opening", full(path));
  return make_file(std::move(opened), full(path));
}

Result<std::vector<std::string>> RealDisk::list(std::string_view directory) const {
  TRY_ASSIGN(const Descriptor opened, open_directory(directory));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(
      ::fdopendir(::fcntl(opened.get(), F_DUPFD_CLOEXEC, 0)), &::closedir);
  if (stream == nullptr) return error_of(errno, "listing", full(directory));
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return error_of(errno, "listing", full(directory));
  std::sort(names.begin(), names.end());
  return names;
}

bool RealDisk::exists(std::string_view path) const {
  if (!check_relative_path(path)) return path.empty();
  return ::faccessat(descriptor_.get(), std::string(path).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<void> RealDisk::rename(std::string_view from, std::string_view to) {
  TRY(check_relative_path(from));
  TRY(check_relative_path(to));
  const int root = descriptor_.get();
  if (::renameat(root, std::string(from).c_str(), root, std::string(to).c_str()) != 0) {
    return error_of(errno, "renaming", full(from));
  }
  return {};
}

Result<void> RealDisk::remove(std::string_view path) {
  TRY(check_relative_path(path));
  const std::string name(path);
  if (::unlinkat(descriptor_.get(), name.c_str(), 0) == 0) return {};
  const int first = errno;
  if (first == EISDIR && ::unlinkat(descriptor_.get(), name.c_str(), AT_REMOVEDIR) == 0) return {};
  return error_of(first == EISDIR ? errno : first, "removing", full(path));
}

Result<void> RealDisk::make_directories(std::string_view path) {
  if (path.empty()) return {};
  TRY(check_relative_path(path));
  return make_each(descriptor_.get(), path, full(path));
}

Result<void> RealDisk::sync_directory(std::string_view path) {
  TRY_ASSIGN(const Descriptor opened, open_directory(path));
  if (::fsync(opened.get()) != 0) return error_of(errno, "syncing", full(path));
  return {};
}

Result<std::unique_ptr<world::Lock>> RealDisk::lock(std::string_view directory) {
  TRY_ASSIGN(const Descriptor opened, open_directory(directory));
  TRY_ASSIGN(auto held, DirectoryLock::take(opened.get(), full(directory)));
  return std::unique_ptr<world::Lock>(std::move(held));
}

}  // namespace bessemer::real
