// Usage logs from a gateway that lies: no crash, no sum that wraps, and packing loses nothing.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/codec.h"
#include "governance/metering/usage_columns.h"
#include "governance/metering/usage_log.h"

using namespace bessemer;

// Records as {u8 length, codec}; what does not decode or fold is passed over, as the daemon's
// reader would refuse it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view left(reinterpret_cast<const char*>(data), size);
  (void)metering::unpack_columns(left);
  metering::Log log;
  metering::UsageSums sums;
  std::vector<metering::LogRecord> records;
  while (!left.empty()) {
    const auto length = static_cast<unsigned char>(left[0]);
    left.remove_prefix(1);
    const auto record = codec::decode<metering::LogRecord>(left.substr(0, length));
    left.remove_prefix(length < left.size() ? length : left.size());
    if (!record) continue;
    records.push_back(*record);
    const auto folded = metering::fold(log, *record);
    if (folded && *folded) sums.add(**folded);
  }
  for (const auto& [id, lease] : log.leases) check(lease.held >= 0 && lease.consumed >= 0);
  (void)sums.usages(log);
  const auto again = metering::unpack_columns(metering::pack_columns(records));
  check(again.has_value() && *again == records, "packing lost something");
  return 0;
}
