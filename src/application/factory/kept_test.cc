// Bytes that something names are kept as long as it is there, and no longer.
#include "application/factory/kept.h"

#include "application/factory/desk_for_test.h"
#include "base/json.h"

namespace bessemer::factory {
namespace {

struct Shop : Desk {
  OrgId owner, at;

  Shop() {
    publish();
    owner = tenant("acme");
    at = project(owner);
  }
  Digest store(const std::string& what, const std::string& reference = {}) {
    must(artifact::Command(artifact::Publish{at, sha256(what), artifact::Kind::code, 100, 1,
                                             reference}));
    return sha256(what);
  }
  bool kept(const Digest& digest) {
    return !artifact::find(state.artifact, at, digest)->references.empty();
  }
  pipeline::Definition line(std::optional<Digest> code, std::optional<Digest> input = {}) {
    pipeline::Definition definition;
    definition.name = "nightly";
    if (code) definition.code = to_text(*code);
    pipeline::Step step;
    step.name = "train";
    step.job = pipeline::Job{};
    step.job->command = {"/bin/train"};
    if (input) step.job->inputs["data"] = to_text(*input);
    definition.steps.push_back(step);
    return definition;
  }
  deployment::Template template_of(const Digest& code) {
    deployment::Template runs;
    runs.workload = json::Raw{R"({"command": ["serve"], "service": {"port": 8080}, "code": ")" +
                              to_text(code) + "\"}"};
    return runs;
  }
  // A run of an experiment that is over, with one output.
  RunId measured(const std::string& output) {
    const RunId id = draw<RunId>();
    run::Start start;
    start.id = id;
    start.project = at;
    start.experiment = "digits";
    must(run::Command(start));
    run::Finish finish;
    finish.run = id;
    must(run::Command(finish));
    store(output, artifact::reference_of(id));
    return id;
  }
};

TEST(Kept, APipelineKeepsWhatItNamesUntilItIsRemoved) {
  Shop shop;
  const Digest first = shop.store("first"), second = shop.store("second"),
               data = shop.store("data");
  const PipelineId id = shop.draw<PipelineId>();
  shop.must(pipeline::Command(pipeline::Define{id, shop.at, shop.line(first, data)}));
  EXPECT_TRUE(shop.kept(first));
  EXPECT_TRUE(shop.kept(data));
  EXPECT_FALSE(shop.kept(second));
  EXPECT_EQ(shop.give(artifact::Command(artifact::Delete{shop.at, first})).error().code,
            Code::conflict);
  shop.must(pipeline::Command(pipeline::Define{id, shop.at, shop.line(second, data)}));
  EXPECT_FALSE(shop.kept(first));
  EXPECT_TRUE(shop.kept(second));
  EXPECT_TRUE(shop.kept(data));
  shop.must(pipeline::Command(pipeline::Remove{id}));
  EXPECT_FALSE(shop.kept(second));
  EXPECT_FALSE(shop.kept(data));
}

// A step that waits for a day-long one finds its code when its turn comes.
TEST(Kept, ARunKeepsWhatItBeganWithUntilItEnds) {
  Shop shop;
  const Digest code = shop.store("code");
  const PipelineId id = shop.draw<PipelineId>();
  shop.must(pipeline::Command(pipeline::Define{id, shop.at, shop.line(code)}));
  const PipelineRunId run = shop.draw<PipelineRunId>();
  shop.must(pipeline::Command(
      pipeline::Start{run, id, {}, {{"host", sha256("host")}}, true}));
  shop.must(pipeline::Command(pipeline::Remove{id}));
  EXPECT_TRUE(shop.kept(code));
  shop.must(pipeline::Command(pipeline::Cancel{run}));
  ASSERT_FALSE(shop.state.pipeline.active.contains(run));
  EXPECT_FALSE(shop.kept(code));
}

// What was scaled to nothing on Friday can be scaled up on Monday.
TEST(Kept, AnEndpointKeepsTheCodeOfEachRevisionItRemembers) {
  Shop shop;
  const Digest code = shop.store("code");
  deployment::Create create;
  create.endpoint = shop.draw<EndpointId>();
  create.project = shop.at;
  create.name = "serve";
  create.replicas = 0;
  create.runs = shop.template_of(code);
  shop.must(deployment::Command(create));
  EXPECT_TRUE(shop.kept(code));
  Digest last;
  for (std::size_t i = 0; i < deployment::kept_revisions; ++i) {
    EXPECT_TRUE(shop.kept(code)) << i;
    last = shop.store("code " + std::to_string(i));
    shop.must(deployment::Command(deployment::Roll{create.endpoint, shop.template_of(last)}));
    EXPECT_TRUE(shop.kept(last));
  }
  EXPECT_FALSE(shop.kept(code)) << "its revision is forgotten";
  shop.must(deployment::Command(deployment::Delete{create.endpoint}));
  EXPECT_FALSE(shop.kept(last));
}

TEST(Kept, ADeletedRunGivesUpItsOutputs) {
  Shop shop;
  const RunId run = shop.measured("weights");
  ASSERT_TRUE(shop.kept(sha256("weights")));
  const ModelId model = shop.draw<ModelId>();
  shop.must(registry::Command(registry::Create{model, shop.at, "digits", ""}));
  registry::AddVersion version;
  version.model = model;
  version.artifact = sha256("weights");
  version.bytes = 100;
  version.format = "onnx";
  version.lineage.run = run;
  shop.must(registry::Command(version));
  EXPECT_EQ(shop.said(run::Command(run::Delete{run})),
            "run: model digits@1 was made by it; delete the model first: "
            "bessemer model delete digits");
  EXPECT_EQ(shop.said(tenant::Command(tenant::Close{shop.at})).find("it still stores"), 0u);
  shop.must(OwnCommand(DeleteModel{model}));
  EXPECT_EQ(shop.said(run::Command(run::Delete{run})), "done");
  EXPECT_FALSE(shop.kept(sha256("weights")));
  EXPECT_EQ(shop.said(artifact::Command(artifact::Delete{shop.at, sha256("weights")})), "done");
  EXPECT_EQ(shop.said(tenant::Command(tenant::Close{shop.at})), "done");
}

}  // namespace
}  // namespace bessemer::factory
