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

// A dataset version of `tree`, or its next version.
DatasetId push(Stage& stage, const std::string& name, OrgId project = project_id) {
  const DatasetId id{9, ++stage.drawn};
  artifact::Publish publish;
  publish.project = project;
  publish.digest = sha256(name);
  publish.bytes = 10;
  publish.files = 1;
  stage.ask(artifact::Command(publish));
  stage.ask(dataset::Command(dataset::Create{id, project, name, ""}));
  dataset::AddVersion add;
  add.dataset = id;
  add.tree = publish.digest;
  stage.ask(dataset::Command(add));
  return id;
}

const dataset::Version& first_of(Stage& stage, DatasetId id) {
  return *dataset::find_version(stage.engine->state().dataset, id, 1);
}

// The answer to the inspection asked for last.
void answer(Stage& stage, Result<dataset::Validation> found) {
  const auto then = std::exchange(stage.shelf.reading.back(), {});
  then(std::move(found));
  stage.settle();
}

// A disk that is away for a moment says nothing about the bytes.
TEST(Conductor, BytesThatCannotBeReadAreReadAgain) {
  Stage stage;
  const DatasetId id = push(stage, "prices");
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), 1u);
  answer(stage, unavailable("input/output error"));
  EXPECT_FALSE(first_of(stage, id).validation);
  EXPECT_EQ(stage.shelf.reading.size(), 1u);
  EXPECT_EQ(stage.conductor->next_moment(), stage.clock.now() + inspection_backoff);
  stage.pass(inspection_backoff);
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), 2u);
  answer(stage, dataset::Validation{true, 1, 10, 2, 0, {}});
  EXPECT_TRUE(first_of(stage, id).validation->passed);
}

// The last try leaves an honest state, from which it can be asked again.
TEST(Conductor, BytesThatStayUnreadableHaveNoVerdict) {
  Stage stage;
  const DatasetId id = push(stage, "prices");
  stage.settle();
  for (std::uint32_t tries = 1; tries <= inspection_tries; ++tries) {
    ASSERT_EQ(stage.shelf.reading.size(), tries);
    EXPECT_FALSE(first_of(stage, id).unreadable);
    answer(stage, unavailable("input/output error"));
    stage.pass(longest_inspection_backoff);
    stage.settle();
  }
  EXPECT_EQ(stage.shelf.reading.size(), inspection_tries);
  EXPECT_FALSE(first_of(stage, id).validation);
  EXPECT_EQ(first_of(stage, id).state, dataset::VersionState::active);
  EXPECT_EQ(first_of(stage, id).unreadable->why, "input/output error");
  stage.wake();  // a restart does not ask by itself
  stage.settle();
  EXPECT_EQ(stage.shelf.reading.size(), inspection_tries);
  stage.ask(dataset::Command(dataset::Inspect{id, 1}));
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), inspection_tries + 1);
  answer(stage, dataset::Validation{true, 1, 10, 2, 0, {}});
  EXPECT_TRUE(first_of(stage, id).validation->passed);
  EXPECT_FALSE(first_of(stage, id).unreadable);
}

// However much one tenant has brought, another's dataset is read at once.
TEST(Conductor, TenantsAreReadSideBySide) {
  Stage stage;
  constexpr OrgId other_tenant{1, 8}, other_project{1, 9};
  stage.ask(tenant::Command(tenant::CreateTenant{other_tenant, "other", {}}));
  stage.ask(tenant::Command(tenant::CreateProject{other_project, other_tenant, "project"}));
  for (int i = 0; i < 20; ++i) push(stage, "large" + std::to_string(i));
  stage.settle();
  EXPECT_EQ(stage.shelf.reading.size(), inspections_of_tenant);
  const DatasetId small = push(stage, "small", other_project);
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), inspections_of_tenant + 1);
  answer(stage, dataset::Validation{true, 1, 10, 2, 0, {}});
  EXPECT_TRUE(first_of(stage, small).validation->passed);
}

// A step whose data cannot be read says so; the next run has it read again.
TEST(Conductor, AnIngestStepOfUnreadableDataFailsAndTheNextRunAsksAgain) {
  Stage stage;
  const DatasetId id = push(stage, "prices");
  stage.settle();
  pipeline::Definition line;
  line.name = "line";
  pipeline::Step step;
  step.name = "ingest";
  step.ingest.emplace().dataset = "prices";
  step.ingest->tree = to_text(sha256("prices"));
  line.steps.push_back(step);
  stage.run_line(line);
  stage.settle();
  for (std::uint32_t tries = 1; tries <= inspection_tries; ++tries) {
    answer(stage, unavailable("input/output error"));
    stage.pass(longest_inspection_backoff);
    stage.settle();
  }
  const pipeline::StepRun& ingest = stage.run().steps.at("ingest");
  EXPECT_EQ(ingest.status, pipeline::StepStatus::failed);
  EXPECT_NE(ingest.note.find("prices@1 could not be read: input/output error; bessemer dataset "
                             "inspect prices@1"),
            std::string::npos)
      << ingest.note;
  stage.pass(seconds(1));
  constexpr PipelineRunId next{8, 2};
  stage.ask(pipeline::Command(
      pipeline::Start{next, {7, 1}, {}, {{"host", sha256("host")}}, true}));
  stage.settle();
  ASSERT_EQ(stage.shelf.reading.size(), inspection_tries + 1);
  answer(stage, dataset::Validation{true, 1, 10, 2, 0, {}});
  EXPECT_TRUE(first_of(stage, id).validation->passed);
  EXPECT_EQ(pipeline::find(stage.engine->state().pipeline, next)->steps.at("ingest").status,
            pipeline::StepStatus::reused);
}

// Bytes under a schema that was wrong are ingested under the one that is right.
TEST(Conductor, AnIngestStepOfBytesThatFitAnotherSchemaNotMakesItsOwnVersion) {
  Stage stage;
  const DatasetId id = push(stage, "prices");
  stage.settle();
  answer(stage, dataset::Validation{false, 1, 10, 2, 1, {"does not fit"}});
  ASSERT_TRUE(dataset::is_unfit(first_of(stage, id)));
  pipeline::Definition line;
  line.name = "line";
  pipeline::Step step;
  step.name = "ingest";
  step.ingest.emplace().dataset = "prices";
  step.ingest->tree = to_text(sha256("prices"));
  step.ingest->schema = json::Raw{R"({"format":"text"})"};
  line.steps.push_back(step);
  stage.run_line(line);
  stage.settle();
  answer(stage, dataset::Validation{true, 1, 10, 2, 0, {}});
  EXPECT_EQ(stage.run().steps.at("ingest").status, pipeline::StepStatus::succeeded);
  EXPECT_EQ(stage.run().steps.at("ingest").note, "prices@2, 2 rows");
}

}  // namespace
}  // namespace bessemer::conductor
