// Datasets: versions never change, names are unique, what is pointed at stays.
#include "data/dataset/dataset.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::dataset {
namespace {

constexpr OrgId project{1, 1}, other{1, 2};
constexpr DatasetId corpus{2, 1}, second{2, 2};
const Digest bytes_a = sha256("a"), bytes_b = sha256("b");

Context context() {
  Context made;
  made.now = made.occurred_at = Instant{7};
  made.actor = PrincipalId{3, 3};
  return made;
}

std::string run(State& state, const Command& command) {
  const auto events = judge(state, command, context());
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, context());
  return events->empty() ? "already" : "";
}

AddVersion version(DatasetId dataset, const Digest& tree) {
  AddVersion command;
  command.dataset = dataset;
  command.tree = tree;
  command.bytes = 10;
  command.files = 1;
  command.licence = "CC0-1.0";
  return command;
}

TEST(Dataset, OneRequestFromInvalidToAccepted) {
  State state;
  Create create{DatasetId{}, OrgId{}, "King James", std::string(1025, 'x')};
  EXPECT_EQ(run(state, create), "id: is required");
  create.id = corpus;
  EXPECT_EQ(run(state, create), "project: is required");
  create.project = project;
  EXPECT_EQ(run(state, create), "name: must start and end with a-z or 0-9");
  create.name = "king-james";
  EXPECT_EQ(run(state, create), "description: must be at most 1024 bytes");
  create.description = "the text";
  EXPECT_EQ(run(state, create), "");
  EXPECT_EQ(run(state, create), "already");
  create.id = second;
  EXPECT_EQ(run(state, create),
            "name: there is a dataset king-james already; add a version to it, or choose another "
            "name");
  create.project = other;
  EXPECT_EQ(run(state, create), "");
  EXPECT_EQ(find(state, project, "king-james")->id, corpus);
  EXPECT_EQ(find(state, other, "king-james")->id, second);
  EXPECT_EQ(find(state, project, "none"), nullptr);
  EXPECT_EQ(list(state, project).size(), 1u);
}

TEST(Dataset, TheSameBytesAreTheSameVersion) {
  State state;
  ASSERT_EQ(run(state, Create{corpus, project, "c", ""}), "");
  EXPECT_EQ(run(state, version(second, bytes_a)), "dataset: no such dataset");
  EXPECT_EQ(run(state, version(corpus, Digest{})), "tree: is required");
  EXPECT_EQ(run(state, version(corpus, bytes_a)), "");
  EXPECT_EQ(run(state, version(corpus, bytes_a)), "already");
  AddVersion changed = version(corpus, bytes_a);
  changed.schema.format = Format::text;
  EXPECT_EQ(run(state, changed),
            "schema: version 1 holds the same bytes under another schema; use that version, or "
            "delete it first");
  EXPECT_EQ(run(state, version(corpus, bytes_b)), "");
  const Dataset& dataset = *find(state, corpus);
  EXPECT_EQ(find_tree(dataset, bytes_a, {})->number, 1u);
  EXPECT_EQ(find_tree(dataset, bytes_a, changed.schema), nullptr);
  EXPECT_EQ(find_fit(dataset, bytes_a)->number, 1u);
  EXPECT_EQ(latest(dataset)->number, 2u);
  EXPECT_EQ(find_version(state, corpus, 1)->created_by, (PrincipalId{3, 3}));
}

TEST(Dataset, ResolvesNumbersAliasesAndLatest) {
  State state;
  ASSERT_EQ(run(state, Create{corpus, project, "c", ""}), "");
  EXPECT_EQ(to_text(resolve(*find(state, corpus), "").error()),
            "version: c has no active version; push one");
  ASSERT_EQ(run(state, version(corpus, bytes_a)), "");
  ASSERT_EQ(run(state, version(corpus, bytes_b)), "");
  EXPECT_EQ(run(state, SetAlias{corpus, "latest", 1}),
            "alias: must be neither \"latest\" nor a number: these name versions");
  EXPECT_EQ(run(state, SetAlias{corpus, "3", 1}),
            "alias: must be neither \"latest\" nor a number: these name versions");
  EXPECT_EQ(run(state, SetAlias{corpus, "stable", 3}), "version: c has no version 3");
  EXPECT_EQ(run(state, SetAlias{corpus, "stable", 1}), "");
  EXPECT_EQ(run(state, SetAlias{corpus, "stable", 1}), "already");
  const Dataset& dataset = *find(state, corpus);
  EXPECT_EQ(*resolve(dataset, "stable"), 1u);
  EXPECT_EQ(*resolve(dataset, "latest"), 2u);
  EXPECT_EQ(*resolve(dataset, "2"), 2u);
  EXPECT_FALSE(resolve(dataset, "4294967297"));  // 2^32 + 1 is not 1
  EXPECT_FALSE(resolve(dataset, "none"));
  EXPECT_EQ(run(state, Deprecate{corpus, 2, "typos"}), "");
  EXPECT_EQ(run(state, Deprecate{corpus, 2, "typos"}), "already");
  EXPECT_EQ(*resolve(dataset, "latest"), 1u);
  EXPECT_EQ(*resolve(dataset, "2"), 2u);
}

