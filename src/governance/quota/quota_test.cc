// Quotas: limits along a path, all or nothing, and random histories against a plain recount.
#include "governance/quota/quota.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::quota {
namespace {

const Context now{};
constexpr OrgId root{0, 1}, acme{9, 1}, vision{9, 2}, audio{9, 3};
const Path on_acme{acme, root}, on_vision{vision, acme, root}, on_audio{audio, acme, root};
using enum Counted;

std::string run(State& state, const Command& command) {
  auto events = judge(state, command, now);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, now);
  return "";
}

TEST(Quota, TheNarrowestLimitDecides) {
  State s;
  EXPECT_EQ(run(s, Take{on_vision, {{storage_bytes, 1000}}}), "") << "no limit, no refusal";
  ASSERT_EQ(run(s, SetLimit{acme, storage_bytes, 3000}), "");
  ASSERT_EQ(run(s, SetLimit{vision, storage_bytes, 2500}), "");
  EXPECT_EQ(headroom(s, on_vision, storage_bytes).node, vision);
  EXPECT_EQ(headroom(s, on_vision, storage_bytes).left, 1500u);
  ASSERT_EQ(run(s, Take{on_audio, {{storage_bytes, 1500}}}), "");
  EXPECT_EQ(headroom(s, on_vision, storage_bytes).node, acme);
  EXPECT_EQ(headroom(s, on_vision, storage_bytes).left, 500u);
  const auto refused = judge(s, Take{on_vision, {{storage_bytes, 501}}}, now);
  EXPECT_EQ(refused.error().reason, "quota_exhausted");
  EXPECT_EQ(refused.error().field, "storage_bytes");
  EXPECT_EQ(refused.error().what,
            "the quota of storage_bytes is 3000, 2500 are used and 501 more were asked for");
  EXPECT_EQ(run(s, Take{on_vision, {{storage_bytes, 500}}}), "");
}

TEST(Quota, AllOrNothing) {
  State s;
  ASSERT_EQ(run(s, SetLimit{acme, keys, 0}), "");
  const State before = s;
  EXPECT_NE(run(s, Take{on_vision, {{datasets, 1}, {keys, 1}}}), "");
  EXPECT_EQ(s, before);
  EXPECT_EQ(run(s, Take{on_vision, {{datasets, 1}, {keys, 0}}}), "");
  EXPECT_EQ(used(s, root, datasets), 1u);
}

TEST(Quota, GivingBack) {
  State s;
  ASSERT_EQ(run(s, Take{on_vision, {{jobs, 2}}}), "");
  EXPECT_EQ(judge(s, Give{on_audio, {{jobs, 1}}}, now).error().code, Code::conflict);
  EXPECT_EQ(judge(s, Give{on_vision, {{jobs, 3}}}, now).error().code, Code::conflict);
  EXPECT_EQ(run(s, Give{on_vision, {{jobs, 2}}}), "");
  EXPECT_EQ(s, State{}) << "nothing is left behind";
}

TEST(Quota, BadInput) {
  State s;
  EXPECT_EQ(judge(s, Take{{}, {{keys, 1}}}, now).error().field, "path");
  EXPECT_EQ(judge(s, Take{Path(max_path + 1, acme), {{keys, 1}}}, now).error().field, "path");
  EXPECT_EQ(judge(s, Take{on_acme, {{keys, max_limit + 1}}}, now).error().field, "keys");
  EXPECT_EQ(judge(s, SetLimit{acme, keys, max_limit + 1}, now).error().field, "limit");
  EXPECT_EQ(judge(s, SetLimit{{}, keys, 1}, now).error().field, "node");
  ASSERT_EQ(run(s, Take{on_acme, {{storage_bytes, max_limit}}}), "");
  EXPECT_EQ(judge(s, Take{on_acme, {{storage_bytes, 1}}}, now).error().reason, "quota_exhausted")
      << "the counter cannot overflow";
}

TEST(Quota, ALoweredLimitTakesNothingAway) {
  State s;
  ASSERT_EQ(run(s, Take{on_vision, {{endpoints, 5}}}), "");
  ASSERT_EQ(run(s, SetLimit{acme, endpoints, 3}), "");
  ASSERT_EQ(over_limit(s).size(), 1u);
  EXPECT_EQ(over_limit(s)[0].used, 5u);
  EXPECT_NE(run(s, Take{on_vision, {{endpoints, 1}}}), "");
  EXPECT_EQ(run(s, Give{on_vision, {{endpoints, 3}}}), "");
  EXPECT_EQ(run(s, Take{on_vision, {{endpoints, 1}}}), "");
  ASSERT_EQ(run(s, SetLimit{acme, endpoints, {}}), "");
  EXPECT_TRUE(over_limit(s).empty());
  EXPECT_EQ(judge(s, SetLimit{acme, endpoints, {}}, now).value().size(), 0u);
}

