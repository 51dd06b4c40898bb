// Shipped ranges of a usage log as the daemon keeps them.
#include "application/daemon/usage_ranges.h"

#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::daemon {
namespace {

constexpr std::size_t length_bytes = 4;

}  // namespace

std::string intake_path(const lease::EpochKey& key) {
  return std::string(intake_folder) + "/" + to_text(key.first) + "-" + std::to_string(key.second);
}

Result<std::vector<lease::EpochKey>> stored_logs(const world::Disk& disk) {
  std::vector<lease::EpochKey> found;
  if (!disk.exists(intake_folder)) return found;
  TRY_ASSIGN(const auto names, disk.list(intake_folder));
  for (const auto& name : names) {
    const auto dash = name.rfind('-');
    const auto gateway =
        from_text(std::type_identity<GatewayId>{}, std::string_view(name).substr(0, dash));
    const auto epoch = dash == std::string::npos
                           ? std::nullopt
                           : parse_unsigned(std::string_view(name).substr(dash + 1));
    if (gateway && epoch) found.push_back({*gateway, *epoch});
  }
  return found;
}

Result<std::optional<std::string>> RangeReader::next() {
  std::optional<std::string> range;
  TRY_ASSIGN(const std::uint64_t size, file_.size());
  if (end_ + length_bytes > size) return range;
  char head[length_bytes];
  TRY(file_.read_at(end_, head));
  std::uint32_t length = 0;
  std::memcpy(&length, head, length_bytes);
  if (length > max_shipped_range || end_ + length_bytes + length > size) return range;
  range.emplace(length, '\0');
  TRY(file_.read_at(end_ + length_bytes, *range));
  end_ += length_bytes + length;
  return range;
}

Result<std::uint64_t> write_range(world::File& file, std::uint64_t end, std::string_view batches) {
  check(batches.size() <= max_shipped_range, "a shipped range is too long");
  std::string framed(length_bytes, '\0');
  const auto length = static_cast<std::uint32_t>(batches.size());
  std::memcpy(framed.data(), &length, length_bytes);
  framed += batches;
  TRY(file.write_at(end, framed));
  TRY(file.sync());
  return end + framed.size();
}

}  // namespace bessemer::daemon
