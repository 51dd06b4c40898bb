// Models: immutable versions, lineage, aliases with their history, evaluations.
#include "data/registry/registry.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::registry {
namespace {

constexpr OrgId project{1, 1}, other{1, 2};
constexpr ModelId tiny{2, 1}, second{2, 2};
const Digest weights_a = sha256("a"), weights_b = sha256("b");

std::string go(State& state, const Command& command, std::int64_t at = 1) {
  Context context;
  context.now = context.occurred_at = Instant{at};
  context.actor = PrincipalId{9, 9};
  const auto events = judge(state, command, context);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, context);
  return events->empty() ? "already" : "";
}

AddVersion version(const Digest& artifact) {
  AddVersion command;
  command.model = tiny;
  command.artifact = artifact;
  command.format = "gguf";
  command.lineage.run = RunId{3, 1};
  command.lineage.datasets = {{DatasetId{4, 1}, 2, sha256("data")}};
  command.metrics = {{"loss", 2.0}, {"accuracy", 0.1}};
  return command;
}

struct WithModel : testing::Test {
  void SetUp() override { ASSERT_EQ(go(state, Create{tiny, project, "tiny", ""}), ""); }
  State state;
};
using Registry = WithModel;

TEST_F(Registry, OneVersionFromInvalidToAccepted) {
  AddVersion command;
  EXPECT_EQ(go(state, command), "model: no such model");
  command.model = tiny;
  EXPECT_EQ(go(state, command), "artifact: is required");
  command.artifact = weights_a;
  EXPECT_EQ(go(state, command), "format: is required; say gguf, safetensors, onnx, …");
  command.format = "gguf";
  command.source = std::string(max_source + 1, 'x');
  EXPECT_EQ(go(state, command), "source: must be at most 1024 bytes");
  command.source = "hand-made";
  command.metrics["loss"] = std::nan("");
  EXPECT_EQ(go(state, command), "metrics.loss: must be finite");
  command.metrics["loss"] = 2;
  command.lineage.parameters.text = "3";
  EXPECT_NE(go(state, command).find("lineage.parameters"), std::string::npos);
  command.lineage.parameters.text = "{\"rate\":0.1}";
  command.lineage.parent = second;
  EXPECT_EQ(go(state, command), "lineage.parent: no such model version");
  command.lineage.parent = {};
  EXPECT_EQ(go(state, command), "");
  EXPECT_EQ(go(state, command), "already");
  EXPECT_EQ(find_version(state, tiny, 1)->created_by, (PrincipalId{9, 9}));
}

TEST_F(Registry, NamesAreUniqueInAProject) {
  EXPECT_EQ(go(state, Create{tiny, project, "tiny", ""}), "already");
  EXPECT_EQ(go(state, Create{second, project, "tiny", ""}),
            "name: there is a model tiny already; add a version to it, or choose another name");
  EXPECT_EQ(go(state, Create{tiny, other, "tiny", ""}), "id: is in use");
  EXPECT_EQ(go(state, Create{second, other, "tiny", ""}), "");
  EXPECT_EQ(find(state, project, "tiny")->id, tiny);
  EXPECT_EQ(list(state, other).size(), 1u);
}

TEST_F(Registry, TheSameArtifactWithAnotherOriginIsAnotherVersion) {
  ASSERT_EQ(go(state, version(weights_a)), "");
  EXPECT_EQ(go(state, version(weights_a)), "already");
  AddVersion imported = version(weights_a);
  imported.lineage = {};
  imported.origin = Origin::imported;
  EXPECT_EQ(go(state, imported), "");
  EXPECT_EQ(find_artifact(*find(state, tiny), weights_a)->number, 2u);
  EXPECT_EQ(find_artifact(*find(state, tiny), weights_a)->origin, Origin::imported);
}

