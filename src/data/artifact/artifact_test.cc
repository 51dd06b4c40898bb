// Who owns which artifact: refusals, counts, references.
#include "data/artifact/artifact.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::artifact {
namespace {

constexpr OrgId project{1, 1}, other{1, 2};
const Digest one = sha256("one"), two = sha256("two");

Context at(std::int64_t second) {
  Context context;
  context.now = context.occurred_at = Instant{second * 1'000'000'000};
  return context;
}

// Judges, applies; says what was refused or "".
std::string run(State& state, const Command& command, std::int64_t second = 1) {
  const auto events = judge(state, command, at(second));
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, at(second));
  return events->empty() ? "already" : "";
}

TEST(Artifact, IsMeteredByLogicalBytesPerProject) {
  State state;
  EXPECT_EQ(run(state, Publish{project, one, Kind::model, 100, 2, "run:a"}), "");
  EXPECT_EQ(run(state, Publish{other, one, Kind::model, 100, 2, ""}), "");
  EXPECT_EQ(run(state, Publish{project, two, Kind::code, 7, 1, ""}), "");
  EXPECT_EQ(stored_bytes(state, project), 107u);
  EXPECT_EQ(stored_bytes(state, other), 100u);
  EXPECT_EQ(count(state, project), 2u);
  EXPECT_EQ(run(state, Publish{project, one, Kind::model, 100, 2, "run:a"}), "already");
  EXPECT_EQ(run(state, Publish{project, one, Kind::model, 100, 2, "run:b"}), "");
  EXPECT_EQ(stored_bytes(state, project), 107u);
  EXPECT_EQ(roots(state, {project}), (std::set<Digest>{one, two}));
  EXPECT_EQ(roots(state, {OrgId{9, 9}}), std::set<Digest>{});
}

TEST(Artifact, IsDeletedOnlyWhenNothingNeedsIt) {
  State state;
  ASSERT_EQ(run(state, Publish{project, one, Kind::model, 100, 2, "run:a"}), "");
  ASSERT_EQ(run(state, Refer{project, one, "model:m@1"}), "");
  EXPECT_EQ(run(state, Delete{project, one}),
            "digest: is needed by model:m@1 and 1 more; delete what needs it first");
  EXPECT_EQ(run(state, Release{project, one, "model:m@1"}), "");
  EXPECT_EQ(run(state, Delete{project, one}),
            "digest: is needed by run:a; delete what needs it first");
  EXPECT_EQ(run(state, Release{project, one, "run:a"}, 50), "");
  EXPECT_EQ(run(state, Release{project, one, "run:a"}), "already");
  EXPECT_TRUE(unreferenced(state, Instant{50'000'000'000}, 10).empty());
  EXPECT_EQ(unreferenced(state, Instant{50'000'000'001}, 10).size(), 1u);
  EXPECT_EQ(run(state, Delete{project, one}), "");
  EXPECT_EQ(stored_bytes(state, project), 0u);
  EXPECT_EQ(state, State{});
}

TEST(Artifact, RefusesWhatIsWrong) {
  State state;
  ASSERT_EQ(run(state, Publish{project, one, Kind::model, 100, 2, ""}), "");
  struct Case { Command command; Code code; };
  const Case cases[] = {
      {Publish{OrgId{}, two, Kind::model, 1, 1, ""}, Code::invalid},
      {Publish{project, Digest{}, Kind::model, 1, 1, ""}, Code::invalid},
      {Publish{project, two, Kind::model, max_bytes + 1, 1, ""}, Code::invalid},
      {Publish{project, two, Kind::model, 1, max_files + 1, ""}, Code::invalid},
      {Publish{project, two, Kind::model, 1, 1, "has space"}, Code::invalid},
      {Publish{project, two, Kind::model, 1, 1, std::string(129, 'a')}, Code::invalid},
      {Publish{project, one, Kind::model, 101, 2, ""}, Code::conflict},
      {Refer{project, two, "run:a"}, Code::not_found},
      {Refer{other, one, "run:a"}, Code::not_found},  // another's is as unknown as none
      {Refer{project, one, ""}, Code::invalid},
      {Delete{project, two}, Code::not_found},
  };
  for (const Case& one_case : cases) {
    const auto judged = judge(state, one_case.command, at(1));
    ASSERT_FALSE(judged);
    EXPECT_EQ(judged.error().code, one_case.code) << to_text(judged.error());
  }
}

TEST(Artifact, CountsAlwaysEqualTheSums) {
  Random random(11);
  State state;
  for (int step = 0; step < 5'000; ++step) {
    const OrgId org{1, 1 + random.below(3)};
    const std::uint64_t which = random.below(20);
    const Digest digest = sha256(std::to_string(which));
    const std::string reference = "run:" + std::to_string(random.below(4));
    Command command;
    switch (random.below(4)) {
      case 0: command = Publish{org, digest, Kind::other, which * 10, which, reference}; break;
      case 1: command = Refer{org, digest, reference}; break;
      case 2: command = Release{org, digest, reference}; break;
      default: command = Delete{org, digest};
    }
    run(state, command, step);
    for (const auto& [id, holding] : state.projects) {
      std::uint64_t bytes = 0, files = 0;
      for (const auto& [_, artifact] : holding.artifacts) {
        bytes += artifact.bytes;
        files += artifact.files;
      }
      ASSERT_EQ(bytes, holding.bytes);
      ASSERT_EQ(files, holding.files);
      ASSERT_FALSE(holding.artifacts.empty());
    }
  }
  EXPECT_EQ(*codec::decode<State>(codec::encode(state)), state);
}

}  // namespace
}  // namespace bessemer::artifact
