// Moments and spans, in nanoseconds. Reading a clock is world's business.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace bessemer {

// A span of time; may be negative.
struct Duration {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(const Duration&, const Duration&) = default;
};

// A moment: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
struct Instant {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
};

constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
constexpr Duration operator-(Duration a) { return {-a.ns}; }
constexpr Duration operator*(Duration a, std::int64_t n) { return {a.ns * n}; }
constexpr Duration operator/(Duration a, std::int64_t n) { return {a.ns / n}; }
constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
constexpr Instant operator+(Instant a, Duration b) { return {a.ns + b.ns}; }
constexpr Instant operator-(Instant a, Duration b) { return {a.ns - b.ns}; }

constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
constexpr Duration minutes(std::int64_t n) { return seconds(n * 60); }
constexpr Duration hours(std::int64_t n) { return minutes(n * 60); }
constexpr Duration days(std::int64_t n) { return hours(n * 24); }

// A civil date and time of day in UTC (proleptic Gregorian).
struct Civil {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, nanosecond = 0;
};
Civil to_civil(Instant at);
// Requires: month 1..12; day, hour, minute, second may run over and carry.
Instant from_civil(const Civil& civil);

// RFC 3339 in UTC, with as many of the nine decimals as are needed: "2026-01-31T08:00:00.25Z".
std::string to_text(Instant at);
// RFC 3339 with "Z" or a numeric offset; years 1970 to 2261. Errors: invalid.
Result<Instant> from_text(std::type_identity<Instant>, std::string_view text);

// Sums of units, largest first: "1d2h", "90s", "250ms", "0s".
std::string to_text(Duration span);
// Digits and units d h m s ms us ns, in falling order: "1h30m". Errors: invalid.
Result<Duration> from_text(std::type_identity<Duration>, std::string_view text);

}  // namespace bessemer
