// Steps of pipelines are begun, tried again and ended.
#include "application/conductor/stage_for_test.h"

namespace bessemer::conductor {
namespace {

TEST(Pipelines, ARefusalForNowFailsNoStep) {
  Stage stage;
  pipeline::Definition line;
  line.name = "line";
  pipeline::Step step;
  step.name = "train";
  step.job.emplace().command = {"/bin/train"};
  line.steps.push_back(step);
  stage.run_line(line);
  stage.commit();
  stage.fill_the_journal();
  stage.turn();
  const auto status = [&] { return stage.run().steps.at("train").status; };
  EXPECT_EQ(status(), pipeline::StepStatus::waiting);
  stage.commit();
  stage.pass(ask_again);
  stage.turn();
  EXPECT_EQ(status(), pipeline::StepStatus::running);
}

TEST(Pipelines, AFannedOutStepRunsEachOfItsInstances) {
  Stage stage;
  stage.author.next.runs_for = seconds(5);
  pipeline::Definition line;
  line.name = "line";
  pipeline::Step step;
  step.name = "train";
  step.matrix["seed"] = {json::Raw{"1"}, json::Raw{"\"Zwei\""}};
  step.job.emplace().command = {"/bin/train", "${matrix.seed}"};
  line.steps.push_back(step);
  stage.run_line(line);
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(seconds(5));
  }
  EXPECT_EQ(stage.run().status, pipeline::RunStatus::succeeded);
  for (const auto& [name, one] : stage.run().steps) EXPECT_EQ(one.note, "succeeded") << name;
  std::set<std::string> names;
  for (const auto& [id, one] : stage.engine->state().run.runs) names.insert(one.name);
  EXPECT_EQ(names, (std::set<std::string>{"train-seed-1", "train-seed-zwei"}));
}

// A replica that never becomes ready keeps the step of its endpoint waiting: until the endpoint is
// deleted, or the run is cancelled.
TEST(Pipelines, ADeployStepEndsWithItsEndpointOrItsRun) {
  for (const bool deleted : {true, false}) {
    Stage stage;
    stage.shelf.left = {{"model", sha256("model"), 10, 1}};
    stage.author.next.runs_for = seconds(5);
    const auto line = json::read<pipeline::Definition>(R"({"name": "line", "steps": [
      {"name": "train", "job": {"command": ["train"], "outputs": ["model"]}},
      {"name": "register", "register": {"model": "m", "format": "plain",
                                        "from": "${steps.train.outputs.model}"}},
      {"name": "serve", "deploy": {"endpoint": "served", "workload":
         {"command": ["serve"], "service": {"port": 8080}},
         "model": "${steps.register.outputs.model}"}}]})");
    ASSERT_TRUE(line) << to_text(line.error());
    stage.run_line(*line);
    stage.settle();
    stage.pass(seconds(1));
    stage.author.next.runs_for = hours(10);
    for (int i = 0; i < 3; ++i) {
      stage.pass(seconds(5));
      stage.settle();
    }
    ASSERT_EQ(stage.run().steps.at("serve").status, pipeline::StepStatus::running)
        << stage.run().steps.at("serve").note;
    if (deleted) {
      const EndpointId endpoint = stage.engine->state().deployment.endpoints.begin()->first;
      stage.ask(deployment::Command(deployment::Delete{endpoint}));
    } else {
      stage.ask(pipeline::Command(pipeline::Cancel{Stage::run_id}));
    }
    stage.settle();
    EXPECT_EQ(stage.run().status, deleted ? pipeline::RunStatus::failed
                                          : pipeline::RunStatus::cancelled);
    EXPECT_EQ(stage.run().steps.at("serve").note,
              deleted ? "endpoint served was deleted" : "endpoint served goes on without the run");
  }
}

// A line that trains once and deploys what it made.
struct DeployLine {
  Stage stage;
  std::uint64_t started = 0;

