// What has become of workloads, and the questions that others ask about them.
#include "orchestration/workload/workload.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::workload {
namespace {

Workload& known(State& state, WorkloadId id) {
  const auto at = state.workloads.find(id);
  check(at != state.workloads.end(), "workload: a fact about an unknown workload");
  return at->second;
}

Attempt& present(Workload& workload, std::uint32_t generation) {
  check(!workload.attempts.empty() && workload.generation == generation,
        "workload: a fact about another generation");
  return workload.attempts.back();
}

Task& known_task(Attempt& attempt, TaskId id) {
  const auto at = std::find_if(attempt.tasks.begin(), attempt.tasks.end(),
                               [&](const Task& task) { return task.id == id; });
  check(at != attempt.tasks.end(), "workload: a fact about an unknown task");
  return *at;
}

void end_attempt(Attempt& attempt, Reason reason, const std::string& detail, Instant at) {
  attempt.reason = reason;
  attempt.detail = detail;
  attempt.ended_at = attempt.started_at;
  for (const Task& task : attempt.tasks) {
    attempt.ended_at = std::max(*attempt.ended_at, task.ended_at.value_or(at));
  }
}

void change(State& state, const Submitted& event, const Context& context) {
  Workload workload;
  workload.id = event.workload;
  workload.spec = event.spec;
  workload.submitted_at = workload.queued_at = context.now;
  workload.submitted_by = context.actor;
  state.live.insert(event.workload);
  state.by_project[event.spec.project].insert(event.workload);
  const bool fresh = state.workloads.emplace(event.workload, std::move(workload)).second;
  check(fresh, "workload: submitted twice");
}

void change(State& state, const AttemptStarted& event, const Context& context) {
  Workload& workload = known(state, event.workload);
  check(workload.phase == Phase::queued, "workload: started while not queued");
  workload.phase = Phase::starting;
  workload.generation = event.generation;
  workload.not_before.reset();
  Attempt attempt;
  attempt.generation = event.generation;
  attempt.started_at = context.now;
  attempt.hold = event.hold;
  attempt.paid_until = event.paid_until;
  for (std::uint32_t rank = 0; rank < event.placements.size(); ++rank) {
    Task task;
    task.id = task_id(event.workload, rank);
    task.placement = event.placements[rank];
    attempt.tasks.push_back(std::move(task));
  }
  if (workload.attempts.size() == kept_attempts) {
    workload.attempts.erase(workload.attempts.begin());
  }
  workload.attempts.push_back(std::move(attempt));
}

void change(State& state, const TaskStarted& event, const Context& context) {
  Workload& workload = known(state, event.workload);
  Attempt& attempt = present(workload, event.generation);
  Task& task = known_task(attempt, event.task);
  task.phase = TaskPhase::running;
  task.started_at = std::max(context.occurred_at, attempt.started_at);
  const bool all_started =
      std::none_of(attempt.tasks.begin(), attempt.tasks.end(),
                   [](const Task& each) { return each.phase == TaskPhase::starting; });
  if (workload.phase == Phase::starting && all_started) workload.phase = Phase::running;
}

void change(State& state, const TaskExited& event, const Context& context) {
  Workload& workload = known(state, event.workload);
  Attempt& attempt = present(workload, event.generation);
  Task& task = known_task(attempt, event.task);
  task.phase = TaskPhase::ended;
  // A clock that went backwards must not make an interval negative.
  task.ended_at = std::max(context.occurred_at, task.started_at.value_or(attempt.started_at));
  task.reason = event.reason;
  task.exit_code = event.exit_code;
  task.detail = event.detail;
  task.outputs = event.outputs;
}

void change(State& state, const StopRequested& event, const Context& context) {
  Workload& workload = known(state, event.workload);
  Attempt& attempt = present(workload, event.generation);
  const Instant noticed_at = attempt.stop ? attempt.stop->noticed_at : context.now;
  attempt.stop = Stop{event.reason, noticed_at, event.kill_at, event.detail, event.claimant};
  workload.phase = Phase::stopping;
}

void change(State& state, const Requeued& event, const Context& context) {
  Workload& workload = known(state, event.workload);
  end_attempt(present(workload, event.generation), event.reason, event.detail, context.now);
  workload.phase = Phase::queued;
  workload.queued_at = context.now;
  workload.not_before = event.not_before;
  workload.held = event.held;
  workload.reason = event.reason;
  workload.detail = event.detail;
  ++(event.retry ? workload.retries : workload.interruptions);
}

// A rule of the facts alone, so that a replay lets go of the same: the project's first to end makes
// room for the one that ended now.
void let_go(State& state, OrgId project, Instant now) {
  ByEnd& finished = state.finished[project];
  while (finished.size() > kept_finished) {
    const auto [at, id] = *finished.begin();
    const Workload& workload = known(state, id);
    state.former[id] = Former{project, workload.spec.name.value_or(""), workload.phase, at};
    state.former_by_end.emplace(at, id);
    state.by_project.at(project).erase(id);
    state.workloads.erase(id);
    finished.erase(finished.begin());
  }
  ByEnd& former = state.former_by_end;
  while (!former.empty() && former.begin()->first < now - former_kept) {
    state.former.erase(former.begin()->second);
    former.erase(former.begin());
  }
}

void change(State& state, const Finished& event, const Context& context) {
  Workload& workload = known(state, event.workload);
  if (workload.phase != Phase::queued) {
    end_attempt(present(workload, workload.generation), event.reason, event.detail, context.now);
  }
  workload.phase = event.phase;
  workload.finished_at = context.now;
  workload.not_before.reset();
  workload.held.reset();
  workload.reason = event.reason;
  workload.detail = event.detail;
  state.live.erase(event.workload);
  const OrgId project = workload.spec.project;
  state.finished[project].emplace(context.now, event.workload);
  let_go(state, project, context.now);
}

void change(State& state, const HeldBack& event, const Context&) {
  known(state, event.workload).held = event.why;
}

void change(State& state, const Released& event, const Context&) {
  known(state, event.workload).held.reset();
}

void change(State& state, const PaidUntil& event, const Context&) {
  Attempt& attempt = present(known(state, event.workload), event.generation);
  attempt.paid_until = event.paid_until;
  if (event.hold) attempt.hold = event.hold;
}

void change(State& state, const Checkpointed& event, const Context& context) {
  Attempt& attempt = present(known(state, event.workload), event.generation);
  attempt.checkpointed_at = std::max(attempt.checkpointed_at.value_or(context.occurred_at),
                                     context.occurred_at);
}

// Since when all tasks of the attempt run; none while one still starts.
std::optional<Instant> running_since(const Attempt& attempt) {
  std::optional<Instant> since;
  for (const Task& task : attempt.tasks) {
    if (!task.started_at) return std::nullopt;
    since = std::max(since.value_or(*task.started_at), *task.started_at);
  }
  return since;
}

// When the attempt has run as long as it may.
std::optional<Instant> run_end(const Workload& workload) {
  if (!workload.spec.max_run_time || workload.phase != Phase::running) return std::nullopt;
  const auto since = running_since(*workload.last());
  if (!since) return std::nullopt;
  return *since + *workload.spec.max_run_time;
}

}  // namespace

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& happened) { change(state, happened, context); }, event);
}

