// From an invoice line to the bytes and back, and nothing of what the viewer may not see.
#include "data/lineage/lineage.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace bessemer::lineage {
namespace {

constexpr OrgId project{1, 1}, other{1, 2};
constexpr DatasetId corpus{2, 1};
constexpr RunId extract{3, 1}, train{3, 2}, evaluate{3, 3}, foreign{3, 4};
constexpr ModelId tiny{4, 1};
constexpr EndpointId endpoint{5, 1};
constexpr WorkloadId work{6, 2};

std::string short_of(std::string_view text) {
  return "sha256:" + to_text(sha256(text)).substr(0, 12);
}

class LineageTest : public testing::Test {
 protected:
  void SetUp() override {
    auto& dataset = datasets_.datasets[corpus];
    dataset.id = corpus;
    dataset.project = project;
    dataset.name = "king-james";
    auto& version = dataset.versions[1];
    version.number = 1;
    version.tree = sha256("text");
    version.bytes = 4'404'019;
    version.files = 66;
    version.licence = "CC0-1.0";
    version.produced_by = extract;
    add_run(extract, project, "extract", {});
    runs_.runs[extract].code = sha256("code");
    add_run(train, project, "train", {{"data", sha256("text"), corpus, 1, {}, 0, {}}});
    runs_.runs[train].workload = work;
    runs_.by_workload[work] = train;
    add_run(evaluate, project, "evaluate",
            {{"data", sha256("text"), corpus, 1, {}, 0, {}},
             {"model", sha256("weights"), {}, 0, {}, 0, train}});
    add_run(foreign, other, "theirs", {{"data", sha256("text"), corpus, 1, {}, 0, {}}});
    auto& model = models_.models[tiny];
    model.id = tiny;
    model.project = project;
    model.name = "tiny";
    model.aliases["champion"] = {{1, {}, {}}};
    auto& made = model.versions[1];
    made.number = 1;
    made.artifact = sha256("weights");
    made.bytes = 900;
    made.format = "gguf";
    made.lineage.run = train;
    made.lineage.datasets = {{corpus, 1, sha256("text")}};
    made.evaluations = {{"held-back", evaluate, {}, {}, {}, {}}};
  }
  void add_run(RunId id, OrgId owner, const std::string& name, std::vector<run::Input> inputs) {
    auto& run = runs_.runs[id];
    run.id = id;
    run.project = owner;
    run.experiment = "line";
    run.name = name;
    run.status = run::Status::succeeded;
    run.inputs = std::move(inputs);
  }
  Sources sources() const {
    return {datasets_,
            runs_,
            models_,
            {{endpoint, project, "tiny-chat", tiny, 1}},
            {{"line-7", project, "output tokens", endpoint, {}},
             {"line-8", project, "GPU time", {}, work}},
            {project}};
  }
  static std::string drawn(const Result<Branch>& answer) {
    return answer ? draw(*answer) : to_text(answer.error());
  }
  dataset::State datasets_;
  run::State runs_;
  registry::State models_;
};

TEST_F(LineageTest, AnInvoiceLineLeadsToTheBytes) {
  EXPECT_EQ(drawn(origins(sources(), Charge{"line-7"})),
            "charge output tokens\n"
            "└─ for the use of endpoint tiny-chat\n"
            "   └─ serves model tiny@1 (gguf, 900 B, champion)\n"
            "      ├─ made by run line/train (succeeded)\n"
            "      │  └─ read dataset king-james@1 (4.2 MiB in 66 files, CC0-1.0)\n"
            "      │     ├─ produced by run line/extract (succeeded)\n"
            "      │     │  └─ ran code " + short_of("code") + "\n"
            "      │     └─ holds bytes " + short_of("text") + "\n"
            "      ├─ evaluated by run line/evaluate (succeeded)\n"
            "      │  ├─ read dataset king-james@1 (4.2 MiB in 66 files, CC0-1.0)"
            " (see above)\n"
            "      │  └─ read what came of run line/train (succeeded) (see above)\n"
            "      └─ holds bytes " + short_of("weights") + "\n");
  EXPECT_EQ(origins(sources(), Charge{"line-8"})->branches[0].label, "line/train");
}

TEST_F(LineageTest, ADatasetLeadsToEverythingMadeFromIt) {
  EXPECT_EQ(drawn(products(sources(), DatasetVersion{corpus, 1})),
            "dataset king-james@1 (4.2 MiB in 66 files, CC0-1.0)\n"
            "├─ read by run line/train (succeeded)\n"
            "│  ├─ read by run line/evaluate (succeeded)\n"
            "│  │  └─ evaluated model tiny@1 (gguf, 900 B, champion)\n"
            "│  │     └─ served by endpoint tiny-chat\n"
            "│  │        └─ charged as charge output tokens\n"
            "│  ├─ made model tiny@1 (gguf, 900 B, champion) (see above)\n"
            "│  └─ charged as charge GPU time\n"
            "├─ read by run line/evaluate (succeeded) (see above)\n"
            "└─ read by (another project)\n");
  EXPECT_EQ(products(sources(), ExperimentRun{extract})->branches[0].label, "king-james@1");
}

TEST_F(LineageTest, BothWaysAgree) {
  const auto holds = [](const auto& self, const Branch& branch, const std::string& id) -> bool {
    if (branch.id == id) return true;
    for (const Branch& below : branch.branches) {
      if (self(self, below, id)) return true;
    }
    return false;
  };
  const std::vector<Subject> all = {DatasetVersion{corpus, 1}, ExperimentRun{extract},
                                    ExperimentRun{train},      ExperimentRun{evaluate},
                                    ModelVersion{tiny, 1},     Endpoint{endpoint},
                                    Charge{"line-7"},          Charge{"line-8"}};
  for (const Subject& a : all) {
    for (const Subject& b : all) {
      const auto down = origins(sources(), a), up = products(sources(), b);
      ASSERT_TRUE(down && up);
      const std::string id_a = origins(sources(), a)->id, id_b = up->id;
      EXPECT_EQ(holds(holds, *down, id_b), holds(holds, *up, id_a)) << id_a << " / " << id_b;
    }
  }
}

TEST_F(LineageTest, WhatMayNotBeSeenIsAsUnknownAsNothing) {
  const std::string unknown = "nothing of this name is known";
  EXPECT_EQ(drawn(origins(sources(), ExperimentRun{foreign})), unknown);
  EXPECT_EQ(drawn(origins(sources(), ExperimentRun{RunId{9, 9}})), unknown);
  EXPECT_EQ(drawn(products(sources(), DatasetVersion{corpus, 2})), unknown);
  EXPECT_EQ(drawn(products(sources(), Charge{"line-9"})), unknown);
  Sources theirs = sources();
  theirs.visible = {other};
  EXPECT_EQ(drawn(origins(theirs, ExperimentRun{foreign})),
            "run line/theirs (succeeded)\n"
            "└─ read (another project)\n");
  EXPECT_EQ(drawn(origins(theirs, ModelVersion{tiny, 1})), unknown);
}

TEST_F(LineageTest, AForgottenRunIsSaid) {
  runs_.runs.erase(train);
  runs_.by_workload.clear();
  const std::string text = drawn(origins(sources(), ModelVersion{tiny, 1}));
  EXPECT_NE(text.find("├─ made by (forgotten)\n"), std::string::npos) << text;
  EXPECT_NE(text.find("trained on dataset king-james@1"), std::string::npos) << text;
}

TEST_F(LineageTest, ACircleAndALongChainEnd) {
  models_.models[tiny].versions[1].lineage.parent = tiny;
  models_.models[tiny].versions[1].lineage.parent_version = 1;
  EXPECT_NE(drawn(origins(sources(), ModelVersion{tiny, 1})).find("(see above)"),
            std::string::npos);
  for (std::uint32_t number = 2; number <= 5'000; ++number) {
    auto& version = models_.models[tiny].versions[number];
    version.number = number;
    version.lineage.parent = tiny;
    version.lineage.parent_version = number - 1;
  }
  const std::string text = drawn(origins(sources(), ModelVersion{tiny, 5'000}));
  EXPECT_NE(text.find("(more: ask from here)"), std::string::npos);
  EXPECT_EQ(text.find("tiny@1 "), std::string::npos);
  const auto read = json::read<Branch>(json::write(*origins(sources(), ModelVersion{tiny, 5'000})));
  EXPECT_TRUE(read) << to_text(read.error());
}

}  // namespace
}  // namespace bessemer::lineage
