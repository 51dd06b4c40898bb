// Local time and the months of a zone.
#include "base/zone.h"

#include <algorithm>
#include <limits>

namespace bessemer {
namespace {

constexpr std::int32_t day_seconds = 86'400;

// The first moment at which the zone's local time has reached the given local midnight.
Instant first_of(const Zone& zone, int year, int month) {
  const Instant local = from_civil({.year = year, .month = month});
  Instant from{std::numeric_limits<std::int64_t>::min()};
  std::int32_t offset = 0;
  for (const ZoneOffset& next : zone.offsets) {
    const Instant reached = std::max(from, local - seconds(offset));
    if (reached < next.from) return reached;
    from = next.from;
    offset = next.seconds;
  }
  return std::max(from, local - seconds(offset));
}

Instant next_first(const Zone& zone, int year, int month) {
  return month == 12 ? first_of(zone, year + 1, 1) : first_of(zone, year, month + 1);
}

}  // namespace

Result<void> check_zone(const Zone& zone) {
  if (zone.name.empty() || zone.name.size() > 63) {
    return invalid("must be 1 to 63 characters").at("name");
  }
  if (zone.offsets.size() > max_zone_offsets) {
    return invalid("must hold at most 1000 offsets").at("offsets");
  }
  for (std::size_t i = 0; i < zone.offsets.size(); ++i) {
    const ZoneOffset& one = zone.offsets[i];
    if (one.seconds <= -day_seconds || one.seconds >= day_seconds) {
      return invalid("must be less than a day").at("offsets[" + std::to_string(i) + "].seconds");
    }
    if (one.from.ns < 0 || (i > 0 && one.from <= zone.offsets[i - 1].from)) {
      return invalid("must be after 1970 and ascend").at("offsets[" + std::to_string(i) + "].from");
    }
  }
  return {};
}

std::int32_t offset_at(const Zone& zone, Instant at) {
  const auto after = std::ranges::upper_bound(zone.offsets, at, {}, &ZoneOffset::from);
  return after == zone.offsets.begin() ? 0 : std::prev(after)->seconds;
}

Period month_of(const Zone& zone, Instant at) {
  const Civil local = to_civil(at + seconds(offset_at(zone, at)));
  Period month{first_of(zone, local.year, local.month), next_first(zone, local.year, local.month)};
  if (at < month.until) return month;
  // The clock went back over midnight: by the calendar still the last day, but the next month has
  // begun already.
  const bool december = local.month == 12;
  const int year = december ? local.year + 1 : local.year;
  return {month.until, next_first(zone, year, december ? 1 : local.month + 1)};
}

}  // namespace bessemer