const Workload* find(const State& state, WorkloadId id) {
  const auto at = state.workloads.find(id);
  return at == state.workloads.end() ? nullptr : &at->second;
}

const Former* find_former(const State& state, WorkloadId id) {
  const auto at = state.former.find(id);
  return at == state.former.end() ? nullptr : &at->second;
}

const Task* find_task(const Workload& workload, TaskId task) {
  const Attempt* attempt = workload.last();
  if (attempt == nullptr) return nullptr;
  const auto at = std::find_if(attempt->tasks.begin(), attempt->tasks.end(),
                               [&](const Task& each) { return each.id == task; });
  return at == attempt->tasks.end() ? nullptr : &*at;
}

std::vector<TaskOrder> orders(const State& state) {
  std::vector<TaskOrder> list;
  for (const WorkloadId id : state.live) {
    const Workload& workload = *find(state, id);
    if (workload.phase == Phase::queued) continue;
    const Attempt& attempt = *workload.last();
    for (std::uint32_t rank = 0; rank < attempt.tasks.size(); ++rank) {
      const Task& task = attempt.tasks[rank];
      if (task.phase == TaskPhase::ended) continue;
      TaskOrder order{id, task.id, attempt.generation, rank, task.placement.node, Order::run, {}};
      if (attempt.stop) {
        order.order = Order::stop;
        order.kill_at = attempt.stop->kill_at;
      }
      list.push_back(order);
    }
  }
  return list;
}

std::vector<Command> overdue(const State& state, Instant now) {
  std::vector<Command> list;
  for (const WorkloadId id : state.live) {
    const Workload& workload = *find(state, id);
    const auto& deadline = workload.spec.deadline;
    const bool is_late = deadline && *deadline <= now;
    if (workload.phase == Phase::queued) {
      if (is_late) list.push_back(Expire{id});
    } else if (workload.last()->stop) {
      continue;
    } else if (is_late) {
      list.push_back(RequestStop{id, workload.generation, Reason::deadline, {},
                                 "its deadline has passed", {}});
    } else if (const auto end = run_end(workload); end && *end <= now) {
      list.push_back(RequestStop{id, workload.generation, Reason::run_time, {},
                                 "it ran for " + to_text(*workload.spec.max_run_time), {}});
    }
  }
  return list;
}

std::optional<Instant> next_moment(const State& state) {
  std::optional<Instant> next;
  const auto consider = [&](const std::optional<Instant>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const WorkloadId id : state.live) {
    const Workload& workload = *find(state, id);
    if (workload.phase == Phase::queued) {
      consider(workload.spec.deadline);
      if (!workload.held) consider(workload.not_before);
    } else if (!workload.last()->stop) {
      consider(workload.spec.deadline);
      consider(run_end(workload));
      consider(workload.last()->paid_until);
    }
  }
  return next;
}

bool is_startable(const Workload& workload, Instant now) {
  return workload.phase == Phase::queued && !workload.held &&
         (!workload.not_before || *workload.not_before <= now) &&
         (!workload.spec.deadline || *workload.spec.deadline > now);
}

std::string sentence(const Workload& workload) {
  std::string text(enum_text(workload.phase));
  const auto explain = [&](Reason reason, const std::string& detail) {
    std::string word(enum_text(reason));
    std::replace(word.begin(), word.end(), '_', ' ');
    text += ": " + word;
    if (!detail.empty()) text += " (" + detail + ")";
  };
  switch (workload.phase) {
    case Phase::queued:
      if (workload.held) text += ": held back, " + *workload.held;
      else if (workload.not_before) text += ": waits until " + to_text(*workload.not_before);
      if (workload.reason) explain(*workload.reason, workload.detail);
      break;
    case Phase::stopping:
      explain(workload.last()->stop->reason, workload.last()->stop->detail);
      break;
    case Phase::failed:
    case Phase::cancelled: explain(*workload.reason, workload.detail); break;
    default: break;
  }
  if (workload.generation > 1) text += ", attempt " + std::to_string(workload.generation);
  return text;
}

}  // namespace bessemer::workload
