// Steps of pipelines that become something: a job with its experiment run, an endpoint.
#include "application/factory/ladder.h"
#include "application/factory/serving.h"
#include "base/json.h"
#include "base/limits.h"

namespace bessemer::factory {
namespace {

Result<workload::Spec> spec_of(const BeginJobStep& begin) {
  const pipeline::SubmitJob& job = begin.job;
  auto spec = json::read<workload::Spec>(job.workload.text);
  if (!spec) return std::move(spec).error().within("job");
  spec->project = job.project;
  spec->kind = workload::Kind::job;
  spec->endpoint.reset();
  spec->run = begin.run;
  spec->pipeline_run = job.run;
  spec->step = job.step;
  return spec;
}

// "train[seed=1,width=64]" as a name that a run may have: "train-seed-1-width-64".
std::string run_name(std::string_view instance) {
  std::string name;
  for (char c : instance) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (plain) name += c;
    else if (!name.empty() && name.back() != '-') name += '-';
  }
  name = name.substr(0, limits::name);
  const auto is_mark = [](char c) { return c == '-' || c == '.' || c == '_'; };
  while (!name.empty() && is_mark(name.back())) name.pop_back();
  return name;
}

run::Start run_of(const BeginJobStep& begin) {
  const pipeline::SubmitJob& job = begin.job;
  run::Start start;
  start.id = begin.run;
  start.project = job.project;
  start.experiment = job.experiment;
  start.name = run_name(job.step);
  start.parameters = job.parameters;
  for (const auto& [metric, goal] : job.goals) {
    start.goals[metric] = goal == "minimise" ? run::Goal::minimise : run::Goal::maximise;
  }
  start.code = job.code;
  start.environment = job.environment;
  start.command = job.command;
  for (const pipeline::JobInput& input : job.inputs) {
    run::Input one;
    one.name = input.name;
    one.digest = input.output.digest;
    one.dataset = input.output.dataset;
    one.dataset_version = input.output.dataset_version;
    one.model = input.output.model;
    one.model_version = input.output.model_version;
    one.run = input.run;
    start.inputs.push_back(std::move(one));
  }
  start.workload = begin.workload;
  start.pipeline_run = job.run;
  start.step = job.step;
  return start;
}

// What the deploy step of a pipeline asks for, in the words of deployment.
Result<deployment::Create> create_of(const pipeline::Deploy& deploy) {
  EndpointSpec spec;
  spec.aliases.insert(deploy.aliases.begin(), deploy.aliases.end());
  spec.replicas = deploy.replicas;
  spec.workload = deploy.workload;
  if (deploy.protocol) {
    spec.protocol = enum_from_text<deployment::Protocol>(*deploy.protocol);
    if (!spec.protocol) {
      return invalid("must be one of: " + enum_choices<deployment::Protocol>()).at("protocol");
    }
  }
  if (deploy.billing) {
    spec.billing = enum_from_text<deployment::Billing>(*deploy.billing);
    if (!spec.billing) {
      return invalid("must be one of: " + enum_choices<deployment::Billing>()).at("billing");
    }
  }
  if (deploy.health) {
    auto health = json::read<deployment::HealthCheck>(deploy.health->text);
    if (!health) return std::move(health).error().within("health");
    spec.health = *std::move(health);
  }
  return factory::create_of(spec);
}

// A replica runs the pipeline's code unless its workload names another.
Result<json::Raw> with_code(const State& state, PipelineRunId run_id, const json::Raw& workload) {
  auto spec = json::read<workload::Spec>(workload.text);
  if (!spec) return std::move(spec).error().within("deploy.workload");
  const pipeline::Run* const run = pipeline::find(state.pipeline, run_id);
  if (!spec->code && run != nullptr && run->definition.code) {
    TRY_ASSIGN(spec->code, from_text(std::type_identity<Digest>{}, *run->definition.code));
  }
  return json::Raw{json::write(*spec)};
}

// The endpoint that the step asks for, without id, project and name.
Result<deployment::Create> create_for(const State& state, const pipeline::DeployModel& deploy) {
  TRY_ASSIGN(deployment::Create create, create_of(deploy.deploy));
  const registry::Model* const model = registry::find(state.registry, deploy.model);
  if (model == nullptr) return not_found("the model is gone");
  create.runs.model = model->name + "@" + std::to_string(deploy.version);
  create.runs.model_id = deploy.model;
  create.runs.version = deploy.version;
  TRY_ASSIGN(create.runs.workload, with_code(state, deploy.run, create.runs.workload));
  return create;
}

}  // namespace

Result<ChangeEndpoint> change_for(const State& state, const deployment::Endpoint& endpoint,
                                  const pipeline::DeployModel& deploy) {
  TRY_ASSIGN(deployment::Create asked, create_for(state, deploy));
  if (asked.protocol && *asked.protocol != endpoint.protocol) {
    return conflict("endpoint " + endpoint.name + " speaks " +
                    std::string(enum_text(endpoint.protocol)) + ", and goes on speaking it")
        .at("deploy.protocol")
        .fix("delete the endpoint, or deploy to another");
  }
  ChangeEndpoint change;
  const deployment::Revision* const newest = deployment::newest(endpoint);
  if (newest == nullptr || !makes_the_same(state, endpoint, newest->runs, asked.runs)) {
    change.roll = deployment::Roll{endpoint.id, std::move(asked.runs)};
  }
  deployment::Configure configure{endpoint.id, asked.replicas, asked.health, asked.billing, {}};
  if (!asked.aliases.empty()) configure.aliases = std::move(asked.aliases);
  auto events = deployment::judge(state.deployment, deployment::Command(configure), Context{});
  if (!events) return std::move(events).error().within("deploy");
  if (!events->empty()) change.configure = std::move(configure);
  return change;
}

Result<Batch> judge_job_step(const State& state, const BeginJobStep& begin,
                             const Context& context) {
  TRY_ASSIGN(workload::Spec spec, spec_of(begin));
  const run::Start start = run_of(begin);
  TRY_ASSIGN(Batch batch,
             judge_submit(state, workload::Submit{begin.workload, std::move(spec)}, &start,
                          context));
  ADD(batch, run::judge(state.run, run::Command(start), context));
  pipeline::BeginStep step;
  step.run = begin.job.run;
  step.step = begin.job.step;
  step.attempt = begin.job.attempt;
  step.key = begin.job.key;
  step.workload = begin.workload;
  step.experiment_run = begin.run;
  ADD(batch, pipeline::judge(state.pipeline, pipeline::Command(step), context));
  return batch;
}

Result<Batch> judge_deploy_step(const State& state, const BeginDeployStep& begin,
                                const Context& context) {
  const pipeline::DeployModel& deploy = begin.deploy;
  Batch batch;
  const deployment::Endpoint* const there =
      deployment::find_by_name(state.deployment, deploy.project, deploy.deploy.endpoint);
  if (there != nullptr) {
    TRY_ASSIGN(const ChangeEndpoint change, change_for(state, *there, deploy));
    TRY_ASSIGN(batch, judge_change_endpoint(state, change, context));
  } else {
    TRY_ASSIGN(deployment::Create create, create_for(state, deploy));
    create.endpoint = begin.endpoint;
    create.project = deploy.project;
    create.name = deploy.deploy.endpoint;
    TRY_ASSIGN(batch, judge_deployment(state, deployment::Command(create), context));
  }
  pipeline::BeginStep step;
  step.run = deploy.run;
  step.step = deploy.step;
  step.attempt = deploy.attempt;
  ADD(batch, pipeline::judge(state.pipeline, pipeline::Command(step), context));
  return batch;
}

}  // namespace bessemer::factory
