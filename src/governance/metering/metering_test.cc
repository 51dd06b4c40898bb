// Lines, postings, cuts and intervals; and that streaming equals rating the whole at once.
#include "governance/metering/metering.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::metering {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{1, 1}, project{1, 2}, other{1, 3};
constexpr Payer payer{tenant, project, {}};

Instant utc(std::string_view text) { return *from_text(std::type_identity<Instant>{}, text); }
const Instant start = utc("2026-05-31T00:00:00Z");

struct Desk {
  State state;
  pricing::State prices;
  Instant now = start;

  Context at() const { return {.now = now, .occurred_at = now}; }
  Result<std::vector<Event>> give(const Command& command) {
    auto events = judge(state, prices, command, at());
    if (events) {
      for (const auto& event : *events) apply(state, event, at());
    }
    EXPECT_EQ(audit(state, prices), "");
    return events;
  }
  std::string said(const Command& command) {
    const auto events = give(command);
    if (!events) return to_text(events.error());
    return events->empty() ? "already done" : "done";
  }
  void publish(std::uint64_t id, std::int64_t hour_nano, std::optional<Instant> from = {}) {
    const pricing::Publish book{
        .id = {9, id}, .name = "standard", .currency = usd, .effective_from = from,
        .prices = {{Meter::gpu_time, "h200", {hour_nano, usd}, {}},
                   {Meter::gpu_time, "sim-*", {hour_nano, simulated_currency}, {}},
                   {Meter::output_tokens, "tiny", {37'500'000, usd}, {}}}};
    const auto events = pricing::judge(prices, book, at());
    ASSERT_TRUE(events) << to_text(events.error());
    for (const auto& event : *events) pricing::apply(prices, event, at());
  }
  Line line(Meter meter, std::string_view from, OrgId of = project) {
    for (const auto& [key, line] : state.lines) {
      const bool here = key.meter == meter && to_text(key.period).starts_with(from);
      if (here && key.project == of) return line;
    }
    return {};
  }
};

