// The audit trail: what is recorded, how much of it is kept, and what it says about where.
#include "governance/audit/audit.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/json.h"

namespace bessemer::audit {
namespace {

constexpr PrincipalId ada{1, 1}, dev{1, 2};
constexpr OrgId acme{9, 1}, rival{9, 2};

Context at(std::int64_t second, PrincipalId actor = ada) {
  return {Instant{second * 1'000'000'000}, Instant{second * 1'000'000'000}, actor, {3, 3}, {}};
}

std::string run(State& state, const Command& command, const Context& ctx) {
  auto events = judge(state, command, ctx);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, ctx);
  return "";
}

RecordRefusal refusal(std::string reason, OrgId node = acme) {
  return {"job", "create", "train", node, "203.0.113.0/24", std::move(reason), {}};
}

TEST(Audit, WhoWhatWhenWhereResult) {
  State s;
  ASSERT_EQ(run(s, refusal("budget_exhausted"), at(10)), "");
  ASSERT_EQ(run(s, RecordAccess{"job", "exec", "wl_1", acme, "local", RequestId{4, 4}},
                at(11, dev)), "");
  const auto all = query(s, {}, 0, 100);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].actor, dev) << "the newest first";
  EXPECT_EQ(all[0].outcome, Outcome::allowed);
  EXPECT_EQ(all[1].reason, "budget_exhausted");
  EXPECT_EQ(all[1].key, (KeyId{3, 3}));
  EXPECT_EQ(all[1].at, Instant{10'000'000'000});
  EXPECT_EQ(s.refusals.at("budget_exhausted"), 1u);
  EXPECT_EQ(json::read<AuditEntry>(json::write(all[1])).value(), all[1]);
}

TEST(Audit, FiltersAndPages) {
  State s;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(run(s, refusal("forbidden", i % 2 ? acme : rival), at(i, i % 4 ? ada : dev)), "");
  }
  Filter filter;
  filter.nodes = {acme};
  EXPECT_EQ(query(s, filter, 0, 100).size(), 10u);
  filter.actor = dev;
  EXPECT_EQ(query(s, filter, 0, 100).size(), 0u) << "dev was refused on rival only";
  filter = {};
  filter.since = Instant{5'000'000'000};
  filter.before = Instant{8'000'000'000};
  EXPECT_EQ(query(s, filter, 0, 100).size(), 3u);
  const auto first = query(s, {}, 0, 8);
  const auto second = query(s, {}, first.back().sequence, 8);
  EXPECT_EQ(second.front().sequence + 1, first.back().sequence) << "pages meet exactly";
}

TEST(Audit, KeepsABoundedTail) {
  State s;
  for (std::size_t i = 0; i < kept_entries + 50; ++i) {
    ASSERT_EQ(run(s, refusal("r" + std::to_string(i)), at(1)), "");
  }
  EXPECT_EQ(s.entries.size(), kept_entries);
  EXPECT_EQ(s.entries.begin()->first, 51u);
  EXPECT_EQ(s.refusals.size(), max_attempt_kinds);
  EXPECT_EQ(s.recorded, kept_entries + 50);
  std::uint64_t counted = 0;
  for (const auto& [reason, times] : s.refusals) counted += times;
  EXPECT_EQ(counted, s.recorded) << "what has no word of its own counts as other";
  EXPECT_EQ(codec::decode<State>(codec::encode(s)).value(), s);
}

TEST(Audit, ARefusalKeepsWhatWasSaidAndIsFoundAgain) {
  State s;
  RecordRefusal c = refusal("budget_exhausted");
  c.what = "budget \"cap\" has 0 USD left of 5 USD, 1 USD are needed";
  c.remedy = "raise the limit";
  c.request = {4, 1};
  ASSERT_EQ(run(s, c, at(1)), "");
  c.what = std::string(2000, 'w');
  ASSERT_EQ(run(s, c, at(2)), "");
  ASSERT_NE(find(s, std::uint64_t{1}), nullptr);
  EXPECT_EQ(find(s, std::uint64_t{1})->remedy, "raise the limit");
  EXPECT_TRUE(find(s, std::uint64_t{1})->what.starts_with("budget \"cap\""));
  EXPECT_EQ(find(s, RequestId{4, 1})->sequence, 2u) << "the latest of a request";
  EXPECT_EQ(find(s, RequestId{4, 1})->what.size(), max_said);
  EXPECT_EQ(find(s, std::uint64_t{3}), nullptr);
  EXPECT_EQ(find(s, RequestId{}), nullptr);
}

TEST(Audit, LongWordsAreCutBetweenCharacters) {
  State s;
  RecordRefusal c = refusal("x");
  c.target = "a";
  for (int i = 0; i < 200; ++i) c.target += "\xc3\xa9";
  ASSERT_EQ(run(s, c, at(1)), "");
  const std::string kept = s.entries.begin()->second.target;
  EXPECT_LE(kept.size(), max_word);
  EXPECT_TRUE(kept.ends_with("\xc3\xa9..."));
  c.target = "\xff";
  ASSERT_EQ(run(s, c, at(1)), "");
  EXPECT_EQ(s.entries.rbegin()->second.target, "(not text)");
  c.resource.clear();
  EXPECT_EQ(run(s, c, at(1)), "resource: must not be empty");
}

TEST(Attempts, OneRecordAMinuteWhateverComes) {
  AttemptCounter counter;
  State s;
  std::uint64_t recorded = 0;
  const auto record = [&](const std::optional<RecordAttempts>& due, std::int64_t second) {
    if (!due) return;
    ++recorded;
    EXPECT_LE(due->by_kind.size(), max_attempt_kinds);
    EXPECT_EQ(run(s, *due, at(second)), "");
  };
  for (std::int64_t i = 0; i < 60'000; ++i) {  // ten minutes, a hundred a second, many networks
    const std::int64_t second = 600 + i / 100;
    const std::string from = "10." + std::to_string(i % 256) + "." + std::to_string(i / 256 % 256);
    record(counter.count(at(second).now, "key_unknown", from + ".9:80"), second);
  }
  record(counter.due(at(1300).now), 1300);
  EXPECT_EQ(recorded, 10u);
  std::uint64_t sum = 0;
  for (const auto& [minute, counts] : s.minutes) sum += counts.attempts;
  EXPECT_EQ(sum, 60'000u) << "counted, every one";
  EXPECT_FALSE(counter.due(at(9999).now).has_value());
}

TEST(Attempts, ClockStepsBack) {
  AttemptCounter counter;
  EXPECT_FALSE(counter.count(at(600).now, "x", "").has_value());
  EXPECT_FALSE(counter.count(at(30).now, "x", "").has_value());
  const auto due = counter.due(at(660).now);
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(due->attempts, 2u);
  State s;
  EXPECT_EQ(run(s, *due, at(660)), "");
  EXPECT_EQ(run(s, *due, at(660)), "minute: the minute is recorded");
}

TEST(Network, NeverAFullAddress) {
  const struct { std::string_view address, network; } table[] = {
      {"203.0.113.7:5501", "203.0.113.0/24"}, {"203.0.113.7", "203.0.113.0/24"},
      {"127.0.0.1:9", "local"},               {"[::1]:9", "local"},
      {"::ffff:198.51.100.4", "198.51.100.0/24"},
      {"[2001:db8:1:2::3]:80", "2001:db8:1::/48"}, {"2001:db8::1", "2001:db8:0::/48"},
      {"fe80:1:2:3:4:5:6:7", "fe80:1:2::/48"}, {"/run/api.sock", "local"}, {"", "local"},
      {"300.1.1.1", "unknown"}, {"host.example", "unknown"}, {"1:2:3", "unknown"},
      {"zz::1", "unknown"}, {"[::1", "unknown"},
  };
  for (const auto& row : table) EXPECT_EQ(network_of(row.address), row.network) << row.address;
}

}  // namespace
}  // namespace bessemer::audit