  DeployLine() {
    stage.shelf.left = {{"model", sha256("model"), 10, 1}};
    stage.author.next.runs_for = seconds(5);
    stage.author.next.ready_after = seconds(1);
  }
  // Runs the line whose deploy step says this besides name and model, and returns that step.
  const pipeline::StepRun& deploy(const std::string& words) {
    const auto line = json::read<pipeline::Definition>(R"({"name": "line", "steps": [
      {"name": "train", "job": {"command": ["train"], "outputs": ["model"]}},
      {"name": "register", "register": {"model": "m", "format": "plain",
                                        "from": "${steps.train.outputs.model}"}},
      {"name": "serve", "deploy": {"endpoint": "served", )" + words + R"(,
         "model": "${steps.register.outputs.model}"}}]})");
    EXPECT_TRUE(line) << to_text(line.error());
    const PipelineRunId id{8, ++started};
    stage.ask(pipeline::Command(pipeline::Define{{7, 1}, project_id, *line}));
    stage.ask(pipeline::Command(pipeline::Start{id, {7, 1}, {}, {{"host", sha256("host")}}, true}));
    stage.settle();
    for (int i = 0; i < 12; ++i) {
      stage.pass(seconds(1));
      if (i == 2) stage.author.next.runs_for = hours(10);  // the replicas that follow stay
      stage.settle();
    }
    return pipeline::find(stage.engine->state().pipeline, id)->steps.at("serve");
  }
  const deployment::Endpoint& endpoint() {
    return *deployment::find_by_name(stage.engine->state().deployment, project_id, "served");
  }
};

// What the file says of an endpoint that is there holds afterwards; only what holds all of it
// already is reused.
TEST(Pipelines, ADeployStepChangesWhatItSaysAndReusesOnlyWhatIsSo) {
  using pipeline::StepStatus;
  DeployLine line;
  const std::string workload = R"("workload": {"command": ["serve"], "service": {"port": 8080}})";
  ASSERT_EQ(line.deploy(workload).status, StepStatus::succeeded);
  EXPECT_EQ(line.deploy(workload).status, StepStatus::reused);
  // The same in other words: no replica would differ.
  EXPECT_EQ(line.deploy(R"("workload": {"service": {"port": 8080}, "command": ["serve"],
                                        "priority": 0})").status, StepStatus::reused);
  EXPECT_EQ(deployment::newest(line.endpoint())->number, 1u);
  EXPECT_EQ(line.deploy(workload + R"(, "billing": "shared")").status, StepStatus::succeeded);
  EXPECT_EQ(line.endpoint().billing, deployment::Billing::shared);
  EXPECT_EQ(line.deploy(workload + R"(, "billing": "shared", "replicas": 2, "aliases": ["other"],
                                      "health": {"path": "/alive"})").status,
            StepStatus::succeeded);
  EXPECT_EQ(line.endpoint().replicas, 2u);
  EXPECT_EQ(line.endpoint().aliases, std::set<std::string>{"other"});
  EXPECT_EQ(line.endpoint().health.path, "/alive");
  EXPECT_EQ(line.endpoint().running.size(), 2u);
  EXPECT_EQ(deployment::newest(line.endpoint())->number, 1u) << "nothing else runs";
  // What the file leaves out stays.
  EXPECT_EQ(line.deploy(workload).status, StepStatus::reused);
  EXPECT_EQ(line.endpoint().billing, deployment::Billing::shared);
  // The same model behind another program.
  const std::string other =
      R"("workload": {"command": ["serve", "-v"], "service": {"port": 8080}})";
  const pipeline::StepRun& rolled = line.deploy(other);
  EXPECT_EQ(rolled.status, StepStatus::succeeded);
  EXPECT_EQ(rolled.note, "endpoint served serves revision 2");
  EXPECT_EQ(line.deploy(other).status, StepStatus::reused);
  // What cannot be changed is said.
  const pipeline::StepRun& refused = line.deploy(other + R"(, "protocol": "v2")");
  EXPECT_EQ(refused.status, StepStatus::failed);
  EXPECT_NE(refused.note.find("endpoint served speaks openai"), std::string::npos) << refused.note;
}

}  // namespace
}  // namespace bessemer::conductor
