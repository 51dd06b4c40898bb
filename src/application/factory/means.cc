// Which work has the means to go on.
#include "application/factory/means.h"

#include "application/factory/charge.h"
#include "application/factory/command.h"

namespace bessemer::factory {
namespace {

// What a start on the places of its last attempt would hold; what cannot be told holds nothing,
// and is judged when it is proposed.
Spend first_quantum(const State& state, const workload::Workload& workload, Instant now) {
  Spend whole;
  const OrgId tenant = tenant::tenant_of(state.tenant, workload.spec.project);
  for (const workload::Task& task : workload.last()->tasks) {
    if (site::find(state.site, task.placement.node) == nullptr) continue;
    const auto spend = spend_for(state, tenant, levels_of(state, workload.spec, task.placement),
                                 paid_quantum + paid_margin, now);
    if (!spend) continue;
    for (const auto& [currency, nano] : spend->money) whole.money[currency] += nano;
    whole.gpu_time += spend->gpu_time;
  }
  return whole;
}

}  // namespace

std::vector<WorkloadId> payable_again(const State& state, Instant now) {
  std::vector<WorkloadId> found;
  for (const WorkloadId id : state.workload.live) {
    const workload::Workload& one = *workload::find(state.workload, id);
    if (one.phase != workload::Phase::queued || !one.held || one.last() == nullptr) continue;
    if (one.reason != workload::Reason::unpaid) continue;
    if (!check_wallet(state, tenant::tenant_of(state.tenant, one.spec.project), now)) continue;
    const auto missing = budget::explain(state.budget, spender_of(state, one), class_of(one),
                                         first_quantum(state, one, now), now);
    if (missing.empty()) found.push_back(id);
  }
  return found;
}

}  // namespace bessemer::factory
