// Closing descriptors and naming errno.
#include "world/real/descriptor.h"

#include <errno.h>
#include <unistd.h>

#include <string>
#include <system_error>

namespace bessemer::real {

void Descriptor::reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

Error error_of(int error_number, std::string_view doing, std::string_view path) {
  std::string what(doing);
  what += ' ';
  what += path;
  what += ": ";
  what += std::generic_category().message(error_number);
  switch (error_number) {
    case ENOSPC: case EDQUOT:
      return exhausted(std::move(what)).fix("free space on that disk, or raise its quota");
    case ENOENT: case ENOTDIR: return not_found(std::move(what));
    case EEXIST: return conflict(std::move(what));
    case EACCES: case EPERM: case EROFS:
      return forbidden(std::move(what)).fix("check owner, permissions and mount of the directory");
    case ELOOP:
      return invalid(std::move(what)).fix("symbolic links are not followed here: name the target");
    default: return internal(std::move(what));
  }
}

}  // namespace bessemer::real
