// Pipelines and their runs.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/network.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct PipelineView {
  PipelineId id;
  std::string project_path;
  std::string name;
  std::uint32_t revision = 0;
  std::uint64_t run_count = 0;
  Instant defined_at;
  pipeline::Definition definition;
};
DESCRIBE(PipelineView, id, project_path, name, revision, run_count, defined_at, definition)

PipelineView view_of(const factory::State& state, const pipeline::Pipeline& found) {
  return {found.id,
          tenant::path_of(state.tenant, found.project),
          found.name,
          found.revision,
          found.runs.size(),
          found.defined_at,
          found.definition};
}

struct StepView {
  std::string name;
  std::string kind;
  pipeline::StepStatus status = pipeline::StepStatus::waiting;
  std::uint32_t attempt = 0;
  WorkloadId job;
  std::string note;
  std::string standing;  // why it stands where it stands
  std::map<std::string, double> metrics;
  std::map<std::string, pipeline::Output> outputs;
  std::optional<Instant> started_at, ended_at;
};
DESCRIBE(StepView, name, kind, status, attempt, job, note, standing, metrics, outputs, started_at,
         ended_at)

struct PipelineRunView {
  PipelineRunId id;
  PipelineId pipeline;
  std::string pipeline_name;
  std::string project_path;
  pipeline::RunStatus status = pipeline::RunStatus::running;
  std::string summary;
  std::map<std::string, json::Raw> parameters;
  std::vector<StepView> steps;  // in the order of the run
  Instant started_at;
  std::optional<Instant> ended_at;
};
DESCRIBE(PipelineRunView, id, pipeline, pipeline_name, project_path, status, summary, parameters,
         steps, started_at, ended_at)

std::optional<Instant> when(Instant at) {
  return at == Instant{} ? std::nullopt : std::optional(at);
}

PipelineRunView view_of(const factory::State& state, const pipeline::Run& run) {
  PipelineRunView view;
  view.id = run.id;
  view.pipeline = run.pipeline;
  view.pipeline_name = run.definition.name;
  view.project_path = tenant::path_of(state.tenant, run.project);
  view.status = run.status;
  view.summary = pipeline::summarise(run);
  view.parameters = run.parameters;
  view.started_at = run.started_at;
  view.ended_at = when(run.ended_at);
  for (const std::string& name : run.order) {
    const pipeline::StepRun& step = run.steps.at(name);
    const auto* written = pipeline::find_step(run.definition, step.instance.step);
    StepView one;
    one.name = name;
    if (written != nullptr) one.kind = pipeline::kind_of(*written);
    one.status = step.status;
    one.attempt = step.attempt;
    one.job = step.workload;
    one.note = step.note;
    one.standing = pipeline::explain(run, step);
    one.metrics = step.result.metrics;
    one.outputs = step.result.outputs;
    one.started_at = when(step.started_at);
    one.ended_at = when(step.ended_at);
    view.steps.push_back(std::move(one));
  }
  return view;
}

struct DefineBody {
  pipeline::Definition definition;
};
DESCRIBE(DefineBody, definition)

Result<PipelineView> define_pipeline(Call& call, const InProject<DefineBody>& body) {
  TRY_ASSIGN(const OrgId project, placed(call, body.project, "project"));
  TRY(tenant::open_node(call.state().tenant, project));
  pipeline::Define define;
  define.id = call.draw<PipelineId>();
  define.project = project;
  define.definition = body.rest.definition;
  for (std::size_t i = 0; i < define.definition.steps.size(); ++i) {
    const auto& job = define.definition.steps[i].job;
    if (!job || !job->network) continue;
    TRY(check_network(call, enum_from_text<workload::Network>(*job->network),
                      "definition.steps[" + std::to_string(i) + "].job.network"));
  }
  const std::string name = define.definition.name;
  TRY(call.submit(pipeline::Command(std::move(define))));
  return view_of(call.state(), *pipeline::find(call.state().pipeline, project, name));
}

Result<const pipeline::Pipeline*> named_pipeline(Call& call) {
  return named_thing<PipelineId>(
      call, "pipeline", "pipeline",
      [&](PipelineId id) { return pipeline::find(call.state().pipeline, id); },
      [](const pipeline::Pipeline& found) { return found.project; });
}

Result<PipelineView> get_pipeline(Call& call) {
  TRY_ASSIGN(const pipeline::Pipeline* const found, named_pipeline(call));
  return view_of(call.state(), *found);
}

// The projects that a list is about: the one asked for, or all that the caller may list.
Result<std::vector<OrgId>> projects_of(Call& call) {
  std::vector<OrgId> projects;
  if (const auto path = call.query("project")) {
    TRY_ASSIGN(const OrgId project, call.org(*path));
    TRY(call.permit(project));
    projects.push_back(project);
    return projects;
  }
  call.permit_self();
  for (const tenant::Node* node : tenant::list(call.state().tenant)) {
    if (call.may(node->id, Resource::pipeline, Action::list)) projects.push_back(node->id);
  }
  return projects;
}

Result<Page<PipelineView>> list_pipelines(Call& call) {
  TRY_ASSIGN(const auto projects, projects_of(call));
  std::vector<const pipeline::Pipeline*> all;
  for (const OrgId project : projects) {
    const auto some = pipeline::list(call.state().pipeline, project);
    all.insert(all.end(), some.begin(), some.end());
  }
  std::ranges::sort(all, {}, &pipeline::Pipeline::id);
  return paginate<PipelineView>(
      call, all, [](const pipeline::Pipeline* one) { return to_text(one->id); },
      [&](const pipeline::Pipeline* one) { return view_of(call.state(), *one); });
}

