// Endpoints: a model version behind replicas, each a service workload; and what gateways report.
#include "application/factory/serving.h"

#include "application/factory/book.h"
#include "application/factory/charge.h"
#include "application/factory/ladder.h"
#include "base/json.h"

namespace bessemer::factory {
namespace {

// The name under which a replica finds its model: /bessemer/inputs/model.
constexpr std::string_view model_input = "model";

// "digits@2", "digits@champion" or "digits" to the version it means now.
Result<void> resolve_model(const State& state, OrgId project, deployment::Template& runs) {
  if (!runs.model) return {};
  const std::size_t at = runs.model->find('@');
  const std::string name = runs.model->substr(0, at);
  const std::string which = at == std::string::npos ? "" : runs.model->substr(at + 1);
  const registry::Model* const model = registry::find(state.registry, project, name);
  if (model == nullptr) {
    return not_found("no model '" + name + "' in the project").at("runs.model");
  }
  auto version = registry::resolve(*model, which);
  if (!version) return std::move(version).error().within("runs.model");
  runs.model_id = model->id;
  runs.version = *version;
  return {};
}

// The service that a replica of this template is.
Result<workload::Spec> replica_spec(const State& state, const deployment::Endpoint& endpoint,
                                    const deployment::Template& runs) {
  TRY_ASSIGN(workload::Spec spec, json::read<workload::Spec>(runs.workload.text));
  spec.project = endpoint.project;
  spec.kind = workload::Kind::service;
  spec.endpoint = endpoint.id;
  spec.run.reset();  // whatever the template says: no pipeline asks for a replica
  spec.pipeline_run.reset();
  spec.step.reset();
  if (!spec.name) spec.name = endpoint.name;
  if (runs.model_id && runs.version) {
    const registry::Version* const version =
        registry::find_version(state.registry, *runs.model_id, *runs.version);
    if (version == nullptr) return not_found("the model version is gone").at("runs.model");
    workload::Input input;
    input.name = model_input;
    input.artifact = version->artifact;
    spec.inputs.push_back(std::move(input));
  }
  return spec;
}

// A template must make a good service before it becomes a revision.
Result<void> check_template(const State& state, const deployment::Endpoint& endpoint,
                            const deployment::Template& runs) {
  auto spec = replica_spec(state, endpoint, runs);
  if (!spec) return std::move(spec).error().within("runs.workload");
  auto complete = workload::complete(*std::move(spec));
  if (!complete) return std::move(complete).error().within("runs.workload");
  return {};
}

// Where what the endpoint costs and earns is booked.
Result<void> open_accounts(const State& state, EndpointId endpoint, OrgId project,
                           deployment::Billing billing, Batch& batch, const Context& context) {
  const OrgId tenant = tenant::tenant_of(state.tenant, project);
  const metering::Account* const account = metering::find(state.metering, tenant);
  const auto* version =
      account == nullptr
          ? nullptr
          : version_or_first(state, metering::book_at(*account, context.now), context.now);
  if (version == nullptr) return {};  // opened when the first book is published
  for (const Currency currency : {version->currency, simulated_currency}) {
    for (ledger::OpenAccount& open : endpoint_accounts(tenant, endpoint, billing, currency)) {
      ADD(batch, ledger::judge(state.ledger, ledger::Command(std::move(open)), context));
    }
  }
  return {};
}

// The replicas that run are borne by whoever the new mode says, from this moment on.
Result<void> reassign(const State& state, const deployment::Endpoint& endpoint,
                      deployment::Billing billing, Batch& batch, const Context& context) {
  const bool dedicated = billing == deployment::Billing::dedicated;
  metering::Reassign command{{},
                             dedicated ? metering::Bearer::tenant : metering::Bearer::endpoint,
                             context.now};
  std::map<std::string, const workload::Workload*> owners;
  for (const auto& [id, replica] : endpoint.running) {
    const workload::Workload* const found = workload::find(state.workload, id);
    if (found == nullptr || found->last() == nullptr) continue;
    for (const workload::Task& task : found->last()->tasks) {
      const std::string interval = to_text(task.placement.allocation);
      owners.emplace(interval, found);
      command.intervals.push_back(interval);
    }
  }
  TRY_ASSIGN(auto events, metering::judge(state.metering, state.pricing,
                                          metering::Command(std::move(command)), context));
  std::map<WorkloadId, Metered> metered;
  for (const metering::Event& event : events) {
    const auto* accrued = std::get_if<metering::IntervalAccrued>(&event);
    if (accrued == nullptr) continue;
    const workload::Workload& owner = *owners.at(accrued->interval);
    Metered& one = metered[owner.id];
    one.hold = owner.last()->hold;
    one.spender = spender_of(state, owner);
    one.postings.insert(one.postings.end(), accrued->postings.begin(), accrued->postings.end());
  }
  add(batch, std::move(events));
  std::vector<Metered> all;
  for (auto& [id, one] : metered) all.push_back(std::move(one));
  return book(state, std::move(all), batch, context);
}

Result<Batch> judge_configure(const State& state, const deployment::Configure& configure,
                              const Context& context) {
  Batch batch;
  ADD(batch, deployment::judge(state.deployment, deployment::Command(configure), context));
  const deployment::Endpoint* const endpoint =
      deployment::find(state.deployment, configure.endpoint);
  if (batch.events.empty() || !configure.billing || *configure.billing == endpoint->billing) {
    return batch;
  }
  TRY(open_accounts(state, endpoint->id, endpoint->project, *configure.billing, batch, context));
  TRY(reassign(state, *endpoint, *configure.billing, batch, context));
  return batch;
}

}  // namespace

deployment::Create create_of(const EndpointSpec& spec) {
  deployment::Create create;
  create.aliases = spec.aliases;
  create.protocol = spec.protocol;
  create.billing = spec.billing;
  create.health = spec.health;
  create.replicas = spec.replicas;
  if (spec.workload) create.runs.workload = *spec.workload;
  return create;
}

bool makes_the_same(const State& state, const deployment::Endpoint& endpoint,
                    const deployment::Template& one, const deployment::Template& other) {
  if (one.model_id != other.model_id || one.version != other.version) return false;
  const auto spec = [&](const deployment::Template& runs) -> Result<workload::Spec> {
    TRY_ASSIGN(workload::Spec made, replica_spec(state, endpoint, runs));
    return workload::complete(std::move(made));
  };
  const auto first = spec(one), second = spec(other);
  return first && second && *first == *second;
}

Result<Batch> judge_deployment(const State& state, const deployment::Command& command,
                               const Context& context) {
  Batch batch;
  if (const auto* given = std::get_if<deployment::Create>(&command)) {
    deployment::Create create = *given;
    TRY(tenant::open_node(state.tenant, create.project));
    TRY(resolve_model(state, create.project, create.runs));
    deployment::Endpoint future;
    future.id = create.endpoint;
    future.project = create.project;
    future.name = create.name;
    TRY(check_template(state, future, create.runs));
    ADD(batch, deployment::judge(state.deployment, deployment::Command(create), context));
    if (!batch.events.empty()) {
      TRY(open_accounts(state, create.endpoint, create.project,
                        create.billing.value_or(deployment::Billing::dedicated), batch, context));
    }
    return batch;
  }
  if (const auto* given = std::get_if<deployment::Roll>(&command)) {
    deployment::Roll roll = *given;
    const deployment::Endpoint* const endpoint =
        deployment::find(state.deployment, roll.endpoint);
    if (endpoint == nullptr) return not_found("no such endpoint");
    TRY(resolve_model(state, endpoint->project, roll.runs));
    TRY(check_template(state, *endpoint, roll.runs));
    ADD(batch, deployment::judge(state.deployment, deployment::Command(roll), context));
    return batch;
  }
  if (const auto* given = std::get_if<deployment::Configure>(&command)) {
    return judge_configure(state, *given, context);
  }
  ADD(batch, deployment::judge(state.deployment, command, context));
  return batch;
}

Result<Batch> judge_begin_replica(const State& state, const BeginReplica& begin,
                                  const Context& context) {
  const deployment::Endpoint* const endpoint = deployment::find(state.deployment, begin.endpoint);
  if (endpoint == nullptr) return not_found("no such endpoint");
  const auto* revision = deployment::find_revision(*endpoint, begin.revision);
  if (revision == nullptr) return not_found("no such revision");
  TRY_ASSIGN(workload::Spec spec, replica_spec(state, *endpoint, revision->runs));
  const WorkloadId id = deployment::replica_workload(begin.endpoint, begin.ordinal);
  Batch batch;
  ADD(batch, deployment::judge(state.deployment,
                               deployment::Command(deployment::StartReplica{
                                   begin.endpoint, begin.revision, begin.ordinal}),
                               context));
  TRY_ASSIGN(Batch submitted,
             judge_workload(state, workload::Command(workload::Submit{id, std::move(spec)}),
                            context));
  for (Event& event : submitted.events) batch.events.push_back(std::move(event));
  return batch;
}

Result<Batch> judge_end_replica(const State& state, const EndReplica& end,
                                const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  ADD(batch, deployment::judge(state.deployment,
                               deployment::Command(deployment::StopReplica{
                                   end.endpoint, end.workload, end.failed, end.why}),
                               context));
  const workload::Workload* const found = workload::find(state.workload, end.workload);
  if (found == nullptr || workload::is_final(found->phase)) return batch;
  TRY_ASSIGN(Batch cancelled,
             judge_workload(state,
                            workload::Command(workload::Cancel{end.workload, "replica not wanted"}),
                            context));
  for (Event& event : cancelled.events) batch.events.push_back(std::move(event));
  return batch;
}

Result<Batch> judge_usage(const State& state, const ReportUsage& report, const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  // A late word about an epoch that is over: all of it was counted, and its stream is forgotten.
  if (lease::is_over(state.lease, report.gateway, report.epoch)) return batch;
  const metering::UsageSums::Usages usages = report.sums->usages(*report.log);
  std::vector<metering::Posting> postings;
  if (!usages.usages.empty()) {
    metering::Record record;
    record.stream = metering::stream_of(report.gateway, report.epoch);
    record.sequence = report.offset;
    record.usages = usages.usages;
    TRY_ASSIGN(auto events, metering::judge(state.metering, state.pricing,
                                            metering::Command(std::move(record)), context));
    for (const metering::Event& event : events) {
      const auto& some = metering::postings_of(event);
      postings.insert(postings.end(), some.begin(), some.end());
    }
    add(batch, std::move(events));
  }
  ADD(batch, transfers_for(state, postings, batch, context));
  lease::Report uses;
  uses.gateway = report.gateway;
  uses.epoch = report.epoch;
  uses.offset = report.offset;
  uses.uses = lease::metered_charges(*report.log, usages, postings);
  TRY_ASSIGN(auto decision, lease::judge(state.lease, state.budget, lease::Command(uses), context));
  add(batch, std::move(decision.events));
  add(batch, std::move(decision.budget_events));
  return batch;
}

}  // namespace bessemer::factory
