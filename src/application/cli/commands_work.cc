// Commands about work: jobs, services, pipelines, endpoints.
#include "application/cli/catalog.h"
#include "application/cli/inside.h"
#include "application/cli/session.h"
#include "application/cli/work.h"

namespace bessemer::cli {
namespace {

using Times = Operand::Times;

const Noun pipeline = {"pipeline", "name|id",
                       {{"NAME", "name"}, {"PROJECT", "project_path|project"},
                        {"REVISION", "revision", Show::number},
                        {"RUNS", "run_count|runs", Show::number},
                        {"CHANGED", "defined_at", Show::age}, {"ID", "id"}}};
const Noun pipeline_run = {"pipeline run", "id",
                           {{"ID", "id"}, {"PIPELINE", "pipeline_name|pipeline"},
                            {"STATUS", "status"}, {"STEPS", "steps", Show::count},
                            {"AGE", "started_at", Show::age}}};
const Noun endpoint = {"endpoint", "name|id",
                       {{"NAME", "name"}, {"PROJECT", "project_path|project"},
                        {"STANDING", "standing"}, {"READY", "ready", Show::number},
                        {"REPLICAS", "replicas|wanted", Show::number},
                        {"PROTOCOL", "protocol"}, {"BILLING", "billing"},
                        {"ALIASES", "aliases", Show::words}, {"ID", "id"}}};
const Noun queue = {"queue", "path|key.node",
                    {{"NODE", "path|node|key.node"}, {"POOL", "pool|key.pool"},
                     {"DESERVED", "deserved_gpu_milli", Show::number},
                     {"WEIGHT", "weight", Show::number}, {"LIMIT", "limit.gpu_milli", Show::number},
                     {"USED", "used.gpu_milli", Show::number},
                     {"WAITING", "waiting", Show::number}}};

const Operand job_operand = {.name = "JOB", .help = "an id or a name", .lookup = "/api/v1/jobs"};
const Operand endpoint_operand = {.name = "ENDPOINT", .help = "an id or a name",
                                  .lookup = "/api/v1/endpoints"};
const Operand pipeline_operand = {.name = "PIPELINE", .help = "an id or a name",
                                  .lookup = "/api/v1/pipelines"};
const Operand run_operand = {.name = "RUN", .help = "an id, or a pipeline's name: its last run",
                             .lookup = "/api/v1/pipeline-runs"};

const Option rank_option = {"rank", 'r', "RANK", "which task of a gang; 0 when left out"};

// What a job may say, and where it listens.
std::vector<Option> service_options() {
  std::vector<Option> options = submit_options();
  std::erase_if(options, [](const Option& option) { return option.name == "detach"; });
  options.push_back({"port", 0, "NUMBER", "inside its own network", As::number, "service.port"});
  options.push_back({"health-path", 0, "PATH", "answers 200 when ready; /health when left out",
                     As::text, "service.health_path"});
  return options;
}

std::vector<Command> job_commands() {
  return {
      {.path = "run", .summary = "submit a job and follow it", .method = "POST",
       .target = "/api/v1/jobs", .noun = &workload_noun(), .project = "project",
       .options = submit_options(), .run = &submit_job,
       .details = "  bessemer run -p acme/vision --gpus 1 --code . --input data=mnist -- python3 "
                  "train.py\n  bessemer run --detach -- /bin/true",
       .rest = "COMMAND..."},
      {.path = "job list", .summary = "jobs and services", .method = "GET",
       .target = "/api/v1/jobs", .noun = &workload_noun(), .project = "?project",
       .options = {{"phase", 0, "PHASE", "queued, running, failed, ...", As::text, "?phase",
                    "queued starting running stopping succeeded failed cancelled"}}},
      {.path = "job get", .summary = "one job with its attempts", .method = "GET",
       .target = "/api/v1/jobs/{JOB}", .noun = &workload_noun(), .operands = {job_operand}},
      {.path = "job cancel", .summary = "end a job: notice, grace, then kill", .method = "POST",
       .target = "/api/v1/jobs/{JOB}/cancel", .noun = &workload_noun(), .operands = {job_operand},
       .options = {{"why", 0, "TEXT", "kept with the job", As::text, "why"}}},
      {.path = "service start", .summary = "start a service that listens on a port",
       .method = "POST", .target = "/api/v1/services", .noun = &workload_noun(),
       .project = "project", .options = service_options(), .run = &submit_job,
       .details = "  bessemer service start --port 8000 --code . -- python3 serve.py",
       .rest = "COMMAND..."},
      {.path = "service list", .summary = "services", .method = "GET",
       .target = "/api/v1/services", .noun = &workload_noun(), .project = "?project"},
      {.path = "logs", .summary = "what a job's task printed", .method = "GET",
       .target = "/api/v1/jobs/{JOB}/logs", .operands = {job_operand},
       .options = {{"follow", 'f', "", "go on as it is written"},
                   {"task", 't', "RANK", "which task of a gang; 0 when left out", As::text,
                    "?task"},
                   {"generation", 'g', "NUMBER", "which attempt; the last when left out",
                    As::text, "?generation"},
                   {"errors", 0, "", "the standard error instead of the standard output"},
                   {"tail", 'n', "BYTES", "only the last so many bytes", As::text, "?tail"}},
       .run = &show_logs},
      {.path = "exec", .summary = "run a command in a running task",
       .operands = {job_operand}, .options = {{"stdin", 'i', "", "pass the standard input on"},
                   {"terminal", 't', "", "give it a terminal; implies -i"},
                   rank_option,
                   {"workdir", 0, "PATH", "where it runs; the task's own when left out"}},
       .run = &exec_in_task,
       .details = "  bessemer exec JOB -- ls /bessemer/outputs\n  bessemer exec JOB -it -- sh\n"
                  "Runs inside the task's sandbox and limits, with its user; exits as the command "
                  "does.",
       .rest = "COMMAND..."},
      {.path = "cp", .summary = "copy files out of a running task, or into it",
       .operands = {{"FROM", "a path, or JOB:PATH"}, {"TO", "a path, or JOB:PATH"}},
       .options = {rank_option}, .run = &copy_files,
       .details = "  bessemer cp JOB:/bessemer/checkpoints ./checkpoints\n  bessemer cp ./fix.py "
                  "JOB:/tmp/fix.py\nA file or a folder; links in it are left out. A path of this "
                  "machine with ':' in it begins with './'."},
      {.path = "port-forward", .summary = "a local port that leads into a running task",
       .operands = {job_operand, {"PORTS", "LOCAL:REMOTE; ':80' picks a free local port"}},
       .options = {rank_option}, .run = &forward_port,
       .details = "  bessemer port-forward JOB 6006:6006"},
      {.path = "explain job", .summary = "why a job waits, or why it ended", .method = "GET",
       .target = "/api/v1/jobs/{JOB}/explanation", .operands = {job_operand}},
  };
}

std::vector<Command> pipeline_commands() {
  return {
      {.path = "pipeline run", .summary = "run a pipeline from its file, or one that is defined",
       .operands = {{.name = "PIPELINE", .help = "a YAML file, an id or a name",
                     .lookup = "/api/v1/pipelines"}},
       .options = {{"set", 's', "NAME=VALUE", "a parameter", As::values, "parameters"},
                   {"no-cache", 0, "", "run every step anew"},
                   {"detach", 'd', "", "do not follow it"}},
       .run = &run_pipeline,
       .details = "  bessemer pipeline run examples/first-factory/pipeline.yaml -p demo/first"},
      {.path = "pipeline list", .summary = "pipelines", .method = "GET",
       .target = "/api/v1/pipelines", .noun = &pipeline, .project = "?project"},
      {.path = "pipeline get", .summary = "one pipeline", .method = "GET",
       .target = "/api/v1/pipelines/{PIPELINE}", .operands = {pipeline_operand}},
      {.path = "pipeline delete", .summary = "remove a pipeline; its runs stay",
       .method = "DELETE", .target = "/api/v1/pipelines/{PIPELINE}",
       .operands = {pipeline_operand}},
      {.path = "pipeline runs", .summary = "runs of pipelines", .method = "GET",
       .target = "/api/v1/pipeline-runs", .noun = &pipeline_run, .project = "?project"},
      {.path = "pipeline status", .summary = "a run, step by step",
       .operands = {run_operand}, .run = &show_pipeline_run},
      {.path = "pipeline cancel", .summary = "end a run", .method = "POST",
       .target = "/api/v1/pipeline-runs/{RUN}/cancel", .operands = {run_operand}},
      {.path = "pipeline retry", .summary = "run a failed step and what follows it again",
       .method = "POST", .target = "/api/v1/pipeline-runs/{RUN}/retry",
       .operands = {run_operand, {"STEP", "its name", Times::once, As::text, "step"}}},
  };
}

std::vector<Command> endpoint_commands() {
  return {
      {.path = "endpoint list", .summary = "endpoints", .method = "GET",
       .target = "/api/v1/endpoints", .noun = &endpoint, .project = "?project"},
      {.path = "endpoint get", .summary = "one endpoint with revisions and replicas",
       .method = "GET", .target = "/api/v1/endpoints/{ENDPOINT}", .operands = {endpoint_operand}},
      {.path = "endpoint scale", .summary = "set the number of replicas", .method = "PATCH",
       .target = "/api/v1/endpoints/{ENDPOINT}", .noun = &endpoint,
       .operands = {endpoint_operand,
                    {"REPLICAS", "how many; 0 stops it", Times::once, As::number, "replicas"}}},
      {.path = "endpoint delete", .summary = "remove an endpoint and its replicas",
       .method = "DELETE", .target = "/api/v1/endpoints/{ENDPOINT}",
       .operands = {endpoint_operand}},
      {.path = "queue list", .summary = "who may use how much of which pool", .method = "GET",
       .target = "/api/v1/queues", .noun = &queue, .project = "?org",
       .options = {{"pool", 0, "POOL", "only this pool", As::text, "?pool"}}},
      {.path = "queue set", .summary = "set quota, weight and limit of a node in a pool",
       .method = "PUT", .target = "/api/v1/queues", .noun = &queue, .project = "org",
       .operands = {{"POOL", "its name", Times::once, As::text, "pool"}},
       .options = {{"deserved", 0, "GPUS", "guaranteed accelerators", As::milli,
                    "deserved_gpu_milli"},
                   {"weight", 0, "NUMBER", "share of what is left over", As::number, "weight"},
                   {"limit", 0, "GPUS", "never more than this", As::milli, "limit.gpu_milli"}}},
      {.path = "queue delete", .summary = "remove a node's queue in a pool", .method = "DELETE",
       .target = "/api/v1/queues", .project = "?org",
       .operands = {{"POOL", "its name", Times::once, As::text, "?pool"}}},
  };
}

}  // namespace

std::vector<Command> work_commands() {
  std::vector<Command> all = job_commands();
  for (auto part : {&pipeline_commands, &endpoint_commands}) {
    for (Command& command : part()) all.push_back(std::move(command));
  }
  return all;
}

}  // namespace bessemer::cli
