// Small whole-file reads and writes relative to a directory descriptor.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "compute/executor/channel.h"

namespace bessemer::executor {

// Reads at most `limit` bytes. `directory` may be AT_FDCWD.
Result<std::string> read_text(int directory, const std::string& path, std::size_t limit = 1 << 20);

// Writes into an existing file in one write, as the kernel's control files want it.
Result<void> write_control(int directory, const std::string& path, std::string_view text);

// Creates the file with `mode`, or empties it, and writes all of `bytes`.
Result<void> write_new(int directory, const std::string& path, std::string_view bytes,
                       unsigned mode);

// The number after `key` in lines of "key number"; 0 when it is not there.
std::uint64_t number_after(std::string_view lines, std::string_view key);

}  // namespace bessemer::executor
