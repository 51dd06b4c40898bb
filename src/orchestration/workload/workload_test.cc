// What becomes of jobs and services, step by step and by seed.
#include "orchestration/workload/workload.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"
#include "orchestration/workload/unstarted.h"

namespace bessemer::workload {
namespace {

const OrgId project{1, 1};
const NodeId node{2, 1};

Spec minimal() {
  Spec spec;
  spec.project = project;
  spec.command = {"/bin/true"};
  return spec;
}

Spec gang(std::uint32_t tasks, std::uint32_t gpus = 0) {
  Spec spec = minimal();
  spec.tasks = tasks;
  spec.resources = Resources{};
  spec.resources->gpus = gpus;
  return spec;
}

// One factory with a clock that is set by hand.
struct Story {
  State state;
  Instant now = Instant{} + hours(1);
  Instant occurred_at{};  // zero: now

  Context context() const {
    return {now, occurred_at == Instant{} ? now : occurred_at, {}, {}, Origin::external};
  }
  // Judges, applies and answers "N facts" or the error.
  std::string tell(const Command& command) {
    const auto events = judge(state, command, context());
    if (!events) return to_text(events.error());
    std::string out;
    for (const Event& event : *events) {
      apply(state, event, context());
      out += (out.empty() ? "" : " ");
      std::visit([&](const auto& happened) { out += happened.tag; }, event);
    }
    return out.empty() ? "nothing" : out;
  }
  WorkloadId submit(Spec spec) {
    const WorkloadId id{3, ++next_};
    EXPECT_EQ(tell(Submit{id, std::move(spec)}), "workload_submitted");
    return id;
  }
  std::string start(WorkloadId id) {
    const Workload& workload = of(id);
    const Shape shape = shape_of(workload.spec);
    Start command{id, workload.generation + 1, {}, {}, {}};
    for (std::uint32_t rank = 0; rank < *workload.spec.tasks; ++rank) {
      Placement placement{node, AllocationId{4, ++next_}, {}};
      for (std::uint32_t i = 0; i < shape.gpus; ++i) {
        placement.accelerators.push_back({rank * shape.gpus + i, 1'000});
      }
      if (shape.gpu_milli > 0) placement.accelerators.push_back({0, shape.gpu_milli});
      command.placements.push_back(placement);
    }
    return tell(command);
  }
  std::string started(WorkloadId id, std::uint32_t rank = 0) {
    return tell(ReportStarted{id, task_id(id, rank), of(id).generation});
  }
  std::string exited(WorkloadId id, Reason reason, std::uint32_t rank = 0) {
    return tell(ReportExited{id, task_id(id, rank), of(id).generation, reason,
                             reason == Reason::exit_code ? 1 : 0, "", {}});
  }
  const Workload& of(WorkloadId id) const { return *find(state, id); }
  Phase phase(WorkloadId id) const { return of(id).phase; }

 private:
  std::uint64_t next_ = 0;
};

TEST(Workload, AJobFromSubmissionToSuccess) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  EXPECT_EQ(story.phase(id), Phase::queued);
  EXPECT_TRUE(is_startable(story.of(id), story.now));
  EXPECT_EQ(story.start(id), "workload_attempt_started");
  EXPECT_EQ(story.phase(id), Phase::starting);
  ASSERT_EQ(orders(story.state).size(), 1u);
  EXPECT_EQ(orders(story.state)[0].order, Order::run);
  EXPECT_EQ(story.started(id), "workload_task_started");
  EXPECT_EQ(story.phase(id), Phase::running);
  EXPECT_EQ(story.started(id), "nothing");
  const Product product{"model", sha256("weights"), 7};
  EXPECT_EQ(story.tell(ReportExited{id, task_id(id, 0), 1, Reason::completed, 0, "", {product}}),
            "workload_task_exited workload_finished");
  EXPECT_EQ(story.phase(id), Phase::succeeded);
  EXPECT_EQ(story.of(id).last()->tasks[0].outputs, std::vector{product});
  EXPECT_TRUE(orders(story.state).empty());
  EXPECT_TRUE(story.state.live.empty());
  EXPECT_EQ(sentence(story.of(id)), "succeeded");
  EXPECT_EQ(story.exited(id, Reason::exit_code), "nothing");
  EXPECT_EQ(story.tell(Cancel{id, {}}), "workload: has already ended: succeeded");
}

// Whoever has not begun in time is named, once for each task, whatever else was asked of it.
TEST(Workload, WhatDoesNotStartIsLateAtItsLimit) {
  Story story;
  const WorkloadId quick = story.submit(minimal()), slow = story.submit(gang(3));
  story.start(quick);
  story.started(quick);
  const Instant began = story.now;
  story.start(slow);
  story.started(slow, 1);
  EXPECT_TRUE(unstarted(story.state, began + start_limit - nanoseconds(1)).late.empty());
  EXPECT_EQ(unstarted(story.state, story.now).next, began + start_limit);
  story.tell(Cancel{slow, {}});  // those that never began may never end either
  const Unstarted found = unstarted(story.state, began + start_limit);
  ASSERT_EQ(found.late.size(), 2u);
  EXPECT_EQ(found.late[0].task, task_id(slow, 0));
  EXPECT_EQ(found.late[1].task, task_id(slow, 2));
  EXPECT_EQ(found.late[1].rank, 2u);
  EXPECT_EQ(found.next, std::nullopt);
}

TEST(Workload, ASubmissionRepeatedIsDoneAndChangedIsAConflict) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  EXPECT_EQ(story.tell(Submit{id, minimal()}), "nothing");
  EXPECT_EQ(story.tell(Submit{id, gang(2)}), "workload: this id names another workload");
  EXPECT_EQ(story.tell(Submit{{}, minimal()}), "workload: is required");
}

TEST(Workload, HowAnEndIsAnswered) {
  struct Row { Reason reason; bool service; const char* facts; Phase phase; bool held; };
  using enum Reason;
  const Row rows[] = {
      {completed, false, "workload_finished", Phase::succeeded, false},
      {completed, true, "workload_finished", Phase::failed, false},
      {exit_code, false, "workload_finished", Phase::failed, false},
      {Reason::signal, false, "workload_finished", Phase::failed, false},
      {out_of_memory, false, "workload_finished", Phase::failed, false},
      {deadline, false, "workload_finished", Phase::failed, false},
      {run_time, false, "workload_finished", Phase::failed, false},
      {no_progress, false, "workload_finished", Phase::failed, false},
      {storage, false, "workload_finished", Phase::failed, false},
      {lost, false, "workload_requeued", Phase::queued, false},
      {lost, true, "workload_finished", Phase::failed, false},
      {start_failed, false, "workload_requeued", Phase::queued, false},
      {preempted, false, "workload_requeued", Phase::queued, false},
      {preempted, true, "workload_requeued", Phase::queued, false},
      {unpaid, false, "workload_requeued", Phase::queued, true},
      {drained, false, "workload_requeued", Phase::queued, false},
      {cancelled, false, "workload_finished", Phase::cancelled, false},
  };
  for (const Row& row : rows) {
    Story story;
    Spec spec = minimal();
    if (row.service) {
      spec.kind = Kind::service;
      spec.service = Port{8080, {}};
    }
    const WorkloadId id = story.submit(spec);
    story.start(id);
    story.started(id);
    const std::string name(enum_text(row.reason));
    EXPECT_EQ(story.exited(id, row.reason), std::string("workload_task_exited ") + row.facts)
        << name;
    EXPECT_EQ(story.phase(id), row.phase) << name;
    EXPECT_EQ(story.of(id).held.has_value(), row.held) << name;
    EXPECT_EQ(story.of(id).reason, row.reason) << name;
  }
}

TEST(Workload, RetriesAreCountedAndBackOff) {
  Story story;
  Spec spec = minimal();
  spec.retries = Retries{3, {Reason::exit_code}, seconds(10), seconds(25)};
  const WorkloadId id = story.submit(spec);
  for (const std::int64_t wait : {10, 20, 25}) {
    EXPECT_EQ(story.start(id), "workload_attempt_started");
    story.started(id);
    EXPECT_EQ(story.exited(id, Reason::exit_code), "workload_task_exited workload_requeued");
    EXPECT_EQ(story.of(id).not_before, story.now + seconds(wait));
    EXPECT_EQ(next_moment(story.state), story.now + seconds(wait));
    EXPECT_FALSE(is_startable(story.of(id), story.now));
    EXPECT_TRUE(story.start(id).starts_with("workload: must not start before "));
    story.now = story.now + seconds(wait);
    EXPECT_TRUE(is_startable(story.of(id), story.now));
  }
  story.start(id);
  EXPECT_EQ(story.exited(id, Reason::exit_code), "workload_task_exited workload_finished");
  EXPECT_EQ(story.of(id).generation, 4u);
  EXPECT_EQ(story.of(id).retries, 3u);
  EXPECT_EQ(sentence(story.of(id)), "failed: exit code, attempt 4");
}

TEST(Workload, PreemptionRequeuesWithoutARetry) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  for (std::uint32_t round = 1; round <= 20; ++round) {
    story.start(id);
    story.started(id);
    EXPECT_EQ(story.tell(RequestStop{id, round, Reason::preempted, seconds(5), "for another", {}}),
              "workload_stop_requested");
    EXPECT_EQ(story.phase(id), Phase::stopping);
    EXPECT_EQ(orders(story.state)[0].order, Order::stop);
    EXPECT_EQ(orders(story.state)[0].kill_at, story.now + seconds(5));
    EXPECT_EQ(story.tell(RequestStop{id, round, Reason::preempted, {}, "", {}}), "nothing");
    story.now = story.now + seconds(1);
    // It wrote a checkpoint and exited with 0: it was interrupted nevertheless.
    EXPECT_EQ(story.exited(id, Reason::completed), "workload_task_exited workload_requeued");
    EXPECT_EQ(story.of(id).interruptions, round);
  }
  EXPECT_EQ(story.of(id).retries, 0u);
  EXPECT_EQ(story.of(id).attempts.size(), kept_attempts);
  EXPECT_EQ(story.of(id).attempts.back().generation, 20u);
}

TEST(Workload, AJobThatWasDoneBeforeTheNoticeHasSucceeded) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  story.start(id);
  story.started(id);
  const Instant done = story.now + seconds(1);
  story.now = story.now + seconds(2);
  story.tell(RequestStop{id, 1, Reason::preempted, {}, "", {}});
  story.occurred_at = done;
  EXPECT_EQ(story.exited(id, Reason::completed), "workload_task_exited workload_finished");
  EXPECT_EQ(story.phase(id), Phase::succeeded);
  EXPECT_EQ(story.of(id).last()->tasks[0].ended_at, done);
}

