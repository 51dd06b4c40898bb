// Packs and unpacks files between a task and the outside, trusting neither.
#include "compute/executor/copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "compute/executor/channel.h"

namespace bessemer::executor {
namespace {

constexpr std::string_view magic = "BMFILES1";
constexpr std::size_t head_bytes = 1 + 2 + 2 + 8;
constexpr std::size_t piece_bytes = 64 * 1024;
constexpr unsigned permission_bits = 0777;

enum class Kind : std::uint8_t { end, directory, file };

struct Entry {
  Kind kind = Kind::end;
  unsigned mode = 0;
  std::uint64_t bytes = 0;
  std::string path;
};

Error too_many() {
  return exhausted("more than " + std::to_string(limits::copy_entries) + " files and directories");
}
Error too_large() {
  return exhausted("more than " + std::to_string(limits::copy_bytes >> 30) + " GiB");
}

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}
template <class T>
T take(std::string_view& in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(in[i])) << (8 * i);
  }
  in.remove_prefix(sizeof(T));
  return static_cast<T>(value);
}

Result<void> write_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(to, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EPIPE) return unavailable("the other side went away");
    if (done < 0) return os_error("writing");
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

// ---- packing

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class Packer {
 public:
  explicit Packer(int to) : to_(to), piece_(piece_bytes, '\0') {}

  Result<Copied> pack(const std::string& path) {
    TRY(write_all(to_, magic));
    Fd top(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!top) return os_error("opening " + path);
    struct stat about {};
    if (::fstat(top.get(), &about) != 0) return os_error("looking at " + path);
    if (S_ISDIR(about.st_mode)) {
      TRY(directory(std::move(top), about, {}, 0));
    } else if (S_ISREG(about.st_mode)) {
      TRY(file(top.get(), about, {}));
    } else {
      return invalid(path + " is neither a file nor a directory");
    }
    TRY(put_entry({}));
    return done_;
  }

 private:
  Result<void> put_entry(const Entry& entry) {
    if (++entries_ > limits::copy_entries) return too_many();
    std::string head;
    put(head, static_cast<std::uint8_t>(entry.kind));
    put(head, static_cast<std::uint16_t>(entry.mode & permission_bits));
    put(head, static_cast<std::uint16_t>(entry.path.size()));
    put(head, entry.bytes);
    return write_all(to_, head + entry.path);
  }

  Result<void> file(int from, const struct stat& about, const std::string& path) {
    auto left = static_cast<std::uint64_t>(about.st_size);
    if (left > limits::copy_bytes - std::min(done_.bytes, limits::copy_bytes)) return too_large();
    TRY(put_entry({Kind::file, about.st_mode, left, path}));
    ++done_.files;
    done_.bytes += left;
    while (left > 0) {
      const ssize_t got = ::read(from, piece_.data(), std::min<std::uint64_t>(left, piece_bytes));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error("reading " + path);
      if (got == 0) return invalid(path + " became shorter while it was read");
      TRY(write_all(to_, std::string_view(piece_.data(), static_cast<std::size_t>(got))));
      left -= static_cast<std::uint64_t>(got);
    }
    return {};
  }

  Result<void> directory(Fd opened, const struct stat& about, const std::string& path,
                         std::size_t depth) {
    if (depth > limits::copy_depth) {
      return exhausted("directories deeper than " + std::to_string(limits::copy_depth));
    }
    TRY(put_entry({Kind::directory, about.st_mode, 0, path}));
    const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(opened.get()));
    if (!stream) return os_error("reading the directory " + path);
    const int fd = opened.release();
    std::vector<std::string> names;
    while (const dirent* const one = ::readdir(stream.get())) {
      const std::string name = one->d_name;
      if (name == "." || name == "..") continue;
      if (names.size() >= limits::copy_entries) return too_many();
      names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
      TRY(child(fd, name, path.empty() ? name : path + "/" + name, depth));
    }
    return {};
  }

  Result<void> child(int parent, const std::string& name, const std::string& path,
                     std::size_t depth) {
    if (path.size() > limits::copy_path_bytes) {
      return exhausted("a path longer than " + std::to_string(limits::copy_path_bytes) + " bytes");
    }
    struct stat about {};
    if (::fstatat(parent, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT ? Result<void>{} : Result<void>(os_error("looking at " + path));
    }
    if (!S_ISDIR(about.st_mode) && !S_ISREG(about.st_mode)) {
      ++done_.left_out;
      return {};
    }
    // What lies there may be another thing by now: it is looked at again once it is open.
    Fd opened(::openat(parent, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!opened && (errno == ENOENT || errno == ELOOP)) return {};
    if (!opened || ::fstat(opened.get(), &about) != 0) return os_error("opening " + path);
    if (S_ISDIR(about.st_mode)) return directory(std::move(opened), about, path, depth + 1);
    if (S_ISREG(about.st_mode)) return file(opened.get(), about, path);
    ++done_.left_out;
    return {};
  }

  int to_;
  std::string piece_;
  std::uint64_t entries_ = 0;
  Copied done_;
};

// ---- unpacking

// The parts of a path that stays below its root. (The supervisor links nothing that would do this.)
Result<std::vector<std::string>> parts_below(const std::string& path) {
  std::vector<std::string> parts;
  if (path.find('\0') != std::string::npos) return invalid("a path must not contain NUL");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    parts.push_back(path.substr(at, end - at));
    at = end + 1;
    if (parts.back().empty() || parts.back() == "." || parts.back() == "..") {
      return invalid("'" + path + "' must stay below where it is copied to");
    }
  }
  if (parts.size() > limits::copy_depth) return exhausted("a path that is too deep");
  return parts;
}

