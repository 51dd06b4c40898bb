// A tenant's time zone and its calendar months. The offsets come from outside (tzdata), so that
// the core never reads a file and a fact never changes when tzdata does.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/result.h"
#include "base/time.h"

namespace bessemer {

// Half open: [from, until).
struct Period {
  Instant from, until;
  friend constexpr auto operator<=>(const Period&, const Period&) = default;
};
DESCRIBE(Period, from, until)
constexpr bool holds(Period period, Instant at) { return period.from <= at && at < period.until; }

// Local time is UTC + seconds, from this moment on.
struct ZoneOffset {
  Instant from;
  std::int32_t seconds = 0;
  friend constexpr auto operator<=>(const ZoneOffset&, const ZoneOffset&) = default;
};
DESCRIBE(ZoneOffset, from, seconds)

// An IANA zone. Offsets ascend in time; before the first one, and without any, the offset is 0.
struct Zone {
  std::string name = "UTC";
  std::vector<ZoneOffset> offsets;
  friend auto operator<=>(const Zone&, const Zone&) = default;
};
DESCRIBE(Zone, name, offsets)

constexpr std::size_t max_zone_offsets = 1000;

// A name of at most 63 characters, at most 1000 ascending offsets of less than a day. Errors:
// invalid, naming the limit.
Result<void> check_zone(const Zone& zone);

// Seconds that local time is ahead of UTC.
std::int32_t offset_at(const Zone& zone, Instant at);

// The calendar month of the zone that holds `at`. A month begins at local midnight; where the
// clock skips midnight, at the moment it skips; where midnight happens twice, at the first.
Period month_of(const Zone& zone, Instant at);

// Reads a compiled zone (RFC 8536, version 2 or later), from 1970 to `until`, following the
// footer's rule beyond the last listed change. Errors: invalid.
Result<Zone> read_tzif(std::string_view name, std::string_view bytes, Instant until);

}  // namespace bessemer