TEST(Dataset, WhatIsPointedAtStaysAndRecordsOutliveBytes) {
  State state;
  ASSERT_EQ(run(state, Create{corpus, project, "c", ""}), "");
  ASSERT_EQ(run(state, version(corpus, bytes_a)), "");
  ASSERT_EQ(run(state, SetAlias{corpus, "stable", 1}), "");
  EXPECT_EQ(run(state, DeleteVersion{corpus, 1}),
            "version: the alias stable points at it; move or remove the alias first");
  EXPECT_EQ(run(state, Delete{corpus}),
            "dataset: version 1 is not deleted; delete its versions first");
  ASSERT_EQ(run(state, SetAlias{corpus, "stable", 0}), "");
  EXPECT_EQ(run(state, DeleteVersion{corpus, 1}), "");
  EXPECT_EQ(run(state, DeleteVersion{corpus, 1}), "already");
  EXPECT_EQ(find_version(state, corpus, 1)->state, VersionState::deleted);
  EXPECT_EQ(find_tree(*find(state, corpus), bytes_a, {}), nullptr);
  EXPECT_EQ(find_fit(*find(state, corpus), bytes_a), nullptr);
  EXPECT_EQ(run(state, version(corpus, bytes_a)), "");  // the same bytes: a new number
  EXPECT_EQ(latest(*find(state, corpus))->number, 2u);
  ASSERT_EQ(run(state, DeleteVersion{corpus, 2}), "");
  EXPECT_EQ(run(state, Delete{corpus}), "");
  EXPECT_EQ(run(state, Delete{corpus}), "already");
  EXPECT_EQ(run(state, version(corpus, bytes_a)), "dataset: no such dataset");
  EXPECT_EQ(find(state, project, "c"), nullptr);
  EXPECT_NE(find_version(state, corpus, 1), nullptr);
  EXPECT_EQ(run(state, Create{second, project, "c", ""}), "");  // the name is free
}

TEST(Dataset, AValidationIsKeptWithItsVersion) {
  State state;
  ASSERT_EQ(run(state, Create{corpus, project, "c", ""}), "");
  ASSERT_EQ(run(state, version(corpus, bytes_a)), "");
  Validation found{false, 1, 10, 3, 1, {"a.csv:2: price is not a number"}};
  EXPECT_EQ(uninspected(state),
            (std::vector<Uninspected>{{corpus, project, 1, bytes_a, Schema{}}}));
  EXPECT_EQ(run(state, RecordValidation{corpus, 1, found}), "");
  EXPECT_TRUE(uninspected(state).empty());
  EXPECT_EQ(run(state, RecordValidation{corpus, 1, found}), "already");
  EXPECT_EQ(find_version(state, corpus, 1)->rows, 3u);
  // What does not fit is nobody's latest version.
  EXPECT_EQ(find_version(state, corpus, 1)->state, VersionState::deprecated);
  EXPECT_EQ(find_version(state, corpus, 1)->note, "does not fit its schema");
  EXPECT_FALSE(resolve(*find(state, corpus), ""));
  EXPECT_EQ(*resolve(*find(state, corpus), "1"), 1u);
  found.passed = true;
  EXPECT_EQ(run(state, RecordValidation{corpus, 1, found}),
            "validation.passed: what has problems has not passed");
  EXPECT_EQ(*codec::decode<State>(codec::encode(state)), state);
}

// A wrong schema is nothing against the bytes: they come again under a right one.
TEST(Dataset, BytesThatDoNotFitComeAgainUnderAnotherSchema) {
  State state;
  ASSERT_EQ(run(state, Create{corpus, project, "c", ""}), "");
  AddVersion wrong = version(corpus, bytes_a), right = wrong, third = wrong;
  wrong.schema.format = Format::csv;
  right.schema.format = Format::text;
  third.schema.format = Format::idx;
  const Validation unfit{false, 1, 10, 3, 1, {"a.csv: has no header"}};
  const Validation fits{true, 1, 10, 3, 0, {}};
  ASSERT_EQ(run(state, wrong), "");
  EXPECT_EQ(run(state, right),  // perhaps it fits
            "schema: version 1 holds the same bytes under another schema; use that version, or "
            "delete it first");
  ASSERT_EQ(run(state, RecordValidation{corpus, 1, unfit}), "");
  EXPECT_EQ(run(state, wrong), "already");  // it would not fit a second time
  EXPECT_EQ(run(state, right), "");
  const Dataset& dataset = *find(state, corpus);
  EXPECT_EQ(find_tree(dataset, bytes_a, right.schema)->number, 2u);
  EXPECT_EQ(find_tree(dataset, bytes_a, wrong.schema)->number, 1u);
  EXPECT_EQ(find_fit(dataset, bytes_a)->number, 2u);
  ASSERT_EQ(run(state, RecordValidation{corpus, 2, fits}), "");
  EXPECT_EQ(*resolve(dataset, ""), 2u);
  EXPECT_EQ(run(state, third),
            "schema: version 2 holds the same bytes under another schema; use that version, or "
            "delete it first");
  EXPECT_EQ(run(state, DeleteVersion{corpus, 1}), "");
  EXPECT_EQ(find_fit(dataset, bytes_a)->number, 2u);
}