TEST(Workload, CancelWinsOverAPreemptionUnderWay) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  story.start(id);
  story.started(id);
  story.tell(RequestStop{id, 1, Reason::preempted, seconds(10), "", {}});
  const Instant kill_at = story.now + seconds(10);
  story.now = story.now + seconds(1);
  EXPECT_EQ(story.tell(Cancel{id, "no longer needed"}), "workload_stop_requested");
  EXPECT_EQ(story.of(id).last()->stop->kill_at, kill_at) << "a second stop never adds time";
  EXPECT_EQ(story.tell(RequestStop{id, 1, Reason::deadline, {}, "", {}}), "nothing");
  EXPECT_EQ(story.exited(id, Reason::signal), "workload_task_exited workload_finished");
  EXPECT_EQ(story.phase(id), Phase::cancelled);
  EXPECT_EQ(sentence(story.of(id)), "cancelled: cancelled (no longer needed)");
  EXPECT_EQ(story.tell(Cancel{id, {}}), "nothing");
}

TEST(Workload, CancelOfAQueuedOneIsImmediate) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  EXPECT_EQ(story.tell(Cancel{id, {}}), "workload_finished");
  EXPECT_EQ(story.phase(id), Phase::cancelled);
  EXPECT_EQ(story.start(id), "workload: is cancelled, not queued");
}

