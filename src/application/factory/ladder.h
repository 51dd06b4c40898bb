// Small words for walking the ladder: gathering the events of several modules in one batch.
#pragma once
#include <utility>
#include <vector>

#include "application/factory/factory.h"

namespace bessemer::factory {

// Adds a module's events to the batch.
template <class ModuleEvent>
void add(Batch& batch, std::vector<ModuleEvent> events) {
  for (auto& event : events) batch.events.emplace_back(std::move(event));
}

// TRY for a module's judge: adds its events or returns its refusal.
#define ADD(batch, judged)                                                \
  do {                                                                    \
    auto judged_ = (judged);                                              \
    if (!judged_.has_value()) return std::move(judged_).error();          \
    ::bessemer::factory::add((batch), *std::move(judged_));               \
  } while (false)

// ---- the parts of apply that are the factory's own; noted.cc
void apply_own(State& state, const RequestNoted& noted, const Context& context);
void apply_own(State& state, const RequestAnswered& answered, const Context& context);
void apply_own(State& state, const FactoryRestored& restored, const Context& context);  // life.cc

// Tells budgets what is in the wallets that a fact of the ledger has moved.         wallet.cc
void follow_wallets(State& state, const ledger::Event& event);

// ---- the parts of judge, by noun; each in the .cc file of its name

Result<Batch> judge_tenant(const State&, const tenant::Command&, const Context&);   // tenants.cc
Result<Batch> judge_create_tenant(const State&, const CreateTenant&, const Context&);
Result<Batch> judge_time_zone(const State&, const SetTimeZone&, const Context&);
Result<Batch> judge_pricing(const State&, const pricing::Command&, const Context&); // tenants.cc
Result<Batch> judge_invoice(const State&, const CloseInvoice&, const Context&);     // invoice.cc
Result<Batch> judge_top_up(const State&, const TopUp&, const Context&);             // wallet.cc
// write_off.cc
Result<Batch> judge_write_off(const State&, const lease::WriteOff&, const Context&);
Result<Batch> judge_billing(const State&, const billing::Command&, const Context&);
Result<Batch> judge_workload(const State&, const workload::Command&, const Context&);  // work.cc
// `begun`: the experiment run that the same batch begins for it; null: none.
Result<Batch> judge_submit(const State&, workload::Submit, const run::Start* begun,
                           const Context&);
Result<Batch> judge_launch(const State&, const Launch&, const Context&);
// What the first quantum of a proposed start takes from budgets.
Result<Spend> spend_of_launch(const State& state, const workload::Workload& workload,
                              const Launch& launch, Instant now);
Result<Batch> judge_started(const State&, const TaskStarted&, const Context&);
Result<Batch> judge_exited(const State&, const TaskExited&, const Context&);
Result<Batch> judge_accrue(const State&, const Accrue&, const Context&);            // renewal.cc
Result<Batch> judge_renew(const State&, const Renew&, const Context&);
Result<Batch> judge_begin_replica(const State&, const BeginReplica&, const Context&);  // serving.cc
Result<Batch> judge_end_replica(const State&, const EndReplica&, const Context&);
Result<Batch> judge_deployment(const State&, const deployment::Command&, const Context&);
Result<Batch> judge_usage(const State&, const ReportUsage&, const Context&);
Result<Batch> judge_job_step(const State&, const BeginJobStep&, const Context&);    // steps.cc
Result<Batch> judge_deploy_step(const State&, const BeginDeployStep&, const Context&);
Result<Batch> judge_accrue_storage(const State&, const AccrueStorage&, const Context&);
Result<Batch> judge_keep_answer(const State&, const KeepAnswer&, const Context&);   // noted.cc
Result<Batch> judge_delete_dataset(const State&, const DeleteDataset&, const Context&);  // whole.cc
Result<Batch> judge_delete_model(const State&, const DeleteModel&, const Context&);
Result<Batch> judge_change_endpoint(const State&, const ChangeEndpoint&, const Context&);
// Counts what a batch makes and ends against the quotas of its nodes.                 counted.cc
// Errors: exhausted, unless the batch is a closing one.
Result<void> count_things(const State& state, Batch& batch, const Context& context);
// Recalls what is lent of a wallet that the batch leaves with less than is set aside.     wallet.cc
Result<void> recall_for_wallets(const State& state, Batch& batch, const Context& context);
Result<Batch> judge_artifact(const State&, const artifact::Command&, const Context&);  // storage.cc
Result<Batch> judge_dataset(const State&, const dataset::Command&, const Context&);
Result<Batch> judge_life(const State&, const BeginLife&, const Context&);           // life.cc
Result<Batch> judge_registry(const State&, const registry::Command&, const Context&);

}  // namespace bessemer::factory
