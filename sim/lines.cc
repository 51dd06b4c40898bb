// What a simulated company runs beside single jobs: pipelines from data to an endpoint, services.
#include "base/check.h"
#include "sim/company.h"

namespace bessemer::sim {

namespace {

// Data, two trainings, the better one, an evaluation, a gate, a model, an endpoint.
constexpr std::string_view line_text = R"({
  "name": "line", "parameters": {"width": 1},
  "steps": [
    {"name": "prepare", "job": {"command": ["/bin/prepare"], "outputs": ["data"]}},
    {"name": "ingest", "ingest": {"dataset": "data",
                                  "tree": "${steps.prepare.outputs.data}"}},
    {"name": "train", "matrix": {"seed": [1, 2]},
     "job": {"command": ["/bin/train"], "outputs": ["model"],
             "inputs": {"data": "${steps.ingest.outputs.dataset}"},
             "parameters": {"seed": "${matrix.seed}", "width": "${params.width}"},
             "resources": {"gpus": 1}}},
    {"name": "best", "choose": {"from": "train", "highest": "accuracy"}},
    {"name": "eval", "job": {"command": ["/bin/eval"],
                             "inputs": {"model": "${steps.best.outputs.model}"}}},
    {"name": "gate", "gate": {"of": "eval", "require": ["accuracy >= 0.2"]}},
    {"name": "register", "needs": ["gate"],
     "register": {"model": "model", "from": "${steps.best.outputs.model}", "format": "plain",
                  "evaluations": ["eval"], "aliases": ["champion"]}},
    {"name": "serve", "deploy": {"endpoint": "served",
                                 "model": "${steps.register.outputs.model}", "replicas": 1,
                                 "workload": {"command": ["/bin/serve"],
                                              "service": {"port": 8080}}}}
  ]})";

json::Raw service(std::uint64_t variant) {
  return json::Raw{R"({"command": ["/bin/serve", ")" + std::to_string(variant) +
                   R"("], "service": {"port": 8080}, "resources": {"gpus": 1}})"};
}

}  // namespace

void Company::define_lines(Daemon& daemon) {
  const auto definition = json::read<pipeline::Definition>(line_text);
  check(definition.has_value(), "the simulator's own pipeline cannot be read");
  for (const OrgId project : projects_) {
    const PipelineId id = daemon.draw<PipelineId>();
    const bool defined =
        ask(daemon, pipeline::Command(pipeline::Define{id, project, *definition}));
    if (defined) lines_.push_back(id);
  }
}

void Company::run_line(Daemon& daemon) {
  if (lines_.empty()) return;
  if (!runs_.empty() && random_.chance(1, 3)) {
    const PipelineRunId run = runs_[random_.below(runs_.size())];
    if (random_.chance(1, 2)) {
      ask(daemon, pipeline::Command(pipeline::Cancel{run}));
    } else {
      const char* const steps[] = {"prepare", "train[seed=1]", "eval", "gate", "serve"};
      ask(daemon, pipeline::Command(pipeline::RetryStep{run, steps[random_.below(5)]}));
    }
    return;
  }
  pipeline::Start start;
  start.id = daemon.draw<PipelineRunId>();
  start.pipeline = lines_[random_.below(lines_.size())];
  // Few widths: what was computed before is used again.
  start.parameters["width"] = json::Raw{std::to_string(1 + random_.below(3))};
  start.environments = {{"host", sha256("host")}};
  start.use_cache = random_.chance(9, 10);
  if (ask(daemon, pipeline::Command(start))) runs_.push_back(start.id);
}

void Company::serve_something(Daemon& daemon) {
  if (endpoints_.empty() || random_.chance(1, 3)) {
    deployment::Create create;
    create.endpoint = daemon.draw<EndpointId>();
    create.project = any_project();
    create.name = "endpoint" + std::to_string(endpoints_.size());
    const deployment::Billing ways[] = {deployment::Billing::dedicated,
                                        deployment::Billing::shared,
                                        deployment::Billing::published};
    create.billing = ways[random_.below(3)];
    create.replicas = 1 + static_cast<std::uint32_t>(random_.below(3));
    create.health = deployment::HealthCheck{};
    create.health->startup = seconds(random_.between(5, 60));
    create.runs.workload = service(random_.below(2));
    if (ask(daemon, deployment::Command(create))) endpoints_.push_back(create.endpoint);
    return;
  }
  const EndpointId endpoint = endpoints_[random_.below(endpoints_.size())];
  switch (random_.below(4)) {
    case 0: ask(daemon, deployment::Command(deployment::Delete{endpoint})); break;
    case 1: {
      deployment::Roll roll;
      roll.endpoint = endpoint;
      roll.runs.workload = service(random_.below(4));
      ask(daemon, deployment::Command(roll));
      break;
    }
    default: {
      deployment::Configure configure;
      configure.endpoint = endpoint;
      configure.replicas = static_cast<std::uint32_t>(random_.below(4));
      ask(daemon, deployment::Command(configure));
      break;
    }
  }
}

}  // namespace bessemer::sim
