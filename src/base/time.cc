// Moments and spans as text and as civil dates.
#include "base/time.h"

#include <charconv>

#include <fmt/format.h>

#include "base/check.h"

namespace bessemer {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t day_s = 86'400;

// Days since 1970-01-01; algorithm of Howard Hinnant, "chrono-compatible low-level date
// algorithms", section days_from_civil.
constexpr std::int64_t days_from_civil(std::int64_t y, int m, int d) {
  y -= m <= 2 ? 1 : 0;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t yoe = y - era * 400;
  const std::int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  const std::int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146'097 + doe - 719'468;
}

// Takes exactly `count` digits from the front of `text`.
bool take_digits(std::string_view& text, std::size_t count, int& out) {
  if (text.size() < count) return false;
  out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// The fraction after the decimal point, as nanoseconds; at most nine digits.
bool take_fraction(std::string_view& text, int& nanosecond) {
  int digits = 0;
  for (; digits < 9 && !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
    nanosecond = nanosecond * 10 + (text.front() - '0');
    text.remove_prefix(1);
  }
  if (digits == 0) return false;
  for (; digits < 9; ++digits) nanosecond *= 10;
  return true;
}

int days_in_month(int year, int month) {
  constexpr int table[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : table[month - 1];
}

}  // namespace

Civil to_civil(Instant at) {
  std::int64_t s = at.ns / second_ns;
  std::int64_t ns = at.ns % second_ns;
  if (ns < 0) { ns += second_ns; --s; }
  std::int64_t z = s / day_s;
  std::int64_t rest = s % day_s;
  if (rest < 0) { rest += day_s; --z; }
  z += 719'468;
  const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const std::int64_t doe = z - era * 146'097;
  const std::int64_t yoe = (doe - doe / 1'460 + doe / 36'524 - doe / 146'096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  const auto day = static_cast<int>(doy - (153 * mp + 2) / 5 + 1);
  const auto month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  const auto year = static_cast<int>(yoe + era * 400 + (month <= 2 ? 1 : 0));
  return {year, month, day, static_cast<int>(rest / 3'600), static_cast<int>(rest % 3'600 / 60),
          static_cast<int>(rest % 60), static_cast<int>(ns)};
}

Instant from_civil(const Civil& c) {
  check(c.month >= 1 && c.month <= 12);
  const std::int64_t s = days_from_civil(c.year, c.month, c.day) * day_s + c.hour * 3'600 +
                         c.minute * 60 + c.second;
  return {s * second_ns + c.nanosecond};
}

std::string to_text(Instant at) {
  const Civil c = to_civil(at);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day,
                                c.hour, c.minute, c.second);
  if (c.nanosecond != 0) {
    std::string fraction = fmt::format("{:09}", c.nanosecond);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    out += "." + fraction;
  }
  return out + "Z";
}

Result<Instant> from_text(std::type_identity<Instant>, std::string_view text) {
  const auto bad = [] {
    return invalid("must be an RFC 3339 time such as 2026-01-31T08:00:00Z, years 1970 to 2261");
  };
  Civil c;
  if (!take_digits(text, 4, c.year) || !take(text, "-") || !take_digits(text, 2, c.month) ||
      !take(text, "-") || !take_digits(text, 2, c.day) || !take(text, "Tt ") ||
      !take_digits(text, 2, c.hour) || !take(text, ":") || !take_digits(text, 2, c.minute) ||
      !take(text, ":") || !take_digits(text, 2, c.second)) {
    return bad();
  }
  if (take(text, ".") && !take_fraction(text, c.nanosecond)) return bad();
  int sign = 0, offset_hour = 0, offset_minute = 0;
  if (!take(text, "Zz")) {
    if (text.empty()) return bad();
    sign = text.front() == '-' ? -1 : 1;
    if (!take(text, "+-") || !take_digits(text, 2, offset_hour) || !take(text, ":") ||
        !take_digits(text, 2, offset_minute)) {
      return bad();
    }
  }
  if (!text.empty() || c.year < 1970 || c.year > 2261 || c.month < 1 || c.month > 12 ||
      c.day < 1 || c.day > days_in_month(c.year, c.month) || c.hour > 23 || c.minute > 59 ||
      c.second > 59 || offset_hour > 23 || offset_minute > 59) {
    return bad();
  }
  return from_civil(c) - minutes(sign * (offset_hour * 60 + offset_minute));
}

std::string to_text(Duration span) {
  if (span.ns == 0) return "0s";
  struct Unit { std::int64_t ns; const char* name; };
  constexpr Unit units[] = {{day_s * second_ns, "d"}, {3'600 * second_ns, "h"},
                            {60 * second_ns, "m"},    {second_ns, "s"},
                            {1'000'000, "ms"},        {1'000, "us"},
                            {1, "ns"}};
  std::string out = span.ns < 0 ? "-" : "";
  auto left = span.ns < 0 ? 0 - static_cast<std::uint64_t>(span.ns)
                          : static_cast<std::uint64_t>(span.ns);
  for (const Unit& unit : units) {
    const auto size = static_cast<std::uint64_t>(unit.ns);
    if (left >= size) out += fmt::format("{}{}", left / size, unit.name);
    left %= size;
  }
  return out;
}

Result<Duration> from_text(std::type_identity<Duration>, std::string_view text) {
  const auto bad = [] {
    return invalid("must be a duration such as 90s, 1h30m or 250ms, below 292 years");
  };
  struct Unit { std::string_view name; std::int64_t ns; };
  constexpr Unit units[] = {{"d", day_s * second_ns}, {"h", 3'600 * second_ns},
                            {"ms", 1'000'000},        {"m", 60 * second_ns},
                            {"us", 1'000},            {"ns", 1},
                            {"s", second_ns}};
  if (text.empty()) return bad();
  std::int64_t sum = 0;
  std::int64_t last = INT64_MAX;
  while (!text.empty()) {
    std::int64_t n = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (code != std::errc{} || n < 0) return bad();
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const Unit* found = nullptr;
    for (const Unit& unit : units) {
      if (found == nullptr && text.starts_with(unit.name)) found = &unit;
    }
    if (found == nullptr || found->ns >= last) return bad();
    last = found->ns;
    text.remove_prefix(found->name.size());
    std::int64_t part = 0;
    if (__builtin_mul_overflow(n, found->ns, &part) || __builtin_add_overflow(sum, part, &sum)) {
      return bad();
    }
  }
  return Duration{sum};
}

}  // namespace bessemer
