// Whole lines from start to end: order, cache, gates, fan-out, retries, cancels.
#include "orchestration/pipeline/pipeline.h"

#include <gtest/gtest.h>

#include <utility>

#include "base/codec.h"
#include "base/random.h"
#include "orchestration/pipeline/advance.h"
#include "orchestration/pipeline/progress.h"

namespace bessemer::pipeline {
namespace {

constexpr OrgId project{1, 1}, other{1, 2};
constexpr PipelineId pipeline_id{2, 1};
const Digest host = sha256("host");
const std::string tree = to_text(sha256("tree")), code = to_text(sha256("code"));

Definition read(std::string text) {
  for (char& c : text) {
    if (c == '\'') c = '"';
  }
  auto definition = json::read<Definition>(text);
  EXPECT_TRUE(definition) << to_text(definition.error());
  return definition ? *definition : Definition{};
}

Definition line() {
  return read(
      "{'name':'line','code':'" + code + "','parameters':{'steps':100,'floor':0.5,'unused':1},"
      "'steps':["
      "{'name':'data','ingest':{'dataset':'kjv','tree':'" + tree + "','licence':'CC0-1.0'}},"
      "{'name':'train','job':{'command':['train'],'inputs':{'data':"
      "'${steps.data.outputs.dataset}'},'outputs':['model'],'parameters':{'n':'${params.steps}'},"
      "'resources':{'gpus':1}}},"
      "{'name':'eval','job':{'command':['eval'],'inputs':{'data':'${steps.data.outputs.dataset}',"
      "'model':'${steps.train.outputs.model}'}}},"
      "{'name':'gate','gate':{'of':'eval','champion':'tiny','require':"
      "['accuracy >= params.floor','accuracy > champion.accuracy']}},"
      "{'name':'register','needs':['gate'],'register':{'model':'tiny','from':"
      "'${steps.train.outputs.model}','format':'gguf','evaluations':['eval'],"
      "'aliases':['champion']}},"
      "{'name':'serve','deploy':{'endpoint':'tiny','model':'${steps.register.outputs.model}',"
      "'replicas':1,'workload':{'command':['serve']}}}]}");
}

// Carries out actions as a factory would, with results that depend on their inputs alone.
class Line : public Surroundings {
 public:
  std::optional<Champion> champion(OrgId, std::string_view) const override { return champion_; }
  bool owns(OrgId, const Digest& artifact) const override { return !lost.contains(artifact); }

  std::string ask(const Command& command) {
    Context context;
    context.now = context.occurred_at = Instant{++clock_};
    const auto events = judge(state, command, context);
    if (!events) return to_text(events.error());
    for (const Event& event : *events) apply(state, event, context);
    return events->empty() ? "already" : "";
  }

  PipelineRunId start(std::map<std::string, json::Raw> parameters = {}, bool use_cache = true) {
    const PipelineRunId id{3, ++drawn_};
    EXPECT_EQ(ask(Start{id, pipeline_id, std::move(parameters), {{"host", host}}, use_cache}), "");
    return id;
  }

  const Run& run(PipelineRunId id) const { return *find(state, id); }
  const StepRun& step(PipelineRunId id, const std::string& name) const {
    return run(id).steps.at(name);
  }

  // Takes every action there is; false when there was none.
  bool turn(PipelineRunId id) {
    const auto actions = advance(state, run(id), *this);
    for (const Action& action : actions) std::visit([&](const auto& one) { take(one); }, action);
    return !actions.empty();
  }
  void to_end(PipelineRunId id) {
    for (int turns = 0; turns < 2'000; ++turns) {
      if (!turn(id)) break;
    }
    EXPECT_NE(run(id).status, RunStatus::running) << summarise(run(id));
  }

  State state;
  std::set<Digest> lost;
  std::set<std::string> failing;                  // instances whose job fails
  std::map<std::string, double> accuracy;         // of an instance; 0.9 otherwise
  std::vector<std::string> did;                   // "train#1", "ingest kjv", …
  std::optional<Champion> champion_;
  std::optional<RegisterModel> registered;
  std::optional<DeployModel> deployed;
  std::optional<SubmitJob> submitted;
  std::set<Digest> artifacts_, datasets_;
  std::set<std::pair<Digest, std::uint32_t>> served_;

