// Reads compiled time zones (RFC 8536) and the rule of their footer (POSIX TZ).
#include <algorithm>
#include <optional>
#include <utility>

#include "base/zone.h"

namespace bessemer {
namespace {

constexpr int hour_seconds = 3600;

// Takes big-endian numbers from the front; `short_of` once there were too few bytes.
struct Bytes {
  std::string_view left;
  bool short_of = false;

  std::string_view take(std::size_t n) {
    if (n > left.size()) {
      short_of = true;
      n = left.size();
    }
    const std::string_view taken = left.substr(0, n);
    left.remove_prefix(n);
    return taken;
  }
  std::int64_t number(std::size_t n) {
    const std::string_view bytes = take(n);
    if (bytes.size() < n) return 0;
    std::uint64_t value = (bytes[0] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return static_cast<std::int64_t>(value);
  }
};

struct Counts {
  std::size_t ut = 0, standard = 0, leaps = 0, times = 0, types = 0, letters = 0;
  // Size of the block, whose times have `width` bytes.
  std::size_t block(std::size_t width) const {
    return times * (width + 1) + types * 6 + letters + leaps * (width + 4) + standard + ut;
  }
};

Result<Counts> read_header(Bytes& in) {
  if (in.take(4) != "TZif") return invalid("is not a compiled time zone");
  if (in.number(1) < '2') return invalid("must be version 2 or later");
  in.take(15);
  Counts counts;
  for (std::size_t* one : {&counts.ut, &counts.standard, &counts.leaps, &counts.times,
                           &counts.types, &counts.letters}) {
    const std::int64_t n = in.number(4);
    if (n < 0 || n > 100'000) return invalid("has counts out of range");
    *one = static_cast<std::size_t>(n);
  }
  if (counts.types == 0 || in.short_of) return invalid("is cut short");
  return counts;
}

// One of "M3.5.0/2", "J60/2", "59/2": a day of each year and a time on it.
struct Day {
  char kind = 'M';  // 'M', 'J' (1..365, without leap days) or '0' (0..365)
  int month = 1, week = 1, day = 0;
  int seconds = 2 * hour_seconds;
};

struct Rule {
  int standard = 0, summer = 0;  // seconds ahead of UTC
  std::optional<std::pair<Day, Day>> changes;  // to summer time, back from it
};

// Reads a POSIX TZ string; `bad` once it does not follow the grammar.
struct RuleText {
  std::string_view left;
  bool bad = false;

  bool skip(char c) {
    if (left.empty() || left[0] != c) return false;
    left.remove_prefix(1);
    return true;
  }
  int number(int limit) {
    int value = 0, digits = 0;
    while (!left.empty() && left[0] >= '0' && left[0] <= '9' && digits < 4) {
      value = value * 10 + (left[0] - '0');
      left.remove_prefix(1);
      ++digits;
    }
    if (digits == 0 || value > limit) bad = true;
    return value;
  }
  void name() {
    if (skip('<')) {
      const auto end = left.find('>');
      if (end == std::string_view::npos) bad = true;
      else left.remove_prefix(end + 1);
      return;
    }
    std::size_t n = 0;
    while (n < left.size() && ((left[n] | 0x20) >= 'a' && (left[n] | 0x20) <= 'z')) ++n;
    if (n < 3) bad = true;
    left.remove_prefix(n);
  }
  int time() {  // [+-]hh[:mm[:ss]] in seconds
    const bool negative = skip('-');
    if (!negative) skip('+');
    int value = number(167) * hour_seconds;
    if (skip(':')) value += number(59) * 60;
    if (skip(':')) value += number(59);
    return negative ? -value : value;
  }
  Day day() {
    Day out;
    if (skip('M')) {
      out.month = number(12);
      if (!skip('.')) bad = true;
      out.week = number(5);
      if (!skip('.')) bad = true;
      out.day = number(6);
      if (out.month < 1 || out.week < 1) bad = true;
    } else {
      out.kind = skip('J') ? 'J' : '0';
      out.day = number(365);
    }
    if (skip('/')) out.seconds = time();
    return out;
  }
  Rule rule() {
    Rule out;
    name();
    out.standard = -time();
    if (left.empty()) return out;
    name();
    const bool stated = !left.empty() && left[0] != ',';
    out.summer = stated ? -time() : out.standard + hour_seconds;
    if (!skip(',')) bad = true;
    const Day to = day();
    if (!skip(',')) bad = true;
    out.changes = {to, day()};
    if (!left.empty()) bad = true;
    return out;
  }
};

bool is_leap(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

// The moment of a rule's day in a year, when local time was `offset` ahead before it.
Instant moment(const Day& rule, int year, int offset) {
  Instant midnight;
  if (rule.kind == 'M') {
    const Instant first = from_civil({.year = year, .month = rule.month});
    const std::int64_t weekday = (first.ns / days(1).ns + 4) % 7;  // 1970-01-01 was a Thursday
    int day = static_cast<int>((rule.day - weekday + 7) % 7) + (rule.week - 1) * 7;
    const Instant next = rule.month == 12 ? from_civil({.year = year + 1})
                                          : from_civil({.year = year, .month = rule.month + 1});
    while (first + days(day) >= next) day -= 7;
    midnight = first + days(day);
  } else {
    const bool after_february = rule.kind == 'J' && is_leap(year) && rule.day >= 60;
    const int day = rule.kind == 'J' ? rule.day - 1 + (after_february ? 1 : 0) : rule.day;
    midnight = from_civil({.year = year}) + days(day);
  }
  return midnight + seconds(rule.seconds - offset);
}

void add(Zone& zone, Instant from, std::int32_t offset) {
  if (from.ns < 0) from.ns = 0;
  if (!zone.offsets.empty() && zone.offsets.back().from == from) zone.offsets.pop_back();
  const std::int32_t before = zone.offsets.empty() ? 0 : zone.offsets.back().seconds;
  if (offset != before) zone.offsets.push_back({from, offset});
}

void follow(Zone& zone, const Rule& rule, Instant last, Instant until) {
  if (!rule.changes) {
    add(zone, last, rule.standard);
    return;
  }
  const int last_year = to_civil(until).year;
  for (int year = to_civil(last).year; year <= last_year; ++year) {
    std::pair<Instant, int> summer{moment(rule.changes->first, year, rule.standard), rule.summer};
    std::pair<Instant, int> winter{moment(rule.changes->second, year, rule.summer), rule.standard};
    if (winter < summer) std::swap(summer, winter);
    for (const auto& [from, offset] : {summer, winter}) {
      if (from > last && from < until) add(zone, from, offset);
    }
  }
}

}  // namespace

Result<Zone> read_tzif(std::string_view name, std::string_view bytes, Instant until) {
  Bytes in{bytes};
  TRY_ASSIGN(const Counts old, read_header(in));
  in.take(old.block(4));
  TRY_ASSIGN(const Counts counts, read_header(in));
  if (in.left.size() < counts.block(8)) return invalid("is cut short");
  Bytes times{in.take(counts.times * 8)}, kinds{in.take(counts.times)};
  const std::string_view types = in.take(counts.types * 6);
  const auto offset_of = [&](std::size_t type) {
    Bytes one{types.substr(type * 6, 4)};
    return static_cast<std::int32_t>(one.number(4));
  };
  Zone zone{std::string(name), {}};
  add(zone, Instant{}, offset_of(0));
  Instant last;
  for (std::size_t i = 0; i < counts.times; ++i) {
    const std::int64_t second = times.number(8);
    const auto type = static_cast<std::size_t>(kinds.number(1) & 0xff);
    if (type >= counts.types) return invalid("names an unknown local time type");
    if (second >= until.ns / seconds(1).ns) break;
    last = Instant{} + seconds(std::max<std::int64_t>(second, 0));
    add(zone, last, offset_of(type));
  }
  in.take(counts.letters + counts.leaps * 12 + counts.standard + counts.ut);
  std::string_view footer = in.left;
  if (footer.size() < 2 || footer.front() != '\n' || footer.back() != '\n') {
    return invalid("has no footer");
  }
  footer = footer.substr(1, footer.size() - 2);
  if (!footer.empty()) {
    RuleText text{footer};
    const Rule rule = text.rule();
    if (text.bad) return invalid("has a footer that is not a POSIX TZ rule");
    follow(zone, rule, last, until);
  }
  TRY(check_zone(zone));
  return zone;
}

}  // namespace bessemer
