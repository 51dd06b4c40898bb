// Small whole-file reads and writes.
#include "compute/executor/supervisor/files.h"

#include <fcntl.h>
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
