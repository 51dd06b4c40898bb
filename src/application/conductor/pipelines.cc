// Pipelines move on: what advance() proposes is taken, and what came of it is handed back.
#include <algorithm>

#include "application/conductor/conductor.h"
#include "application/factory/serving.h"
#include "base/json.h"
#include "base/text.h"

namespace bessemer::conductor {
namespace {

// What advance() asks of the world beside it.
class Around final : public pipeline::Surroundings {
 public:
  explicit Around(const factory::State& state) : state_(state) {}

  std::optional<pipeline::Champion> champion(OrgId project,
                                             std::string_view model) const override {
    const registry::Model* const found = registry::find(state_.registry, project, model);
    if (found == nullptr) return std::nullopt;
    const auto number = registry::resolve(*found, "champion");
    if (!number) return std::nullopt;
    const registry::Version& version = found->versions.at(*number);
    pipeline::Champion champion;
    champion.metrics = version.metrics;
    for (const registry::Evaluation& evaluation : version.evaluations) {
      for (const auto& [name, value] : evaluation.metrics) champion.metrics[name] = value;
      if (evaluation.run) champion.measured_by.insert(evaluation.run);
    }
    return champion;
  }

  bool owns(OrgId project, const Digest& artifact) const override {
    return artifact::find(state_.artifact, project, artifact) != nullptr;
  }

