// Dispatch of judge: from a command to the part that knows its ladder.
#include "application/factory/factory.h"
#include "application/factory/kept.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

template <class ModuleEvent>
Result<Batch> only(Result<std::vector<ModuleEvent>> events) {
  Batch batch;
  ADD(batch, std::move(events));
  return batch;
}

struct JudgeOwn {
  const State& state;
  const Context& context;

  Result<Batch> operator()(const Launch& c) { return judge_launch(state, c, context); }
  Result<Batch> operator()(const TaskStarted& c) { return judge_started(state, c, context); }
  Result<Batch> operator()(const TaskExited& c) { return judge_exited(state, c, context); }
  Result<Batch> operator()(const Accrue& c) { return judge_accrue(state, c, context); }
  Result<Batch> operator()(const AccrueStorage& c) {
    return judge_accrue_storage(state, c, context);
  }
  Result<Batch> operator()(const Renew& c) { return judge_renew(state, c, context); }
  Result<Batch> operator()(const BeginReplica& c) { return judge_begin_replica(state, c, context); }
  Result<Batch> operator()(const EndReplica& c) { return judge_end_replica(state, c, context); }
  Result<Batch> operator()(const BeginJobStep& c) { return judge_job_step(state, c, context); }
  Result<Batch> operator()(const BeginDeployStep& c) {
    return judge_deploy_step(state, c, context);
  }
  Result<Batch> operator()(const CloseInvoice& c) { return judge_invoice(state, c, context); }
  Result<Batch> operator()(const ReportUsage& c) { return judge_usage(state, c, context); }
  Result<Batch> operator()(const BeginLife& c) { return judge_life(state, c, context); }
  Result<Batch> operator()(const CreateTenant& c) {
    return judge_create_tenant(state, c, context);
  }
  Result<Batch> operator()(const SetTimeZone& c) { return judge_time_zone(state, c, context); }
  Result<Batch> operator()(const TopUp& c) { return judge_top_up(state, c, context); }
  Result<Batch> operator()(const DeleteDataset& c) {
    return judge_delete_dataset(state, c, context);
  }
  Result<Batch> operator()(const DeleteModel& c) { return judge_delete_model(state, c, context); }
  Result<Batch> operator()(const ChangeEndpoint& c) {
    return judge_change_endpoint(state, c, context);
  }
  Result<Batch> operator()(const KeepAnswer& c) { return judge_keep_answer(state, c, context); }
};

struct Judge {
  const State& state;
  const Context& context;

  Result<Batch> operator()(const tenant::Command& c) { return judge_tenant(state, c, context); }
  Result<Batch> operator()(const access::Command& c) {
    return only(access::judge(state.access, c, context));
  }
  Result<Batch> operator()(const quota::Command& c) {
    return only(quota::judge(state.quota, c, context));
  }
  Result<Batch> operator()(const secret::Command& c) {
    return only(secret::judge(state.secret, c, context));
  }
  Result<Batch> operator()(const pricing::Command& c) { return judge_pricing(state, c, context); }
  Result<Batch> operator()(const ledger::Command& c) {
    return only(ledger::judge(state.ledger, c, context));
  }
  Result<Batch> operator()(const budget::Command& c) {
    return only(budget::judge(state.budget, c, context));
  }
  Result<Batch> operator()(const metering::Command& c) {
    return only(metering::judge(state.metering, state.pricing, c, context));
  }
  Result<Batch> operator()(const lease::Command& c) {
    if (const auto* lost = std::get_if<lease::WriteOff>(&c)) {
      return judge_write_off(state, *lost, context);
    }
    TRY_ASSIGN(auto decision, lease::judge(state.lease, state.budget, c, context));
    Batch batch;
    add(batch, std::move(decision.events));
    add(batch, std::move(decision.budget_events));
    batch.purpose = std::holds_alternative<lease::Borrow>(c) ? journal::Purpose::ordinary
                                                             : journal::Purpose::closing;
    batch.outcome = decision.outcome;
    batch.leases = std::move(decision.leases);
    return batch;
  }
  Result<Batch> operator()(const billing::Command& c) {
    return judge_billing(state, c, context);
  }
  Result<Batch> operator()(const audit::Command& c) {
    return only(audit::judge(state.audit, c, context));
  }
  Result<Batch> operator()(const queue::Command& c) {
    return only(queue::judge(state.queue, c, context));
  }
  Result<Batch> operator()(const workload::Command& c) { return judge_workload(state, c, context); }
  Result<Batch> operator()(const pipeline::Command& c) {
    TRY_ASSIGN(Batch batch, only(pipeline::judge(state.pipeline, c, context)));
    const bool ends = std::holds_alternative<pipeline::Cancel>(c) ||
                      std::holds_alternative<pipeline::FinishStep>(c);
    if (ends) batch.purpose = journal::Purpose::closing;
    return batch;
  }
  Result<Batch> operator()(const deployment::Command& c) {
    TRY_ASSIGN(Batch batch, judge_deployment(state, c, context));
    const bool ends = std::holds_alternative<deployment::Delete>(c) ||
                      std::holds_alternative<deployment::ReportGone>(c);
    if (ends) batch.purpose = journal::Purpose::closing;
    return batch;
  }
  Result<Batch> operator()(const artifact::Command& c) { return judge_artifact(state, c, context); }
  Result<Batch> operator()(const dataset::Command& c) { return judge_dataset(state, c, context); }
  Result<Batch> operator()(const run::Command& c) { return judge_run(state, c, context); }
  Result<Batch> operator()(const registry::Command& c) { return judge_registry(state, c, context); }
  Result<Batch> operator()(const site::Command& c) {
    return only(site::judge(state.site, c, context));
  }
  Result<Batch> operator()(const OwnCommand& c) { return std::visit(JudgeOwn{state, context}, c); }
};

}  // namespace

Result<Batch> judge(const State& state, const Command& command, const Context& context) {
  TRY_ASSIGN(Batch batch, std::visit(Judge{state, context}, command));
  TRY(keep_named(state, batch, context));
  TRY(count_things(state, batch, context));
  TRY(recall_for_wallets(state, batch, context));
  return batch;
}

}  // namespace bessemer::factory