TEST(Workload, AGangEndsAsOne) {
  Story story;
  const WorkloadId id = story.submit(gang(3, 2));
  story.start(id);
  story.started(id, 0);
  story.started(id, 1);
  EXPECT_EQ(story.phase(id), Phase::starting);
  story.started(id, 2);
  EXPECT_EQ(story.phase(id), Phase::running);
  EXPECT_EQ(story.exited(id, Reason::completed, 0), "workload_task_exited");
  EXPECT_EQ(story.exited(id, Reason::out_of_memory, 1),
            "workload_task_exited workload_stop_requested");
  EXPECT_EQ(story.phase(id), Phase::stopping);
  ASSERT_EQ(orders(story.state).size(), 1u);
  EXPECT_EQ(orders(story.state)[0].rank, 2u);
  EXPECT_EQ(orders(story.state)[0].order, Order::stop);
  story.now = story.now + seconds(1);
  EXPECT_EQ(story.exited(id, Reason::gang, 2), "workload_task_exited workload_finished");
  EXPECT_EQ(story.of(id).reason, Reason::out_of_memory);
}

TEST(Workload, ALostGangIsRetriedWhole) {
  Story story;
  const WorkloadId id = story.submit(gang(2));
  story.start(id);
  story.started(id, 0);
  story.started(id, 1);
  story.occurred_at = story.now - minutes(30);  // before it even began: a clock went backwards
  EXPECT_EQ(story.exited(id, Reason::lost, 0), "workload_task_exited workload_stop_requested");
  EXPECT_EQ(story.of(id).last()->tasks[0].ended_at, story.of(id).last()->tasks[0].started_at);
  EXPECT_EQ(story.exited(id, Reason::lost, 1), "workload_task_exited workload_requeued");
  EXPECT_EQ(story.of(id).retries, 1u);
}

