// One turn: reports, time, endpoints, pipelines, the plan, and the orders that follow.
#include "application/conductor/conductor.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::conductor {
namespace {

// A turn repeats while its own decisions change the state; a bound against a rule that never
// settles, which the next turn takes up again.
constexpr int max_rounds = 64;

// A transfer by somebody's hand: a wallet may have money again.
bool is_top_up(const factory::Event& event) {
  const auto* of = std::get_if<ledger::Event>(&event);
  return of != nullptr && std::holds_alternative<ledger::Transferred>(*of);
}

bool may_change_a_refusal(const factory::Event& event) {
  return std::holds_alternative<budget::Event>(event) ||
         std::holds_alternative<pricing::Event>(event) ||
         std::holds_alternative<lease::Event>(event) ||
         is_top_up(event) ||
         std::holds_alternative<tenant::Event>(event) || std::holds_alternative<site::Event>(event);
}

// After it running work may match another set of budgets: a tenant's new wallet is one.
bool is_other_budget(const factory::Event& event) {
  if (const auto* booked = std::get_if<ledger::Event>(&event)) {
    const auto* opened = std::get_if<ledger::AccountOpened>(booked);
    return opened != nullptr && opened->account.kind == ledger::AccountKind::wallet;
  }
  const auto* of = std::get_if<budget::Event>(&event);
  return of != nullptr && (std::holds_alternative<budget::BudgetSet>(*of) ||
                           std::holds_alternative<budget::BudgetRemoved>(*of));
}

}  // namespace

Conductor::Conductor(engine::Engine& engine, executor::Executor& executor, Bytes& bytes,
                     const world::Clock& clock, world::Entropy& entropy, Options options)
    : engine_(engine), executor_(executor), bytes_(bytes), clock_(clock), entropy_(entropy),
      options_(std::move(options)) {
  engine_.watch([this](const factory::Fact& fact) {
    if (may_change_a_refusal(fact.event)) refused_.clear();
    if (const auto* data = std::get_if<dataset::Event>(&fact.event)) {
      if (const auto* added = std::get_if<dataset::DatasetVersionAdded>(data)) {
        await_inspection(added->dataset, added->version);
      } else if (const auto* asked = std::get_if<dataset::DatasetInspectionAsked>(data)) {
        await_inspection(asked->dataset, asked->version);
      }
    }
    if (is_other_budget(fact.event)) {
      budgets_moved_ = true;
      at_unpaid_.clear();
    }
  });
}

Context Conductor::observed_at(Instant occurred_at) const {
  Context context;
  context.now = clock_.now();
  context.occurred_at = std::min(occurred_at, context.now);
  context.origin = Origin::observed;
  return context;
}

Context Conductor::decided() const {
  Context context;
  context.now = context.occurred_at = clock_.now();
  context.origin = Origin::decided;
  return context;
}

bool Conductor::submit(const factory::Command& command, const Context& context) {
  const auto written = engine_.submit(command, context);
  if (!written && written.error().retry != Retry::never) again_at(clock_.now() + ask_again);
  return written && !written->events.empty();
}

void Conductor::soon(Instant moment) {
  next_moment_ = next_moment_ ? std::min(*next_moment_, moment) : moment;
}

void Conductor::again_at(Instant moment) {
  round_at_ = round_at_ ? std::min(*round_at_, moment) : moment;
}

void Conductor::adopt() {
  for (const dataset::Uninspected& one : dataset::uninspected(engine_.state().dataset)) {
    await_inspection(one.dataset, one.version);
  }
  std::vector<executor::Expected> expected;
  std::vector<workload::TaskOrder> of_former_life;  // may run there, whatever is known here
  for (const workload::TaskOrder& order : workload::orders(engine_.state().workload)) {
    task_owner_[order.task] = order.workload;
    const workload::Workload* const found =
        workload::find(engine_.state().workload, order.workload);
    const workload::Task* const task = workload::find_task(*found, order.task);
    if (task == nullptr || task->phase != workload::TaskPhase::running) {
      const factory::Life& life = engine_.state().life;
      if (found->submitted_at <= life.restored_at && order.generation <= life.floor) {
        of_former_life.push_back(order);
      }
      continue;
    }
    executor::Expected one;
    one.key = {order.task, order.generation};
    one.started = true;
    const auto interval =
        engine_.state().metering.intervals.find(to_text(task->placement.allocation));
    one.last_heard = interval != engine_.state().metering.intervals.end()
                         ? interval->second.posted_until
                         : task->started_at.value_or(clock_.now());
    expected.push_back(one);
    handed_.insert(one.key);
  }
  executor_.adopt(expected);
  for (const workload::TaskOrder& order : of_former_life) {
    handed_.insert({order.task, order.generation});
    end_unstarted(order, unavailable("the factory was restored from a backup"));
  }
}

void Conductor::turn() {
  if (engine_.failed()) return;
  next_moment_.reset();
  take_reports();
  take_time();
  inspect_datasets();
  bool due = round_at_ && *round_at_ <= clock_.now();
  if (due) round_at_.reset();  // said anew by whoever still waits for a moment
  if (refused_until_ && *refused_until_ <= clock_.now()) {
    refused_until_.reset();
    refused_.clear();
    due = true;
  }
  for (int round = 0; round < max_rounds && (due || moved_at_ != engine_.applied()); ++round) {
    moved_at_ = engine_.applied();
    move_endpoints();
    move_pipelines();
    if (due || planned_at_ != engine_.applied()) plan();
    due = false;
  }
  if (moved_at_ != engine_.applied()) soon(clock_.now());
  if (round_at_) soon(*round_at_);
  if (refused_until_) soon(*refused_until_);
  // Orders follow from everything applied; they are carried out once that is durable.
  engine_.when_durable(engine_.applied(), [this, orders = orders_now()] { carry_out(orders); });
}

const Wait* Conductor::why_waits(WorkloadId workload) const {
  const auto found = waits_.find(workload);
  return found == waits_.end() ? nullptr : &found->second;
}

}  // namespace bessemer::conductor