Desk opened() {
  Desk desk;
  desk.publish(1, 3'600'000'000);  // a thousandth of a GPU costs 1 nano a millisecond
  EXPECT_EQ(desk.said(OpenAccount{tenant, "standard"}), "done");
  return desk;
}

Usage tokens(std::int64_t count, Instant when, std::string sku = "tiny") {
  return {.payer = payer, .meter = Meter::output_tokens, .sku = std::move(sku), .amount = count,
          .from = when, .until = when};
}
Usage gpu(Wide level, Instant from, Instant until, std::string sku = "h200") {
  return {.payer = payer, .meter = Meter::gpu_time, .sku = std::move(sku), .amount = level,
          .from = from, .until = until};
}

TEST(Metering, RefusesStepByStep) {
  Desk desk;
  desk.publish(1, 1);
  Record record;
  const auto refused = [&](std::string_view why) {
    const std::string said = desk.said(record);
    EXPECT_NE(said.find(why), std::string::npos) << said;
  };
  refused("stream");
  record.stream = "gateway/1";
  refused("sequence");
  record.sequence = 1;
  record.usages.push_back({});
  refused("usages[0].payer.tenant");
  record.usages[0].payer.tenant = tenant;
  refused("usages[0].payer.project");
  record.usages[0].payer.project = project;
  refused("usages[0].sku");
  record.usages[0].sku = "tiny";
  record.usages[0].from = Instant{-1};
  refused("usages[0].from");
  record.usages[0].from = start + seconds(1);
  record.usages[0].until = start;
  record.usages[0].amount = -1;
  refused("usages[0].amount");
  record.usages[0].amount = max_count;
  refused("usages[0].until: must be the moment");
  record.usages[0].meter = Meter::gpu_time;
  refused("usages[0].until: must not be before");
  record.usages[0].until = start + seconds(2);
  refused("has no account");
  EXPECT_NE(desk.said(OpenAccount{tenant, "other"}).find("no such price book"), std::string::npos);
  EXPECT_NE(desk.said(OpenAccount{tenant, "standard", "Mars/Base"}).find("zone"),
            std::string::npos);
  EXPECT_EQ(desk.said(OpenAccount{tenant, "standard"}), "done");
  EXPECT_EQ(desk.said(OpenAccount{tenant, "standard"}), "already done");
  record.usages[0].version = {9, 77};
  refused("version of the tenant's price book");
  record.usages[0].version = {9, 1};
  EXPECT_EQ(desk.said(record), "done");
  EXPECT_EQ(desk.said(record), "already done");
}

TEST(Metering, PostingsTelescopeToTheLine) {
  Desk desk = opened();
  Wide posted = 0;
  for (int i = 0; i < 5; ++i) {  // 37.5 nano a token
    const auto events = desk.give(Record{"s", static_cast<std::uint64_t>(i) + 1,
                                         {tokens(1, start), tokens(2, start)}});
    ASSERT_TRUE(events);
    for (const auto& posting : postings_of(events->front())) posted += posting.amount.nano;
  }
  const Line line = desk.line(Meter::output_tokens, "2026-05");
  EXPECT_EQ(line.quantity, 15);
  EXPECT_EQ(line.amount.nano, 562);  // 562.5, half to even
  EXPECT_EQ(posted, 562);
}

TEST(Metering, CutsAtMonthsAndPriceVersions) {
  Desk desk = opened();
  desk.publish(2, 7'200'000'000, start + hours(12));
  desk.now = start + days(2);
  const auto events = desk.give(Record{"s", 1, {gpu(1000, start, start + hours(36))}});
  ASSERT_TRUE(events);
  const auto& postings = postings_of(events->front());
  ASSERT_EQ(postings.size(), 3u);
  EXPECT_EQ(postings[0].amount.nano, 12 * 3'600'000'000);
  EXPECT_EQ(postings[1].amount.nano, 12 * 7'200'000'000);
  EXPECT_EQ(postings[2].amount.nano, 12 * 7'200'000'000);
  EXPECT_EQ(postings[1].until, utc("2026-06-01T00:00:00Z"));
  EXPECT_EQ(postings[2].line.period, utc("2026-06-01T00:00:00Z"));
  EXPECT_EQ(spend_of(postings).gpu_time, Wide{1000} * hours(36).ns);
  EXPECT_EQ(amount_of(spend_of(postings), SpendUnit::money, usd),
            Wide{36} * 7'200'000'000 - Wide{12} * 3'600'000'000);
}

TEST(Metering, ChargesAQuarterOfAGpuAsAQuarter) {
  Desk desk = opened();
  EXPECT_EQ(desk.said(Record{"s", 1, {gpu(250, start, start + hours(1))}}), "done");
  EXPECT_EQ(to_text(desk.line(Meter::gpu_time, "2026-05").amount), "0.9 USD");
}

TEST(Metering, ShowsWhatHasNoPrice) {
  Desk desk = opened();
  EXPECT_EQ(desk.said(Record{"s", 1, {tokens(5, start, "large"), tokens(5, start - days(40)),
                                      gpu(1000, start, start + hours(1), "sim-h200")}}),
            "done");
  int unpriced = 0;
  for (const auto& [key, line] : desk.state.lines) {
    unpriced += line.unpriced ? 1 : 0;
    EXPECT_EQ(to_text(line.amount), key.sku == "sim-h200" ? "3.6 SIM" : "0 XXX");
  }
  EXPECT_EQ(unpriced, 2);  // an sku without a price; a time before the first version
}

TEST(Metering, FixesTheVersionOfAHold) {
  Desk desk = opened();
  desk.publish(2, 7'200'000'000, start + hours(1));
  Usage usage = gpu(1000, start + hours(2), start + hours(3));
  usage.version = {9, 1};
  EXPECT_EQ(desk.said(Record{"s", 1, {usage}}), "done");
  EXPECT_EQ(to_text(desk.line(Meter::gpu_time, "2026-05").amount), "3.6 USD");
}

TEST(Metering, FollowsAnInterval) {
  Desk desk = opened();
  const Begin begin{"alc_1", payer, {}, {{Meter::gpu_time, "h200", 1000}}, start};
  EXPECT_EQ(desk.said(begin), "done");
  EXPECT_EQ(desk.said(begin), "already done");
  Begin otherwise = begin;
  otherwise.levels[0].level = 500;
  EXPECT_NE(desk.said(otherwise).find("is open"), std::string::npos);
  EXPECT_EQ(desk.said(Accrue{"alc_1", start + hours(1)}), "done");
  EXPECT_EQ(desk.said(Accrue{"alc_1", start + hours(1)}), "already done");
  EXPECT_EQ(desk.said(Change{"alc_1", {{Meter::gpu_time, "h200", 500}}, start + hours(2), {}}),
            "done");
  EXPECT_EQ(desk.said(Accrue{"alc_1", start + hours(6)}), "done");
  EXPECT_EQ(to_text(desk.line(Meter::gpu_time, "2026-05").amount), "14.4 USD");
  EXPECT_EQ(desk.said(End{"alc_1", start + hours(4)}), "done");  // the heartbeat says: ended before
  EXPECT_EQ(desk.said(End{"alc_1", start + hours(4)}), "already done");
  const Line line = desk.line(Meter::gpu_time, "2026-05");
  EXPECT_EQ(line.quantity, Wide{1000} * hours(3).ns);
  EXPECT_EQ(to_text(line.amount), "10.8 USD");
  EXPECT_NE(desk.said(Accrue{"alc_1", start + hours(9)}).find("no such"), std::string::npos);
}

TEST(Metering, ChargesEachHourToExactlyOnePayerThroughATreeChange) {
  Desk desk = opened();
  EXPECT_EQ(desk.said(Begin{"alc_1", payer, {}, {{Meter::gpu_time, "h200", 1000}}, start}), "done");
  EXPECT_EQ(desk.said(Change{"alc_1", {{Meter::gpu_time, "h200", 1000}}, start + hours(1),
                             Payer{tenant, other, {}}}),
            "done");
  EXPECT_EQ(desk.said(End{"alc_1", start}), "done");  // cannot reach back behind the change
  EXPECT_EQ(desk.line(Meter::gpu_time, "2026-05").quantity, Wide{1000} * hours(1).ns);
  EXPECT_EQ(desk.line(Meter::gpu_time, "2026-05", other).quantity, 0);
}

TEST(Metering, LateUsageOfAClosedMonthGoesToTheNextAtItsOwnPrice) {
  Desk desk = opened();
  desk.publish(2, 7'200'000'000, utc("2026-06-01T00:00:00Z"));
  EXPECT_EQ(desk.said(Record{"s", 1, {gpu(1000, start, start + hours(1))}}), "done");
  EXPECT_NE(desk.said(ClosePeriod{tenant, utc("2026-06-01T00:00:00Z")}).find("not over"),
            std::string::npos);
  desk.now = utc("2026-06-02T00:00:00Z");
  EXPECT_NE(desk.said(ClosePeriod{tenant, utc("2026-05-31T00:00:00Z")}).find("end of a month"),
            std::string::npos);
  EXPECT_EQ(desk.said(ClosePeriod{tenant, utc("2026-06-01T00:00:00Z")}), "done");
  EXPECT_EQ(desk.said(ClosePeriod{tenant, utc("2026-06-01T00:00:00Z")}), "already done");
  EXPECT_EQ(desk.said(Record{"s", 2, {gpu(1000, start + hours(23), start + hours(25))}}), "done");
  EXPECT_EQ(to_text(desk.line(Meter::gpu_time, "2026-05").amount), "3.6 USD");
  const auto june = lines_of(desk.state, tenant, utc("2026-06-01T00:00:00Z"));
  ASSERT_EQ(june.size(), 2u);
  EXPECT_EQ(to_text(june[0].second.amount), "3.6 USD");  // the hour of May
  EXPECT_EQ(to_text(june[1].second.amount), "7.2 USD");
}

// Fourteen months after a period was invoiced its lines are one of each kind; what they sum up to
// stays to the nano.
TEST(Metering, LinesOfLongAgoAreFolded) {
  Desk desk = opened();
  const Instant may = utc("2026-05-01T00:00:00Z"), june = utc("2026-06-01T00:00:00Z");
  desk.now = june + days(2);
  std::uint64_t sequence = 0;
  const auto use = [&](Usage usage, std::uint64_t job, std::uint64_t key) {
    usage.subject.workload = {7, job};
    usage.payer.key = {8, key};
    EXPECT_EQ(desk.said(Record{"s", ++sequence, {usage}}), "done");
  };
  for (std::uint64_t job = 1; job <= 20; ++job) {
    // 112.5 nano, rounded to 112: the sum of lines is not the rate of their sum.
    use(tokens(3, start), job, job % 4);
    use(gpu(1000, start, start + hours(1)), job, 0);
    use(gpu(1000, june, june + hours(1)), job, 0);
  }
  const auto sum_of = [&](Instant period) {
    Wide sum = 0;
    for (const auto& [key, line] : lines_of(desk.state, tenant, period)) sum += line.amount.nano;
    return sum;
  };
  const auto close = [&](std::string_view until, Instant at) {
    desk.now = at;
    EXPECT_EQ(desk.said(ClosePeriod{tenant, utc(until)}), "done");
  };
  const Wide may_sum = sum_of(may), june_sum = sum_of(june);
  EXPECT_EQ(lines_of(desk.state, tenant, may).size(), 40u);
  const Instant invoiced = june + days(3);
  close("2026-06-01T00:00:00Z", invoiced);
  State replayed = desk.state;
  close("2026-07-01T00:00:00Z", june + days(60));
  close("2027-08-01T00:00:00Z", invoiced + lines_kept - Duration{1});
  EXPECT_EQ(lines_of(desk.state, tenant, may).size(), 40u);
  close("2027-09-01T00:00:00Z", utc("2027-09-05T00:00:00Z"));  // June: invoiced on the 31st of July
  ASSERT_EQ(lines_of(desk.state, tenant, may).size(), 2u);
  EXPECT_EQ(lines_of(desk.state, tenant, june).size(), 20u);
  EXPECT_EQ(sum_of(may), may_sum);
  EXPECT_EQ(sum_of(june), june_sum);
  const auto [key, line] = lines_of(desk.state, tenant, may)[0];
  EXPECT_EQ(key.project, project);
  EXPECT_EQ(key.key, KeyId{});
  EXPECT_EQ(key.subject.workload, WorkloadId{});
  EXPECT_EQ(desk.line(Meter::output_tokens, "2026-05").quantity, 60);
  EXPECT_EQ(desk.line(Meter::gpu_time, "2026-05").last, start + hours(1));
  EXPECT_EQ(find(desk.state, tenant)->folded_until, june);
  EXPECT_EQ(audit(desk.state, desk.prices), "");
  EXPECT_EQ(codec::encode(*codec::decode<State>(codec::encode(desk.state))),
            codec::encode(desk.state));
  // The same facts again fold the same.
  const std::pair<std::string_view, Instant> facts[] = {
      {"2026-07-01T00:00:00Z", june + days(60)},
      {"2027-08-01T00:00:00Z", invoiced + lines_kept - Duration{1}},
      {"2027-09-01T00:00:00Z", utc("2027-09-05T00:00:00Z")}};
  for (const auto& [until, at] : facts) {
    apply(replayed, MeteringPeriodClosed{tenant, utc(until)}, {.now = at, .occurred_at = at});
  }
  EXPECT_EQ(codec::encode(replayed), codec::encode(desk.state));
}

TEST(Metering, ChangesBooksAheadAndInOneCurrency) {
  Desk desk = opened();
  const pricing::Publish discount{.id = {9, 50}, .name = "discount", .currency = usd,
                                  .prices = {{Meter::gpu_time, "*", {0, usd}, {}}}};
  const auto published = pricing::judge(desk.prices, discount, desk.at());
  ASSERT_TRUE(published);
  for (const auto& event : *published) pricing::apply(desk.prices, event, desk.at());
  EXPECT_NE(desk.said(OpenAccount{tenant, "discount", "UTC", start + minutes(10)})
                .find("11 minutes"), std::string::npos);
  EXPECT_EQ(desk.said(OpenAccount{tenant, "discount", "UTC", start + hours(1)}), "done");
  EXPECT_EQ(desk.said(Record{"s", 1, {gpu(1000, start, start + hours(3))}}), "done");
  Wide sum = 0;
  for (const auto& [key, line] : desk.state.lines) sum += line.amount.nano;
  EXPECT_EQ(sum, 3'600'000'000);
}

TEST(Metering, RefusesWhatWouldOverflow) {
  Desk desk = opened();
  const Instant end = start + hours(20);
  EXPECT_NE(desk.said(Record{"s", 1, {gpu(max_level, start, end)}}).find("10^15 units"),
            std::string::npos);
  EXPECT_NE(desk.said(Record{"s", 1, {gpu(1, Instant{}, utc("2200-01-01T00:00:00Z"))}})
                .find("1000 periods"),
            std::string::npos);
  EXPECT_TRUE(desk.state.lines.empty());
}

// However usage is split over records, sources and moments, the lines are the same.
TEST(Metering, BatchingNeverMattersForAnySeed) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    Desk whole = opened(), parts = opened();
    whole.publish(2, 1'234'567'891, start + hours(20));
    parts.publish(2, 1'234'567'891, start + hours(20));
    std::uint64_t sequence = 0;
    for (int i = 0; i < 10; ++i) {
      const Instant from = start + nanoseconds(random.between(0, hours(40).ns));
      const Instant until = from + nanoseconds(random.between(0, hours(10).ns));
      const Wide level = random.between(0, 8000);
      EXPECT_EQ(whole.said(Record{"a", static_cast<std::uint64_t>(i) + 1,
                                  {gpu(level, from, until), tokens(level + 7, from)}}),
                "done");
      Instant at = from;
      while (at < until) {
        const Instant next =
            std::min(until, at + nanoseconds(random.between(1, hours(4).ns)));
        EXPECT_EQ(parts.said(Record{"b", ++sequence, {gpu(level, at, next)}}), "done");
        at = next;
      }
      EXPECT_EQ(parts.said(Record{"b", ++sequence, {tokens(level, from)}}), "done");
      EXPECT_EQ(parts.said(Record{"b", ++sequence, {tokens(7, from)}}), "done");
    }
    auto strip = [](State& state) {
      for (auto& [key, line] : state.lines) line.first = line.last = {};
    };
    strip(whole.state);
    strip(parts.state);
    ASSERT_EQ(whole.state.lines, parts.state.lines) << seed;
    const std::string bytes = codec::encode(whole.state);
    ASSERT_EQ(codec::encode(*codec::decode<State>(bytes)), bytes);
  }
}

TEST(Metering, StatesSealedSegmentsInOrderAndOnce) {
  Desk desk = opened();
  SealedSegment one{GatewayId{8, 1}, 3, 1, 10, "1.sealed", {}, 4, {{tenant, project}}};
  EXPECT_NE(desk.said(SealUsage{one}).find("sha256: must not be empty"), std::string::npos);
  one.sha256 = sha256("columns");
  SealedSegment late = one;
  late.first = 12;
  late.last = 20;
  EXPECT_NE(desk.said(SealUsage{late}).find("next record to be sealed is 1"), std::string::npos);
  EXPECT_EQ(desk.said(SealUsage{one}), "done");
  EXPECT_EQ(desk.said(SealUsage{one}), "already done");
  EXPECT_NE(desk.said(SealUsage{late}).find("next record to be sealed is 11"), std::string::npos);
  late.first = 11;
  EXPECT_EQ(desk.said(SealUsage{late}), "done");
  SealedSegment other_log = one;
  other_log.epoch = 4;
  EXPECT_EQ(desk.said(SealUsage{other_log}), "done");
  one.first = 0;
  EXPECT_NE(desk.said(SealUsage{one}).find("first: must be records from 1"), std::string::npos);
  other_log.sums.assign(max_sealed_sums + 1, {});
  EXPECT_NE(desk.said(SealUsage{other_log}).find("sums: must hold at most"), std::string::npos);
}

}  // namespace
}  // namespace bessemer::metering
