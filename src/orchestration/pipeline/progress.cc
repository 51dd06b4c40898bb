// How one step's end moves the others.
#include "orchestration/pipeline/progress.h"

#include <algorithm>

namespace bessemer::pipeline::progress {

namespace {

StepStatus status_of(const Run& run, const Statuses& changed, const std::string& name) {
  const auto at = changed.find(name);
  return at != changed.end() ? at->second : run.steps.at(name).status;
}

// The step that a choose step takes from; empty for every other step.
std::string chosen_from(const Run& run, const StepRun& step) {
  const Step* written = find_step(run.definition, step.instance.step);
  return written != nullptr && written->choose ? written->choose->from : std::string();
}

}  // namespace

Standing standing(const Run& run, const StepRun& step, const Statuses& changed) {
  const std::string from = chosen_from(run, step);
  bool waits = false, choice_good = from.empty(), choice_open = false;
  for (const std::string& need : step.instance.needs) {
    const StepStatus status = status_of(run, changed, need);
    if (!from.empty() && run.steps.at(need).instance.step == from) {
      choice_good = choice_good || is_good(status);
      choice_open = choice_open || !is_over(status);
    } else if (!is_over(status)) {
      waits = true;
    } else if (!is_good(status)) {
      return Standing::blocked;
    }
  }
  if (!choice_good && !choice_open) return Standing::blocked;
  return waits || choice_open ? Standing::waits : Standing::ready;
}

void follow(const Run& run, Statuses changed, std::vector<Event>& events) {
  for (const std::string& name : run.order) {
    const StepRun& step = run.steps.at(name);
    if (status_of(run, changed, name) != StepStatus::waiting) continue;
    if (standing(run, step, changed) != Standing::blocked) continue;
    changed[name] = StepStatus::skipped;
    std::string because;
    for (const std::string& need : step.instance.needs) {
      const StepStatus status = status_of(run, changed, need);
      if (!is_over(status) || is_good(status)) continue;
      because = need + (status == StepStatus::skipped ? " was " : " ") +
                std::string(enum_text(status));
      break;
    }
    events.push_back(PipelineStepFinished{run.id, name, step.attempt, StepStatus::skipped, {}, {},
                                          because});
  }
  end_if_over(run, changed, run.status, events);
}

void end_if_over(const Run& run, const Statuses& changed, RunStatus status,
                 std::vector<Event>& events) {
  bool all_good = true;
  for (const std::string& name : run.order) {
    const StepStatus step = status_of(run, changed, name);
    if (!is_over(step)) return;
    all_good = all_good && is_good(step);
  }
  RunStatus end = all_good ? RunStatus::succeeded : RunStatus::failed;
  if (status == RunStatus::cancelling) end = RunStatus::cancelled;
  events.push_back(PipelineRunEnded{run.id, end});
}

std::vector<std::string> to_reset(const Run& run, const std::string& step) {
  Statuses changed{{step, StepStatus::waiting}};
  std::vector<std::string> reset;
  for (const std::string& name : run.order) {
    if (name == step) {
      reset.push_back(name);
      continue;
    }
    const StepRun& other = run.steps.at(name);
    if (other.status != StepStatus::skipped && other.status != StepStatus::cancelled) continue;
    const bool after = std::any_of(other.instance.needs.begin(), other.instance.needs.end(),
                                   [&](const auto& need) { return changed.contains(need); });
    if (!after || standing(run, other, changed) == Standing::blocked) continue;
    changed[name] = StepStatus::waiting;
    reset.push_back(name);
  }
  return reset;
}

}  // namespace bessemer::pipeline::progress