 private:
  const factory::State& state_;
};

std::map<std::string, double> last_values(const std::map<std::string, run::Summary>& metrics) {
  std::map<std::string, double> values;
  for (const auto& [name, summary] : metrics) {
    if (summary.count > 0) values[name] = summary.last;
  }
  return values;
}

// The endpoint is as the step asks for it, all of it, and callers reach that.
bool serves_already(const factory::State& state, const pipeline::DeployModel& deploy) {
  const deployment::Endpoint* const endpoint = deployment::find_by_name(
      state.deployment, deploy.project, deploy.deploy.endpoint);
  if (endpoint == nullptr) return false;
  const deployment::Revision* const newest = deployment::newest(*endpoint);
  if (newest == nullptr || endpoint->routed != newest->number) return false;
  const auto change = factory::change_for(state, *endpoint, deploy);
  return change && !change->roll && !change->configure;
}

pipeline::FinishStep finish(PipelineRunId run, const std::string& step, std::uint32_t attempt,
                            pipeline::StepStatus outcome) {
  pipeline::FinishStep done;
  done.run = run;
  done.step = step;
  done.attempt = attempt;
  done.outcome = outcome;
  return done;
}

// What an inspection found, as the one sentence that a step fails with.
Error does_not_fit(const dataset::Dataset& dataset, const dataset::Version& version) {
  const dataset::Validation& found = *version.validation;
  std::string what = dataset.name + "@" + std::to_string(version.number) +
                     " does not fit its schema: " +
                     (found.problems.empty() ? std::string("see it") : found.problems.front());
  if (found.problem_count > 1) {
    what += " (and " + std::to_string(found.problem_count - 1) + " more)";
  }
  return invalid(std::move(what)).fix("mend the data or the schema: bessemer dataset get " +
                                      dataset.name);
}

Error could_not_be_read(const dataset::Dataset& dataset, const dataset::Version& version) {
  const std::string named = dataset.name + "@" + std::to_string(version.number);
  return invalid(named + " could not be read: " + version.unreadable->why)
      .fix("bessemer dataset inspect " + named + ", then the step again");
}

}  // namespace

void Conductor::move_pipelines() {
  const auto active = engine_.state().pipeline.active;  // a copy: actions change the state
  for (const PipelineRunId id : active) {
    for (bool again = true; again;) {
      again = false;
      const pipeline::Run* run = pipeline::find(engine_.state().pipeline, id);
      if (run == nullptr) break;
      finish_steps(*run);
      run = pipeline::find(engine_.state().pipeline, id);
      if (run == nullptr) break;
      const auto actions =
          pipeline::advance(engine_.state().pipeline, *run, Around(engine_.state()));
      for (const pipeline::Action& action : actions) again = take_action(action) || again;
    }
  }
}

bool Conductor::fail_step(PipelineRunId run, const std::string& step, std::uint32_t attempt,
                          const Error& error) {
  if (error.retry != Retry::never) {
    again_at(clock_.now() + ask_again);
    return false;
  }
  pipeline::FinishStep failed = finish(run, step, attempt, pipeline::StepStatus::failed);
  failed.note = to_text(error).substr(0, pipeline::max_note);
  while (!is_utf8(failed.note)) failed.note.pop_back();  // never in the middle of a character
  return decide(pipeline::Command(std::move(failed)));
}

bool Conductor::take_action(const pipeline::Action& action) {
  if (const auto* job = std::get_if<pipeline::SubmitJob>(&action)) {
    factory::BeginJobStep begin;
    begin.job = *job;
    begin.workload = world::draw_id<WorkloadId>(clock_, entropy_);
    begin.run = world::draw_id<RunId>(clock_, entropy_);
    const auto written = engine_.submit(factory::OwnCommand(std::move(begin)), decided());
    if (!written) return fail_step(job->run, job->step, job->attempt, written.error());
    return !written->events.empty();
  }
  if (const auto* deploy = std::get_if<pipeline::DeployModel>(&action)) {
    if (serves_already(engine_.state(), *deploy)) {
      pipeline::FinishStep done =
          finish(deploy->run, deploy->step, deploy->attempt, pipeline::StepStatus::reused);
      const auto* there = deployment::find_by_name(engine_.state().deployment, deploy->project,
                                                   deploy->deploy.endpoint);
      done.result.outputs["endpoint"].endpoint = there->id;
      done.note = "endpoint " + there->name + " serves this already";
      return decide(pipeline::Command(std::move(done)));
    }
    factory::BeginDeployStep begin;
    begin.deploy = *deploy;
    begin.endpoint = world::draw_id<EndpointId>(clock_, entropy_);
    const auto written = engine_.submit(factory::OwnCommand(std::move(begin)), decided());
    if (!written) return fail_step(deploy->run, deploy->step, deploy->attempt, written.error());
    return !written->events.empty();
  }
  if (const auto* cancel = std::get_if<pipeline::CancelJob>(&action)) {
    return decide(workload::Command(workload::Cancel{cancel->workload, "its pipeline run"}));
  }
  if (const auto* settle = std::get_if<pipeline::Settle>(&action)) {
    return decide(pipeline::Command(settle->finish));
  }
  if (const auto* data = std::get_if<pipeline::IngestDataset>(&action)) return ingest(*data);
  return register_model(std::get<pipeline::RegisterModel>(action));
}

// Several idempotent commands: a crash between them only means that some are done already.
bool Conductor::ingest(const pipeline::IngestDataset& action) {
  const auto fail = [&](const Error& error) {
    return fail_step(action.run, action.step, action.attempt, error);
  };
  const auto find_it = [&] {
    return dataset::find(engine_.state().dataset, action.project, action.dataset);
  };
  if (find_it() == nullptr) {
    dataset::Create create{world::draw_id<DatasetId>(clock_, entropy_), action.project,
                           action.dataset, action.description};
    const auto made = engine_.submit(dataset::Command(std::move(create)), decided());
    if (!made) return fail(made.error());
  }
  const artifact::Artifact* const bytes =
      artifact::find(engine_.state().artifact, action.project, action.tree);
  if (bytes == nullptr) return fail(not_found("the project has no such artifact").at("tree"));
  auto schema = json::read<dataset::Schema>(action.schema.text);
  if (!schema) return fail(std::move(schema).error().within("schema"));
  // Bytes that fit another schema are taken as they are; those that fit none come under this one.
  const auto find_version = [&] {
    const auto* const same = dataset::find_tree(*find_it(), action.tree, *schema);
    return same != nullptr ? same : dataset::find_fit(*find_it(), action.tree);
  };
  if (find_version() == nullptr) {
    dataset::AddVersion add;
    add.dataset = find_it()->id;
    add.tree = action.tree;
    add.bytes = bytes->bytes;
    add.files = bytes->files;
    add.schema = *schema;
    add.licence = action.licence;
    add.source = action.source;
    add.produced_by = action.produced_by;
    const auto added = engine_.submit(dataset::Command(std::move(add)), decided());
    if (!added) return fail(added.error());
  }
  const dataset::Version* const version = find_version();
  if (version == nullptr) return fail(internal("the dataset version did not appear"));
  const pipeline::Run* const run = pipeline::find(engine_.state().pipeline, action.run);
  if (version->unreadable) {
    if (run == nullptr || version->unreadable->at >= run->started_at) {
      return fail(could_not_be_read(*find_it(), *version));
    }
    // Before this run: it is tried again.
    return decide(dataset::Command(dataset::Inspect{find_it()->id, version->number}));
  }
  if (!version->validation) return false;  // being read: the fact of what was found comes back here
  if (dataset::is_unfit(*version)) return fail(does_not_fit(*find_it(), *version));
  // Asked a second time once its bytes were read: what came since the run began, the run brought.
  const bool older = run != nullptr && version->created_at < run->started_at;
  pipeline::FinishStep done =
      finish(action.run, action.step, action.attempt,
             older ? pipeline::StepStatus::reused : pipeline::StepStatus::succeeded);
  pipeline::Output output;
  output.digest = action.tree;
  output.bytes = version->bytes;
  output.files = version->files;
  output.dataset = find_it()->id;
  output.dataset_version = version->number;
  done.result.outputs["dataset"] = output;
  done.note = action.dataset + "@" + std::to_string(version->number);
  if (version->rows > 0) done.note += ", " + std::to_string(version->rows) + " rows";
  return decide(pipeline::Command(std::move(done)));
}

bool Conductor::register_model(const pipeline::RegisterModel& action) {
  const auto fail = [&](const Error& error) {
    return fail_step(action.run, action.step, action.attempt, error);
  };
  const auto find_it = [&] {
    return registry::find(engine_.state().registry, action.project, action.model);
  };
  if (find_it() == nullptr) {
    registry::Create create{world::draw_id<ModelId>(clock_, entropy_), action.project,
                            action.model, action.description};
    const auto made = engine_.submit(registry::Command(std::move(create)), decided());
    if (!made) return fail(made.error());
  }
  const ModelId id = find_it()->id;
  const bool there = registry::find_artifact(*find_it(), action.artifact) != nullptr;
  if (!there) {
    registry::AddVersion add;
    add.model = id;
    add.artifact = action.artifact;
    add.bytes = action.bytes;
    add.format = action.format;
    for (const pipeline::DatasetUsed& used : action.datasets) {
      add.lineage.datasets.push_back({used.dataset, used.version, used.tree});
    }
    add.lineage.code = action.code;
    add.lineage.environment = action.environment;
    add.lineage.parameters = action.parameters;
    add.lineage.run = action.made_by;
    add.lineage.pipeline_run = action.run;
    add.metrics = action.metrics;
    const auto added = engine_.submit(registry::Command(std::move(add)), decided());
    if (!added) return fail(added.error());
  }
  const registry::Version* const version = registry::find_artifact(*find_it(), action.artifact);
  if (version == nullptr) return fail(internal("the model version did not appear"));
  const std::uint32_t number = version->number;
  const std::uint64_t bytes = version->bytes;
  for (const pipeline::EvaluationMade& made : action.evaluations) {
    registry::Evaluate evaluate;
    evaluate.model = id;
    evaluate.version = number;
    evaluate.name = made.name;
    evaluate.run = made.run;
    evaluate.metrics = made.metrics;
    if (made.dataset) {
      evaluate.dataset = {made.dataset->dataset, made.dataset->version, made.dataset->tree};
    }
    const auto recorded = engine_.submit(registry::Command(std::move(evaluate)), decided());
    if (!recorded) return fail(recorded.error());
  }
  for (const std::string& alias : action.aliases) {
    const auto moved = engine_.submit(registry::Command(registry::SetAlias{id, alias, number}),
                                      decided());
    if (!moved) return fail(moved.error());
  }
  pipeline::FinishStep done =
      finish(action.run, action.step, action.attempt,
             there ? pipeline::StepStatus::reused : pipeline::StepStatus::succeeded);
  pipeline::Output output;
  output.digest = action.artifact;
  output.bytes = bytes;
  output.model = id;
  output.model_version = number;
  done.result.outputs["model"] = output;
  done.note = action.model + "@" + std::to_string(number);
  return decide(pipeline::Command(std::move(done)));
}

// What came of a deploy step whose endpoint was asked for; false while nobody can tell.
bool Conductor::deploy_is_over(const pipeline::Run& run, const pipeline::Deploy& deploy,
                               pipeline::FinishStep& over) const {
  const deployment::Endpoint* const endpoint =
      deployment::find_by_name(engine_.state().deployment, run.project, deploy.endpoint);
  if (endpoint == nullptr) {
    over.note = "endpoint " + deploy.endpoint + " was deleted";
    return true;
  }
  const deployment::Revision* const newest = deployment::newest(*endpoint);
  if (newest != nullptr && endpoint->routed == newest->number) {
    over.outcome = pipeline::StepStatus::succeeded;
    over.result.outputs["endpoint"].endpoint = endpoint->id;
    over.note = "endpoint " + endpoint->name + " serves revision " +
                std::to_string(newest->number);
    return true;
  }
  if (run.status == pipeline::RunStatus::cancelling) {
    over.outcome = pipeline::StepStatus::cancelled;
    over.note = "endpoint " + endpoint->name + " goes on without the run";
    return true;
  }
  if (deployment::standing(*endpoint) != deployment::Standing::crash_loop) return false;
  over.note = deployment::sentence(*endpoint, clock_.now());
  return true;
}

// Steps whose job is over or whose endpoint is healthy are told so.
void Conductor::finish_steps(const pipeline::Run& run) {
  std::vector<pipeline::FinishStep> done;
  for (const auto& [name, step] : run.steps) {
    if (step.status != pipeline::StepStatus::running) continue;
    pipeline::FinishStep over = finish(run.id, name, step.attempt, pipeline::StepStatus::failed);
    over.key = step.key;
    if (step.workload) {
      const workload::Workload* const job =
          workload::find(engine_.state().workload, step.workload);
      if (job == nullptr) {  // ten thousand others ended before this was looked at
        over.note = "nothing is kept of its job " + to_text(step.workload) + " any more";
        done.push_back(std::move(over));
        continue;
      }
      if (!workload::is_final(job->phase)) continue;
      over.note = workload::sentence(*job);
      if (job->phase == workload::Phase::cancelled) {
        over.outcome = pipeline::StepStatus::cancelled;
      } else if (job->phase == workload::Phase::succeeded) {
        over.outcome = pipeline::StepStatus::succeeded;
        if (job->spec.run) over.result.run = *job->spec.run;
        for (const workload::Task& task : job->last()->tasks) {
          for (const workload::Product& product : task.outputs) {
            pipeline::Output output;
            output.digest = product.artifact;
            output.bytes = product.bytes;
            output.files = product.files;
            over.result.outputs[product.name] = output;
          }
        }
        const auto measured = engine_.state().run.runs.find(over.result.run);
        if (measured != engine_.state().run.runs.end()) {
          over.result.metrics = last_values(measured->second.metrics);
        }
      }
      done.push_back(std::move(over));
      continue;
    }
    const pipeline::Step* const written = pipeline::find_step(run.definition, step.instance.step);
    if (written == nullptr || !written->deploy) continue;
    if (!deploy_is_over(run, *written->deploy, over)) continue;
    done.push_back(std::move(over));
  }
  for (pipeline::FinishStep& over : done) decide(pipeline::Command(std::move(over)));
}

}  // namespace bessemer::conductor
