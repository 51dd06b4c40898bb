// While work runs: charges up to the last heartbeat, and money for the time ahead.
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
  std::vector<metering::Posting> postings;
  for (const metering::Event& event : events) {
    const auto& some = metering::postings_of(event);
    postings.insert(postings.end(), some.begin(), some.end());
  }
  add(batch, std::move(events));
  ADD(batch, transfers_for(state, postings, batch, context));
  const workload::Attempt* const attempt = found->last();
  if (attempt == nullptr || !attempt->hold) return batch;
  const Spend charged = metering::spend_of(postings);
  ADD(batch, budget::judge(state.budget,
                           budget::Command(budget::Draw{attempt->hold, charged, charged}),
                           context));
  return batch;
}

Result<Batch> judge_renew(const State& state, const Renew& renew, const Context& context) {
  Batch batch;
  const workload::Workload* const found = workload::find(state.workload, renew.workload);
  if (found == nullptr || found->generation != renew.generation ||
      workload::is_final(found->phase) || found->phase == workload::Phase::stopping) {
    return batch;
  }
  const workload::Attempt* const attempt = found->last();
  if (attempt == nullptr || !attempt->hold || !attempt->paid_until) return batch;
  const Instant until = context.now + paid_quantum;
  if (until <= *attempt->paid_until) return batch;
  const OrgId tenant = tenant::tenant_of(state.tenant, found->spec.project);
  Spend more;
  for (const workload::Task& task : attempt->tasks) {
    if (task.phase == workload::TaskPhase::ended) continue;
    TRY_ASSIGN(const Spend one,
               spend_for(state, tenant, levels_of(state, found->spec, task.placement),
                         until - *attempt->paid_until, context.now));
    for (const auto& [currency, nano] : one.money) more.money[currency] += nano;
    more.gpu_time += one.gpu_time;
  }
  ADD(batch, budget::judge(state.budget, budget::Command(budget::Extend{attempt->hold, more}),
                           context));
  ADD(batch, workload::judge(state.workload,
                             workload::Command(workload::ExtendPaid{
                                 renew.workload, renew.generation, until, attempt->hold}),
                             context));
  return batch;
}

}  // namespace bessemer::factory