TEST(Workload, ReportsOfAnotherGenerationAreIgnored) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  story.start(id);
  story.exited(id, Reason::start_failed);
  story.now = story.now + minutes(1);
  story.start(id);
  ASSERT_EQ(story.of(id).generation, 2u);
  const State before = story.state;
  const TaskId task = task_id(id, 0);
  for (const std::uint32_t generation : {0u, 1u, 3u}) {
    EXPECT_EQ(story.tell(ReportStarted{id, task, generation}), "nothing");
    EXPECT_EQ(story.tell(ReportExited{id, task, generation, Reason::completed, 0, "", {}}),
              "nothing");
    EXPECT_EQ(story.tell(ReportCheckpoint{id, generation}), "nothing");
    EXPECT_EQ(story.tell(RequestStop{id, generation, Reason::preempted, {}, "", {}}), "nothing");
    EXPECT_EQ(story.tell(ExtendPaid{id, generation, story.now + hours(1), {}}), "nothing");
  }
  EXPECT_EQ(story.state, before);
  EXPECT_TRUE(story.tell(ReportStarted{id, TaskId{9, 9}, 2}).starts_with("task: no task task_"));
  EXPECT_TRUE(story.tell(LetGo{WorkloadId{9, 9}}).starts_with("workload: no workload wl_"));
}