 private:
  void take(const SubmitJob& job) {
    did.push_back(job.step + "#" + std::to_string(job.attempt));
    submitted = job;
    const WorkloadId workload{4, ++drawn_};
    const RunId experiment{5, drawn_};
    ASSERT_EQ(ask(BeginStep{job.run, job.step, job.attempt, job.key, workload, experiment}), "");
    EXPECT_EQ(step_of(state, workload), std::pair(job.run, job.step));
    FinishStep finish{job.run, job.step, job.attempt, StepStatus::succeeded, job.key, {}, ""};
    finish.result.run = experiment;
    if (failing.contains(job.step)) {
      finish.outcome = StepStatus::failed;
      finish.note = "exit code 1";
    } else {
      finish.result.metrics["accuracy"] = accuracy.contains(job.step) ? accuracy[job.step] : 0.9;
      const Run& whole = run(job.run);
      const Step* written = find_step(whole.definition, whole.steps.at(job.step).instance.step);
      for (const std::string& name : written->job->outputs) {
        finish.result.outputs[name].digest = sha256(name + to_text(job.key));
      }
    }
    ASSERT_EQ(ask(finish), "");
    EXPECT_EQ(ask(finish), "already");
    EXPECT_EQ(step_of(state, workload), std::nullopt);
  }
  void take(const IngestDataset& ingest) {
    did.push_back("ingest " + ingest.dataset);
    FinishStep finish{ingest.run, ingest.step, ingest.attempt, StepStatus::succeeded, {}, {}, ""};
    if (!datasets_.insert(ingest.tree).second) finish.outcome = StepStatus::reused;
    finish.result.outputs["dataset"] = {ingest.tree, 5, 1, DatasetId{6, 1}, 1, {}, 0, {}, ""};
    ASSERT_EQ(ask(finish), "");
  }
  void take(const RegisterModel& model) {
    did.push_back("register " + model.model);
    registered = model;
    FinishStep finish{model.run, model.step, model.attempt, StepStatus::succeeded, {}, {}, ""};
    if (!artifacts_.insert(model.artifact).second) finish.outcome = StepStatus::reused;
    finish.result.outputs["model"] = {model.artifact, 10, 1, {}, 0, ModelId{7, 1}, 1, {}, ""};
    champion_ = Champion{};
    for (const EvaluationMade& one : model.evaluations) {
      champion_->measured_by.insert(one.run);
      for (const auto& [name, value] : one.metrics) champion_->metrics[name] = value;
    }
    ASSERT_EQ(ask(finish), "");
  }
  void take(const DeployModel& deploy) {
    did.push_back("deploy " + deploy.deploy.endpoint);
    deployed = deploy;
    FinishStep finish{deploy.run, deploy.step, deploy.attempt, StepStatus::succeeded, {}, {}, ""};
    if (!served_.insert({deploy.artifact, deploy.version}).second) {
      finish.outcome = StepStatus::reused;
    }
    finish.result.outputs["endpoint"].endpoint = EndpointId{8, 1};
    ASSERT_EQ(ask(finish), "");
  }
  void take(const CancelJob& cancel) {
    did.push_back("cancel " + cancel.step);
    const StepRun& running = step(cancel.run, cancel.step);
    ASSERT_EQ(ask(FinishStep{cancel.run, cancel.step, running.attempt, StepStatus::cancelled, {},
                             {}, ""}),
              "");
  }
  void take(const Settle& settle) { ASSERT_EQ(ask(settle.finish), "") << settle.finish.step; }

