// Endpoints from creation to deletion: rolling without a gap, restarting with backoff, settling.
#include "orchestration/deployment/deployment.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::deployment {
namespace {

const OrgId project{1, 1};
const EndpointId chat{2, 1};

Template runs(std::string model) {
  Template what;
  what.model = std::move(model);
  what.workload.text = R"({"command":["serve"]})";
  return what;
}

struct Story {
  State state;
  Instant now = Instant{} + hours(1);

  Context context() const { return {now, now, {}, {}, Origin::external}; }
  std::string tell(const Command& command) {
    const auto events = judge(state, command, context());
    if (!events) return to_text(events.error());
    std::string out;
    for (const Event& event : *events) {
      const auto again = codec::decode<Event>(codec::encode(event));
      EXPECT_TRUE(again);
      apply(state, *again, context());
      out += (out.empty() ? "" : " ");
      std::visit([&](const auto& happened) { out += happened.tag; }, event);
    }
    return out.empty() ? "nothing" : out;
  }
  std::string create(std::uint32_t replicas, std::string name = "chat", EndpointId id = chat) {
    Create command{id, project, std::move(name), {}, {}, {}, {}, replicas, runs("m@1")};
    return tell(command);
  }
  // Carries out what reconcile asks for; says what it was.
  std::string settle() {
    std::string out;
    const Endpoint* endpoint = find(state, chat);
    if (endpoint == nullptr) return "gone";
    for (const Action& action : reconcile(*endpoint, now).list) {
      out += (out.empty() ? "" : " ") + std::visit([&](const auto& command) {
        return tell(Command{command});
      }, action);
    }
    endpoint = find(state, chat);
    if (endpoint != nullptr) {
      EXPECT_TRUE(reconcile(*endpoint, now).list.empty()) << "idempotent";
    }
    return out.empty() ? "nothing" : out;
  }
  WorkloadId replica(std::uint64_t ordinal) const { return replica_workload(chat, ordinal); }
  std::string ready(std::uint64_t ordinal) { return tell(ReportReady{replica(ordinal)}); }
  std::string gone(std::uint64_t ordinal) { return tell(ReportGone{replica(ordinal), "exit 1"}); }
  const Endpoint& endpoint() const { return *find(state, chat); }
};

TEST(Endpoint, CreationIsCheckedAndIdempotent) {
  Story story;
  EXPECT_EQ(story.create(2), "endpoint_created endpoint_revision_added");
  EXPECT_EQ(story.create(2), "nothing");
  EXPECT_EQ(story.create(3), "endpoint: this id names another endpoint");
  EXPECT_EQ(story.create(1, "chat", {2, 2}),
            "name: is taken by another endpoint of the project");
  EXPECT_EQ(find_by_name(story.state, project, "chat")->id, chat);
  struct Row { void (*change)(Create&); const char* refusal; };
  const Row rows[] = {
      {[](Create& c) { c.endpoint = {}; }, "endpoint: is required"},
      {[](Create& c) { c.project = {}; }, "project: is required"},
      {[](Create& c) { c.name = "A b"; }, "name: "},
      {[](Create& c) { c.aliases = {"a/b"}; }, "aliases: "},
      {[](Create& c) { c.aliases = {"other"}; }, "aliases: must differ from the name"},
      {[](Create& c) { c.aliases = {"chat"}; }, "aliases: chat is taken by another endpoint"},
      {[](Create& c) { c.replicas = 1'001; }, "replicas: must be at most 1000"},
      {[](Create& c) { c.health = HealthCheck{"x", {}, {}, {}, {}, {}}; }, "health.path: "},
      {[](Create& c) { c.health = HealthCheck{{}, Duration{}, {}, {}, {}, {}}; },
       "health.interval: must be between 100ms and 1h"},
      {[](Create& c) { c.health = HealthCheck{{}, {}, {}, 0, {}, {}}; },
       "health: thresholds are 1 to 1000"},
      {[](Create& c) { c.runs.model = ""; }, "runs.model: must be a model, or model@version"},
      {[](Create& c) { c.runs.workload.text = "[]"; }, "runs.workload: must be an object"},
      {[](Create& c) { c.runs.workload.text = "{"; }, "runs.workload: "},
      {[](Create&) {}, "endpoint_created"},
  };
  for (const Row& row : rows) {
    Create command{{2, 3}, project, "other", {}, {}, {}, {}, {}, runs("m@1")};
    row.change(command);
    const std::string said = story.tell(command);
    EXPECT_TRUE(said.starts_with(row.refusal)) << said;
  }
}

TEST(Endpoint, TheRouteWaitsForAReadyReplica) {
  Story story;
  story.create(2);
  EXPECT_EQ(standing(story.endpoint()), Standing::rolling);
  EXPECT_EQ(story.settle(), "replica_started replica_started");
  EXPECT_EQ(story.tell(SwitchRoute{chat, 1}), "revision: none of its replicas is ready");
  EXPECT_TRUE(targets(story.endpoint()).empty());
  EXPECT_EQ(story.ready(0), "replica_ready");
  EXPECT_EQ(story.ready(0), "nothing");
  EXPECT_EQ(story.settle(), "route_switched");
  EXPECT_EQ(targets(story.endpoint()), std::vector{story.replica(0)});
  EXPECT_EQ(standing(story.endpoint()), Standing::degraded);
  story.ready(1);
  EXPECT_EQ(standing(story.endpoint()), Standing::ready);
  EXPECT_EQ(sentence(story.endpoint(), story.now), "ready: revision 1, 2 of 2 replicas ready");
  EXPECT_EQ(story.tell(ReportUnready{story.replica(0), "503"}), "replica_unready");
  EXPECT_EQ(targets(story.endpoint()), std::vector{story.replica(1)});
  EXPECT_EQ(story.ready(0), "replica_ready");
}

TEST(Endpoint, ARollKeepsTheOldUntilTheNewServesAsMuch) {
  Story story;
  story.create(2);
  story.settle();
  story.ready(0);
  story.ready(1);
  story.settle();
  EXPECT_EQ(story.tell(Roll{chat, runs("m@1")}), "nothing") << "what already runs";
  EXPECT_EQ(story.tell(Roll{chat, runs("m@2")}), "endpoint_revision_added");
  EXPECT_EQ(story.settle(), "replica_started replica_started");
  story.ready(2);
  EXPECT_EQ(story.settle(), "nothing") << "one ready is less than two";
  EXPECT_EQ(story.endpoint().routed, 1u);
  EXPECT_EQ(sentence(story.endpoint(), story.now),
            "rolling: revision 2, 1 of 2 replicas ready, revision 1 serves");
  story.ready(3);
  EXPECT_EQ(story.settle(), "route_switched replica_stopping replica_stopping");
  EXPECT_EQ(story.endpoint().routed, 2u);
  EXPECT_EQ(story.gone(0), "replica_gone");
  EXPECT_EQ(story.endpoint().revisions[0].failures, 0u) << "it was asked to stop";
}

TEST(Endpoint, ABadRevisionNeverGetsTheRouteAndTheOldOneIsKeptUp) {
  Story story;
  story.create(1);
  story.settle();
  story.ready(0);
  story.settle();
  story.tell(Roll{chat, runs("bad")});
  story.settle();
  story.gone(1);
  story.gone(0);  // the old one happens to fail as well
  EXPECT_EQ(story.settle(), "nothing") << "both wait out their backoff";
  story.now = story.now + seconds(1);
  EXPECT_EQ(story.settle(), "replica_started replica_started");
  EXPECT_EQ(story.endpoint().routed, 1u);
  // Rolling on: the bad one's replicas go, whatever they do.
  story.tell(Roll{chat, runs("m@3")});
  EXPECT_EQ(story.settle(), "replica_started replica_stopping");
}

TEST(Endpoint, AFailingReplicaBacksOffIntoACrashLoop) {
  Story story;
  story.create(3);
  story.settle();
  std::uint64_t ordinal = 0;
  for (; ordinal < 3; ++ordinal) story.gone(ordinal);
  Duration wait = seconds(4);  // three failures in a row
  for (; ordinal < 12; ++ordinal) {
    EXPECT_EQ(story.settle(), "nothing");
    EXPECT_EQ(reconcile(story.endpoint(), story.now).again_at, story.now + wait);
    story.now = story.now + wait;
    EXPECT_EQ(story.settle(), "replica_started") << "one at a time";
    EXPECT_EQ(story.gone(ordinal), "replica_gone");
    wait = std::min(wait * 2, max_backoff);
  }
  EXPECT_EQ(standing(story.endpoint()), Standing::crash_loop);
  EXPECT_TRUE(sentence(story.endpoint(), story.now)
                  .starts_with("crash loop: revision 1, 0 of 3 replicas ready, failed 12 times in "
                               "a row (exit 1), looked at again at "));
  // It recovers: one, then the others; later failures start the count again.
  story.now = story.now + max_backoff;
  story.settle();
  story.ready(12);
  EXPECT_EQ(story.settle(), "replica_started route_switched");
  story.ready(13);
  EXPECT_EQ(story.settle(), "replica_started");
  story.ready(14);
  EXPECT_EQ(standing(story.endpoint()), Standing::ready);
  story.now = story.now + stable_after;
  story.gone(13);
  EXPECT_EQ(story.endpoint().revisions[0].failures, 1u);
}

TEST(Endpoint, WhatDoesNotBecomeReadyIsReplaced) {
  Story story;
  story.create(1);
  story.settle();
  EXPECT_EQ(reconcile(story.endpoint(), story.now).again_at, story.now + minutes(10));
  story.now = story.now + minutes(10);
  EXPECT_EQ(story.settle(), "replica_stopping");
  EXPECT_EQ(story.endpoint().revisions[0].failures, 1u);
  EXPECT_EQ(story.endpoint().revisions[0].why, "not ready within 10m");
  story.now = story.now + seconds(1);
  EXPECT_EQ(story.settle(), "replica_started");
}

TEST(Endpoint, ScalingStopsTheYoungestFirst) {
  Story story;
  story.create(3);
  story.settle();
  for (std::uint64_t i = 0; i < 3; ++i) story.ready(i);
  story.settle();
  EXPECT_EQ(story.tell(Configure{chat, 1, {}, {}, {}}), "endpoint_configured");
  EXPECT_EQ(story.tell(Configure{chat, 1, {}, {}, {}}), "nothing");
  EXPECT_EQ(story.settle(), "replica_stopping replica_stopping");
  EXPECT_EQ(targets(story.endpoint()), std::vector{story.replica(0)});
  story.tell(Configure{chat, 0, {}, {}, {}});
  EXPECT_EQ(story.settle(), "replica_stopping");
  EXPECT_EQ(standing(story.endpoint()), Standing::stopped);
}

TEST(Endpoint, DeletionFreesTheNamesAndEndsWithTheLastReplica) {
  Story story;
  story.create(1);
  story.settle();
  story.ready(0);
  story.settle();
  story.tell(Configure{chat, {}, {}, Billing::published, std::set<std::string>{"gpt"}});
  EXPECT_EQ(find_by_name(story.state, project, "gpt"), &story.endpoint());
  EXPECT_EQ(story.tell(Delete{chat}), "endpoint_deleted");
  EXPECT_EQ(story.tell(Delete{chat}), "nothing");
  EXPECT_EQ(story.tell(Roll{chat, runs("m@2")}), "endpoint: is being deleted");
  EXPECT_EQ(find_by_name(story.state, project, "gpt"), nullptr);
  EXPECT_TRUE(targets(story.endpoint()).empty());
  EXPECT_EQ(story.create(1, "chat", {2, 9}), "endpoint_created endpoint_revision_added");
  EXPECT_EQ(story.settle(), "replica_stopping");
  EXPECT_EQ(story.gone(0), "replica_gone");
  EXPECT_EQ(find(story.state, chat), nullptr);
  EXPECT_EQ(story.gone(0), "nothing");
  EXPECT_EQ(story.ready(0), "nothing");
}

TEST(Endpoint, ReplicasAreJudged) {
  Story story;
  story.create(1);
  EXPECT_EQ(story.tell(StartReplica{chat, 2, 0}), "revision: no revision 2");
  EXPECT_EQ(story.tell(StartReplica{chat, 1, 5}), "replica_started") << "others were refused";
  EXPECT_EQ(story.tell(StartReplica{chat, 1, 5}), "nothing");
  EXPECT_EQ(story.tell(StartReplica{chat, 1, 4}), "ordinal: must be at least 6");
  EXPECT_EQ(story.tell(StopReplica{chat, WorkloadId{9, 9}, false, ""}), "nothing");
  EXPECT_TRUE(story.tell(Delete{EndpointId{9, 9}}).starts_with("endpoint: no endpoint ep_"));
}

TEST(Endpoint, OldRevisionsAreForgottenButNotTheRoutedOne) {
  Story story;
  story.create(1);
  story.settle();
  story.ready(0);
  story.settle();
  for (int i = 0; i < 40; ++i) story.tell(Roll{chat, runs("m@" + std::to_string(i + 2))});
  EXPECT_EQ(story.endpoint().revisions.size(), kept_revisions);
  EXPECT_NE(find_revision(story.endpoint(), 1), nullptr);
  EXPECT_EQ(newest(story.endpoint())->number, 41u);
}

// ---- by seed

TEST(Endpoint, EveryHistorySettlesAndNeverRoutesToNothing) {
  std::size_t switches = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    Story story;
    story.create(static_cast<std::uint32_t>(1 + random.below(3)));
    for (int step = 0; step < 120; ++step) {
      const std::uint64_t ordinal = random.below(story.endpoint().next_ordinal + 1);
      const std::uint32_t routed = story.endpoint().routed;
      switch (random.below(8)) {
        case 0: story.tell(Roll{chat, runs("m@" + std::to_string(random.below(3)))}); break;
        case 1: story.gone(ordinal); break;
        case 2: story.tell(ReportUnready{story.replica(ordinal), "503"}); break;
        case 3: story.now = story.now + seconds(random.between(0, 400)); break;
        case 4: {
          const auto replicas = static_cast<std::uint32_t>(random.below(4));
          story.tell(Configure{chat, replicas, {}, {}, {}});
          break;
        }
        default: story.ready(ordinal); break;
      }
      const auto serving = targets(story.endpoint()).size();
      story.settle();
      const Endpoint& endpoint = story.endpoint();
      if (endpoint.routed == routed) continue;
      ++switches;
      EXPECT_FALSE(targets(endpoint).empty()) << "a route is switched only to what is ready";
      EXPECT_GE(targets(endpoint).size(), std::min<std::size_t>(serving, endpoint.replicas));
    }
    const auto restored = codec::decode<State>(codec::encode(story.state));
    ASSERT_TRUE(restored);
    EXPECT_EQ(*restored, story.state);
    // Left alone, with replicas that work, it comes to rest with all of them ready.
    story.tell(Configure{chat, 2, {}, {}, {}});
    for (int round = 0; round < 40; ++round) {
      story.now = story.now + max_backoff;
      story.settle();
      for (const auto& [workload, replica] : Endpoint(story.endpoint()).running) {
        if (replica.phase == ReplicaPhase::stopping) story.tell(ReportGone{workload, ""});
        else story.tell(ReportReady{workload});
      }
    }
    EXPECT_EQ(standing(story.endpoint()), Standing::ready) << seed;
    EXPECT_EQ(story.endpoint().running.size(), 2u) << seed;
  }
  EXPECT_GT(switches, 300u);
}

}  // namespace
}  // namespace bessemer::deployment
