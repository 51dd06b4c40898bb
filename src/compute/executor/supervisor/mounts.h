// Detached copies of host trees, put into a new root.
#pragma once
#include <string>

#include "base/result.h"
#include "compute/executor/channel.h"

namespace bessemer::executor {

enum class Access : std::uint8_t { read_only, read_write, device };

// A directory tree or file of the host, taken before the new root hides it.
struct Tree {
  Fd mount;
  bool directory = false;
};

// `ids` as in Ground. Errors: not_found, unavailable (the file system cannot map ids), internal.
Result<Tree> take_tree(const std::string& host_path, Access access, int ids);

// Makes `target` (relative) below `root` with its parents and puts the tree there.
Result<void> put_tree(int root, const std::string& target, const Tree& tree);

// Makes a directory below `root` with its parents; an existing one is fine.
Result<void> make_below(int root, const std::string& path, unsigned mode = 0755);

// Mounts a new file system of `type` at `target` below `root`.
Result<void> mount_new(int root, const std::string& target, const char* type,
                       unsigned long flags, const std::string& options);

}  // namespace bessemer::executor
