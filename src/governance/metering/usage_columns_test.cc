// Packing loses nothing, refuses what is damaged, and keeps a request in forty bytes.
#include "governance/metering/usage_columns.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"

namespace bessemer::metering {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr Instant start{1'800'000'000'000'000'000};

std::vector<LogRecord> opening() {
  Terms terms{.payer = {{3, 1}, {3, 2}, {4, 1}}, .subject = {}, .sku = "tiny", .version = {9, 1},
              .prices = {{Meter::output_tokens, "tiny", {75, usd}, 2}}, .leases = {{2, 1}}};
  return {LogOpened{{1, 1}, 1, start},
          LeaseTaken{.lease = {2, 1}, .budget = {5, 1}, .window = {{}, start}, .currency = usd,
                     .granted = Wide{1} << 90, .revision = 1},
          TermsDefined{1, terms}};
}

// A busy hour: requests at random moments, streams, and what they used.
std::vector<LogRecord> traffic(std::size_t requests, std::uint64_t seed) {
  Random random(seed);
  std::vector<LogRecord> records = opening();
  Instant now = start;
  for (std::uint64_t number = 1; number <= requests; ++number) {
    now = now + nanoseconds(random.between(0, 200'000));
    const std::uint64_t input = 20 + random.below(2000), bound = 256 + random.below(256);
    const Wide held = static_cast<Wide>((input + bound) * 38);
    records.emplace_back(HoldOpened{
        .hold = number, .request = make_id<RequestTag>(now, random.next(), random.next()),
        .terms = 1 + static_cast<std::uint32_t>(random.below(50)), .money = held,
        .tokens = input + bound, .slice_money = 256 * 38, .slice_tokens = 256, .at = now});
    const std::uint64_t output = random.below(bound);
    records.emplace_back(HoldSettled{
        .hold = number - std::min<std::uint64_t>(number - 1, random.below(40)),
        .counts = {.input = input, .output = output, .requests = 1},
        .money = static_cast<Wide>((input + output) * 38), .at = now + seconds(2)});
  }
  return records;
}

TEST(UsageColumns, GiveBackWhatWasPacked) {
  EXPECT_TRUE(unpack_columns(pack_columns({}))->empty());
  auto records = traffic(200, 1);
  records.emplace_back(HoldExtended{.hold = 7, .delivered = {.input = 1, .reasoning = 2},
                                    .money = 5, .tokens = 6});
  records.emplace_back(HoldVoided{8, VoidReason::client_left});
  records.emplace_back(LeaseReduced{{2, 1}, 5});
  records.emplace_back(LogClosed{start});
  const auto again = unpack_columns(pack_columns(records));
  ASSERT_TRUE(again) << to_text(again.error());
  EXPECT_EQ(*again, records);
}

TEST(UsageColumns, GiveBackTheLargestAndTheSmallest) {
  HoldOpened large{.hold = std::numeric_limits<std::uint64_t>::max(),
                   .request = {~std::uint64_t{0}, ~std::uint64_t{0}},
                   .terms = std::numeric_limits<std::uint32_t>::max(),
                   .money = static_cast<Wide>(~UWide{0} >> 1),
                   .at = Instant{std::numeric_limits<std::int64_t>::max()}};
  HoldOpened small{.money = -large.money - 1,
                   .at = Instant{std::numeric_limits<std::int64_t>::min()}};
  HoldSettled marked{.resolution = Resolution::partial, .estimated = true,
                     .bound_violation = true};
  const std::vector<LogRecord> records{large, small, large, marked, HoldSettled{}};
  const auto again = unpack_columns(pack_columns(records));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, records);
}

TEST(UsageColumns, RefuseEveryCutAndSurviveEveryFlip) {
  const std::string packed = pack_columns(traffic(20, 2));
  for (std::size_t n = 0; n < packed.size(); ++n) {
    EXPECT_FALSE(unpack_columns(packed.substr(0, n))) << n;
  }
  EXPECT_FALSE(unpack_columns(packed + "x"));
  for (std::size_t n = 0; n < packed.size(); ++n) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = packed;
      flipped[n] = static_cast<char>(flipped[n] ^ (1 << bit));
      (void)unpack_columns(flipped);  // an answer or a refusal, never more
    }
  }
}

TEST(UsageColumns, ARequestTakesAtMostFortyBytes) {
  constexpr std::size_t requests = 20'000;
  const std::size_t bytes = pack_columns(traffic(requests, 3)).size();
  EXPECT_LE(bytes / requests, 40u);
  RecordProperty("bytes_per_request_in_hundredths", static_cast<int>(bytes * 100 / requests));
}

}  // namespace
}  // namespace bessemer::metering