  std::int64_t clock_ = 0;
  std::uint64_t drawn_ = 0;
};

class PipelineTest : public testing::Test {
 protected:
  void define(const Definition& definition) {
    ASSERT_EQ(line_.ask(Define{pipeline_id, project, definition}), "");
  }
  std::vector<std::string> did() { return std::exchange(line_.did, {}); }
  using Did = std::vector<std::string>;
  Line line_;
};

TEST_F(PipelineTest, ALineRunsFromDataToEndpoint) {
  define(line());
  const PipelineRunId run = line_.start();
  line_.to_end(run);
  EXPECT_EQ(did(), (Did{"ingest kjv", "train#1", "eval#1", "register tiny", "deploy tiny"}));
  EXPECT_EQ(line_.run(run).status, RunStatus::succeeded);
  EXPECT_EQ(summarise(line_.run(run)), "6 steps: 6 succeeded");
  EXPECT_EQ(line_.step(run, "gate").note,
            "accuracy is 0.9 >= params.floor = 0.5; accuracy > champion.accuracy: there is no "
            "champion to compare with");
  const RegisterModel& model = *line_.registered;
  EXPECT_EQ(model.datasets,
            (std::vector<DatasetUsed>{{DatasetId{6, 1}, 1, sha256("tree")}}));
  EXPECT_EQ(model.code, sha256("code"));
  EXPECT_EQ(model.environment, host);
  EXPECT_EQ(model.parameters.text, "{\"n\":100}");
  EXPECT_EQ(model.made_by, line_.step(run, "train").result.run);
  ASSERT_EQ(model.evaluations.size(), 1u);
  EXPECT_EQ(model.evaluations[0].run, line_.step(run, "eval").result.run);
  EXPECT_EQ(model.evaluations[0].dataset->version, 1u);
  EXPECT_EQ(line_.deployed->version, 1u);
  EXPECT_EQ(line_.deployed->deploy.workload.text,
            "{\"code\":\"" + code + "\",\"command\":[\"serve\"]}");
  EXPECT_TRUE(line_.state.active.empty());
  EXPECT_TRUE(line_.state.by_workload.empty());
  EXPECT_EQ(*codec::decode<State>(codec::encode(line_.state)), line_.state);
}

TEST_F(PipelineTest, AJobsWorkloadIsWhole) {
  define(line());
  const PipelineRunId run = line_.start();
  line_.turn(run);
  line_.turn(run);
  EXPECT_EQ(line_.submitted->workload.text,
            "{\"name\":\"train\",\"kind\":\"job\",\"command\":[\"train\"],\"code\":\"" + code +
                "\",\"inputs\":[{\"name\":\"data\",\"artifact\":\"" + tree +
                "\"}],\"outputs\":[\"model\"],\"parameters\":{\"n\":100},\"resources\":"
                "{\"gpus\":1},\"environment\":\"host\",\"pipeline_run\":\"" +
                to_text(run) + "\",\"step\":\"train\"}");
  ASSERT_EQ(line_.submitted->inputs.size(), 1u);
  EXPECT_EQ(line_.submitted->inputs[0].output.dataset, (DatasetId{6, 1}));
}

TEST_F(PipelineTest, NothingChangedReusesEverything) {
  define(line());
  line_.to_end(line_.start());
  did();
  const PipelineRunId again = line_.start();
  line_.to_end(again);
  EXPECT_EQ(did(), (Did{"ingest kjv", "register tiny", "deploy tiny"}));
  EXPECT_EQ(summarise(line_.run(again)), "6 steps: 6 reused");
  EXPECT_TRUE(line_.step(again, "train").note.starts_with("re-used from train of prn_"));
  EXPECT_EQ(line_.step(again, "gate").note.substr(0, 24), "re-used from gate of prn");
}

TEST_F(PipelineTest, OneParameterRerunsOnlyWhatDependsOnIt) {
  define(line());
  line_.to_end(line_.start());
  did();
  const PipelineRunId unused = line_.start({{"unused", {"2"}}});
  line_.to_end(unused);
  EXPECT_EQ(summarise(line_.run(unused)), "6 steps: 6 reused");
  did();
  // Another floor: only the gate is judged again. It is its own champion and not above itself.
  const PipelineRunId floor = line_.start({{"floor", {"0.95"}}});
  line_.to_end(floor);
  EXPECT_EQ(summarise(line_.run(floor)), "6 steps: 3 reused, 1 failed, 2 skipped");
  EXPECT_EQ(line_.step(floor, "gate").note,
            "accuracy is 0.9, below params.floor = 0.95 by 0.05; accuracy is 0.9, not above "
            "champion.accuracy = 0.9");
  EXPECT_EQ(line_.step(floor, "register").note, "gate failed");
  EXPECT_EQ(line_.step(floor, "serve").note, "register was skipped");
  EXPECT_EQ(line_.run(floor).status, RunStatus::failed);
  did();
  line_.accuracy["eval"] = 0.97;
  const PipelineRunId steps = line_.start({{"steps", {"200"}}});
  line_.to_end(steps);
  EXPECT_EQ(did(), (Did{"ingest kjv", "train#1", "eval#1", "register tiny", "deploy tiny"}));
  EXPECT_EQ(summarise(line_.run(steps)), "6 steps: 5 succeeded, 1 reused");
}

TEST_F(PipelineTest, AGateThatPassedIsJudgedAgainAgainstABetterChampion) {
  define(line());
  line_.to_end(line_.start());
  line_.champion_ = Champion{{{"accuracy", 0.99}}, {RunId{9, 9}}};
  const PipelineRunId again = line_.start();
  line_.to_end(again);
  EXPECT_EQ(line_.step(again, "gate").status, StepStatus::failed);
  EXPECT_EQ(line_.step(again, "gate").note,
            "accuracy is 0.9, below champion.accuracy = 0.99 by 0.09");
}

TEST_F(PipelineTest, TheCacheKnowsItsLimits) {
  define(line());
  line_.to_end(line_.start());
  did();
  const PipelineRunId fresh = line_.start({}, false);
  line_.champion_.reset();
  line_.to_end(fresh);
  EXPECT_EQ(did(), (Did{"ingest kjv", "train#1", "eval#1", "register tiny", "deploy tiny"}));
  // Bytes that are gone are made again.
  line_.lost.insert(line_.step(fresh, "train").result.outputs.at("model").digest);
  const PipelineRunId remade = line_.start();
  line_.champion_.reset();
  line_.turn(remade);
  line_.turn(remade);
  EXPECT_EQ(did(), (Did{"ingest kjv", "train#1"}));
  // Another environment, another project: another key, another cache.
  line_.lost.clear();
  ASSERT_EQ(line_.ask(ForgetCache{project, {}}), "");
  EXPECT_EQ(line_.ask(ForgetCache{project, {}}), "already");
  EXPECT_TRUE(cached_artifacts(line_.state, project).empty());
  line_.to_end(line_.start());
  EXPECT_FALSE(cached_artifacts(line_.state, project).empty());
  EXPECT_TRUE(cached_artifacts(line_.state, other).empty());
  did();
  ASSERT_EQ(line_.ask(Define{PipelineId{2, 2}, other, line()}), "");
  const PipelineRunId elsewhere{3, 999};
  ASSERT_EQ(line_.ask(Start{elsewhere, PipelineId{2, 2}, {}, {{"host", host}}, true}), "");
  line_.turn(elsewhere);
  line_.turn(elsewhere);
  EXPECT_EQ(did(), (Did{"ingest kjv", "train#1"}));
}

TEST_F(PipelineTest, AFailedStepStopsItsBranchAndCanBeTriedAgain) {
  Definition definition = line();
  definition.steps.push_back(*find_step(definition, "train"));
  definition.steps.back().name = "aside";
  definition.steps.back().job->command = {"aside"};
  define(definition);
  line_.failing = {"train"};
  const PipelineRunId run = line_.start();
  line_.to_end(run);
  EXPECT_EQ(did(), (Did{"ingest kjv", "train#1", "aside#1"}));
  EXPECT_EQ(summarise(line_.run(run)), "7 steps: 2 succeeded, 1 failed, 4 skipped");
  EXPECT_EQ(explain(line_.run(run), line_.step(run, "train")), "failed: exit code 1");
  EXPECT_EQ(line_.ask(RetryStep{run, "eval"}),
            "step: the step is skipped: only a failed or cancelled one is tried again");
  line_.failing.clear();
  EXPECT_EQ(line_.ask(RetryStep{run, "train"}), "");
  EXPECT_EQ(line_.run(run).status, RunStatus::running);
  EXPECT_EQ(explain(line_.run(run), line_.step(run, "gate")), "waits for eval (waiting)");
  line_.to_end(run);
  EXPECT_EQ(did(), (Did{"train#2", "eval#1", "register tiny", "deploy tiny"}));
  EXPECT_EQ(line_.run(run).status, RunStatus::succeeded);
}

TEST_F(PipelineTest, CancelStopsWhatRunsAndWhatWaits) {
  define(line());
  const PipelineRunId run = line_.start();
  line_.turn(run);
  const auto actions = advance(line_.state, line_.run(run), line_);
  ASSERT_EQ(actions.size(), 1u);
  const SubmitJob& job = std::get<SubmitJob>(actions[0]);
  ASSERT_EQ(line_.ask(BeginStep{run, "train", 1, job.key, WorkloadId{4, 77}, RunId{5, 77}}), "");
  EXPECT_EQ(line_.ask(BeginStep{run, "train", 1, job.key, WorkloadId{4, 77}, RunId{5, 77}}),
            "already");
  EXPECT_EQ(line_.ask(BeginStep{run, "train", 2, job.key, WorkloadId{4, 78}, RunId{5, 78}}),
            "step: the step is running");
  EXPECT_EQ(line_.ask(Cancel{run}), "");
  EXPECT_EQ(line_.ask(Cancel{run}), "already");
  EXPECT_EQ(line_.run(run).status, RunStatus::cancelling);
  EXPECT_EQ(line_.ask(RetryStep{run, "eval"}),
            "run: the run is being cancelled; wait until it is over");
  line_.to_end(run);
  EXPECT_EQ(did(), (Did{"ingest kjv", "cancel train"}));
  EXPECT_EQ(line_.run(run).status, RunStatus::cancelled);
  EXPECT_EQ(line_.ask(Cancel{run}), "already");
  EXPECT_TRUE(line_.state.active.empty());
  // A run with nothing under way is over at once.
  const PipelineRunId idle = line_.start();
  ASSERT_EQ(line_.ask(Cancel{idle}), "");
  EXPECT_EQ(line_.run(idle).status, RunStatus::cancelled);
  EXPECT_EQ(line_.ask(RetryStep{idle, "data"}), "");
  line_.to_end(idle);
  EXPECT_EQ(line_.run(idle).status, RunStatus::succeeded) << summarise(line_.run(idle));
}

TEST_F(PipelineTest, StaleAndWrongReportsAreRefused) {
  define(line());
  const PipelineRunId run = line_.start();
  FinishStep finish{run, "train", 1, StepStatus::succeeded, {}, {}, ""};
  EXPECT_EQ(line_.ask(finish), "step: waits for data (waiting)");
  finish.step = "none";
  EXPECT_EQ(line_.ask(finish), "step: the run has no step none");
  finish.step = "data";
  finish.attempt = 2;
  EXPECT_EQ(line_.ask(finish), "attempt: attempt 0 is under way");
  finish.attempt = 1;
  finish.outcome = StepStatus::skipped;
  EXPECT_EQ(line_.ask(finish), "outcome: must be succeeded, reused, failed or cancelled");
  finish.outcome = StepStatus::failed;
  EXPECT_EQ(line_.ask(finish), "");
  finish.outcome = StepStatus::succeeded;
  EXPECT_EQ(line_.ask(finish), "step: the step is failed");
  ASSERT_EQ(line_.ask(RetryStep{run, "data"}), "");
  line_.turn(run);
  EXPECT_EQ(line_.step(run, "data").attempt, 2u);
  finish.outcome = StepStatus::failed;
  EXPECT_EQ(line_.ask(finish), "already");  // attempt 1 is history
  EXPECT_EQ(line_.step(run, "data").status, StepStatus::succeeded);
}

TEST_F(PipelineTest, StartChecksParametersAndEnvironments) {
  define(line());
  Start start{PipelineRunId{}, pipeline_id, {}, {}, true};
  EXPECT_EQ(line_.ask(start), "id: is required");
  start.id = PipelineRunId{3, 1};
  start.parameters["stepz"].text = "3";
  EXPECT_EQ(line_.ask(start), "parameters.stepz: the pipeline has no such parameter");
  start.parameters = {{"steps", {"\"many\""}}};
  EXPECT_EQ(line_.ask(start), "parameters.steps: must be a number, like its default");
  start.parameters = {{"steps", {"3,4"}}};
  EXPECT_EQ(line_.ask(start), "parameters.steps: must be one JSON value");
  start.parameters = {{"steps", {"\"${params.floor}\""}}};
  EXPECT_EQ(line_.ask(start), "parameters.steps: must not hold ${…}");
  start.parameters = {{"steps", {"3"}}};
  EXPECT_EQ(line_.ask(start), "environment: there is no environment host");
  start.environments["host"] = host;
  EXPECT_EQ(line_.ask(start), "");
  EXPECT_EQ(line_.ask(start), "already");
  start.use_cache = false;
  EXPECT_EQ(line_.ask(start), "id: is in use by another run");
  start.pipeline = PipelineId{2, 9};
  EXPECT_EQ(line_.ask(start), "pipeline: no such pipeline");
}

TEST_F(PipelineTest, RevisionsDoNotTouchRunsUnderWay) {
  define(line());
  EXPECT_EQ(line_.ask(Define{pipeline_id, project, line()}), "already");
  const PipelineRunId run = line_.start();
  Definition changed = line();
  changed.steps.pop_back();
  ASSERT_EQ(line_.ask(Define{PipelineId{}, project, changed}), "");
  EXPECT_EQ(find(line_.state, pipeline_id)->revision, 2u);
  line_.to_end(run);
  EXPECT_EQ(line_.run(run).steps.size(), 6u);
  EXPECT_EQ(line_.run(line_.start()).steps.size(), 5u);
  changed.steps[0].ingest->tree = "nonsense";
  EXPECT_EQ(line_.ask(Define{pipeline_id, project, changed}),
            "definition.steps[0].ingest.tree: must be the digest of a pushed tree; let the CLI "
            "push the folder");
  ASSERT_EQ(line_.ask(Remove{pipeline_id}), "");
  EXPECT_EQ(line_.ask(Remove{pipeline_id}), "already");
  EXPECT_EQ(find(line_.state, project, "line"), nullptr);
  EXPECT_TRUE(list(line_.state, project).empty());
  EXPECT_EQ(runs_of(line_.state, pipeline_id).size(), 2u);
}

Definition sweep() {
  return read(
      "{'name':'sweep','steps':["
      "{'name':'train','matrix':{'seed':[1,2,3]},'job':{'command':['t','${matrix.seed}'],"
      "'outputs':['model']}},"
      "{'name':'eval','each':'train','job':{'command':['e'],'inputs':{'m':"
      "'${steps.train.outputs.model}'}}},"
      "{'name':'best','choose':{'from':'eval','highest':'accuracy'}},"
      "{'name':'register','register':{'model':'tiny','from':'${steps.best.outputs.model}',"
      "'format':'gguf','evaluations':['best']}}]}");
}

TEST_F(PipelineTest, AFanOutIsJoinedByItsBest) {
  Definition definition = sweep();
  definition.steps[1].job->outputs = {"report"};
  define(definition);
  line_.accuracy = {{"eval[seed=1]", 0.7}, {"eval[seed=2]", 0.8}, {"eval[seed=3]", 0.75}};
  const PipelineRunId run = line_.start();
  line_.to_end(run);
  EXPECT_EQ(line_.run(run).status, RunStatus::succeeded);
  EXPECT_EQ(line_.step(run, "best").note, "eval[seed=2]: accuracy 0.8 is the highest of 3");
  EXPECT_EQ(line_.registered->made_by, line_.step(run, "train[seed=2]").result.run);
  EXPECT_EQ(line_.registered->artifact,
            line_.step(run, "train[seed=2]").result.outputs.at("model").digest);
  EXPECT_EQ(line_.registered->evaluations[0].metrics.at("accuracy"), 0.8);
  EXPECT_EQ(did().size(), 7u);
}

TEST_F(PipelineTest, TheBestOfWhatIsLeft) {
  define(sweep());
  line_.failing = {"train[seed=1]", "eval[seed=2]"};
  const PipelineRunId run = line_.start();
  line_.to_end(run);
  EXPECT_EQ(line_.step(run, "eval[seed=1]").status, StepStatus::skipped);
  EXPECT_EQ(line_.step(run, "best").note, "eval[seed=3]: accuracy 0.9 is the highest of 1");
  EXPECT_EQ(line_.step(run, "register").status, StepStatus::succeeded);
  EXPECT_EQ(line_.run(run).status, RunStatus::failed);
  line_.failing = {"train[seed=1]", "train[seed=2]", "train[seed=3]"};
  const PipelineRunId none = line_.start({}, false);
  line_.to_end(none);
  EXPECT_EQ(line_.step(none, "best").status, StepStatus::skipped);
}

// Random lines with random failures, cancels and retries: a step begins only after what it needs,
// every run ends, nothing is left behind, and replay gives the same state.
TEST(PipelineProperty, EveryRunEnds) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    Definition definition;
    definition.name = "random";
    const std::uint64_t count = 2 + random.below(8);
    for (std::uint64_t i = 0; i < count; ++i) {
      Step step;
      step.name = "s" + std::to_string(i);
      step.job.emplace();
      step.job->command = {step.name};
      if (random.chance(1, 5)) step.matrix["m"] = {{"1"}, {"2"}};
      for (std::uint64_t j = 0; j < i; ++j) {
        if (random.chance(1, 3)) step.needs.push_back("s" + std::to_string(j));
      }
      definition.steps.push_back(std::move(step));
    }
    Line line;
    ASSERT_EQ(line.ask(Define{pipeline_id, project, definition}), "");
    for (int round = 0; round < 3; ++round) {
      line.failing.clear();
      const PipelineRunId run = line.start({}, random.chance(1, 2));
      for (const std::string& name : line.run(run).order) {
        if (random.chance(1, 5)) line.failing.insert(name);
      }
      for (int turns = 0; line.turn(run); ++turns) {
        ASSERT_LT(turns, 100);
        if (random.chance(1, 20)) line.ask(Cancel{run});
        for (const auto& [name, step] : line.run(run).steps) {
          if (step.attempt == 0) continue;
          if (step.status == StepStatus::skipped || step.status == StepStatus::cancelled) continue;
          for (const std::string& need : step.instance.needs) {
            ASSERT_TRUE(progress::is_good(line.step(run, need).status)) << seed << name;
          }
        }
      }
      ASSERT_NE(line.run(run).status, RunStatus::running) << seed;
      ASSERT_NE(line.run(run).status, RunStatus::cancelling) << seed;
      line.failing.clear();
      for (const std::string& name : line.run(run).order) {
        if (line.step(run, name).status == StepStatus::failed && random.chance(2, 3)) {
          ASSERT_EQ(line.ask(RetryStep{run, name}), "");
        }
      }
      while (line.turn(run)) {
      }
      ASSERT_TRUE(line.state.active.empty()) << seed << summarise(line.run(run));
      ASSERT_TRUE(line.state.by_workload.empty());
    }
    ASSERT_EQ(*codec::decode<State>(codec::encode(line.state)), line.state);
  }
}

}  // namespace
}  // namespace bessemer::pipeline
