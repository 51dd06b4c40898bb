// Commands against a small server: what they ask and what they show.
#include <gtest/gtest.h>

#include "application/cli/fakes.h"
#include "application/cli/session.h"

namespace bessemer::cli {
namespace {

TEST(Calls, ListGetAndRefusals) {
  ScriptedServer server({
      {"GET /api/v1/jobs?project=acme&limit=500",
       {{200, R"({"items":[{"id":"wl_1","phase":"queued"}],"next":"wl_1"})"}}},
      {"GET /api/v1/jobs?project=acme&limit=500&after=wl_1",
       {{200, R"({"items":[{"id":"wl_2","phase":"running"}]})"}}},
      {"GET /api/v1/nodes/node_00000000000000000000000001",
       {{404, R"({"status":404,"detail":"no such node","remedy":"see bessemer node list"})"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("job list -p acme -q", terminal, server.around()), 0) << terminal.said;
  EXPECT_EQ(terminal.shown, "wl_1\nwl_2\n") << "page after page";
  EXPECT_EQ(server.seen[0].key, "Bearer bsm_secret");
  EXPECT_EQ(run_words("node get node_00000000000000000000000001", terminal, server.around()), 1);
  EXPECT_EQ(terminal.said, "bessemer: no such node; see bessemer node list\n");
}

TEST(Calls, WritesCarryTheirFields) {
  ScriptedServer server({
      {"POST /api/v1/keys", {{201, R"({"id":"key_1","key":"bsm_once"})"}}},
      {"PUT /api/v1/secrets/token?project=acme", {{200, R"({"name":"token","version":1})"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("key create ci -p acme -s job:* -s *:read -m llama", terminal,
                      server.around()), 0) << terminal.said;
  EXPECT_EQ(server.seen[0].body,
            R"({"org":"acme","name":"ci","scopes":["job:*","*:read"],"models":["llama"]})");
  EXPECT_EQ(server.seen[0].idempotency, "key-1");
  terminal.typed = "planted\n";
  EXPECT_EQ(run_words("secret set token -p acme", terminal, server.around()), 0);
  EXPECT_EQ(server.seen[1].body, R"({"value":"planted"})");
  EXPECT_EQ((terminal.shown + terminal.said).find("planted"), std::string::npos);
}

TEST(Calls, NamesAreLookedUp) {
  ScriptedServer server({
      {"GET /api/v1/models?project=acme&limit=500",
       {{200, R"({"items":[{"id":"wl_1","name":"a"},{"id":"wl_2","name":"b"},)"
              R"({"id":"wl_3","name":"b"}]})"}}},
      {"GET /api/v1/models/wl_1", {{200, R"({"id":"wl_1","phase":"queued"})"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("model get a -p acme -o json", terminal, server.around()), 0);
  EXPECT_EQ(terminal.shown, "{\n  \"id\": \"wl_1\",\n  \"phase\": \"queued\"\n}\n");
  EXPECT_EQ(run_words("model get b -p acme", terminal, server.around()), 1);
  EXPECT_EQ(run_words("model get c -p acme", terminal, server.around()), 1);
  EXPECT_EQ(terminal.said, "bessemer: several things are called 'b'; use the id\n"
                           "bessemer: there is no 'c' in acme; see what there is: bessemer model "
                           "list\n");
}

TEST(Calls, AStatementAddsUp) {
  ScriptedServer server({{"GET /api/v1/statement?org=acme", {{200,
      R"({"tenant_path":"acme","from":"2026-05-01T00:00:00Z","until":"2026-06-01T00:00:00Z",)"
      R"("zone":"UTC","lines":[{"id":"line_1","project_path":"acme/v","meter":"gpu_time",)"
      R"("sku":"sim-a","units":"0.5","unit":"GPU-hour","amount":"1.25 SIM","simulated":true}],)"
      R"("adjustments":[{"description":"outage","amount":"-0.1 USD"}],)"
      R"("borne":[{"id":"line_2","project_path":"acme/v","meter":"gpu_time","sku":"a",)"
      R"("what":"endpoint chat","units":"2","unit":"GPU-hour","amount":"4 USD"}],)"
      R"("borne_totals":["4 USD"],"totals":["1.25 SIM","0.3 USD"],"payable":["0.2 USD"],)"
      R"("complete":true})"}}}});
  FakeTerminal terminal;
  EXPECT_EQ(run_words("statement -p acme", terminal, server.around()), 0) << terminal.said;
  EXPECT_EQ(terminal.shown,
            "acme  2026-05-01T00:00:00Z to 2026-06-01T00:00:00Z  (UTC)\n\n"
            "PROJECT  METER     SKU    WHAT  QUANTITY  UNIT        AMOUNT  NOTE       LINE\n"
            "acme/v   gpu_time  sim-a  -          0.5  GPU-hour  1.25 SIM  simulated  line_1\n"
            "\nOF        AMOUNT\noutage  -0.1 USD\n"
            "\nborne by endpoints whose callers pay by the token; no part of the total\n"
            "PROJECT  METER     SKU  WHAT           QUANTITY  UNIT      AMOUNT  NOTE  LINE\n"
            "acme/v   gpu_time  a    endpoint chat         2  GPU-hour   4 USD  -     line_2\n"
            "borne  4 USD\n"
            "\ntotal  1.25 SIM  (simulated: on no invoice)\ntotal  0.3 USD\n"
            "to pay  0.2 USD\n"
            "what is behind a line: bessemer explain charge LINE\n");
}

TEST(Calls, AFoldedStatementSaysSo) {
  ScriptedServer server({{"GET /api/v1/statement?org=acme", {{200,
      R"({"tenant_path":"acme","from":"2024-05-01T00:00:00Z","until":"2024-06-01T00:00:00Z",)"
      R"("zone":"UTC","lines":[],"totals":["1 USD"],"complete":true,"folded":true})"}}}});
  FakeTerminal terminal;
  EXPECT_EQ(run_words("statement -p acme", terminal, server.around()), 0) << terminal.said;
  EXPECT_NE(terminal.shown.find("folded: invoiced more than 14 months ago"), std::string::npos)
      << terminal.shown;
}

TEST(Calls, AChargeAndARefusalAreExplained) {
  ScriptedServer server(
      {{"GET /api/v1/charges/line_1/explanation", {{200,
        R"({"id":"line_1","sentence":"2 x GPU-hour is 4 USD","rounding":"a x b / c = d nano",)"
        R"("line":{"zone":"UTC"},"records":[{"sequence":7,"recorded_at":"2026-05-01T00:00:00Z",)"
        R"("source":"alc_1","from":"2026-05-01T00:00:00Z","until":"2026-05-01T02:00:00Z",)"
        R"("quantity":"72","amount":"4 USD"}],"record_count":1,"agrees":true})"}}},
       {"GET /api/v1/refusals/17/explanation", {{200,
        R"({"sentence":"budget is used up","rule":"every budget","next":"raise it",)"
        R"("budgets":[{"name":"cap","path":"acme","limit":"1 USD","used":"1 USD",)"
        R"("held":"0 USD","leased":"0 USD"}]})"}}}});
  FakeTerminal terminal;
  EXPECT_EQ(run_words("explain charge line_1", terminal, server.around()), 0) << terminal.said;
  EXPECT_NE(terminal.shown.find("2 x GPU-hour is 4 USD\na x b / c = d nano\n"), std::string::npos);
  EXPECT_NE(terminal.shown.find("alc_1"), std::string::npos);
  EXPECT_NE(terminal.shown.find("1 records; they add up\n"), std::string::npos);
  terminal.shown.clear();
  EXPECT_EQ(run_words("explain refusal 17", terminal, server.around()), 0) << terminal.said;
  EXPECT_EQ(terminal.shown,
            "budget is used up\nrule: every budget\nnext: raise it\n\n"
            "BUDGET  ON    LIMIT   USED   HELD  LEASED\n"
            "cap     acme  1 USD  1 USD  0 USD   0 USD\n");
}

TEST(Calls, NobodyAnswers) {
  Surroundings around;
  around.variables = {{"BESSEMER_URL", "unix:/nowhere/api.sock"}, {"BESSEMER_KEY", "k"}};
  FakeTerminal terminal;
  EXPECT_EQ(run_words("status", terminal, around), 1);
  EXPECT_TRUE(terminal.said.starts_with("bessemer: asking unix:/nowhere/api.sock: "))
      << terminal.said;
}

TEST(Calls, WatchShowsChangesOnly) {
  ScriptedServer server({{"GET /api/v1/status",
                          {{200, R"({"n":1})"}, {200, R"({"n":1})"}, {200, R"({"n":2})"}}}});
  FakeTerminal terminal;
  EXPECT_EQ(run_words("status -w", terminal, server.around()), 0);
  EXPECT_EQ(terminal.shown, "n  1\nn  2\n");
}

TEST(Calls, AFollowedJobGivesItsExitStatus) {
  const std::string id = "wl_00000000000000000000000001";
  const std::string ended = R"({"id":")" + id + R"(","phase":"failed","reason":"exit_code",)" +
                            R"("attempts":[{"tasks":[{"exit_code":3}]}]})";
  ScriptedServer server({
      {"POST /api/v1/jobs", {{201, R"({"id":")" + id + R"(","phase":"queued"})"}}},
      {"GET /api/v1/jobs/" + id,
       {{200, R"({"phase":"queued","held":"the budget is used up"})"},
        {200, R"({"phase":"running"})"}, {200, ended}}},
      {"GET /api/v1/jobs/" + id + "/logs?follow=true", {{200, "epoch 1\n"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("run -p acme -g 1 -c 0.5 -m 1GiB -s lr=0.1 -s name=x -- python3 train.py",
                      terminal, server.around()), 3) << terminal.said;
  EXPECT_EQ(server.seen[0].body,
            R"({"project":"acme","resources":{"gpus":1,"cpu_millis":500,)"
            R"("memory_bytes":1073741824},"parameters":{"lr":0.1,"name":"x"},)"
            R"("command":["python3","train.py"]})");
  EXPECT_EQ(terminal.shown, "epoch 1\n");
  EXPECT_NE(terminal.said.find("queued: the budget is used up\n"), std::string::npos);
  EXPECT_NE(terminal.said.find("failed: exit_code 3"), std::string::npos) << terminal.said;
}

TEST(Completion, NamesComeFromTheFactory) {
  ScriptedServer server({
      {"GET /api/v1/jobs?project=acme",
       {{200, R"({"items":[{"id":"wl_1","name":"train"},{"id":"wl_2","name":"test"},)"
              R"({"id":"wl_3","name":"train"},{"id":"wl_4","name":"other"}]})"}}},
      {"GET /api/v1/orgs", {{200, R"({"items":[{"path":"acme"},{"path":"acme/vision"}]})"}}},
  });
  const auto completed = [&](std::vector<std::string> words) {
    FakeTerminal terminal;
    words.insert(words.begin(), {"__complete", "--"});
    EXPECT_EQ(run(words, terminal, server.around()), 0) << terminal.said;
    EXPECT_EQ(terminal.said, "") << "a shell has nobody to tell";
    return terminal.shown;
  };
  EXPECT_EQ(completed({"logs", "-p", "acme", "t"}), "test\ntrain\n");
  EXPECT_EQ(completed({"job", "list", "-p", "acme/"}), "acme/vision\n");
  EXPECT_EQ(completed({"model", "get", "-p", "acme", ""}), "") << "the factory refuses: no word";
  EXPECT_EQ(completed({"job", "ca"}), "cancel\n");
  EXPECT_EQ(completed({}), "");
}

TEST(Completion, WithoutAFactoryThereAreWordsOfTheTableOnly) {
  Folder folder;
  Surroundings around;
  around.working_directory = folder.path();
  around.variables = {{"HOME", folder.path()}, {"BESSEMER_URL", "unix:/nowhere.sock"},
                      {"BESSEMER_KEY", "k"}};
  FakeTerminal terminal;
  EXPECT_EQ(run_words("__complete -- logs t", terminal, around), 0);
  EXPECT_EQ(run_words("__complete -- completion ", terminal, around), 0);
  EXPECT_EQ(terminal.shown + terminal.said, "bash\nfish\nzsh\n");
}

TEST(Calls, TheNewestOfSeveralJobsIsMeant) {
  const std::string first = "wl_00000000000000000000000001";
  const std::string last = "wl_00000000000000000000000002";
  ScriptedServer server({
      {"GET /api/v1/jobs?project=acme&limit=500",
       {{200, R"({"items":[{"id":")" + first + R"(","name":"train"},{"id":")" + last +
                  R"(","name":"train"}]})"}}},
      {"GET /api/v1/jobs/" + last, {{200, R"({"id":"x"})"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("job get train -p acme", terminal, server.around()), 0) << terminal.said;
}

TEST(Calls, APrincipalMayBelongToANodeAbove) {
  const std::string robot = "usr_00000000000000000000000001";
  ScriptedServer server({
      {"GET /api/v1/principals?org=acme%2Fvision&limit=500", {{200, R"({"items":[]})"}}},
      {"GET /api/v1/principals?org=acme&limit=500",
       {{200, R"({"items":[{"id":")" + robot + R"(","name":"robot"}]})"}}},
      {"POST /api/v1/bindings", {{201, R"({"role":"viewer"})"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("role grant robot viewer -p acme/vision", terminal, server.around()), 0)
      << terminal.said;
  EXPECT_EQ(server.seen.back().body,
            R"({"org":"acme/vision","principal":")" + robot + R"(","role":"viewer"})");
}

}  // namespace
}  // namespace bessemer::cli
