// Tasks in simulated time.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "compute/executor/simulated/simulated.h"

namespace bessemer::executor {
namespace {

constexpr Duration heartbeat_interval = seconds(10);

// What happens first at equal moments comes first here.
enum Kind : int {
  starts, killed, obeys, ends, deadline, unpaid, ready, metrics, checkpoint, beats
};

}  // namespace

std::optional<SimulatedMachine::Due> SimulatedMachine::due(const Task& task) {
  if (task.phase == Phase::over) return std::nullopt;
  if (task.phase == Phase::starting) {
    return Due{task.started + task.behaviour.start_delay, starts};
  }
  std::optional<Due> first;
  const auto consider = [&](Instant at, Kind kind) {
    if (!first || at < first->at) first = Due{at, kind};
  };
  if (task.notified) {
    consider(task.kill_at, killed);
    consider(*task.notified + task.behaviour.obeys_after, obeys);
  } else {
    if (task.spec.deadline) consider(*task.spec.deadline - task.spec.grace, deadline);
    if (task.spec.paid_until && task.spec.at_unpaid == AtUnpaid::stop) {
      consider(*task.spec.paid_until - task.spec.grace, unpaid);
    }
  }
  consider(task.started + task.behaviour.runs_for, ends);
  if (task.behaviour.ready_after && task.ready_at.ns != 0) consider(task.ready_at, ready);
  if (task.behaviour.metrics_every > Duration{}) consider(task.next_metrics, metrics);
  if (task.behaviour.checkpoint_every > Duration{}) consider(task.next_checkpoint, checkpoint);
  consider(task.next_heartbeat, beats);
  return first;
}

std::optional<Instant> SimulatedMachine::next() const {
  std::optional<Instant> first;
  for (const auto& [key, task] : tasks_) {
    const auto one = due(task);
    if (one && (!first || one->at < *first)) first = one->at;
  }
  if (first) first = std::max(*first, now_);
  return first;
}

void SimulatedMachine::advance(Instant now) {
  check(now >= now_, "simulated time goes forwards");
  while (true) {
    Task* chosen = nullptr;
    std::optional<Due> first;
    for (auto& [key, task] : tasks_) {
      const auto one = due(task);
      if (!one || one->at > now || (first && one->at >= first->at)) continue;
      chosen = &task;
      first = one;
    }
    if (chosen == nullptr) break;
    // What was due before it could be seen (a deadline in the past) happens now.
    now_ = std::max(now_, first->at);
    step(*chosen, {now_, first->kind});
  }
  now_ = now;
}

void SimulatedMachine::step(Task& task, const Due& due) {
  const Behaviour& behaviour = task.behaviour;
  Exited exited;
  exited.ran = true;
  switch (due.kind) {
    case starts:
      if (!behaviour.starts) {
        exited.ran = false;
        exited.reason = ExitReason::failed_to_start;
        exited.message = "it could not be started";
        return finish(task, due.at, std::move(exited));
      }
      judge_start(task.spec);
      task.phase = Phase::running;
      task.started = due.at;
      task.next_heartbeat = due.at + heartbeat_interval;
      task.next_metrics = due.at + behaviour.metrics_every;
      task.next_checkpoint = due.at + behaviour.checkpoint_every;
      if (behaviour.ready_after) task.ready_at = due.at + *behaviour.ready_after;
      task.records.push_back({task.spec.key, due.at, task.marks.size(), Started{}});
      return;
    case killed:
    case obeys:
      exited.reason = task.because;
      exited.message = task.why;
      exited.signal = due.kind == killed ? 9 : 0;
      return finish(task, due.at, std::move(exited));
    case ends:
      exited.reason = behaviour.ends;
      exited.exit_code = behaviour.ends == ExitReason::exit_code ? behaviour.exit_code : 0;
      exited.signal = behaviour.ends == ExitReason::exit_code ? 0 : 9;
      return finish(task, due.at, std::move(exited));
    case deadline:
      return notify(task, due.at, ExitReason::deadline, "its deadline was reached",
                    std::min(task.spec.grace, *task.spec.deadline - due.at));
    case unpaid:
      return notify(task, due.at, ExitReason::unpaid, "what was paid for is used up",
                    std::min(task.spec.grace, *task.spec.paid_until - due.at));
    case ready:
      task.ready_at = {};
      return mark(task, due.at, Health{.ready = true});
    case metrics:
      task.next_metrics = due.at + behaviour.metrics_every;
      ++task.step;
      return mark(task, due.at,
                  Metrics{task.step, {{"loss", 1.0 / static_cast<double>(task.step)}}});
    case checkpoint:
      task.next_checkpoint = due.at + behaviour.checkpoint_every;
      return mark(task, due.at, Checkpoint{task.step});
    case beats:
      task.next_heartbeat = due.at + heartbeat_interval;
      task.records.push_back(
          {task.spec.key, due.at, task.marks.size(), Heartbeat{usage(task, due.at)}});
      return;
    default: check(false, "an unknown kind of event");
  }
}

void SimulatedMachine::mark(Task& task, Instant at, Happening what) {
  task.marks.push_back({task.spec.key, at, task.marks.size() + 1, std::move(what)});
}

void SimulatedMachine::notify(Task& task, Instant at, ExitReason because, std::string why,
                              Duration grace) {
  const Instant kill_at = at + std::max(grace, Duration{});
  if (task.notified) {
    task.kill_at = std::min(task.kill_at, kill_at);
    return;
  }
  task.notified = at;
  task.kill_at = kill_at;
  task.because = because;
  task.why = std::move(why);
  if (grace > Duration{}) mark(task, at, Notice{because});
}

Usage SimulatedMachine::usage(const Task& task, Instant at) const {
  Usage out;
  const Duration ran = at - task.started;
  out.cpu = {ran.ns / 1000 * static_cast<std::int64_t>(task.behaviour.cpu_millis)};
  out.memory_peak_bytes = task.behaviour.memory_bytes;
  std::uint64_t milli = 0;
  for (const auto& device : task.spec.resources.gpus) milli += device.milli;
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(ran.ns / 1'000'000, 0));
  out.gpu_energy_millijoules = task.behaviour.gpu_milliwatts * milli / 1000 * ms / 1000;
  return out;
}

