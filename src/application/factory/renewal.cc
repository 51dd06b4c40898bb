// While work runs: charges up to the last heartbeat, and money for the time ahead.
#include <algorithm>

#include "application/factory/charge.h"
#include "application/factory/ladder.h"
#include "base/check.h"

namespace bessemer::factory {

Result<Batch> judge_accrue(const State& state, const Accrue& accrue, const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  const workload::Workload* const found = workload::find(state.workload, accrue.workload);
  if (found == nullptr || found->generation != accrue.generation) return batch;
  const workload::Task* const task = workload::find_task(*found, accrue.task);
  if (task == nullptr || task->phase != workload::TaskPhase::running) return batch;
  const std::string interval = to_text(task->placement.allocation);
  const auto open = state.metering.intervals.find(interval);
  if (open == state.metering.intervals.end() ||
      open->second.posted_until >= context.occurred_at) {
    return batch;
  }
  TRY_ASSIGN(auto events, metering::judge(state.metering, state.pricing,
                                          metering::Command(metering::Accrue{
                                              interval, context.occurred_at}),
                                          context));
  const workload::Attempt* const attempt = found->last();
  Metered metered{attempt == nullptr ? HoldId{} : attempt->hold, spender_of(state, *found),
                  postings_of(events)};
  add(batch, std::move(events));
  TRY(book(state, {std::move(metered)}, batch, context));
  return batch;
}

namespace {

// What the attempt's open tasks take up to `until`, each from `since(task)` on.
template <class Since>
Result<Spend> ahead(const State& state, const workload::Workload& workload, Instant until,
                    Instant now, Since since) {
  const OrgId tenant = tenant::tenant_of(state.tenant, workload.spec.project);
  Spend spend;
  for (const workload::Task& task : workload.last()->tasks) {
    if (task.phase == workload::TaskPhase::ended) continue;
    const Duration span = until - std::min(until, since(task));
    TRY_ASSIGN(const Spend one, spend_for(state, tenant,
                                          levels_of(state, workload.spec, task.placement), span,
                                          now));
    for (const auto& [currency, nano] : one.money) spend.money[currency] += nano;
    spend.gpu_time += one.gpu_time;
  }
  return spend;
}

// Holds what is needed up to `until`: more on the hold that is there or, when another month has
// begun or other budgets match by now, all of it anew. Gives the hold; none: nothing limits it.
Result<HoldId> hold_until(const State& state, const workload::Workload& workload, HoldId next,
                          Instant until, Batch& batch, const Context& context) {
  const workload::Attempt& attempt = *workload.last();
  const budget::Spender spender = spender_of(state, workload);
  const bool current = budget::is_current(state.budget, attempt.hold, spender, context.now);
  if (current && !attempt.hold) return HoldId{};
  if (current && attempt.paid_until) {
    TRY_ASSIGN(const Spend more,
               ahead(state, workload, until, context.now,
                     [&](const workload::Task&) { return *attempt.paid_until; }));
    ADD(batch, budget::judge(state.budget, budget::Command(budget::Extend{attempt.hold, more}),
                             context));
    return attempt.hold;
  }
  // What is not posted yet was held by the former hold and is part of the new one.
  const auto unposted_since = [&](const workload::Task& task) {
    const auto open = state.metering.intervals.find(to_text(task.placement.allocation));
    return open == state.metering.intervals.end() ? context.now : open->second.posted_until;
  };
  TRY_ASSIGN(Spend all, ahead(state, workload, until + paid_margin, context.now, unposted_since));
  ADD(batch, budget::judge(state.budget,
                           budget::Command(budget::Rehold{attempt.hold, next, spender,
                                                          class_of(workload), std::move(all)}),
                           context));
  return next;
}

}  // namespace

bool hold_is_stale(const State& state, const workload::Workload& workload, Instant now) {
  const workload::Attempt* const attempt = workload.last();
  return attempt != nullptr &&
         !budget::is_current(state.budget, attempt->hold, spender_of(state, workload), now);
}

bool stops_unpaid(const State& state, const workload::Workload& workload, Instant now) {
  if (wallet_of(state, tenant::tenant_of(state.tenant, workload.spec.project), now) != nullptr) {
    return true;
  }
  return std::ranges::any_of(
      budget::matching(state.budget, spender_of(state, workload)),
      [&](const budget::Budget* const one) {
        return budget::available(state.budget, *one,
                                 budget::window_of(state.budget, *one, now).from,
                                 class_of(workload),
                                 budget::Purpose::continuation) != budget::unbounded;
      });
}

// Not new work but what runs: a full disk must not end it.
Result<Batch> judge_renew(const State& state, const Renew& renew, const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  const workload::Workload* const found = workload::find(state.workload, renew.workload);
  if (found == nullptr || found->generation != renew.generation ||
      workload::is_final(found->phase) || found->phase == workload::Phase::stopping) {
    return batch;
  }
  const workload::Attempt* const attempt = found->last();
  if (attempt == nullptr) return batch;
  const OrgId tenant = tenant::tenant_of(state.tenant, found->spec.project);
  const bool prepaid = wallet_of(state, tenant, context.now) != nullptr;
  const Instant until = context.now + paid_quantum;
  if (attempt->paid_until && until <= *attempt->paid_until) return batch;
  if (!attempt->paid_until && !prepaid && !hold_is_stale(state, *found, context.now)) return batch;
  workload::ExtendPaid extend{renew.workload, renew.generation, until, {}};
  auto held = [&]() -> Result<HoldId> {
    TRY(check_wallet(state, tenant, context.now));
    return hold_until(state, *found, renew.hold, until, batch, context);
  }();
  if (held) {
    extend.hold = *held;
  } else if (!attempt->paid_until && held.error().code == Code::exhausted) {
    // It has run without a limit and there is one now: it is told, and has its grace.
    const Duration grace = found->spec.grace.value_or(workload::defaults::grace);
    extend.paid_until = context.now + paid_margin + grace;
  } else {
    return std::move(held).error();
  }
  ADD(batch, workload::judge(state.workload, workload::Command(extend), context));
  return batch;
}

}  // namespace bessemer::factory
