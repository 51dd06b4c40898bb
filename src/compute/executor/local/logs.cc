// Finds the piece that holds an offset.
#include "compute/executor/local/logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "compute/executor/channel.h"

namespace bessemer::executor {
namespace {

// Offset of the first byte -> length.
Result<std::map<std::uint64_t, std::uint64_t>> pieces_of(int directory, const std::string& prefix) {
  std::map<std::uint64_t, std::uint64_t> out;
  const int again = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const listing = again < 0 ? nullptr : ::fdopendir(again);
  if (listing == nullptr) return os_error("listing the task's directory");
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    const auto offset = parse_unsigned(name.substr(prefix.size()));
    struct stat about {};
    if (offset && ::fstatat(directory, entry->d_name, &about, 0) == 0) {
      out[*offset] = static_cast<std::uint64_t>(about.st_size);
    }
  }
  ::closedir(listing);
  return out;
}

std::string prefix_of(Output output) { return output == Output::standard ? "stdout." : "stderr."; }

Result<Fd> open_task(const std::string& path) {
  Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return os_error("opening the task's directory");
  return directory;
}

}  // namespace

Result<LogPiece> read_log(const std::string& task_directory, Output output, std::uint64_t offset,
                          std::size_t most) {
  TRY_ASSIGN(const Fd directory, open_task(task_directory));
  const std::string prefix = prefix_of(output);
  TRY_ASSIGN(const auto pieces, pieces_of(directory.get(), prefix));
  LogPiece out;
  out.offset = out.next = offset;
  // The piece that begins at or before the offset, or, if it ends before it, the one after.
  auto piece = pieces.upper_bound(offset);
  if (piece != pieces.begin()) {
    const auto before = std::prev(piece);
    if (offset < before->first + before->second) piece = before;
  }
  if (piece == pieces.end()) return out;
  if (piece->first > offset) {
    out.dropped = piece->first - offset;
    out.offset = piece->first;
  }
  const Fd file(::openat(directory.get(), (prefix + std::to_string(piece->first)).c_str(),
                         O_RDONLY | O_CLOEXEC));
  out.bytes.resize(most);
  const ssize_t got = file ? ::pread(file.get(), out.bytes.data(), most,
                                     static_cast<off_t>(out.offset - piece->first))
                           : 0;
  out.bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  out.next = out.offset + out.bytes.size();
  return out;
}

Result<std::uint64_t> log_size(const std::string& task_directory, Output output) {
  TRY_ASSIGN(const Fd directory, open_task(task_directory));
  TRY_ASSIGN(const auto pieces, pieces_of(directory.get(), prefix_of(output)));
  return pieces.empty() ? 0 : pieces.rbegin()->first + pieces.rbegin()->second;
}

}  // namespace bessemer::executor
