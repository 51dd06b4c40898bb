// What governance said to a proposal, kept so that each reader is told what he may know.
#include "application/factory/charge.h"
#include "application/factory/ladder.h"
#include "application/factory/plan.h"

namespace bessemer::factory {

Refusal refusal_of(const State& state, const Launch& launch, const Error& error, Instant now) {
  Refusal refusal{to_text(error), {}};
  const workload::Workload* const found = workload::find(state.workload, launch.workload);
  if (found == nullptr || !budget::is_of_money(error.reason)) return refusal;
  const auto spend = spend_of_launch(state, *found, launch, now);
  if (!spend) return refusal;
  refusal.budgets =
      budget::explain(state.budget, spender_of(state, *found), class_of(*found), *spend, now);
  return refusal;
}

std::string refusal_for(const State& state, const access::Caller& viewer, const Refusal& refusal,
                        Instant now) {
  if (refusal.budgets.empty()) return refusal.said;
  std::vector<budget::Exhausted> readable, hidden;
  for (const budget::Exhausted& one : refusal.budgets) {
    const auto path = tenant::ancestors(state.tenant, one.scope.node);
    const auto resource = one.prepaid ? access::Resource::ledger : access::Resource::budget;
    const auto decision =
        access::decide(state.access, viewer, path, resource, access::Action::read, now);
    (decision.verdict == access::Verdict::allowed ? readable : hidden).push_back(one);
  }
  if (hidden.empty()) return refusal.said;
  std::string sentence;
  if (!readable.empty()) sentence = budget::refusal(readable).what + "; and ";
  if (hidden.size() > 1) sentence += "budgets above the project have";
  else sentence += hidden.front().prepaid ? "the tenant's wallet has"
                                          : "a budget above the project has";
  return sentence + " too little left; ask those who look after it";
}

}  // namespace bessemer::factory
