// Jobs and services: what was asked, each attempt to run it, and how it ended.
//
//   queued -> starting -> running -> succeeded | failed | cancelled
//     ^          |           |
//     +--------- stopping <--+     (a notice was given; the tasks have their grace)
//
// Each start is a new generation. A report that carries another generation than the present one
// is ignored, so that a late message never moves a workload backwards.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/fact.h"
#include "orchestration/workload/spec.h"

namespace bessemer::workload {

enum class Phase : std::uint8_t {
  queued, starting, running, stopping, succeeded, failed, cancelled
};
DESCRIBE_ENUM(Phase, queued, starting, running, stopping, succeeded, failed, cancelled)
constexpr bool is_final(Phase phase) { return phase >= Phase::succeeded; }

// A part of one accelerator of a node; 1000 is the whole.
struct Share {
  std::uint32_t index = 0;
  std::uint32_t milli = 1'000;
  friend bool operator==(const Share&, const Share&) = default;
};
DESCRIBE(Share, index, milli)

// Where one task of an attempt runs.
struct Placement {
  NodeId node;
  AllocationId allocation;
  std::vector<Share> accelerators;
  friend bool operator==(const Placement&, const Placement&) = default;
};
DESCRIBE(Placement, node, allocation, accelerators)

// An artifact that a task left under /bessemer/outputs/<name>.
struct Product {
  std::string name;
  Digest artifact;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  friend bool operator==(const Product&, const Product&) = default;
};
DESCRIBE(Product, name, artifact, bytes, files)

enum class TaskPhase : std::uint8_t { starting, running, ended };
DESCRIBE_ENUM(TaskPhase, starting, running, ended)

// One task of one attempt.
struct Task {
  TaskId id;                // the same in every attempt: see task_id()
  Placement placement;
  TaskPhase phase = TaskPhase::starting;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  Reason reason = Reason::completed;  // meaningful when ended
  std::int32_t exit_code = 0;         // with Reason::exit_code; the number with Reason::signal
  std::string detail;
  std::vector<Product> outputs;
  friend bool operator==(const Task&, const Task&) = default;
};
DESCRIBE(Task, id, placement, phase, started_at, ended_at, reason, exit_code, detail, outputs)

// A notice: the tasks were asked to end, and will be killed at `kill_at`.
struct Stop {
  Reason reason = Reason::cancelled;
  Instant noticed_at;
  Instant kill_at;
  std::string detail;
  WorkloadId claimant;               // with preempted: who gets the room
  friend bool operator==(const Stop&, const Stop&) = default;
};
DESCRIBE(Stop, reason, noticed_at, kill_at, detail, claimant)

// One generation of a workload.
struct Attempt {
  std::uint32_t generation = 0;
  Instant started_at;                 // when the decision fell; each task has its own start
  std::optional<Instant> ended_at;
  std::optional<Reason> reason;
  std::string detail;
  std::vector<Task> tasks;
  HoldId hold;                        // the money set aside; none: nothing is held
  std::optional<Instant> paid_until;
  std::optional<Instant> checkpointed_at;
  std::optional<Stop> stop;
  friend bool operator==(const Attempt&, const Attempt&) = default;
};
DESCRIBE(Attempt, generation, started_at, ended_at, reason, detail, tasks, hold, paid_until,
         checkpointed_at, stop)

struct Workload {
  WorkloadId id;
  Spec spec;                          // complete
  Phase phase = Phase::queued;
  std::uint32_t generation = 0;       // of the present or last attempt; 0: none was made
  Instant submitted_at;
  Instant queued_at;                  // since when it waits, while queued
  std::optional<Instant> not_before;  // backoff, while queued
  std::optional<std::string> held;    // why it must not start, while queued
  PrincipalId submitted_by;
  std::uint32_t retries = 0;          // used so far
  std::uint32_t interruptions = 0;    // requeued without using a retry
  std::optional<Instant> finished_at;
  std::optional<Reason> reason;       // of the last attempt's end
  std::string detail;
  std::vector<Attempt> attempts;      // the last kept_attempts, oldest first
  // The present attempt, or the last one; null before the first.
  const Attempt* last() const { return attempts.empty() ? nullptr : &attempts.back(); }
  friend bool operator==(const Workload&, const Workload&) = default;
};
DESCRIBE(Workload, id, spec, phase, generation, submitted_at, queued_at, not_before, held,
         submitted_by, retries, interruptions, finished_at, reason, detail, attempts)

constexpr std::size_t kept_attempts = 16;      // older ones are in the journal only
// Of one project, the last that ended. Older ones are in the journal only; what is left of them is
// a Former, for as long as a statement may still name them one by one: 16 months.
constexpr std::size_t kept_finished = 10'000;
constexpr Duration former_kept = days(490);

// What is left of a workload whose record was let go.
struct Former {
  OrgId project;
  std::string name;
  Phase phase = Phase::succeeded;
  Instant finished_at;
  friend bool operator==(const Former&, const Former&) = default;
};
DESCRIBE(Former, project, name, phase, finished_at)

using ByEnd = std::set<std::pair<Instant, WorkloadId>>;  // the first to end first

struct State {
  std::map<WorkloadId, Workload> workloads;
  std::set<WorkloadId> live;                          // not final
  std::map<OrgId, std::set<WorkloadId>> by_project;
  std::map<OrgId, ByEnd> finished;                    // at most kept_finished of each project
  std::map<WorkloadId, Former> former;
  ByEnd former_by_end;
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, workloads, live, by_project, finished, former, former_by_end)

// ---- commands

struct Submit { WorkloadId workload; Spec spec; };
DESCRIBE(Submit, workload, spec)

// Starts attempt `generation`, above every earlier one; `placements` has one entry per task, in
// order of rank.
struct Start {
  WorkloadId workload;
  std::uint32_t generation = 0;
  std::vector<Placement> placements;
  HoldId hold;
  std::optional<Instant> paid_until;
};
DESCRIBE(Start, workload, generation, placements, hold, paid_until)

// Observed: the task's process runs. Context::occurred_at says since when.
struct ReportStarted { WorkloadId workload; TaskId task; std::uint32_t generation = 0; };
DESCRIBE(ReportStarted, workload, task, generation)

// Observed: the task has ended, and will say nothing more. What ended because we asked has the
// reason of the stop; what is lost ended at its last heartbeat (Context::occurred_at).
struct ReportExited {
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
  Reason reason = Reason::completed;
  std::int32_t exit_code = 0;
  std::string detail;
  std::vector<Product> outputs;
};
DESCRIBE(ReportExited, workload, task, generation, reason, exit_code, detail, outputs)

// Observed: a checkpoint was completed.
struct ReportCheckpoint { WorkloadId workload; std::uint32_t generation = 0; };
DESCRIBE(ReportCheckpoint, workload, generation)

// A person's wish: ends the workload for good.
struct Cancel { WorkloadId workload; std::optional<std::string> why; };
DESCRIBE(Cancel, workload, why)

// The factory's notice to the present attempt, for one of the reasons preempted, drained, unpaid,
// deadline, run_time, cancelled. `notice` can only shorten the grace. What was already asked to
// stop changes its reason only for a more final one: requeued < ended < cancelled.
struct RequestStop {
  WorkloadId workload;
  std::uint32_t generation = 0;
  Reason reason = Reason::preempted;
  std::optional<Duration> notice;
  std::string detail;
  WorkloadId claimant;               // with preempted: who gets the room
};
DESCRIBE(RequestStop, workload, generation, reason, notice, detail, claimant)

// Ends what a queued workload waits for: its deadline has passed.
struct Expire { WorkloadId workload; };
DESCRIBE(Expire, workload)

// Keeps a queued workload from starting ("budget of vision is used up"), and lets it go again.
struct HoldBack { WorkloadId workload; std::string why; };
DESCRIBE(HoldBack, workload, why)
struct LetGo { WorkloadId workload; };
DESCRIBE(LetGo, workload)

// More time is paid for. Requires nothing of the order: an earlier moment is ignored.
struct ExtendPaid {
  WorkloadId workload;
  std::uint32_t generation = 0;
  Instant paid_until;
  HoldId hold;
};
DESCRIBE(ExtendPaid, workload, generation, paid_until, hold)

using Command = std::variant<Submit, Start, ReportStarted, ReportExited, ReportCheckpoint, Cancel,
                             RequestStop, Expire, HoldBack, LetGo, ExtendPaid>;

// ---- facts

struct Submitted {
  static constexpr std::uint16_t fact = 0x3201;
  static constexpr std::string_view tag = "workload_submitted";
  WorkloadId workload;
  Spec spec;
};
DESCRIBE(Submitted, workload, spec)

struct AttemptStarted {
  static constexpr std::uint16_t fact = 0x3202;
  static constexpr std::string_view tag = "workload_attempt_started";
  WorkloadId workload;
  std::uint32_t generation = 0;
  std::vector<Placement> placements;
  HoldId hold;
  std::optional<Instant> paid_until;
};
DESCRIBE(AttemptStarted, workload, generation, placements, hold, paid_until)

struct TaskStarted {
  static constexpr std::uint16_t fact = 0x3203;
  static constexpr std::string_view tag = "workload_task_started";
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
};
DESCRIBE(TaskStarted, workload, task, generation)

struct TaskExited {
  static constexpr std::uint16_t fact = 0x3204;
  static constexpr std::string_view tag = "workload_task_exited";
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
  Reason reason = Reason::completed;
  std::int32_t exit_code = 0;
  std::string detail;
  std::vector<Product> outputs;
};
DESCRIBE(TaskExited, workload, task, generation, reason, exit_code, detail, outputs)

struct StopRequested {
  static constexpr std::uint16_t fact = 0x3205;
  static constexpr std::string_view tag = "workload_stop_requested";
  WorkloadId workload;
  std::uint32_t generation = 0;
  Reason reason = Reason::cancelled;
  Instant kill_at;
  std::string detail;
  WorkloadId claimant;
};
DESCRIBE(StopRequested, workload, generation, reason, kill_at, detail, claimant)

// The attempt is over and the workload waits again.
struct Requeued {
  static constexpr std::uint16_t fact = 0x3206;
  static constexpr std::string_view tag = "workload_requeued";
  WorkloadId workload;
  std::uint32_t generation = 0;  // the one that ended
  Reason reason = Reason::preempted;
  std::string detail;
  bool retry = false;            // it used one of its retries
  std::optional<Instant> not_before;
  std::optional<std::string> held;
};
DESCRIBE(Requeued, workload, generation, reason, detail, retry, not_before, held)

// The workload is over: `phase` is succeeded, failed or cancelled.
struct Finished {
  static constexpr std::uint16_t fact = 0x3207;
  static constexpr std::string_view tag = "workload_finished";
  WorkloadId workload;
  Phase phase = Phase::succeeded;
  Reason reason = Reason::completed;
  std::string detail;
};
DESCRIBE(Finished, workload, phase, reason, detail)

struct HeldBack {
  static constexpr std::uint16_t fact = 0x3208;
  static constexpr std::string_view tag = "workload_held_back";
  WorkloadId workload;
  std::string why;
};
DESCRIBE(HeldBack, workload, why)

struct Released {
  static constexpr std::uint16_t fact = 0x3209;
  static constexpr std::string_view tag = "workload_released";
  WorkloadId workload;
};
DESCRIBE(Released, workload)

struct PaidUntil {
  static constexpr std::uint16_t fact = 0x320a;
  static constexpr std::string_view tag = "workload_paid_until";
  WorkloadId workload;
  std::uint32_t generation = 0;
  Instant paid_until;
  HoldId hold;
};
DESCRIBE(PaidUntil, workload, generation, paid_until, hold)

struct Checkpointed {
  static constexpr std::uint16_t fact = 0x320b;
  static constexpr std::string_view tag = "workload_checkpointed";
  WorkloadId workload;
  std::uint32_t generation = 0;
};
DESCRIBE(Checkpointed, workload, generation)

using Event = std::variant<Submitted, AttemptStarted, TaskStarted, TaskExited, StopRequested,
                           Requeued, Finished, HeldBack, Released, PaidUntil, Checkpointed>;

// Decides. A report of another generation, of an ended task or of a finished workload gives no
// events: it is late, not wrong. Errors: invalid, not_found, conflict.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- questions

// Null when unknown, or let go.
const Workload* find(const State& state, WorkloadId id);
// Null when unknown, or kept whole.
const Former* find_former(const State& state, WorkloadId id);

// The id of task `index`: the same in every attempt, so that its directory and checkpoints are.
inline TaskId task_id(WorkloadId workload, std::uint32_t index) {
  return derive_id<TaskTag>(workload, index);
}
// The task of the present or last attempt; null when unknown.
const Task* find_task(const Workload& workload, TaskId task);

// What the executor should be doing, now. Reconciled against what it does.
enum class Order : std::uint8_t { run, stop };
DESCRIBE_ENUM(Order, run, stop)
struct TaskOrder {
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
  std::uint32_t rank = 0;             // of the gang
  NodeId node;
  Order order = Order::run;
  std::optional<Instant> kill_at;     // with stop
  friend bool operator==(const TaskOrder&, const TaskOrder&) = default;
};
DESCRIBE(TaskOrder, workload, task, generation, rank, node, order, kill_at)
// One per task that has not ended, of every attempt under way; in order of (workload, rank).
std::vector<TaskOrder> orders(const State& state);

// The commands that time alone asks for: Expire for what queued past its deadline, RequestStop for
// what runs past its deadline or maximum run time.
std::vector<Command> overdue(const State& state, Instant now);
// The next moment at which overdue(), a backoff or `paid_until` could ask for something.
std::optional<Instant> next_moment(const State& state);

// True when it could start at `now`: queued, not held, past its backoff.
bool is_startable(const Workload& workload, Instant now);

// One sentence about where it stands: "failed: exit code 1 (attempt 3)".
std::string sentence(const Workload& workload);

}  // namespace bessemer::workload
