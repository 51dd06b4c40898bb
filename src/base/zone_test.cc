// Months in zones whose clocks jump; compiled zones and their footers.
#include "base/zone.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace bessemer {
namespace {

Instant utc(std::string_view text) { return *from_text(std::type_identity<Instant>{}, text); }

std::string month(const Zone& zone, std::string_view at) {
  const Period period = month_of(zone, utc(at));
  return to_text(period.from) + " " + to_text(period.until);
}

TEST(Zone, MonthsOfUtc) {
  const Zone zone;
  EXPECT_EQ(month(zone, "2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z 2026-02-01T00:00:00Z");
  EXPECT_EQ(month(zone, "2026-12-31T23:59:59.999999999Z"),
            "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
}

TEST(Zone, MonthsWhereClocksJump) {
  Zone zone{"Test/Jump", {{utc("2026-01-01T00:00:00Z"), 3600},
                          {utc("2026-03-31T23:00:00Z"), 7200},     // skips midnight of 1 April
                          {utc("2026-10-31T22:30:00Z"), 3600}}};   // 00:30 back to 23:30
  EXPECT_EQ(month(zone, "2026-03-31T22:59:59Z"), "2026-02-28T23:00:00Z 2026-03-31T23:00:00Z");
  EXPECT_EQ(month(zone, "2026-03-31T23:00:00Z"), "2026-03-31T23:00:00Z 2026-04-30T22:00:00Z");
  // Midnight of 1 November comes at 22:00Z and again at 23:00Z: the first begins the month.
  EXPECT_EQ(month(zone, "2026-10-31T21:59:59Z"), "2026-09-30T22:00:00Z 2026-10-31T22:00:00Z");
  EXPECT_EQ(month(zone, "2026-10-31T22:00:00Z"), "2026-10-31T22:00:00Z 2026-11-30T23:00:00Z");
  EXPECT_EQ(month(zone, "2026-10-31T22:45:00Z"), "2026-10-31T22:00:00Z 2026-11-30T23:00:00Z");
  EXPECT_EQ(month(zone, "2026-11-01T00:00:00Z"), "2026-10-31T22:00:00Z 2026-11-30T23:00:00Z");
}

TEST(Zone, MonthsFollowEachOtherWithoutGaps) {
  Zone zone{"Test/Wild", {{utc("2025-01-01T00:00:00Z"), -43'200},
                          {utc("2025-06-01T11:00:00Z"), 50'400},
                          {utc("2025-09-30T10:30:00Z"), -39'600}}};
  Instant at = utc("2025-01-15T00:00:00Z");
  Period period = month_of(zone, at);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(month_of(zone, period.until - nanoseconds(1)), period);
    const Period next = month_of(zone, period.until);
    EXPECT_EQ(next.from, period.until);
    EXPECT_LT(next.from, next.until);
    period = next;
  }
}

TEST(Zone, RefusesBadOffsets) {
  EXPECT_FALSE(check_zone({"", {}}));
  EXPECT_FALSE(check_zone({"X", {{Instant{0}, 86'400}}}));
  EXPECT_FALSE(check_zone({"X", {{Instant{5}, 1}, {Instant{5}, 2}}}));
  EXPECT_FALSE(check_zone({"X", std::vector<ZoneOffset>(max_zone_offsets + 1)}));
  EXPECT_TRUE(check_zone({"X", {{Instant{0}, 1}, {Instant{5}, 2}}}));
}

std::string big_endian(std::int64_t value, int width) {
  std::string out;
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

// A compiled zone with changes {second, offset} and a footer.
std::string compiled(const std::vector<std::pair<std::int64_t, int>>& changes, int first,
                     const std::string& footer) {
  const auto header = [](std::size_t times, std::size_t types) {
    return "TZif2" + std::string(15, '\0') + std::string(12, '\0') +
           big_endian(static_cast<std::int64_t>(times), 4) +
           big_endian(static_cast<std::int64_t>(types), 4) + big_endian(4, 4);
  };
  std::string out = header(0, 1) + std::string(6, '\0') + "LMT" + '\0';
  out += header(changes.size(), changes.size() + 1);
  for (const auto& change : changes) out += big_endian(change.first, 8);
  for (std::size_t i = 0; i < changes.size(); ++i) out += static_cast<char>(i + 1);
  out += big_endian(first, 4) + std::string(2, '\0');
  for (const auto& change : changes) out += big_endian(change.second, 4) + std::string(2, '\0');
  return out + "LMT" + '\0' + "\n" + footer + "\n";
}

TEST(Zone, FollowsTheFooter) {
  const std::string berlin = compiled({{946'684'800, 3600}}, 3600, "CET-1CEST,M3.5.0,M10.5.0/3");
  const auto zone = read_tzif("Europe/Berlin", berlin, utc("2030-01-01T00:00:00Z"));
  ASSERT_TRUE(zone) << to_text(zone.error());
  EXPECT_EQ(offset_at(*zone, utc("2026-03-29T00:59:59Z")), 3600);
  EXPECT_EQ(offset_at(*zone, utc("2026-03-29T01:00:00Z")), 7200);
  EXPECT_EQ(offset_at(*zone, utc("2026-10-25T00:59:59Z")), 7200);
  EXPECT_EQ(offset_at(*zone, utc("2026-10-25T01:00:00Z")), 3600);
  EXPECT_EQ(month(*zone, "2026-07-15T00:00:00Z"), "2026-06-30T22:00:00Z 2026-07-31T22:00:00Z");

  const auto south = read_tzif("X", compiled({}, 36'000, "AEST-10AEDT,M10.1.0,M4.1.0/3"),
                               utc("2030-01-01T00:00:00Z"));
  EXPECT_EQ(offset_at(*south, utc("2027-01-01T00:00:00Z")), 39'600);
  EXPECT_EQ(offset_at(*south, utc("2027-07-01T00:00:00Z")), 36'000);
  const auto named = read_tzif("X", compiled({}, -10'800, "<-03>3"), utc("2030-01-01T00:00:00Z"));
  EXPECT_EQ(offset_at(*named, utc("2027-07-01T00:00:00Z")), -10'800);
  const auto days = read_tzif("X", compiled({}, 0, "AAA0BBB,J60/0,59/0"),
                              utc("2030-01-01T00:00:00Z"));
  ASSERT_TRUE(days);  // day 59 counts leap days: 29 February 2028 at 0:00 summer time
  EXPECT_EQ(offset_at(*days, utc("2028-02-28T22:59:59Z")), 3600);
  EXPECT_EQ(offset_at(*days, utc("2028-02-28T23:00:00Z")), 0);
  EXPECT_EQ(offset_at(*days, utc("2028-03-01T00:00:00Z")), 3600);
}

TEST(Zone, RefusesBrokenFilesAtEveryLength) {
  const std::string good = compiled({{946'684'800, 3600}}, 0, "CET-1CEST,M3.5.0,M10.5.0/3");
  for (std::size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(read_tzif("X", good.substr(0, n), utc("2030-01-01T00:00:00Z"))) << n;
  }
  for (const char* footer : {"C", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M3.6.0,M1.1.0",
                             "CET-1CEST,M13.5.0,M1.1.0", "CET-1CEST,M3.5.0,M10.5.0/3x", "<CET-1"}) {
    EXPECT_FALSE(read_tzif("X", compiled({}, 0, footer), utc("2030-01-01T00:00:00Z"))) << footer;
  }
}

}  // namespace
}  // namespace bessemer
