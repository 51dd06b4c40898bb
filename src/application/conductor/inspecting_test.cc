// Datasets are read before anything rests on them.
#include "application/conductor/stage_for_test.h"

namespace bessemer::conductor {
namespace {

// An ingest step is over once its data was read, and fails where the data does not fit.
TEST(Conductor, AnIngestStepWaitsUntilItsDataWasRead) {
  Stage stage;
  const Digest tree = sha256("tree");
  artifact::Publish publish;
  publish.project = project_id;
  publish.digest = tree;
  publish.bytes = 10;
  publish.files = 1;
  stage.ask(artifact::Command(publish));
  pipeline::Definition line;
  line.name = "line";
  pipeline::Step step;
  step.name = "ingest";
  step.ingest.emplace().dataset = "prices";
  step.ingest->tree = to_text(tree);
  line.steps.push_back(step);
  stage.ask(pipeline::Command(pipeline::Define{{7, 1}, project_id, line}));
  stage.ask(pipeline::Command(
      pipeline::Start{{8, 1}, {7, 1}, {}, {{"host", sha256("host")}}, true}));
  const auto ingest = [&]() -> const pipeline::StepRun& {
    return pipeline::find(stage.engine->state().pipeline, PipelineRunId{8, 1})->steps.at("ingest");
  };
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), 1u);
  EXPECT_NE(ingest().status, pipeline::StepStatus::succeeded);
  stage.wake();  // a restart in the midst of reading: it is read again
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), 2u);
  stage.shelf.reading.back()(
      dataset::Validation{false, 1, 10, 2, 2, {"prices.csv:2: price is not a number", "more"}});
  stage.settle();
  EXPECT_EQ(ingest().status, pipeline::StepStatus::failed);
  EXPECT_NE(ingest().note.find("prices@1 does not fit its schema: prices.csv:2: price is not a "
                               "number (and 1 more)"),
            std::string::npos)
      << ingest().note;
  const auto* const prices =
      dataset::find(stage.engine->state().dataset, project_id, "prices");
  EXPECT_EQ(dataset::latest(*prices), nullptr);
  EXPECT_EQ(stage.shelf.reading.size(), 2u);
}

}  // namespace
}  // namespace bessemer::conductor