Result<Nothing> remove_pipeline(Call& call) {
  TRY_ASSIGN(const pipeline::Pipeline* const found, named_pipeline(call));
  TRY(call.submit(pipeline::Command(pipeline::Remove{found->id})));
  return Nothing{};
}

struct RunBody {
  std::map<std::string, json::Raw> parameters;
  std::optional<bool> use_cache;
};
DESCRIBE(RunBody, parameters, use_cache)

// What a task finds below /usr and in its libraries: another host, another result.
Digest host_environment(const factory::State& state) {
  std::string about = "host";
  for (const auto& [id, node] : state.site.nodes) {
    const auto kernel = node.inventory.labels.find("environment");
    if (kernel != node.inventory.labels.end()) about += "\n" + kernel->second;
  }
  return sha256(about);
}

Result<PipelineRunView> run_pipeline(Call& call, const RunBody& body) {
  TRY_ASSIGN(const pipeline::Pipeline* const found, named_pipeline(call));
  TRY(tenant::open_node(call.state().tenant, found->project));
  pipeline::Start start;
  start.id = call.draw<PipelineRunId>();
  start.pipeline = found->id;
  start.parameters = body.parameters;
  start.environments["host"] = host_environment(call.state());
  start.use_cache = body.use_cache.value_or(true);
  const PipelineRunId id = start.id;
  call.makes("/api/v1/pipeline-runs/" + to_text(id));
  TRY(call.submit(pipeline::Command(std::move(start))));
  return view_of(call.state(), *pipeline::find(call.state().pipeline, id));
}

Result<const pipeline::Run*> named_run(Call& call) {
  return named_thing<PipelineRunId>(
      call, "run", "pipeline run",
      [&](PipelineRunId id) { return pipeline::find(call.state().pipeline, id); },
      [](const pipeline::Run& run) { return run.project; });
}

Result<PipelineRunView> get_run(Call& call) {
  TRY_ASSIGN(const pipeline::Run* const run, named_run(call));
  return view_of(call.state(), *run);
}

Result<Page<PipelineRunView>> list_runs(Call& call) {
  TRY_ASSIGN(const auto projects, projects_of(call));
  std::vector<const pipeline::Run*> all;
  for (const auto& [id, run] : call.state().pipeline.runs) {
    if (std::ranges::find(projects, run.project) != projects.end()) all.push_back(&run);
  }
  return paginate<PipelineRunView>(
      call, all, [](const pipeline::Run* run) { return to_text(run->id); },
      [&](const pipeline::Run* run) { return view_of(call.state(), *run); });
}

Result<PipelineRunView> cancel_run(Call& call) {
  TRY_ASSIGN(const pipeline::Run* const run, named_run(call));
  const PipelineRunId id = run->id;
  TRY(call.submit(pipeline::Command(pipeline::Cancel{id})));
  return view_of(call.state(), *pipeline::find(call.state().pipeline, id));
}

struct RetryBody {
  std::string step;
};
DESCRIBE(RetryBody, step)

Result<PipelineRunView> retry_step(Call& call, const RetryBody& body) {
  TRY_ASSIGN(const pipeline::Run* const run, named_run(call));
  const PipelineRunId id = run->id;
  TRY(call.submit(pipeline::Command(pipeline::RetryStep{id, body.step})));
  return view_of(call.state(), *pipeline::find(call.state().pipeline, id));
}

}  // namespace

Table pipeline_routes() {
  const Parameter project{"project", "path or id; all that you may see when left out"};
  return {
      route<&define_pipeline>(Method::put, "/api/v1/pipelines", "define_pipeline",
                              "Define a pipeline, or give it its next revision",
                              Resource::pipeline, Action::create),
      route<&list_pipelines>(Method::get, "/api/v1/pipelines", "list_pipelines", "Pipelines",
                             Resource::pipeline, Action::list, with_page({project})),
      route<&get_pipeline>(Method::get, "/api/v1/pipelines/{pipeline}", "get_pipeline",
                           "One pipeline", Resource::pipeline, Action::read),
      route<&remove_pipeline>(Method::del, "/api/v1/pipelines/{pipeline}", "remove_pipeline",
                              "Remove a pipeline; its runs stay", Resource::pipeline,
                              Action::remove),
      route<&run_pipeline>(Method::post, "/api/v1/pipelines/{pipeline}/runs", "run_pipeline",
                           "Run it", Resource::pipeline, Action::create),
      route<&list_runs>(Method::get, "/api/v1/pipeline-runs", "list_pipeline_runs",
                        "Runs of pipelines", Resource::pipeline, Action::list,
                        with_page({project})),
      route<&get_run>(Method::get, "/api/v1/pipeline-runs/{run}", "get_pipeline_run",
                      "A run, step by step", Resource::pipeline, Action::read),
      route<&cancel_run>(Method::post, "/api/v1/pipeline-runs/{run}/cancel",
                         "cancel_pipeline_run", "End a run", Resource::pipeline, Action::update),
      route<&retry_step>(Method::post, "/api/v1/pipeline-runs/{run}/retry", "retry_pipeline_step",
                         "Run a failed step and what follows it again", Resource::pipeline,
                         Action::update),
  };
}

}  // namespace bessemer::api