// That bytes could not be read is no verdict about them.
TEST(Dataset, BytesThatCouldNotBeReadAreReadAgainWhenAsked) {
  State state;
  ASSERT_EQ(run(state, Create{corpus, project, "c", ""}), "");
  ASSERT_EQ(run(state, version(corpus, bytes_a)), "");
  const RecordUnreadable unread{corpus, 1, "a.csv: input/output error"};
  EXPECT_EQ(run(state, Inspect{corpus, 1}), "already");  // it is being read
  EXPECT_EQ(run(state, RecordUnreadable{corpus, 2, ""}), "version: c has no version 2");
  EXPECT_EQ(run(state, RecordUnreadable{corpus, 1, std::string(1025, 'x')}),
            "why: must be at most 1024 bytes");
  EXPECT_EQ(run(state, unread), "");
  EXPECT_EQ(run(state, unread), "already");
  const Version& one = *find_version(state, corpus, 1);
  EXPECT_EQ(one.unreadable, (Unreadable{"a.csv: input/output error", Instant{7}}));
  EXPECT_FALSE(is_unfit(one));
  EXPECT_FALSE(one.validation);
  EXPECT_EQ(one.state, VersionState::active);
  EXPECT_EQ(*resolve(*find(state, corpus), ""), 1u);
  EXPECT_TRUE(uninspected(state).empty());
  EXPECT_EQ(run(state, Inspect{corpus, 1}), "");
  EXPECT_FALSE(one.unreadable);
  EXPECT_EQ(uninspected(state).size(), 1u);
  ASSERT_EQ(run(state, unread), "");
  EXPECT_EQ(run(state, version(corpus, bytes_a)), "");  // pushed again: asked again
  EXPECT_EQ(uninspected(state, corpus, 1)->tree, bytes_a);
  ASSERT_EQ(run(state, RecordValidation{corpus, 1, Validation{true, 1, 10, 3, 0, {}}}), "");
  EXPECT_EQ(run(state, unread), "already");  // late: it was read meanwhile
  EXPECT_FALSE(one.unreadable);
  EXPECT_EQ(run(state, Inspect{corpus, 1}), "already");
  EXPECT_EQ(run(state, Inspect{second, 1}), "dataset: no such dataset");
  EXPECT_EQ(*codec::decode<State>(codec::encode(state)), state);
}

// Whatever is asked, versions never change but in state, note and what was found of their bytes.
TEST(Dataset, VersionsNeverChange) {
  Random random(5);
  State state;
  std::map<std::pair<DatasetId, std::uint32_t>, Digest> seen;
  for (int step = 0; step < 4'000; ++step) {
    const DatasetId id{2, 1 + random.below(4)};
    const auto number = static_cast<std::uint32_t>(1 + random.below(6));
    const std::string name = "n" + std::to_string(random.below(3));
    Command command;
    switch (random.below(9)) {
      case 0: command = Create{id, OrgId{1, 1 + random.below(2)}, name, ""}; break;
      case 1: command = version(id, sha256(std::to_string(random.below(6)))); break;
      case 2: command = Deprecate{id, number, "old"}; break;
      case 3: command = DeleteVersion{id, number}; break;
      case 4: command = SetAlias{id, name, static_cast<std::uint32_t>(random.below(7))}; break;
      case 5: command = Delete{id}; break;
      case 6: command = RecordUnreadable{id, number, "disk"}; break;
      case 7: command = Inspect{id, number}; break;
      default: command = RecordValidation{id, number, Validation{true, 1, 1, 1, 0, {}}};
    }
    run(state, command);
    for (const auto& [dataset_id, dataset] : state.datasets) {
      for (const auto& [n, one] : dataset.versions) {
        const auto [at, fresh] = seen.try_emplace({dataset_id, n}, one.tree);
        ASSERT_EQ(at->second, one.tree);
        ASSERT_FALSE(one.validation && one.unreadable);
      }
      for (const auto& [alias, n] : dataset.aliases) {
        ASSERT_NE(dataset.versions.at(n).state, VersionState::deleted) << alias;
      }
      ASSERT_EQ(find(state, dataset.project, dataset.name) == &dataset, !dataset.deleted);
    }
  }
  EXPECT_GT(seen.size(), 20u);
}

}  // namespace
}  // namespace bessemer::dataset
