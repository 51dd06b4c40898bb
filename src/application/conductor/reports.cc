// What executors tell, taken in by the front door.
#include <algorithm>
#include <optional>
#include <utility>

#include "application/conductor/conductor.h"
#include "base/check.h"

namespace bessemer::conductor {
namespace {

workload::Reason reason_of(const executor::Exited& exited) {
  using executor::ExitReason;
  using workload::Reason;
  switch (exited.reason) {
    case ExitReason::exit_code:
      return exited.exit_code == 0 ? Reason::completed : Reason::exit_code;
    case ExitReason::signal: return Reason::signal;
    case ExitReason::out_of_memory: return Reason::out_of_memory;
    case ExitReason::deadline: return Reason::deadline;
    case ExitReason::unpaid: return Reason::unpaid;
    case ExitReason::storage: return Reason::storage;
    case ExitReason::no_progress: return Reason::no_progress;
    case ExitReason::stopped: return Reason::cancelled;
    case ExitReason::lost: return Reason::lost;
    // As a shell says it of a program that cannot be run: trying again would change nothing.
    case ExitReason::failed_to_start:
      return exited.permanent ? Reason::exit_code : Reason::start_failed;
  }
  return Reason::lost;
}

constexpr std::int32_t cannot_be_run = 127;

// The experiment run that was begun for the workload: no other takes its numbers, or ends with it.
std::optional<RunId> run_of(const factory::State& state, const workload::Workload& workload) {
  const run::Run* const own = run::find(state.run, workload.id);
  if (own == nullptr || own->id != workload.spec.run) return std::nullopt;
  return own->id;
}

}  // namespace

const workload::Workload* Conductor::workload_of(const executor::TaskKey& key) {
  const auto owner = task_owner_.find(key.task);
  if (owner == task_owner_.end()) return nullptr;
  return workload::find(engine_.state().workload, owner->second);
}

// A report is lost to the executor once it is polled: what the journal does not take now (a full
// disk, too much staged) is kept, in order, and taken again.
void Conductor::take_reports() {
  std::vector<executor::Report> reports = std::exchange(untaken_, {});
  for (executor::Report& report : executor_.poll()) reports.push_back(std::move(report));
  std::set<executor::TaskKey> waiting;
  for (executor::Report& report : reports) {
    if (waiting.contains(report.key) || !take(report)) {
      waiting.insert(report.key);
      untaken_.push_back(std::move(report));
    }
  }
  if (!untaken_.empty()) soon(clock_.now() + ask_again);
}

bool Conductor::take(const executor::Report& report) {
  const workload::Workload* const found = workload_of(report.key);
  const workload::Task* const task =
      found == nullptr ? nullptr : workload::find_task(*found, report.key.task);
  if (task == nullptr || found->generation != report.key.generation ||
      task->phase == workload::TaskPhase::ended) {
    // Nobody's any more: a generation that was given up. It is stopped, and forgotten at its end.
    if (std::holds_alternative<executor::Exited>(report.what)) {
      forget(report.key, found == nullptr || workload::is_final(found->phase));
    } else if (std::holds_alternative<executor::Started>(report.what)) {
      (void)executor_.stop(report.key, "superseded", Duration{}).has_value();
    }
    return true;
  }
  const auto generation = static_cast<std::uint32_t>(report.key.generation);
  if (std::holds_alternative<executor::Started>(report.what)) {
    handed_.insert(report.key);
    return record(factory::OwnCommand(
                      factory::TaskStarted{found->id, report.key.task, generation}),
                  report.occurred_at);
  }
  if (std::holds_alternative<executor::Heartbeat>(report.what)) {
    const auto interval =
        engine_.state().metering.intervals.find(to_text(task->placement.allocation));
    if (interval == engine_.state().metering.intervals.end()) return true;
    if (report.occurred_at - interval->second.posted_until < accrue_interval) return true;
    return record(factory::OwnCommand(factory::Accrue{found->id, report.key.task, generation}),
                  report.occurred_at);
  }
  if (const auto* metrics = std::get_if<executor::Metrics>(&report.what)) {
    if (const auto run = run_of(engine_.state(), *found)) {
      bytes_.measure(*run, *metrics, report.occurred_at);
    }
  } else if (std::holds_alternative<executor::Checkpoint>(report.what)) {
    return record(workload::Command(workload::ReportCheckpoint{found->id, generation}),
                  report.occurred_at);
  } else if (const auto* health = std::get_if<executor::Health>(&report.what)) {
    take_health(*found, *health);
  } else if (const auto* exited = std::get_if<executor::Exited>(&report.what)) {
    take_exit(report, *exited);
  }
  return true;
}

// False when it is refused for now (the disk is full, the journal has too much to write); every
// other refusal is an answer and final.
bool Conductor::record(const factory::Command& command, Instant occurred_at) {
  const auto written = engine_.submit(command, observed_at(occurred_at));
  return written || written.error().retry == Retry::never;
}

// Its logs are kept before its directory goes.
void Conductor::forget(const executor::TaskKey& key, bool whole_workload) {
  bytes_.discard(key, whole_workload, [this, key] { (void)executor_.forget(key).has_value(); });
  handed_.erase(key);
  stopping_.erase(key);
  paid_.erase(key);
  complained_.erase(key);
  if (!whole_workload) return;
  const auto owner = task_owner_.find(key.task);
  if (owner == task_owner_.end()) return;
  at_unpaid_.erase(owner->second);
  task_owner_.erase(owner);
}

void Conductor::take_health(const workload::Workload& workload, const executor::Health& health) {
  if (!workload.spec.endpoint) return;
  const deployment::Command command =
      health.ready ? deployment::Command(deployment::ReportReady{workload.id})
                   : deployment::Command(deployment::ReportUnready{workload.id, health.why});
  submit(command, observed_at(clock_.now()));
}

// Outputs are taken before the end is recorded, so that a recorded success has its bytes.
void Conductor::take_exit(const executor::Report& report, const executor::Exited& exited) {
  const workload::Workload* const found = workload_of(report.key);
  if (!ending_.insert(report.key).second) return;
  const bool keeps = exited.reason == executor::ExitReason::exit_code && exited.exit_code == 0 &&
                     !found->spec.outputs.empty();
  if (!keeps) {
    record_exit(*found, report, exited, std::vector<workload::Product>{});
    return;
  }
  Wanted wanted = wanted_of(*found, report.key, 0);
  bytes_.take_outputs(std::move(wanted),
                      [this, report, exited](Result<std::vector<workload::Product>> products) {
                        const workload::Workload* const now = workload_of(report.key);
                        if (now != nullptr) record_exit(*now, report, exited, std::move(products));
                      });
}

void Conductor::record_exit(const workload::Workload& workload, const executor::Report& report,
                            const executor::Exited& exited,
                            Result<std::vector<workload::Product>> products) {
  factory::TaskExited command;
  command.report.workload = workload.id;
  command.report.task = report.key.task;
  command.report.generation = static_cast<std::uint32_t>(report.key.generation);
  command.report.reason = reason_of(exited);
  command.report.exit_code = exited.reason == executor::ExitReason::signal ? exited.signal
                             : exited.permanent                            ? cannot_be_run
                                                                           : exited.exit_code;
  command.report.detail = exited.message;
  if (products) {
    command.report.outputs = *std::move(products);
  } else {
    command.report.reason = workload::Reason::exit_code;
    command.report.detail = "its outputs could not be kept: " + to_text(products.error());
  }
  const auto run = run_of(engine_.state(), workload);
  if (!run) return submit_exit(report, std::move(command));
  bytes_.end_series(*run, [this, report, command = std::move(command),
                           run = *run](auto series) mutable {
    run::Finish finish;  // how it ended follows from how the workload does
    finish.run = run;
    if (series) {
      finish.metrics = std::move(series->metrics);
      finish.series = series->digest;
      finish.series_bytes = series->bytes;
    }
    command.run = std::move(finish);
    submit_exit(report, std::move(command));
  });
}

void Conductor::submit_exit(const executor::Report& report, factory::TaskExited command) {
  const executor::TaskKey key = report.key;
  const WorkloadId id = command.report.workload;
  const auto written =
      engine_.submit(factory::OwnCommand(std::move(command)), observed_at(report.occurred_at));
  ending_.erase(key);
  if (!written) {
    // What has ended has ended: an end that is not recorded now is recorded later.
    const bool for_good = written.error().retry == Retry::never && !engine_.failed();
    if (for_good && complained_.insert(key).second && options_.complain) {
      options_.complain("the end of " + to_text(key.task) + " of " + to_text(id) +
                        " is refused: " + to_text(written.error()));
    }
    untaken_.push_back(report);
    soon(clock_.now() + ask_again);
    return;
  }
  engine_.when_durable(written->last, [this, key, id] {
    const workload::Workload* const now = workload::find(engine_.state().workload, id);
    forget(key, now == nullptr || workload::is_final(now->phase));
  });
}

}  // namespace bessemer::conductor
