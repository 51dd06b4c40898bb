// What the state forgets once nothing can refer to it any more.
#include <gtest/gtest.h>

#include "application/factory/factory.h"
#include "governance/metering/usage_log.h"

namespace bessemer::factory {
namespace {

constexpr GatewayId gateway{8, 1};

struct Desk {
  State state;
  Instant now = Instant{} + days(20'000);

  void must(const Command& command) {
    const Context context{.now = now, .occurred_at = now, .actor = {}, .key = {}};
    const auto batch = judge(state, command, context);
    ASSERT_TRUE(batch) << to_text(batch.error());
    for (const Event& event : batch->events) apply(state, event, context);
  }
};

// Each life of a gateway counts its usage under a stream of its own; a hundred restarts leave none.
TEST(Retention, AStreamGoesWithItsEpoch) {
  Desk desk;
  const auto stream = [](std::uint64_t epoch) { return metering::stream_of(gateway, epoch); };
  for (std::uint64_t epoch = 1; epoch <= 100; ++epoch) {
    desk.must(lease::Command(lease::OpenEpoch{gateway, epoch}));
    apply(desk.state, metering::Event(metering::UsageRecorded{stream(epoch), 9, {}}),
          {.now = desk.now, .occurred_at = desk.now});
    EXPECT_EQ(desk.state.metering.streams.size(), 1u);
    if (epoch == 100) break;
    desk.must(lease::Command(lease::Lose{gateway, epoch}));
    EXPECT_TRUE(desk.state.metering.streams.contains(stream(epoch)));  // its log may still come
    desk.must(lease::Command(lease::Close{gateway, epoch, 0}));
    EXPECT_TRUE(desk.state.metering.streams.empty());
  }
  EXPECT_TRUE(desk.state.metering.streams.contains(stream(100)));
}

// Nothing tells a repeated report of a closed epoch from a new one: none counts.
TEST(Retention, ALateReportOfAClosedEpochCountsNothing) {
  Desk desk;
  desk.must(lease::Command(lease::OpenEpoch{gateway, 1}));
  metering::Log log;
  metering::UsageSums sums;
  metering::Terms terms;
  terms.payer.tenant = {1, 1};  // unknown: counted, it would be refused
  terms.payer.project = {1, 2};
  terms.sku = "small";
  metering::Counts counts;
  counts.input = 5;
  const std::vector<metering::LogRecord> records = {
      metering::LogOpened{gateway, 1, desk.now}, metering::TermsDefined{1, terms},
      metering::HoldOpened{1, RequestId{3, 3}, 1, 0, 5, 0, 0, desk.now},
      metering::HoldSettled{1, counts, 0, metering::Resolution::settled, false, false, desk.now}};
  for (const auto& record : records) {
    const auto settled = metering::fold(log, record);
    ASSERT_TRUE(settled) << to_text(settled.error());
    if (*settled) sums.add(**settled);
  }
  const Context context{.now = desk.now, .occurred_at = desk.now, .actor = {}, .key = {}};
  const OwnCommand late(ReportUsage{gateway, 1, 4, &log, &sums});
  EXPECT_FALSE(judge(desk.state, late, context));
  desk.must(lease::Command(lease::Close{gateway, 1, 0}));
  const auto ignored = judge(desk.state, late, context);
  ASSERT_TRUE(ignored) << to_text(ignored.error());
  EXPECT_TRUE(ignored->events.empty());
}

}  // namespace
}  // namespace bessemer::factory
