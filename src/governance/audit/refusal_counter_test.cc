// However often somebody known is refused, few facts come of it, and none is uncounted.
#include "governance/audit/refusal_counter.h"

#include <gtest/gtest.h>

namespace bessemer::audit {
namespace {

Instant at(std::int64_t second) { return Instant{} + seconds(second); }

Told refused(std::uint64_t key, std::string reason = "not_found") {
  Told told;
  told.actor = {1, key};
  told.key = {2, key};
  told.refusal = {"job", "read", "get_job", {}, "local", std::move(reason), {}, "no such job", ""};
  return told;
}

TEST(RefusalCounter, TellsTheFirstFewAndCountsTheRest) {
  RefusalCounter counter;
  std::vector<Told> told;
  for (int i = 0; i < 1'000; ++i) {
    for (Told& one : counter.count(at(600 + i / 50), refused(1), "get_job")) {
      told.push_back(std::move(one));
    }
  }
  EXPECT_EQ(told.size(), refusals_told);
  EXPECT_TRUE(counter.due(at(659)).empty()) << "the minute goes on";
  const auto rest = counter.due(at(660));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].key, (KeyId{2, 1}));
  EXPECT_EQ(rest[0].actor, (PrincipalId{1, 1}));
  EXPECT_EQ(rest[0].refusal.reason, "not_found");
  EXPECT_EQ(rest[0].refusal.what,
            "995 more in the minute of 1970-01-01T00:10:00Z: no such job");
  EXPECT_TRUE(counter.due(at(9'999)).empty());
}

// Another key, operation or reason is another kind; another minute begins anew.
TEST(RefusalCounter, KindsAreApart) {
  RefusalCounter counter;
  for (std::uint64_t i = 0; i < refusals_told; ++i) {
    EXPECT_EQ(counter.count(at(60), refused(1), "get_job").size(), 1u);
  }
  EXPECT_TRUE(counter.count(at(60), refused(1), "get_job").empty());
  EXPECT_EQ(counter.count(at(60), refused(2), "get_job").size(), 1u);
  EXPECT_EQ(counter.count(at(60), refused(1), "get_run").size(), 1u);
  EXPECT_EQ(counter.count(at(60), refused(1, "forbidden"), "get_job").size(), 1u);
  EXPECT_TRUE(counter.count(at(30), refused(1), "get_job").empty()) << "the clock stepped back";
  const auto next = counter.count(at(120), refused(1), "get_job");
  ASSERT_EQ(next.size(), 2u) << "what is left of the minute before, and the first of this one";
  EXPECT_TRUE(next[0].refusal.what.starts_with("2 more in the minute of")) << next[0].refusal.what;
}

TEST(RefusalCounter, IsBoundedWhateverIsAsked) {
  RefusalCounter counter;
  std::size_t told = 0;
  constexpr std::uint64_t keys = max_refusal_kinds + 500;
  for (std::uint64_t i = 0; i < 20 * keys; ++i) {
    told += counter.count(at(60), refused(i % keys), "get_job").size();
  }
  EXPECT_EQ(told, max_refusal_kinds * refusals_told);
  const auto rest = counter.due(at(120));
  ASSERT_EQ(rest.size(), max_refusal_kinds + 1);
  EXPECT_TRUE(rest.back().refusal.what.starts_with("10000 more")) << rest.back().refusal.what;
  for (const Told& one : rest) {
    EXPECT_TRUE(judge({}, Command(one.refusal), {})) << "it can be recorded";
  }
}

}  // namespace
}  // namespace bessemer::audit
