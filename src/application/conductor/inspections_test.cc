// Whose dataset is read next.
#include "application/conductor/inspections.h"

#include <gtest/gtest.h>

namespace bessemer::conductor {
namespace {

constexpr OrgId large{1, 1}, small{1, 2}, third{1, 3};

dataset::Uninspected version(std::uint32_t number) {
  dataset::Uninspected out;
  out.version = number;
  return out;
}

// Who is read next, as "tenant/version"; "" when nobody.
std::string turn(Inspections& inspections, Instant now) {
  const auto next = inspections.next(now);
  if (!next) return "";
  return std::to_string(next->tenant.low) + "/" + std::to_string(next->version.version);
}

TEST(Inspections, TenantsTakeTurnsAndNobodyTakesEveryPlace) {
  Inspections inspections;
  const Instant now{1};
  for (std::uint32_t number = 1; number <= 100; ++number) inspections.add(large, version(number));
  EXPECT_EQ(turn(inspections, now), "1/1");
  inspections.add(small, version(1));
  inspections.add(third, version(1));
  EXPECT_EQ(turn(inspections, now), "2/1");
  EXPECT_EQ(turn(inspections, now), "3/1");
  EXPECT_EQ(turn(inspections, now), "1/2");
  EXPECT_EQ(turn(inspections, now), "");  // its two places are taken
  inspections.add(small, version(2));
  EXPECT_EQ(turn(inspections, now), "2/2");
  inspections.done({large, version(1), 0, {}});
  EXPECT_EQ(turn(inspections, now), "1/3");
  EXPECT_EQ(turn(inspections, now), "");
  EXPECT_EQ(inspections.next_moment(), std::nullopt);  // somebody must be done first
}

TEST(Inspections, NoMoreAreReadAtOnceThanThereIsRoomFor) {
  Inspections inspections;
  for (std::uint64_t tenant = 1; tenant <= inspections_at_once; ++tenant) {
    for (std::uint32_t number = 1; number <= 3; ++number) {
      inspections.add(OrgId{2, tenant}, version(number));
    }
  }
  std::uint32_t reading = 0;
  while (inspections.next(Instant{})) ++reading;
  EXPECT_EQ(reading, inspections_at_once);
  inspections.done({OrgId{2, 7}, version(1), 0, {}});
  EXPECT_TRUE(inspections.next(Instant{}));
  EXPECT_FALSE(inspections.next(Instant{}));
}

TEST(Inspections, WhatCouldNotBeReadWaitsLongerEachTimeAndEnds) {
  Inspections inspections;
  Instant now{};
  inspections.add(large, version(1));
  std::vector<std::int64_t> waits;  // seconds
  while (true) {
    const auto next = inspections.next(now);
    ASSERT_TRUE(next);
    if (!inspections.again(*next, now)) break;
    const auto moment = inspections.next_moment();
    ASSERT_TRUE(moment);
    EXPECT_FALSE(inspections.next(*moment - Duration{1}));
    waits.push_back((*moment - now).ns / seconds(1).ns);
    now = *moment;
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 60}));
  EXPECT_EQ(inspections.next_moment(), std::nullopt);
  EXPECT_FALSE(inspections.next(now + hours(1)));
}

// What waits for its next try keeps nobody, not even of the same tenant, from being read.
TEST(Inspections, AFailedOneHoldsNoPlace) {
  Inspections inspections;
  for (std::uint32_t number = 1; number <= 4; ++number) inspections.add(large, version(number));
  const Instant now{1};
  const auto first = inspections.next(now), second = inspections.next(now);
  EXPECT_TRUE(inspections.again(*first, now));
  EXPECT_TRUE(inspections.again(*second, now));
  EXPECT_EQ(turn(inspections, now), "1/3");
  EXPECT_EQ(turn(inspections, now), "1/4");
}

}  // namespace
}  // namespace bessemer::conductor
