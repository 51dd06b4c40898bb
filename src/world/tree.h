// What a Disk does not say: kinds of entries, shared names, modes. For trees that others filled
// and for trees that are handed to others.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "world/world.h"

namespace bessemer::world {

enum class EntryKind : std::uint8_t { file, directory, link, other };

// An entry as it stands: symbolic links are not followed.
struct EntryStatus {
  EntryKind kind = EntryKind::other;
  bool executable = false;  // by its owner
  std::uint64_t bytes = 0;
};

// A directory tree below one root, whose content is not trusted. Paths are relative to the root
// and may hold symbolic links; none leads out of it.
struct Tree {
  virtual ~Tree() = default;
  // Errors: not_found.
  virtual Result<EntryStatus> status(std::string_view path) const = 0;
  // Names in a directory ("" = the root), sorted, at most `limit`. A link to a directory is not
  // followed. Errors: not_found, invalid (not a directory), exhausted (more than `limit`).
  virtual Result<std::vector<std::string>> list(std::string_view directory,
                                                std::size_t limit) const = 0;
  // Opens a regular file for reading and says what it is; a link is followed while it stays below
  // the root. Errors: not_found, invalid (leads out of the root; not a regular file).
  virtual Result<std::unique_ptr<File>> open(std::string_view path, EntryStatus& about) const = 0;
  // Gives a file a second name. Errors: not_found, conflict (exists), exhausted (too many names).
  virtual Result<void> link(std::string_view from, std::string_view to) = 0;
  // Permission bits, such as 0444; of a file or directory, never through a link.
  virtual Result<void> set_mode(std::string_view path, unsigned mode) = 0;
};

}  // namespace bessemer::world
