// Whole-file reads and atomic replacement, on any Disk.
#include "world/world.h"

namespace bessemer::world {

Result<std::string> read_file(Disk& disk, std::string_view path, std::size_t limit) {
  TRY_ASSIGN(const auto file, disk.open(path, OpenMode::read));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  if (size > limit) {
    return invalid(std::string(path) + " is larger than " + std::to_string(limit) + " bytes");
  }
  std::string bytes(size, '\0');
  TRY_ASSIGN(const std::size_t got, file->read_at(0, bytes));
  bytes.resize(got);
  return bytes;
}

Result<void> replace_file(Disk& disk, std::string_view path, std::string_view bytes) {
  const std::string fresh = std::string(path) + ".new";
  if (disk.exists(fresh)) TRY(disk.remove(fresh));
  TRY_ASSIGN(const auto file, disk.open(fresh, OpenMode::create));
  TRY(file->write_at(0, bytes));
  TRY(file->sync());
  TRY(disk.rename(fresh, path));
  const std::size_t slash = path.rfind('/');
  return disk.sync_directory(slash == std::string_view::npos ? "" : path.substr(0, slash));
}

}  // namespace bessemer::world
