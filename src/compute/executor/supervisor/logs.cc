// A bounded log in pieces.
#include "compute/executor/supervisor/logs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "compute/executor/supervisor/files.h"

namespace bessemer::executor {

void Log::open_piece() {
  const std::string name = name_ + "." + std::to_string(offset_);
  piece_ = open_own(directory_, name, O_WRONLY | O_TRUNC);
  if (first_) {
    first_ = false;
    room_ = limit_ / 2;
    return;
  }
  room_ = limit_ / 4;
  if (later_.size() == 2) {
    ::unlinkat(directory_, later_.front().c_str(), 0);
    later_.erase(later_.begin());
  }
  later_.push_back(name);
}

void Log::append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (room_ == 0) open_piece();
    const auto part = bytes.substr(0, std::min<std::uint64_t>(room_, bytes.size()));
    bytes.remove_prefix(part.size());
    room_ -= part.size();
    offset_ += part.size();
    std::string_view left = part;
    while (!left.empty() && piece_) {
      const ssize_t put = ::write(piece_.get(), left.data(), left.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) break;
      left.remove_prefix(static_cast<std::size_t>(put));
    }
  }
}

}  // namespace bessemer::executor
