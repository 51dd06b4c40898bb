// Decides what becomes of a workload: each command walks down its refusals.
#include <algorithm>

#include "base/text.h"
#include "orchestration/workload/workload.h"

namespace bessemer::workload {
namespace {

using Events = std::vector<Event>;

constexpr std::size_t max_detail = 1'024;

// Text from outside, bounded and fit for JSON.
std::string cut(std::string text) {
  if (!is_utf8(text)) {
    for (char& c : text) {
      if ((c & 0x80) != 0) c = '?';
    }
  }
  if (text.size() <= max_detail) return text;
  std::size_t end = max_detail;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;  // not within a character
  text.resize(end);
  return text;
}

Error unknown(WorkloadId id) { return not_found("no workload " + to_text(id)).at("workload"); }

bool is_under_way(const Workload& workload) {
  return workload.phase == Phase::starting || workload.phase == Phase::running ||
         workload.phase == Phase::stopping;
}

// ---- what becomes of an attempt that ended

// The reason that speaks for the whole attempt.
struct End {
  Reason reason = Reason::completed;
  std::string detail;
};

bool is_bad(const Task& task) {
  return task.reason != Reason::completed && task.reason != Reason::gang;
}

// The first task that went wrong by itself; ties by rank.
const Task* first_bad(const Attempt& attempt) {
  const Task* found = nullptr;
  for (const Task& task : attempt.tasks) {
    if (task.phase != TaskPhase::ended || !is_bad(task)) continue;
    if (found == nullptr || *task.ended_at < *found->ended_at) found = &task;
  }
  return found;
}

// Requires: every task has ended.
End end_of(const Attempt& attempt) {
  const bool all_completed = std::all_of(
      attempt.tasks.begin(), attempt.tasks.end(), [&](const Task& task) {
        const bool before_notice = !attempt.stop || *task.ended_at <= attempt.stop->noticed_at;
        return task.reason == Reason::completed && before_notice;
      });
  if (all_completed) return {};
  if (attempt.stop && attempt.stop->reason != Reason::gang) {
    return {attempt.stop->reason, attempt.stop->detail};
  }
  const Task* bad = first_bad(attempt);
  if (bad == nullptr) return {Reason::gang, "a task of the gang was stopped"};
  return {bad->reason, bad->detail};
}

Duration backoff(const Retries& policy, std::uint32_t used) {
  Duration wait = *policy.backoff;
  for (std::uint32_t i = 0; i < used && wait < *policy.max_backoff; ++i) wait = wait * 2;
  return std::min(wait, *policy.max_backoff);
}

Event finished(const Workload& workload, Phase phase, const End& end) {
  return Finished{workload.id, phase, end.reason, end.detail};
}

Event requeued(const Workload& workload, const End& end) {
  Requeued event{workload.id, workload.generation, end.reason, end.detail, false, {}, {}};
  if (end.reason == Reason::unpaid) event.held = "its budget is used up";
  return event;
}

// The answer to an attempt's end, as the README's table says it.
Event outcome(const Workload& workload, const End& end, const Context& context) {
  const Spec& spec = workload.spec;
  const bool is_late = spec.deadline && context.now >= *spec.deadline;
  switch (end.reason) {
    case Reason::completed:
      if (*spec.kind == Kind::job) return finished(workload, Phase::succeeded, end);
      return finished(workload, Phase::failed, {end.reason, "a service must not exit"});
    case Reason::cancelled: return finished(workload, Phase::cancelled, end);
    case Reason::deadline: return finished(workload, Phase::failed, end);
    case Reason::preempted:
    case Reason::drained:
    case Reason::unpaid:
      if (is_late) return finished(workload, Phase::failed, {Reason::deadline, end.detail});
      return requeued(workload, end);
    default: break;
  }
  const Retries& policy = *spec.retries;
  if (is_late || !policy.on.contains(end.reason) || workload.retries >= *policy.max) {
    return finished(workload, Phase::failed, end);
  }
  return Requeued{workload.id,  workload.generation, end.reason, end.detail, true,
                  context.now + backoff(policy, workload.retries), {}};
}

// ---- stopping

// How final a stop is; a stop gives way only to a more final one.
int finality(Reason reason) {
  switch (reason) {
    case Reason::cancelled: return 2;
    case Reason::gang:
    case Reason::deadline:
    case Reason::run_time: return 1;
    default: return 0;
  }
}

// Asks the attempt under way to stop, or says nothing when it already is.
Events stop(const Workload& workload, const RequestStop& asked, const Context& context) {
  const Attempt& attempt = *workload.last();
  Duration grace = *workload.spec.grace;
  if (asked.notice) grace = std::min(grace, std::max(*asked.notice, Duration{}));
  Instant kill_at = context.now + grace;
  if (attempt.stop) {
    if (finality(asked.reason) <= finality(attempt.stop->reason)) return {};
    kill_at = std::min(kill_at, attempt.stop->kill_at);
  }
  return {StopRequested{workload.id, workload.generation, asked.reason, kill_at,
                        cut(asked.detail), asked.claimant}};
}

// ---- one function per command

Result<Events> decide(const State& state, const Submit& command, const Context&) {
  if (!command.workload) return invalid("is required").at("workload");
  TRY_ASSIGN(Spec spec, complete(command.spec));
  if (const Workload* known = find(state, command.workload)) {
    if (known->spec == spec) return Events{};
    return conflict("this id names another workload").at("workload");
  }
  if (find_former(state, command.workload) != nullptr) {
    return conflict("this id names a workload that has ended").at("workload");
  }
  return Events{Submitted{command.workload, std::move(spec)}};
}

Result<void> check_placement(const Placement& placement, const Shape& shape, std::size_t rank) {
  const std::string field = "placements[" + std::to_string(rank) + "]";
  if (!placement.node || !placement.allocation) {
    return invalid("must name a node and an allocation").at(field);
  }
  const std::size_t devices = shape.gpus + (shape.gpu_milli > 0 ? 1u : 0u);
  const std::uint32_t each = shape.gpu_milli > 0 ? shape.gpu_milli : 1'000;
  if (placement.accelerators.size() != devices) {
    return invalid("must have " + std::to_string(devices) + " accelerators").at(field);
  }
  for (const Share& share : placement.accelerators) {
    if (share.milli != each) {
      return invalid("must give " + std::to_string(each) + " thousandths of each").at(field);
    }
  }
  return {};
}

Result<void> check_startable(const Workload& workload, const Start& command,
                             const Context& context) {
  if (workload.phase != Phase::queued) {
    return conflict("is " + std::string(enum_text(workload.phase)) + ", not queued")
        .at("workload");
  }
  if (workload.held) return conflict("is held back: " + *workload.held).at("workload");
  if (workload.not_before && *workload.not_before > context.now) {
    return conflict("must not start before " + to_text(*workload.not_before)).at("workload");
  }
  if (workload.spec.deadline && *workload.spec.deadline <= context.now) {
    return conflict("its deadline has passed").at("workload");
  }
  if (command.generation <= workload.generation) {
    return conflict("must be above " + std::to_string(workload.generation)).at("generation");
  }
  return {};
}

Result<Events> decide(const State& state, const Start& command, const Context& context) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  if (is_under_way(*workload) && command.generation == workload->generation) {
    const Attempt& attempt = *workload->last();
    const bool same = std::equal(
        attempt.tasks.begin(), attempt.tasks.end(), command.placements.begin(),
        command.placements.end(),
        [](const Task& task, const Placement& asked) { return task.placement == asked; });
    if (same) return Events{};
  }
  TRY(check_startable(*workload, command, context));
  if (command.placements.size() != *workload->spec.tasks) {
    return invalid("must have one element per task").at("placements");
  }
  const Shape shape = shape_of(workload->spec);
  for (std::size_t rank = 0; rank < command.placements.size(); ++rank) {
    TRY(check_placement(command.placements[rank], shape, rank));
  }
  return Events{AttemptStarted{command.workload, command.generation, command.placements,
                               command.hold, command.paid_until}};
}

// The task that a report is about: null when the report is late and says nothing any more.
Result<const Task*> reported(const Workload* workload, WorkloadId id, TaskId task,
                             std::uint32_t generation) {
  if (workload == nullptr) return unknown(id);
  if (!is_under_way(*workload) || generation != workload->generation) return nullptr;
  const Task* found = find_task(*workload, task);
  if (found == nullptr) {
    return not_found("no task " + to_text(task) + " of " + to_text(id)).at("task");
  }
  return found;
}

Result<Events> decide(const State& state, const ReportStarted& command, const Context&) {
  const Workload* workload = find(state, command.workload);
  TRY_ASSIGN(const Task* task, reported(workload, command.workload, command.task,
                                        command.generation));
  if (task == nullptr || task->phase != TaskPhase::starting) return Events{};
  return Events{TaskStarted{command.workload, command.task, command.generation}};
}

Result<Events> decide(const State& state, const ReportExited& command, const Context& context) {
  const Workload* workload = find(state, command.workload);
  TRY_ASSIGN(const Task* task, reported(workload, command.workload, command.task,
                                        command.generation));
  if (task == nullptr || task->phase == TaskPhase::ended) return Events{};
  if (command.outputs.size() > limit::outputs) {
    return invalid("must have at most " + std::to_string(limit::outputs) + " elements")
        .at("outputs");
  }
  const TaskExited exited{command.workload, command.task,         command.generation,
                          command.reason,   command.exit_code,    cut(command.detail),
                          command.outputs};
  Events events{exited};
  // What follows is judged as if the exit had been applied.
  State next;
  next.workloads.emplace(workload->id, *workload);
  apply(next, exited, context);
  const Workload& after = next.workloads.begin()->second;
  const Attempt& attempt = *after.last();
  const bool is_over = std::all_of(attempt.tasks.begin(), attempt.tasks.end(), [](const Task& t) {
    return t.phase == TaskPhase::ended;
  });
  if (is_over) {
    events.push_back(outcome(after, end_of(attempt), context));
  } else if (command.reason != Reason::completed && !attempt.stop) {
    RequestStop others{after.id, after.generation, Reason::gang, {}, {}, {}};
    others.detail = "another task ended: " + std::string(enum_text(command.reason));
    for (Event& event : stop(after, others, context)) events.push_back(std::move(event));
  }
  return events;
}

Result<Events> decide(const State& state, const ReportCheckpoint& command, const Context&) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  if (!is_under_way(*workload) || command.generation != workload->generation) return Events{};
  return Events{Checkpointed{command.workload, command.generation}};
}

