// Declared things against a small server.
#include <gtest/gtest.h>

#include <algorithm>

#include "application/cli/apply.h"
#include "application/cli/fakes.h"

namespace bessemer::cli {
namespace {

TEST(Apply, MakesChangesAndThenNothing) {
  ScriptedServer server({
      {"GET /api/v1/budgets?org=acme&limit=500",
       {{200, R"({"items":[]})"},
        {200, R"({"items":[{"id":"bud_1","name":"monthly","limit":"50 USD","used":"1 USD"}]})"},
        {200, R"({"items":[{"id":"bud_1","name":"monthly","limit":"100 USD"}]})"}}},
      {"PUT /api/v1/budgets", {{200, "{}"}}},
  });
  FakeTerminal terminal;
  terminal.typed = "kind: budget\nin: acme\nname: monthly\nlimit: 100 USD\n";
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(run_words("apply -f -", terminal, server.around()), 0) << terminal.said;
  }
  EXPECT_EQ(terminal.shown, "budget monthly created\nbudget monthly changed\n"
                            "    limit: 50 USD -> 100 USD\nbudget monthly unchanged\n");
  ASSERT_EQ(server.seen.size(), 5u);
  EXPECT_EQ(server.seen[1].body, R"({"name":"monthly","limit":"100 USD","org":"acme"})");
}

TEST(Apply, ThePlaceAndTheListsNameCount) {
  ScriptedServer server({
      {"GET /api/v1/budgets?org=acme&limit=500",
       {{200, R"({"items":[{"id":"bud_1","name":"monthly","path":"acme/vision","limit":"1 USD"},)"
              R"({"id":"bud_2","name":"monthly","path":"acme","limit":"100 USD"}]})"}}},
      {"GET /api/v1/price-books?limit=500",
       {{200, R"({"items":[{"id":"pb_1","book":"standard","currency":"USD","prices":[]}]})"}}},
  });
  FakeTerminal terminal;
  terminal.typed = "kind: budget\nin: acme\nname: monthly\nlimit: 100 USD\n---\n"
                   "kind: price-book\nname: standard\ncurrency: USD\nprices: []\n";
  EXPECT_EQ(run_words("apply -f -", terminal, server.around()), 0) << terminal.said;
  EXPECT_EQ(terminal.shown, "budget monthly unchanged\nprice-book standard unchanged\n");
}

TEST(Apply, BadFilesAreNamed) {
  ScriptedServer server({});
  FakeTerminal terminal;
  terminal.typed = "kind: rocket\n";
  EXPECT_EQ(run_words("apply -f -", terminal, server.around()), 1);
  EXPECT_TRUE(terminal.said.starts_with("bessemer: -:1: kind: is not known: rocket; one of: "))
      << terminal.said;
  EXPECT_EQ(run_words("apply", terminal, server.around()), 1);
}

TEST(Apply, WhatCannotBeChangedIsAConflict) {
  const Declared& model = *std::find_if(declared_kinds().begin(), declared_kinds().end(),
                                        [](const Declared& d) { return d.kind == "model"; });
  const Document wanted =
      parse_document(R"({"kind":"model","name":"m","description":"b"})").value();
  const Document now = parse_document(R"({"id":"mdl_1","name":"m","description":"a"})").value();
  EXPECT_EQ(plan_step(model, wanted, &now).error().code, Code::conflict);
  EXPECT_EQ(plan_step(model, wanted, nullptr)->what, Step::What::create);
  EXPECT_EQ(plan_step(model, wanted, &wanted)->what, Step::What::nothing);
}

TEST(Apply, NodesOfTheOrganisationSayTheirKind) {
  for (const char* word : {"tenant", "group", "project"}) {
    const Declared& kind = *std::find_if(declared_kinds().begin(), declared_kinds().end(),
                                         [&](const Declared& d) { return d.kind == word; });
    Document wanted = parse_document(R"({"path":"acme"})").value();
    wanted.set("kind", Document::of(word));
    EXPECT_EQ(plan_step(kind, wanted, nullptr)->body.text("kind"), word);
    EXPECT_EQ(plan_step(kind, wanted, &wanted)->what, Step::What::nothing);
  }
}

const Declared& kind_named(std::string_view word) {
  return *std::find_if(declared_kinds().begin(), declared_kinds().end(),
                       [&](const Declared& one) { return one.kind == word; });
}

TEST(Apply, APipelineIsComparedByItsDefinition) {
  const Document wanted = parse_document(
      R"({"kind":"pipeline","in":"acme/vision","project":"acme/vision","name":"p",)"
      R"("steps":[{"name":"a","timeout":"60m"}]})").value();
  const auto made = plan_step(kind_named("pipeline"), wanted, nullptr);
  EXPECT_EQ(to_json(made->body, Layout::compact),
            R"({"project":"acme/vision","definition":{"name":"p",)"
            R"("steps":[{"name":"a","timeout":"60m"}]}})");
  const Document now = parse_document(
      R"({"id":"pip_1","name":"p","revision":3,"definition":{"name":"p",)"
      R"("steps":[{"name":"a","timeout":"1h","retries":0}]}})").value();
  EXPECT_EQ(plan_step(kind_named("pipeline"), wanted, &now)->what, Step::What::nothing);
}

TEST(Apply, AnEndpointIsSentWhatDiffers) {
  const Document wanted = parse_document(
      R"({"project":"acme/vision","name":"e","model":"m@1","replicas":3})").value();
  const Document now = parse_document(
      R"({"id":"ep_1","name":"e","model":"m@1","replicas":2})").value();
  const auto step = plan_step(kind_named("endpoint"), wanted, &now).value();
  EXPECT_EQ(step.target, "/api/v1/endpoints/ep_1");
  EXPECT_EQ(to_json(step.body, Layout::compact), R"({"replicas":3})");
}

TEST(Apply, WhatIsExportedIsTakenAgain) {
  const Document answer = parse_document(
      R"({"items":[{"id":"bud_1","name":"monthly","path":"acme","limit":"100 USD","used":"1 USD",)"
      R"("term":"monthly","scope":{"node":"org_1","key":""},"warn_percents":[80]}]})").value();
  EXPECT_EQ(declarations_of("/api/v1/budgets", answer).value(),
            "kind: budget\nin: acme\nname: monthly\nlimit: \"100 USD\"\nterm: monthly\n"
            "warn_percents:\n  - 80\n");
  const Document orgs = parse_document(
      R"({"items":[{"path":"","kind":"platform"},)"
      R"({"path":"acme","kind":"tenant","time_zone":"UTC"},)"
      R"({"path":"acme/vision","kind":"project","time_zone":"UTC"}]})").value();
  EXPECT_EQ(declarations_of("/api/v1/orgs", orgs).value(),
            "kind: tenant\npath: acme\ntime_zone: UTC\n---\n"
            "kind: project\npath: acme/vision\n");
  EXPECT_FALSE(declarations_of("/api/v1/status", answer));
}

}  // namespace
}  // namespace bessemer::cli
