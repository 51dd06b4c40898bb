// Shipped ranges of a usage log as the daemon keeps them: u32 length, then the batches as they
// came, again and again.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "governance/lease/lease.h"
#include "world/world.h"

namespace bessemer::daemon {

constexpr std::string_view intake_folder = "usage/intake";
constexpr std::size_t max_shipped_range = 4u << 20;

std::string intake_path(const lease::EpochKey& key);
// The logs of which ranges are kept. Errors: those of the disk.
Result<std::vector<lease::EpochKey>> stored_logs(const world::Disk& disk);

// Reads range after range.
class RangeReader {
 public:
  explicit RangeReader(world::File& file) : file_(file) {}
  // The next whole range; none at the end, or where one was begun and never finished. Errors: those
  // of the disk.
  Result<std::optional<std::string>> next();
  // Where the next range begins, or is to be written.
  std::uint64_t end() const { return end_; }

 private:
  world::File& file_;
  std::uint64_t end_ = 0;
};

// Writes a range at `end`, durably; gives where the next one goes. Requires: at most
// max_shipped_range bytes. Errors: those of the disk.
Result<std::uint64_t> write_range(world::File& file, std::uint64_t end, std::string_view batches);

}  // namespace bessemer::daemon
