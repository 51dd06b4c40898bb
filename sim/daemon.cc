// A simulated daemon's life.
#include "sim/daemon.h"

#include <algorithm>

namespace bessemer::sim {

executor::Behaviour Crowd::behaviour(const executor::TaskSpec& spec, Random& random) {
  executor::Behaviour out;
  out.starts = !random.chance(1, 50);
  out.start_delay = milliseconds(random.between(1, 2000));
  out.runs_for = milliseconds(random.between(1000, 30 * 60 * 1000));
  if (random.chance(1, 7)) {
    const executor::ExitReason ends[] = {executor::ExitReason::exit_code,
                                         executor::ExitReason::signal,
                                         executor::ExitReason::out_of_memory};
    out.ends = ends[random.below(3)];
    out.exit_code = 3;
  }
  out.obeys_after = milliseconds(random.between(0, 40'000));
  if (spec.service_port) out.ready_after = seconds(random.between(1, 20));
  // Its supervisor hangs.
  if ((spec.key.task.low + spec.key.generation) % 20 == 0) out.start_delay = hours(3);
  return out;
}

Machine::Machine(std::uint64_t seed)
    : disk(seed * 4 + 1), entropy(seed * 4 + 2), tasks(seed * 4 + 3, crowd) {}

void Machine::let_tasks_live() { tasks.advance(std::max(clock.now(), tasks.now())); }

void Shelf::prepare(conductor::Wanted, std::function<void(Result<conductor::Prepared>)> then) {
  then(conductor::Prepared{});
}

void Shelf::take_outputs(conductor::Wanted wanted,
                         std::function<void(Result<std::vector<workload::Product>>)> then) {
  std::vector<workload::Product> products;
  for (const std::string& name : wanted.outputs) {
    workload::Product product;
    product.name = name;
    product.artifact = sha256(name + " of " + to_text(wanted.workload));
    product.bytes = wanted.workload.low % (1 << 30);
    product.files = 1;
    products.push_back(std::move(product));
  }
  then(std::move(products));
}

void Shelf::end_series(RunId run, std::function<void(Result<run::SeriesEnd>)> then) {
  run::SeriesEnd end;
  end.digest = sha256("series of " + to_text(run));
  end.bytes = 1000;
  run::Summary accuracy;
  accuracy.count = 1;
  accuracy.last = accuracy.min = accuracy.max = static_cast<double>(run.low % 1024) / 1024.0;
  end.metrics.emplace("accuracy", accuracy);
  then(std::move(end));
}

void Shelf::inspect(OrgId, const Digest& tree, const dataset::Schema&,
                    std::function<void(Result<dataset::Validation>)> then) {
  dataset::Validation found;
  found.passed = true;
  found.rows = tree.bytes[0];
  then(std::move(found));
}

Result<std::unique_ptr<Daemon>> Daemon::start(Machine& machine) {
  std::unique_ptr<Daemon> daemon(new Daemon(machine));
  engine::Options options;
  options.segment_bytes = 256 << 10;
  machine.entropy.fill(std::as_writable_bytes(std::span(options.mark)));
  TRY_ASSIGN(daemon->engine_, engine::Engine::open(machine.disk, options));
  conductor::Options conduct;
  conduct.complain = [&machine](const std::string& what) { machine.complaint = what; };
  daemon->conductor_ = std::make_unique<conductor::Conductor>(
      *daemon->engine_, daemon->executor_, daemon->bytes_, machine.clock, machine.entropy,
      std::move(conduct));
  return daemon;
}

Result<engine::Written> Daemon::ask(const factory::Command& command) {
  Context context;
  context.now = context.occurred_at = machine_.clock.now();
  auto written = engine_->submit(command, context);
  if (!written && written.error().reason == "journal_backlog") {
    commit();
    written = engine_->submit(command, context);
  }
  if (!written) {
    const Error& error = written.error();
    const std::string_view why = error.reason.empty() ? to_text(error.code) : error.reason;
    ++machine_.tally["commands refused: " + std::string(why)];
    return written;
  }
  ++machine_.tally["commands carried out"];
  engine_->when_durable(written->last, [this, last = written->last] {
    machine_.acknowledged = std::max(machine_.acknowledged, last);
  });
  return written;
}

void Daemon::commit() {
  if (!engine_->commit_now()) ++machine_.tally["failed commits"];
}

void Daemon::turn() {
  machine_.let_tasks_live();
  conductor_->turn();
  commit();
}

}  // namespace bessemer::sim
