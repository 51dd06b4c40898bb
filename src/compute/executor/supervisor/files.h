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

// Opens `name` in the directory, made with mode 0600 where it is not there. What root makes is
// given to the directory's owner: the daemon, an ordinary user, must read it. Not found: no Fd.
Fd open_own(int directory, const std::string& name, int flags);

// Gives a file (a socket) in the directory to the directory's owner, when we are root.
void give_to_owner(int directory, const std::string& name);

// Gives everything below `path`, and itself, to another user; links are not followed.
// Errors: those of the first file that refused.
Result<void> give_tree(const std::string& path, unsigned uid, unsigned gid);

// The number after `key` in lines of "key number"; 0 when it is not there.
std::uint64_t number_after(std::string_view lines, std::string_view key);

}  // namespace bessemer::executor
