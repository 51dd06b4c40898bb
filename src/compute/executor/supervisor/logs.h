// One stream of output, written as pieces of a bounded log.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compute/executor/channel.h"

namespace bessemer::executor {

// Keeps the first half of `limit` for good and the latest of the rest; what lies between is
// dropped. Each piece is the file <name>.<offset of its first byte in the whole stream>.
class Log {
 public:
  // Requires: limit >= 4096. `directory` must outlive this.
  Log(int directory, std::string name, std::uint64_t limit)
      : directory_(directory), name_(std::move(name)), limit_(limit) {}

  // A full disk loses output, never the task.
  void append(std::string_view bytes);
  std::uint64_t size() const { return offset_; }

 private:
  void open_piece();

  int directory_;
  std::string name_;
  std::uint64_t limit_;
  std::uint64_t offset_ = 0;  // of the next byte in the whole stream
  std::uint64_t room_ = 0;    // left in the open piece
  bool first_ = true;
  Fd piece_;
  std::vector<std::string> later_;  // pieces after the first, oldest first
};

}  // namespace bessemer::executor
