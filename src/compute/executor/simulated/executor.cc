// The daemon's side of a simulated machine.
#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "compute/executor/simulated/simulated.h"

namespace bessemer::executor {

Result<void> SimulatedExecutor::start(const TaskSpec& spec, std::vector<TaskSecret> secrets) {
  TRY(check_spec(spec, secrets));
  if (machine_.tasks_.contains(spec.key)) return {};
  const auto newest = machine_.newest_.find(spec.key.task);
  if (newest != machine_.newest_.end() && newest->second >= spec.key.generation) {
    return conflict("a newer generation of this task is known").because("stale_generation");
  }
  for (const auto& [key, task] : machine_.tasks_) {
    if (key.task == spec.key.task && task.phase != SimulatedMachine::Phase::over) {
      return conflict("another generation of this task still runs").because("generation_running");
    }
  }
  const auto& missing = machine_.capabilities_.missing;
  if (spec.isolation == Isolation::strict && !missing.empty()) {
    return forbidden("strict isolation is not to be had here: " + missing.front())
        .at("isolation").because("isolation_missing");
  }
  SimulatedMachine::Task task;
  task.spec = spec;
  task.behaviour = machine_.author_.behaviour(spec, machine_.random_);
  task.started = machine_.now_;
  machine_.newest_[spec.key.task] = spec.key.generation;
  machine_.tasks_.emplace(spec.key, std::move(task));
  reads_.try_emplace(spec.key);
  return {};
}

Result<SimulatedMachine::Task*> SimulatedExecutor::find(const TaskKey& key) {
  const auto newest = machine_.newest_.find(key.task);
  if (newest != machine_.newest_.end() && newest->second > key.generation) {
    return conflict("a newer generation of this task is known").because("stale_generation");
  }
  const auto at = machine_.tasks_.find(key);
  if (at == machine_.tasks_.end() || at->second.phase == SimulatedMachine::Phase::over) {
    return not_found("no such task runs here");
  }
  return &at->second;
}

Result<void> SimulatedExecutor::stop(const TaskKey& key, std::string why, Duration grace) {
  TRY_ASSIGN(SimulatedMachine::Task* const task, find(key));
  if (task->phase == SimulatedMachine::Phase::starting) {
    Exited exited;
    exited.reason = ExitReason::stopped;
    exited.message = std::move(why);
    machine_.finish(*task, machine_.now_, std::move(exited));
    return {};
  }
  machine_.notify(*task, machine_.now_, ExitReason::stopped, std::move(why), grace);
  return {};
}

Result<void> SimulatedExecutor::renew(const TaskKey& key, Instant paid_until,
                                      AtUnpaid at_unpaid) {
  TRY_ASSIGN(SimulatedMachine::Task* const task, find(key));
  TaskSpec& spec = task->spec;
  if (!spec.paid_until || paid_until > *spec.paid_until) spec.paid_until = paid_until;
  if (spec.at_unpaid == AtUnpaid::go_on && at_unpaid == AtUnpaid::stop) {
    spec.paid_until = std::max(*spec.paid_until, machine_.now_ + spec.grace);
  }
  spec.at_unpaid = at_unpaid;
  return {};
}

void SimulatedExecutor::adopt(std::span<const Expected> expected) {
  std::map<TaskKey, const Expected*> awaited;
  for (const auto& one : expected) awaited.emplace(one.key, &one);
  for (auto& [key, task] : machine_.tasks_) {
    const auto at = awaited.find(key);
    Read fresh;
    fresh.adopted = true;
    if (at != awaited.end()) {
      fresh.marks = std::min<std::size_t>(at->second->spool, task.marks.size());
      awaited.erase(at);
    }
    reads_.try_emplace(key, fresh);
  }
  for (const auto& [key, one] : awaited) {
    Exited exited;
    exited.reason = ExitReason::lost;
    exited.ran = one->started;
    exited.message = "nothing of it is left on this machine";
    pending_.push_back({key, one->last_heard, one->spool, std::move(exited)});
  }
}

// Records and marks of one task in the order in which they happened; the end comes last.
void SimulatedExecutor::read(const TaskKey& key, Read& read, std::vector<Report>& out) {
  const auto at = machine_.tasks_.find(key);
  if (at == machine_.tasks_.end() || read.over) return;
  const SimulatedMachine::Task& task = at->second;
  const Instant until = machine_.now_ - delay_;
  while (true) {
    const Report* record =
        read.records < task.records.size() ? &task.records[read.records] : nullptr;
    const Report* mark = read.marks < task.marks.size() ? &task.marks[read.marks] : nullptr;
    // A record says how many marks came before it.
    const bool record_first = record != nullptr && record->spool <= read.marks;
    const Report* next = record_first ? record : mark != nullptr ? mark : record;
    if (next == nullptr || next->occurred_at > until) break;
    out.push_back(*next);
    ++(next == record ? read.records : read.marks);
    if (auto* started = std::get_if<Started>(&out.back().what)) started->adopted = read.adopted;
    if (std::holds_alternative<Exited>(next->what)) read.over = true;
  }
  if (!task.lost || read.over || read.records < task.records.size()) return;
  read.over = true;
  Exited exited;
  exited.reason = ExitReason::lost;
  exited.ran = !task.records.empty();
  exited.message = "its supervisor was killed";
  Instant last = task.started;
  for (const auto& record : task.records) {
    last = record.occurred_at;
    if (const auto* beat = std::get_if<Heartbeat>(&record.what)) exited.usage = beat->usage;
  }
  out.push_back({key, last, read.marks, std::move(exited)});
}

std::vector<Report> SimulatedExecutor::poll() {
  std::vector<Report> out = std::exchange(pending_, {});
  for (auto& [key, one] : reads_) read(key, one, out);
  // In order of time; what happened at one moment to one task stays in its order.
  std::vector<std::size_t> order(out.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(out[a].occurred_at, out[a].key, a) <
           std::tie(out[b].occurred_at, out[b].key, b);
  });
  std::vector<Report> sorted;
  for (const std::size_t at : order) sorted.push_back(std::move(out[at]));
  return sorted;
}

Result<void> SimulatedExecutor::forget(const TaskKey& key) {
  const auto at = machine_.tasks_.find(key);
  if (at == machine_.tasks_.end()) return {};
  if (at->second.phase != SimulatedMachine::Phase::over) return conflict("it still runs");
  machine_.tasks_.erase(at);
  reads_.erase(key);
  return {};
}

}  // namespace bessemer::executor
