// Compiled time zones from strangers: no crash, and months that follow each other.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/zone.h"

using namespace bessemer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Instant until = from_civil({.year = 2040});
  const auto zone = read_tzif("fuzz", bytes, until);
  if (!zone) return 0;
  check(check_zone(*zone).has_value());
  for (int year = 1971; year < 2040; year += 7) {
    const Period month = month_of(*zone, from_civil({.year = year, .month = 5, .day = 15}));
    check(month.from < month.until);
    check(month_of(*zone, month.until).from == month.until);
  }
  return 0;
}
