// Files as a stream: packed on one side of a task's wall, unpacked on the other.
//
// stream = "BMFILES1", entry..., one entry of kind `end`
// entry  = u8 kind, u16 permission bits, u16 length of the path, u64 bytes, path, bytes
//
// Integers are little-endian. The first entry has the empty path and is the thing itself: a file,
// or a directory before everything in it. Whoever unpacks trusts nothing: a path stays below the
// destination, links are neither made nor followed, and every count has a limit.
#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"

namespace bessemer::executor {

namespace limits {
constexpr std::uint64_t copy_bytes = std::uint64_t{64} << 30;
constexpr std::uint64_t copy_entries = 200'000;
constexpr std::size_t copy_depth = 64;
constexpr std::size_t copy_path_bytes = 1024;
}  // namespace limits

struct Copied {
  std::uint64_t files = 0, bytes = 0;
  std::uint64_t left_out = 0;  // links and special files
};

// Writes the file or directory at `path` to the descriptor. A link at `path` itself is followed,
// those below are left out. Errors: not_found, forbidden, exhausted (a limit), invalid (a file
// that shrank while it was read), unavailable (nobody reads any more).
Result<Copied> pack_files(const std::string& path, int to);

// Reads a stream and makes what it holds: as `path`, or inside it under `name` when `path` is a
// directory already. Files that exist are replaced, never written through.
// Errors: invalid (no such stream, a path that leaves, cut short), exhausted, forbidden.
Result<Copied> unpack_files(int from, const std::string& path, const std::string& name);

}  // namespace bessemer::executor