void SimulatedMachine::finish(Task& task, Instant at, Exited exited) {
  if (exited.ran) exited.usage = usage(task, at);
  task.phase = Phase::over;
  task.records.push_back({task.spec.key, at, task.marks.size(), std::move(exited)});
}

void SimulatedMachine::judge_start(const TaskSpec& spec) {
  std::map<std::string, std::uint64_t> used;
  for (const auto& [key, task] : tasks_) {
    if (task.phase != Phase::running) continue;
    if (key.task == spec.key.task) {
      violations_.push_back("two generations of " + to_text(key.task) + " run at once");
    }
    for (const auto& device : task.spec.resources.gpus) used[device.uuid] += device.milli;
  }
  for (const auto& device : spec.resources.gpus) {
    used[device.uuid] += device.milli;
    if (used[device.uuid] > 1000) {
      violations_.push_back("device " + device.uuid + " is given out more than once, last to " +
                            to_text(spec.key.task));
    }
  }
}

void SimulatedMachine::kill_supervisor(const TaskKey& key) {
  const auto at = tasks_.find(key);
  if (at == tasks_.end() || at->second.phase == Phase::over) return;
  at->second.lost = true;
  at->second.phase = Phase::over;
}

void SimulatedMachine::reboot() {
  for (auto& [key, task] : tasks_) kill_supervisor(key);
}

std::size_t SimulatedMachine::running() const {
  return static_cast<std::size_t>(std::count_if(tasks_.begin(), tasks_.end(), [](const auto& one) {
    return one.second.phase != Phase::over;
  }));
}

}  // namespace bessemer::executor
