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

}  // namespace
}  // namespace bessemer::conductor