TEST(Quota, TheTableOfANode) {
  State s;
  ASSERT_EQ(run(s, SetLimit{acme, models, 4}), "");
  ASSERT_EQ(run(s, Take{on_audio, {{models, 1}}}), "");
  ASSERT_EQ(run(s, Take{on_vision, {{runs, 7}}}), "");
  const auto line_of = [&](Counted counted) {
    for (const Line& line : lines(s, on_vision)) {
      if (line.counted == counted) return line;
    }
    return Line{};
  };
  EXPECT_EQ(line_of(models).used, 0u);
  EXPECT_EQ(line_of(models).effective.left, 3u) << "inherited from acme, where audio uses one";
  EXPECT_FALSE(line_of(models).limit.has_value());
  EXPECT_EQ(line_of(runs).used, 7u);
  EXPECT_EQ(line_of(runs).effective.limit, default_limit(runs)) << "of the tenant";
  EXPECT_TRUE(lines(s, Path{root}).size() == 2) << "the platform has no limits of its own";
}

TEST(Quota, ATenantIsBoundedByDefault) {
  State s;
  const std::uint64_t most = default_limit(endpoints);
  EXPECT_EQ(headroom(s, on_vision, endpoints).node, acme);
  EXPECT_EQ(run(s, Take{on_vision, {{endpoints, most}}}), "");
  const auto refused = judge(s, Take{on_audio, {{endpoints, 1}}}, now);
  EXPECT_EQ(refused.error().what, "the quota of endpoints is 1000, 1000 are used and 1 more were "
                                  "asked for");
  EXPECT_EQ(run(s, Take{{root}, {{endpoints, 1}}}), "") << "the platform's own are not bounded";
  ASSERT_EQ(run(s, SetLimit{acme, endpoints, most + 5}), "") << "an own limit takes its place";
  EXPECT_EQ(run(s, Take{on_audio, {{endpoints, 5}}}), "");
  EXPECT_NE(run(s, Take{on_audio, {{endpoints, 1}}}), "");
  EXPECT_EQ(run(s, Take{on_audio, {{endpoints, 1}}, true}), "") << "what is there is counted";
  EXPECT_EQ(headroom(s, on_audio, endpoints).left, 0u);
}

// The counters of every node equal a recount of all that was taken and not given back, and no
// limit is ever passed by a Take.
TEST(Quota, RandomHistories) {
  const Path paths[] = {{root}, on_acme, on_vision, on_audio};
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Random random(seed);
    State s;
    std::map<OrgId, Amounts> leaf;  // what was taken with this node in front
    for (int step = 0; step < 400; ++step) {
      const Path& path = paths[random.below(4)];
      const auto counted = static_cast<Counted>(random.below(4));
      const std::uint64_t amount = random.below(10);
      switch (random.below(4)) {
        case 0: run(s, SetLimit{path.front(), counted, random.below(60)}); break;
        case 1: {
          if (leaf[path.front()][counted] < amount) break;
          if (!run(s, Give{path, {{counted, amount}}}).empty()) break;
          leaf[path.front()][counted] -= amount;
          break;
        }
        default:
          if (!run(s, Take{path, {{counted, amount}}}).empty()) break;
          leaf[path.front()][counted] += amount;
          for (const OrgId node : path) {
            const auto most = limit(s, node, counted);
            ASSERT_TRUE(amount == 0 || !most || used(s, node, counted) <= *most);
          }
      }
    }
    for (const OrgId node : {root, acme, vision, audio}) {
      for (int c = 0; c < 4; ++c) {
        std::uint64_t sum = 0;
        for (const Path& path : paths) {
          if (std::find(path.begin(), path.end(), node) == path.end()) continue;
          sum += leaf[path.front()][static_cast<Counted>(c)];
        }
        ASSERT_EQ(used(s, node, static_cast<Counted>(c)), sum);
      }
    }
    ASSERT_EQ(codec::decode<State>(codec::encode(s)).value(), s);
  }
}

}  // namespace
}  // namespace bessemer::quota
