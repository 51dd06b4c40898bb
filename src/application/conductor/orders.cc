// Executors are brought to what the facts order: start, stop, renew; each safe to repeat.
#include <algorithm>

#include "application/conductor/conductor.h"
#include "application/factory/charge.h"
#include "base/check.h"

namespace bessemer::conductor {
namespace {

constexpr Duration keep_failed = minutes(30);  // a failed task's sandbox, where that was asked

}  // namespace

executor::AtUnpaid Conductor::at_unpaid(const workload::Workload& workload) {
  const auto [at, fresh] = at_unpaid_.try_emplace(workload.id, executor::AtUnpaid::stop);
  if (fresh && !factory::stops_unpaid(engine_.state(), workload, clock_.now())) {
    at->second = executor::AtUnpaid::go_on;
  }
  return at->second;
}

Conductor::Orders Conductor::orders_now() {
  Orders orders;
  const workload::State& state = engine_.state().workload;
  orders.tasks = workload::orders(state);
  for (const WorkloadId id : state.live) {
    const workload::Workload& workload = *workload::find(state, id);
    const workload::Attempt* const attempt = workload.last();
    if (attempt == nullptr || !attempt->paid_until) continue;
    for (const workload::Task& task : attempt->tasks) {
      if (task.phase != workload::TaskPhase::running) continue;
      orders.paid.emplace_back(executor::TaskKey{task.id, attempt->generation},
                               Paid{*attempt->paid_until, at_unpaid(workload)});
    }
  }
  return orders;
}

// `orders` are of facts that are durable by now; what has been applied since is not looked at.
void Conductor::carry_out(const Orders& orders) {
  for (const workload::TaskOrder& order : orders.tasks) {
    task_owner_[order.task] = order.workload;
    const executor::TaskKey key{order.task, order.generation};
    if (order.order == workload::Order::stop) stop_task(order);
    else if (handed_.insert(key).second) begin_task(order);
  }
  for (const auto& [key, paid] : orders.paid) {
    const auto told = paid_.find(key);
    const bool known = told != paid_.end() && paid.until <= told->second.until &&
                       paid.then == told->second.then;
    if (!known && executor_.renew(key, paid.until, paid.then)) paid_[key] = paid;
  }
}

void Conductor::stop_task(const workload::TaskOrder& order) {
  const executor::TaskKey key{order.task, order.generation};
  const Instant kill_at = order.kill_at.value_or(clock_.now());
  const auto known = stopping_.find(key);
  if (known != stopping_.end() && known->second <= kill_at) return;
  const Duration grace{std::max<std::int64_t>(0, (kill_at - clock_.now()).ns)};
  // One that is being prepared is not known to the executor yet: start_prepared looks again.
  const auto stopped = executor_.stop(key, "asked to stop", grace);
  if (stopped) {
    handed_.insert(key);
    stopping_[key] = kill_at;
  } else if (stopped.error().code == Code::not_found && handed_.insert(key).second) {
    end_unstarted(order, conflict("asked to stop before it was started"));
  }
}

// A task that was never started ends with nothing owed.
void Conductor::end_unstarted(const workload::TaskOrder& order, const Error& why) {
  const workload::Workload* const found =
      workload::find(engine_.state().workload, order.workload);
  if (found == nullptr || found->generation != order.generation) return;
  executor::Report report;
  report.key = {order.task, order.generation};
  report.occurred_at = clock_.now();
  executor::Exited exited;
  exited.reason = executor::ExitReason::failed_to_start;
  exited.message = to_text(why);
  exited.permanent = executor::is_permanent(why.code);
  record_exit(*found, report, exited, std::vector<workload::Product>{});
}

Wanted Conductor::wanted_of(const workload::Workload& workload, const executor::TaskKey& key,
                            std::uint32_t rank) const {
  Wanted wanted;
  wanted.project = workload.spec.project;
  wanted.tenant = tenant::tenant_of(engine_.state().tenant, workload.spec.project);
  wanted.workload = workload.id;
  wanted.key = key;
  wanted.rank = rank;
  if (workload.spec.code) wanted.code = *workload.spec.code;
  for (const workload::Input& input : workload.spec.inputs) {
    check(input.artifact.has_value(), "an accepted workload has an unresolved input");
    wanted.inputs.emplace_back(input.name, *input.artifact);
  }
  wanted.outputs = workload.spec.outputs;
  wanted.secrets = workload.spec.secrets;
  return wanted;
}

void Conductor::begin_task(const workload::TaskOrder& order) {
  const workload::Workload* const found =
      workload::find(engine_.state().workload, order.workload);
  check(found != nullptr, "an order of no workload");
  bytes_.prepare(wanted_of(*found, {order.task, order.generation}, order.rank),
                 [this, order](Result<Prepared> prepared) {
                   start_prepared(order, std::move(prepared));
                 });
}

void Conductor::start_prepared(const workload::TaskOrder& order, Result<Prepared> prepared) {
  const workload::Workload* const found =
      workload::find(engine_.state().workload, order.workload);
  if (found == nullptr || found->generation != order.generation) return;
  const workload::Task* const task = workload::find_task(*found, order.task);
  if (task == nullptr || task->phase != workload::TaskPhase::starting) return;  // it took too long
  if (found->last()->stop) {
    return end_unstarted(order, conflict("asked to stop while it was being prepared"));
  }
  Result<void> started;
  if (prepared) {
    auto secrets = std::move(prepared->secrets);
    const executor::TaskSpec spec = spec_of(*found, order, *prepared);
    started = executor_.start(spec, std::move(secrets));
    if (started && spec.paid_until) paid_[spec.key] = {*spec.paid_until, spec.at_unpaid};
  } else {
    started = std::move(prepared).error();
  }
  if (!started) end_unstarted(order, started.error());
}

executor::TaskSpec Conductor::spec_of(const workload::Workload& workload,
                                      const workload::TaskOrder& order, Prepared& prepared) const {
  const workload::Spec& asked = workload.spec;
  const workload::Attempt& attempt = *workload.last();
  executor::TaskSpec spec;
  spec.key = {order.task, order.generation};
  spec.workload = workload.id;
  spec.project = asked.project;
  spec.project_name = tenant::path_of(engine_.state().tenant, asked.project);
  spec.workload_name = asked.name.value_or("");
  spec.argv = asked.command;
  spec.environment = asked.env;
  if (asked.parameters) spec.parameters = *asked.parameters;
  spec.code = std::move(prepared.code);
  spec.inputs = std::move(prepared.inputs);
  spec.output_names = asked.outputs;
  spec.outputs = std::move(prepared.outputs);
  spec.checkpoints = std::move(prepared.checkpoints);
  const workload::Shape shape = workload::shape_of(asked);
  spec.resources.cpu_millis = shape.cpu_millis;
  spec.resources.memory_bytes = shape.memory_bytes;
  if (asked.resources && asked.resources->scratch_bytes) {
    spec.resources.scratch_bytes = *asked.resources->scratch_bytes;
  }
  const workload::Task& task = attempt.tasks.at(order.rank);
  const site::Node* const node = site::find(engine_.state().site, task.placement.node);
  for (const workload::Share& share : task.placement.accelerators) {
    const site::Accelerator& accelerator = node->inventory.accelerators.at(share.index);
    spec.resources.gpus.push_back({accelerator.uuid, accelerator.index, accelerator.index,
                                   share.milli, accelerator.simulated});
  }
  spec.network = asked.network == workload::Network::egress ? executor::Network::egress
                                                            : executor::Network::none;
  if (asked.service) spec.service_port = asked.service->port;
  const bool strict = asked.isolation == workload::Isolation::strict ||
                      options_.least_isolation == workload::Isolation::strict;
  spec.isolation = strict ? executor::Isolation::strict : executor::Isolation::relaxed;
  // Work that was accepted when there was no default has the executor's.
  if (asked.resources && asked.resources->storage_bytes) {
    spec.resources.storage_bytes = *asked.resources->storage_bytes;
  }
  spec.no_progress = asked.no_progress;
  // What will be tried again is not kept: the next attempt needs its room.
  const bool last = !asked.retries->on.contains(workload::Reason::exit_code) ||
                    workload.retries >= asked.retries->max.value_or(0);
  if (asked.keep_on_failure.value_or(false) && last) {
    spec.keep = keep_failed;
  }
  spec.grace = asked.grace.value_or(workload::defaults::grace);
  spec.deadline = asked.deadline;
  spec.paid_until = attempt.paid_until;
  if (!factory::stops_unpaid(engine_.state(), workload, clock_.now())) {
    spec.at_unpaid = executor::AtUnpaid::go_on;
  }
  if (attempt.tasks.size() > 1) {
    executor::Rank rank;
    rank.rank = order.rank;
    rank.world_size = static_cast<std::uint32_t>(attempt.tasks.size());
    rank.master_address = "127.0.0.1";
    rank.master_port = 29'500;
    spec.rank = rank;
  }
  const std::uint32_t number = engine_.state().project_number.at(asked.project);
  check(number < uid_count, "more projects than user ids");
  spec.uid = first_uid + number;
  return spec;
}

}  // namespace bessemer::conductor