Result<Events> decide(const State& state, const Cancel& command, const Context& context) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  if (workload->phase == Phase::cancelled) return Events{};
  if (is_final(workload->phase)) {
    return conflict("has already ended: " + std::string(enum_text(workload->phase)))
        .at("workload");
  }
  const std::string why = command.why.value_or("");
  if (workload->phase == Phase::queued) {
    return Events{finished(*workload, Phase::cancelled, {Reason::cancelled, cut(why)})};
  }
  return stop(*workload, {workload->id, workload->generation, Reason::cancelled, {}, why, {}},
              context);
}

Result<Events> decide(const State& state, const RequestStop& command, const Context& context) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  switch (command.reason) {
    case Reason::preempted:
    case Reason::drained:
    case Reason::unpaid:
    case Reason::deadline:
    case Reason::run_time:
    case Reason::cancelled: break;
    default:
      return invalid(std::string(enum_text(command.reason)) + " is not a reason to ask for")
          .at("reason");
  }
  if (!is_under_way(*workload) || command.generation != workload->generation) return Events{};
  return stop(*workload, command, context);
}

Result<Events> decide(const State& state, const Expire& command, const Context& context) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  const auto& deadline = workload->spec.deadline;
  const bool is_due = deadline && *deadline <= context.now;
  if (workload->phase != Phase::queued || !is_due) return Events{};
  return Events{finished(*workload, Phase::failed,
                         {Reason::deadline, "it was still waiting at its deadline"})};
}

Result<Events> decide(const State& state, const HoldBack& command, const Context&) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  if (command.why.empty()) return invalid("must not be empty").at("why");
  if (workload->phase != Phase::queued) {
    return conflict("is " + std::string(enum_text(workload->phase)) + ", not queued")
        .at("workload");
  }
  std::string why = cut(command.why);
  if (workload->held == why) return Events{};
  return Events{HeldBack{command.workload, std::move(why)}};
}

Result<Events> decide(const State& state, const LetGo& command, const Context&) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  if (workload->phase != Phase::queued || !workload->held) return Events{};
  return Events{Released{command.workload}};
}

Result<Events> decide(const State& state, const ExtendPaid& command, const Context&) {
  const Workload* workload = find(state, command.workload);
  if (workload == nullptr) return unknown(command.workload);
  if (!is_under_way(*workload) || command.generation != workload->generation) return Events{};
  const Attempt& attempt = *workload->last();
  if (attempt.paid_until && command.paid_until <= *attempt.paid_until) return Events{};
  return Events{PaidUntil{command.workload, command.generation, command.paid_until, command.hold}};
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context) {
  return std::visit([&](const auto& asked) { return decide(state, asked, context); }, command);
}

}  // namespace bessemer::workload
