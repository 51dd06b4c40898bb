// One living holder per directory, by flock on its file `lock`.
#pragma once
#include <string>

#include "world/real/descriptor.h"
#include "world/world.h"

namespace bessemer::real {

// The exclusive lock of a directory; the kernel releases it when the process ends, however it ends.
class DirectoryLock final : public world::Lock {
 public:
  // `directory` is an open directory, `name` its path for people. Never waits. The file keeps the
  // holder's process number. Errors: conflict (held: names the process and the remedy), forbidden.
  static Result<std::unique_ptr<DirectoryLock>> take(int directory, const std::string& name);

 private:
  explicit DirectoryLock(Descriptor file) : file_(std::move(file)) {}
  Descriptor file_;
};

}  // namespace bessemer::real