TEST_F(Registry, AliasesMoveAndRememberWhere) {
  ASSERT_EQ(go(state, version(weights_a)), "");
  ASSERT_EQ(go(state, version(weights_b)), "");
  EXPECT_EQ(at_alias(*find(state, tiny), "champion"), nullptr);
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 0}), "already");
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 3}), "version: tiny has no version 3");
  EXPECT_EQ(go(state, SetAlias{tiny, "7", 1}),
            "alias: must be neither \"latest\" nor a number: these name versions");
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 1}, 10), "");
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 1}, 11), "already");
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 2}, 12), "");
  const Model& model = *find(state, tiny);
  EXPECT_EQ(at_alias(model, "champion")->number, 2u);
  EXPECT_EQ(model.aliases.at("champion"),
            (std::vector<Move>{{1, Instant{10}, {9, 9}}, {2, Instant{12}, {9, 9}}}));
  EXPECT_EQ(*resolve(model, "champion"), 2u);
  EXPECT_EQ(*resolve(model, "1"), 1u);
  EXPECT_EQ(*resolve(model, ""), 2u);
  EXPECT_FALSE(resolve(model, "4294967297"));
  EXPECT_EQ(go(state, DeleteVersion{tiny, 2}),
            "version: the alias champion points at it; move or remove the alias first");
  EXPECT_EQ(go(state, DeleteVersion{tiny, 1}), "");  // only history points at it
  EXPECT_EQ(go(state, DeleteVersion{tiny, 1}), "already");
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 1}), "version: tiny has no version 1");
  EXPECT_EQ(go(state, SetAlias{tiny, "champion", 0}), "");
  EXPECT_EQ(at_alias(model, "champion"), nullptr);
  EXPECT_EQ(go(state, DeleteVersion{tiny, 2}), "");
  EXPECT_EQ(find_version(state, tiny, 2)->state, VersionState::deleted);
  EXPECT_EQ(go(state, Delete{tiny}), "");
  EXPECT_EQ(go(state, Delete{tiny}), "already");
  EXPECT_EQ(find(state, project, "tiny"), nullptr);
  EXPECT_EQ(*codec::decode<State>(codec::encode(state)), state);
}

TEST_F(Registry, TheLatestEvaluationCounts) {
  ASSERT_EQ(go(state, version(weights_a)), "");
  Evaluate command{tiny, 1, "held-back", RunId{3, 2}, std::nullopt, {}};
  EXPECT_EQ(go(state, command), "metrics: must name at least one metric");
  command.metrics["accuracy"] = INFINITY;
  EXPECT_EQ(go(state, command), "metrics.accuracy: must be finite");
  command.metrics["accuracy"] = 0.8;
  EXPECT_EQ(go(state, command), "");
  EXPECT_EQ(go(state, command), "already");
  command.metrics["accuracy"] = 0.9;
  EXPECT_EQ(go(state, command), "");
  command.version = 2;
  EXPECT_EQ(go(state, command), "version: tiny has no version 2");
  const Version& measured = *find_version(state, tiny, 1);
  EXPECT_EQ(measured.evaluations.size(), 2u);
  EXPECT_EQ(metrics_of(measured),
            (std::map<std::string, double>{{"accuracy", 0.9}, {"loss", 2.0}}));
  EXPECT_EQ(go(state, SetStage{tiny, 1, Stage::production}), "");
  EXPECT_EQ(go(state, SetStage{tiny, 1, Stage::production}), "already");
}

// Versions never change, and an alias never points at a deleted one.
TEST(RegistryProperty, HoldsForAnyCommands) {
  Random random(21);
  State state;
  std::map<std::pair<ModelId, std::uint32_t>, Digest> seen;
  for (int step = 0; step < 4'000; ++step) {
    const ModelId id{2, 1 + random.below(3)};
    const auto number = static_cast<std::uint32_t>(random.below(6));
    const std::string name = "n" + std::to_string(random.below(3));
    Command command;
    AddVersion add = version(sha256(std::to_string(random.below(50))));
    add.model = id;
    switch (random.below(7)) {
      case 0: command = Create{id, OrgId{1, 1 + random.below(2)}, name, ""}; break;
      case 1: command = add; break;
      case 2: command = SetAlias{id, name, number}; break;
      case 3: command = DeleteVersion{id, number}; break;
      case 4: command = SetStage{id, number, Stage::staging}; break;
      case 5: command = Delete{id}; break;
      default: command = Evaluate{id, number, name, RunId{}, std::nullopt, {{"m", step}}};
    }
    go(state, command, step);
    for (const auto& [model_id, model] : state.models) {
      for (const auto& [n, one] : model.versions) {
        ASSERT_EQ(seen.try_emplace({model_id, n}, one.artifact).first->second, one.artifact);
      }
      for (const auto& [alias, moves] : model.aliases) {
        const std::uint32_t target = moves.back().version;
        if (target != 0) {
          ASSERT_EQ(model.versions.at(target).state, VersionState::active);
        }
      }
    }
  }
  EXPECT_GT(seen.size(), 10u);
}

}  // namespace
}  // namespace bessemer::registry
