// What is answered is durable; what failed says nothing more; what recovers is the same.
#include "application/engine/engine.h"

#include <gtest/gtest.h>

#include "world/simulated/disk.h"

namespace bessemer::engine {
namespace {

using simulated::Fault;
using simulated::SimulatedDisk;
using simulated::Unsynced;

constexpr Instant noon{1'767'268'800'000'000'000};

factory::Command tenant_named(std::uint64_t number, std::string name) {
  return tenant::Command(tenant::CreateTenant{OrgId{1, number}, std::move(name), {}});
}

struct Bench {
  SimulatedDisk disk{1};
  std::unique_ptr<Engine> engine;

  Bench() { open(); }
  void open() {
    engine.reset();
    Options options;
    options.segment_bytes = 64 << 10;
    auto opened = Engine::open(disk, options);
    ASSERT_TRUE(opened) << to_text(opened.error());
    engine = *std::move(opened);
  }
  Result<Written> ask(const factory::Command& command, const factory::IdempotencyNote& note = {}) {
    Context context;
    context.now = context.occurred_at = noon;
    return engine->submit(command, context, note);
  }
  std::string state() { return factory::encode_state(engine->state()); }
};

TEST(Engine, AnswersOnceItIsDurable) {
  Bench bench;
  const auto written = bench.ask(tenant_named(1, "acme"));
  ASSERT_TRUE(written);
  EXPECT_EQ(written->last, bench.engine->applied());
  std::string said;
  bench.engine->when_durable(written->last, [&] { said += "a"; });
  bench.engine->when_durable(0, [&] { said += "b"; });  // depends on less, and waits its turn
  EXPECT_EQ(said, "");
  ASSERT_TRUE(bench.engine->commit_now());
  EXPECT_EQ(said, "ab");
  bench.engine->when_durable(written->last, [&] { said += "c"; });
  EXPECT_EQ(said, "abc");
}

TEST(Engine, ARefusalChangesNothing) {
  Bench bench;
  ASSERT_TRUE(bench.ask(tenant_named(1, "acme")));
  const std::string before = bench.state();
  EXPECT_FALSE(bench.ask(tenant_named(2, "acme")));
  EXPECT_EQ(bench.state(), before);
  EXPECT_EQ(bench.engine->applied(), bench.engine->journal().appended());
}

TEST(Engine, AFailedCommitReleasesNothingForEver) {
  Bench bench;
  const auto written = bench.ask(tenant_named(1, "acme"));
  ASSERT_TRUE(written);
  bool said = false;
  bench.engine->when_durable(written->last, [&] { said = true; });
  bench.disk.fail_call(1, Fault::refuse);
  EXPECT_FALSE(bench.engine->commit_now());
  EXPECT_TRUE(bench.engine->failed());
  bench.engine->release();
  EXPECT_FALSE(said);
  EXPECT_EQ(bench.ask(tenant_named(2, "other")).error().code, Code::internal);
}

TEST(Engine, RecoversWhatWasDurable) {
  for (const Unsynced unsynced : {Unsynced::kept, Unsynced::lost, Unsynced::torn}) {
    Bench bench;
    ASSERT_TRUE(bench.ask(tenant_named(1, "acme")));
    ASSERT_TRUE(bench.engine->commit_now());
    const std::string durable = bench.state();
    ASSERT_TRUE(bench.ask(tenant_named(2, "other")));  // staged, and never committed
    bench.engine.reset();
    bench.disk.crash(unsynced);
    bench.open();
    EXPECT_EQ(bench.state(), durable);
  }
}

TEST(Engine, ASnapshotAndTheJournalAfterItGiveTheSame) {
  Bench bench;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(bench.ask(tenant_named(i, "tenant" + std::to_string(i))));
    ASSERT_TRUE(bench.engine->commit_now());
    if (i != 10) continue;
    ASSERT_TRUE(write_snapshot(bench.disk, {}));
  }
  const std::string before = bench.state();
  bench.engine.reset();
  bench.disk.crash(Unsynced::kept);
  bench.open();
  EXPECT_EQ(bench.state(), before);
}

TEST(Engine, TellsWatchersEachFactInItsPlace) {
  Bench bench;
  std::vector<Sequence> seen;
  bench.engine->watch([&](const factory::Fact& fact) { seen.push_back(fact.sequence); });
  const auto written = bench.ask(tenant_named(1, "acme"));
  ASSERT_TRUE(written);
  ASSERT_EQ(seen.size(), written->events.size());
  EXPECT_EQ(seen.front(), written->first);
  EXPECT_EQ(seen.back(), written->last);
}

TEST(Engine, NotesTheKeyOfARequestWithItsFacts) {
  Bench bench;
  factory::IdempotencyNote note;
  note.principal = PrincipalId{2, 1};
  note.key = "once";
  note.body = sha256("body");
  note.location = "/api/v1/orgs/acme";
  ASSERT_TRUE(bench.ask(tenant_named(1, "acme"), note));
  ASSERT_TRUE(bench.engine->commit_now());
  bench.open();
  const auto* found = factory::find_note(bench.engine->state(), note.principal, "once", noon);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->location, note.location);
  EXPECT_EQ(factory::find_note(bench.engine->state(), note.principal, "once",
                               noon + factory::noted_life + seconds(1)),
            nullptr);
}

}  // namespace
}  // namespace bessemer::engine