class Unpacker {
 public:
  explicit Unpacker(int from) : from_(from), piece_(piece_bytes, '\0') {}

  Result<Copied> unpack(const std::string& path, const std::string& name) {
    std::string first(magic.size(), '\0');
    TRY(read_all(first));
    if (first != magic) return invalid("is no stream of files");
    TRY(find_place(path, name));
    TRY_ASSIGN(Entry entry, next());
    if (!entry.path.empty() || entry.kind == Kind::end) {
      return invalid("the stream does not begin with what is copied");
    }
    if (entry.kind == Kind::file) {
      TRY(make_file(base_.get(), name_, entry));
      TRY_ASSIGN(entry, next());
      if (entry.kind != Kind::end) return invalid("something follows a single file");
      return done_;
    }
    TRY_ASSIGN(root_, make_directory(base_.get(), name_, entry.mode));
    while (true) {
      TRY_ASSIGN(entry, next());
      if (entry.kind == Kind::end) return done_;
      TRY(place(entry));
    }
  }

 private:
  Result<void> read_all(std::span<char> into) {
    while (!into.empty()) {
      const ssize_t got = ::read(from_, into.data(), into.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return os_error("reading");
      if (got == 0) return invalid("the stream of files is cut short");
      into = into.subspan(static_cast<std::size_t>(got));
    }
    return {};
  }

  // The directory that the top entry comes into, and its name there.
  Result<void> find_place(const std::string& path, const std::string& name) {
    base_ = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (base_) {
      name_ = name;
      if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
        return invalid(path + " is a directory: say what it is to be called in it");
      }
      return {};
    }
    if (errno != ENOENT && errno != ENOTDIR) return os_error("opening " + path);
    if (path.ends_with('/')) return not_found("there is no directory " + path);
    const std::size_t slash = path.rfind('/');
    const std::string above = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    name_ = slash == std::string::npos ? path : path.substr(slash + 1);
    base_ = Fd(::open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!base_) return os_error("opening " + above);
    if (name_.empty() || name_ == "." || name_ == "..") return invalid(path + " names no file");
    return {};
  }

  Result<Entry> next() {
    if (++entries_ > limits::copy_entries) return too_many();
    char bytes[head_bytes];
    TRY(read_all(bytes));
    std::string_view head(bytes, sizeof bytes);
    Entry entry;
    const auto kind = take<std::uint8_t>(head);
    if (kind > static_cast<std::uint8_t>(Kind::file)) return invalid("an unknown kind of entry");
    entry.kind = static_cast<Kind>(kind);
    entry.mode = take<std::uint16_t>(head) & permission_bits;
    const std::size_t length = take<std::uint16_t>(head);
    entry.bytes = take<std::uint64_t>(head);
    if (length > limits::copy_path_bytes) return exhausted("a path that is too long");
    entry.path.resize(length);
    TRY(read_all(entry.path));
    if (entry.kind != Kind::file && entry.bytes != 0) return invalid("bytes that are no file's");
    return entry;
  }

  // Every part above the last is opened by itself and never followed when it is a link.
  Result<void> place(const Entry& entry) {
    TRY_ASSIGN(const auto parts, parts_below(entry.path));
    Fd here(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      Fd below(::openat(here.get(), parts[i].c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below) return os_error("entering a directory of " + entry.path);
      here = std::move(below);
    }
    if (entry.kind == Kind::file) return make_file(here.get(), parts.back(), entry);
    TRY(make_directory(here.get(), parts.back(), entry.mode));
    return {};
  }

  Result<Fd> make_directory(int parent, const std::string& name, unsigned mode) {
    // Ours to write into, whatever it was to whom it came from.
    if (::mkdirat(parent, name.c_str(), mode | 0700) != 0 && errno != EEXIST) {
      return os_error("making " + name);
    }
    Fd made(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made) return os_error("entering " + name);
    return made;
  }

  Result<void> make_file(int parent, const std::string& name, const Entry& entry) {
    if (entry.bytes > limits::copy_bytes - std::min(done_.bytes, limits::copy_bytes)) {
      return too_large();
    }
    struct stat before {};
    if (::fstatat(parent, name.c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(before.st_mode) && !S_ISLNK(before.st_mode)) {
      return invalid(name + " is there and is no ordinary file").fix("name another place");
    }
    if (::unlinkat(parent, name.c_str(), 0) != 0 && errno != ENOENT) {
      return os_error("replacing " + name);
    }
    const Fd made(::openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                           entry.mode | 0600));
    if (!made) return os_error("making " + name);
    std::uint64_t left = entry.bytes;
    while (left > 0) {
      const std::span<char> piece(piece_.data(), std::min<std::uint64_t>(left, piece_bytes));
      TRY(read_all(piece));
      TRY(write_all(made.get(), {piece.data(), piece.size()}));
      left -= piece.size();
    }
    ++done_.files;
    done_.bytes += entry.bytes;
    return {};
  }

  int from_;
  std::string piece_, name_;
  Fd base_, root_;
  std::uint64_t entries_ = 0;
  Copied done_;
};

}  // namespace

Result<Copied> pack_files(const std::string& path, int to) { return Packer(to).pack(path); }

Result<Copied> unpack_files(int from, const std::string& path, const std::string& name) {
  return Unpacker(from).unpack(path, name);
}

}  // namespace bessemer::executor