TEST(Workload, StartsAreJudged) {
  Story story;
  const WorkloadId id = story.submit(gang(2, 1));
  const Placement good{node, AllocationId{4, 1}, {{0, 1'000}}};
  const Placement second{node, AllocationId{4, 2}, {{1, 1'000}}};
  const auto start = [&](std::uint32_t generation, std::vector<Placement> placements) {
    return story.tell(Start{id, generation, std::move(placements), {}, {}});
  };
  EXPECT_EQ(start(0, {good, second}), "generation: must be above 0");
  EXPECT_EQ(start(1, {good}), "placements: must have one element per task");
  EXPECT_EQ(start(1, {good, {node, {}, {{1, 1'000}}}}),
            "placements[1]: must name a node and an allocation");
  EXPECT_EQ(start(1, {good, {node, AllocationId{4, 2}, {}}}),
            "placements[1]: must have 1 accelerators");
  EXPECT_EQ(start(1, {good, {node, AllocationId{4, 2}, {{1, 500}}}}),
            "placements[1]: must give 1000 thousandths of each");
  EXPECT_EQ(story.tell(HoldBack{id, ""}), "why: must not be empty");
  EXPECT_EQ(story.tell(HoldBack{id, "the budget of vision is used up"}), "workload_held_back");
  EXPECT_EQ(start(1, {good, second}), "workload: is held back: the budget of vision is used up");
  EXPECT_EQ(story.tell(LetGo{id}), "workload_released");
  EXPECT_EQ(story.tell(LetGo{id}), "nothing");
  EXPECT_EQ(start(7, {good, second}), "workload_attempt_started");
  EXPECT_EQ(start(7, {good, second}), "nothing") << "repeated";
  EXPECT_EQ(start(8, {good, second}), "workload: is starting, not queued");
  EXPECT_EQ(story.tell(HoldBack{id, "x"}), "workload: is starting, not queued");
}

TEST(Workload, MoneyMovesForwardOnly) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  story.start(id);
  const HoldId hold{5, 1};
  EXPECT_EQ(story.tell(ExtendPaid{id, 1, story.now + minutes(5), hold}), "workload_paid_until");
  EXPECT_EQ(story.tell(ExtendPaid{id, 1, story.now + minutes(4), {}}), "nothing");
  EXPECT_EQ(story.of(id).last()->hold, hold);
  EXPECT_EQ(next_moment(story.state), story.now + minutes(5));
}

TEST(Workload, TimeEndsWhatIsDue) {
  Story story;
  Spec waits = minimal();
  waits.deadline = story.now + minutes(1);
  Spec runs = minimal();
  runs.max_run_time = minutes(2);
  const WorkloadId queued = story.submit(waits);
  const WorkloadId running = story.submit(runs);
  story.start(running);
  EXPECT_EQ(next_moment(story.state), story.now + minutes(1));
  story.now = story.now + seconds(30);
  story.started(running);
  EXPECT_TRUE(overdue(story.state, story.now).empty());
  EXPECT_EQ(story.tell(Expire{queued}), "nothing") << "not due";
  story.now = story.now + seconds(30);
  for (const Command& command : overdue(story.state, story.now)) story.tell(command);
  EXPECT_EQ(story.phase(queued), Phase::failed);
  EXPECT_EQ(story.of(queued).reason, Reason::deadline);
  story.now = story.now + seconds(90);
  for (const Command& command : overdue(story.state, story.now)) story.tell(command);
  EXPECT_EQ(story.phase(running), Phase::stopping);
  EXPECT_TRUE(overdue(story.state, story.now).empty()) << "asked once";
  EXPECT_EQ(story.exited(running, Reason::run_time), "workload_task_exited workload_finished");
  EXPECT_EQ(sentence(story.of(running)), "failed: run time (it ran for 2m)");
}

TEST(Workload, TextFromOutsideIsBoundedAndReadable) {
  Story story;
  const WorkloadId id = story.submit(minimal());
  std::string why;
  while (why.size() < 2'000) why += "\u00e9";
  EXPECT_EQ(story.tell(Cancel{id, "x" + why}), "workload_finished");
  EXPECT_EQ(story.of(id).detail.size(), 1'023u) << "cut between two characters";
  const WorkloadId other = story.submit(minimal());
  story.tell(Cancel{other, "\xff!"});
  EXPECT_EQ(story.of(other).detail, "?!");
}

// The state does not grow with all that ever ran; what is let go is a rule of the facts alone.
TEST(Workload, OfEachProjectTheLastThatEndedAreKept) {
  constexpr std::size_t more = 5;
  Story story;
  const OrgId other{1, 2};
  Spec elsewhere = minimal();
  elsewhere.project = other;
  const WorkloadId quiet = story.submit(elsewhere);
  story.tell(Cancel{quiet, {}});
  const WorkloadId queued = story.submit(minimal());  // older than all that end
  std::vector<WorkloadId> ids;
  for (std::size_t i = 0; i < kept_finished + more; ++i) {
    Spec spec = minimal();
    spec.name = "job-" + std::to_string(i);
    ids.push_back(story.submit(spec));
    story.now = story.now + milliseconds(1);
    story.tell(Cancel{ids.back(), {}});
  }
  EXPECT_EQ(story.state.workloads.size(), kept_finished + 2);
  EXPECT_EQ(story.state.by_project.at(project).size(), kept_finished + 1);
  EXPECT_EQ(story.state.finished.at(project).size(), kept_finished);
  EXPECT_EQ(story.state.former.size(), more);
  EXPECT_EQ(story.phase(queued), Phase::queued);
  EXPECT_EQ(story.phase(quiet), Phase::cancelled);
  EXPECT_EQ(find(story.state, ids[more - 1]), nullptr);
  EXPECT_EQ(story.phase(ids[more]), Phase::cancelled);
  EXPECT_EQ(find_former(story.state, ids[more]), nullptr);
  const Former* const former = find_former(story.state, ids[0]);
  ASSERT_NE(former, nullptr);
  EXPECT_EQ(*former, (Former{project, "job-0", Phase::cancelled,
                             Instant{} + hours(1) + milliseconds(1)}));
  EXPECT_EQ(story.tell(Submit{ids[0], minimal()}),
            "workload: this id names a workload that has ended");
  EXPECT_EQ(*codec::decode<State>(codec::encode(story.state)), story.state);
  // Once no statement can name them one by one, nothing is left of them.
  story.now = story.now + former_kept;
  story.tell(Cancel{queued, {}});
  EXPECT_TRUE(story.state.former.empty());
  EXPECT_TRUE(story.state.former_by_end.empty());
  EXPECT_EQ(story.state.workloads.size(), kept_finished + 1);
}

// ---- by seed

const Reason reasons[] = {Reason::completed, Reason::exit_code,   Reason::lost,
                          Reason::preempted, Reason::unpaid,      Reason::cancelled,
                          Reason::gang,      Reason::start_failed};

Command random_command(const Story& story, const std::vector<WorkloadId>& ids, Random& random) {
  const WorkloadId id = ids[random.below(ids.size())];
  const Workload& workload = story.of(id);
  const std::uint32_t generation = workload.generation - (random.chance(1, 5) ? 1 : 0);
  const TaskId task = task_id(id, static_cast<std::uint32_t>(random.below(*workload.spec.tasks)));
  switch (random.below(9)) {
    case 0:
    case 1: return ReportStarted{id, task, generation};
    case 2:
    case 3: return ReportExited{id, task, generation, reasons[random.below(8)], 0, "d", {}};
    case 4: return RequestStop{id, generation, Reason::preempted, {}, "", {}};
    case 5: return random.chance(1, 4) ? Command{Cancel{id, {}}} : Command{LetGo{id}};
    case 6: return HoldBack{id, "money"};
    case 7: return ExtendPaid{id, generation, story.now + minutes(1), {}};
    default: return ReportCheckpoint{id, generation};
  }
}

// What must hold of every workload at every moment.
void expect_sound(const State& state, const State& before) {
  for (const auto& [id, workload] : state.workloads) {
    EXPECT_EQ(state.live.contains(id), !is_final(workload.phase));
    EXPECT_LE(workload.retries, *workload.spec.retries->max);
    if (workload.phase != Phase::queued && workload.generation > 0) {
      EXPECT_EQ(workload.last()->generation, workload.generation);
      EXPECT_EQ(workload.last()->ended_at.has_value(), is_final(workload.phase));
    }
    const Workload* was = find(before, id);
    if (was == nullptr) continue;
    EXPECT_GE(workload.generation, was->generation);
    if (is_final(was->phase)) {
      EXPECT_EQ(workload, *was) << "what has ended does not change";
    }
  }
}

TEST(Workload, NoHistoryMovesBackwards) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Story story;
    State replayed;
    std::vector<WorkloadId> ids;
    for (std::uint32_t tasks = 1; tasks <= 4; ++tasks) {
      Spec spec = gang(tasks);
      spec.retries = Retries{2, {Reason::lost, Reason::exit_code}, seconds(1), {}};
      ids.push_back(story.submit(spec));
    }
    replayed = story.state;
    for (int step = 0; step < 300; ++step) {
      story.now = story.now + milliseconds(random.between(0, 500));
      story.occurred_at = story.now - milliseconds(random.between(0, 2'000));
      const State before = story.state;
      const WorkloadId next = ids[random.below(ids.size())];
      Command command = random_command(story, ids, random);
      if (is_startable(story.of(next), story.now) && random.chance(1, 2)) {
        story.start(next);
        replayed = story.state;
        continue;
      }
      const auto events = judge(story.state, command, story.context());
      ASSERT_TRUE(events || events.error().code == Code::conflict) << to_text(events.error());
      if (!events) continue;
      for (const Event& event : *events) {
        apply(story.state, event, story.context());
        const auto again = codec::decode<Event>(codec::encode(event));
        ASSERT_TRUE(again);
        apply(replayed, *again, story.context());
      }
      expect_sound(story.state, before);
      ASSERT_EQ(story.state, replayed);
    }
    const auto restored = codec::decode<State>(codec::encode(story.state));
    ASSERT_TRUE(restored);
    EXPECT_EQ(*restored, story.state);
  }
}

}  // namespace
}  // namespace bessemer::workload
