// The command line against a small server, and its parts by tables.
#include "application/cli/cli.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "application/cli/apply.h"
#include "application/cli/catalog.h"
#include "application/cli/document.h"
#include "application/cli/inside.h"
#include "application/cli/profile.h"
#include "application/cli/session.h"
#include "application/cli/table.h"
#include "application/cli/transfer.h"
#include "application/cli/work.h"
#include "application/http/parse.h"
#include "application/http/write.h"
#include "base/text.h"
#include "world/real/socket.h"

namespace bessemer::cli {
namespace {

namespace fs = std::filesystem;

class FakeTerminal final : public Terminal {
 public:
  std::string shown, said, typed;
  int pauses_left = 3;
  void out(std::string_view text) override { shown += text; }
  void err(std::string_view text) override { said += text; }
  bool is_interactive() const override { return false; }
  std::size_t columns() const override { return 0; }
  Result<std::string> input(std::size_t limit) override {
    if (typed.size() > limit) return invalid("the standard input is too large");
    return typed;
  }
  bool pause(Duration) override { return pauses_left-- > 0; }
  Instant now() const override { return Instant{1'800'000'000'000'000'000}; }
  std::string fresh_key() override { return "key-" + std::to_string(++keys_); }

 private:
  int keys_ = 0;
};

// A folder of its own, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "bessemer-cli-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text, int mode = 0644) const {
    const std::string path = path_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << text;
    ::chmod(path.c_str(), static_cast<mode_t>(mode));
    return path;
  }

 private:
  std::string path_;
};

// Answers requests over a unix socket from a script: what is asked is kept, what is answered given.
class ScriptedServer {
 public:
  struct Seen {
    std::string method, target, body, key, idempotency;
  };
  using Answer = std::pair<int, std::string>;

  explicit ScriptedServer(std::map<std::string, std::vector<Answer>> answers)
      : answers_(std::move(answers)) {
    real::Address address;
    address.path = folder_.path() + "/api.sock";
    listener_ = real::listen_on(address).value();
    real::set_blocking(listener_, real::Blocking::yes);
    thread_ = std::jthread([this] { serve(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_.get(), 2);
    thread_.join();
  }
  Surroundings around() const {
    Surroundings around;
    around.variables = {{"BESSEMER_URL", "unix:" + folder_.path() + "/api.sock"},
                        {"BESSEMER_KEY", "bsm_secret"},
                        {"HOME", folder_.path()}};
    around.working_directory = folder_.path();
    return around;
  }
  std::vector<Seen> seen;

 private:
  void serve() {
    while (true) {
      const int socket = ::accept(listener_.get(), nullptr, nullptr);
      if (socket < 0) return;
      std::string buffer;
      while (one(socket, buffer)) {
      }
      ::close(socket);
    }
  }
  bool one(int socket, std::string& buffer) {
    http::RequestHead head;
    char piece[4096];
    while (true) {
      const auto parsed = http::parse_request(buffer, head);
      const bool whole = parsed.state == http::Parsed::complete &&
                         buffer.size() >= head.bytes + head.content_length;
      if (whole) break;
      const ssize_t got = ::read(socket, piece, sizeof piece);
      if (got <= 0) return false;
      buffer.append(piece, static_cast<std::size_t>(got));
    }
    const auto field = [&](std::string_view name) {
      return std::string(head.fields.find(name).value_or(""));
    };
    Seen request{std::string(head.method_text), std::string(head.target),
                 buffer.substr(head.bytes, head.content_length), field("authorization"),
                 field("idempotency-key")};
    buffer.erase(0, head.bytes + head.content_length);
    Answer answer{404, R"({"detail":"no such path in the script"})"};
    auto& left = answers_[request.method + " " + request.target];
    if (!left.empty()) {
      answer = left.front();
      if (left.size() > 1) left.erase(left.begin());
    }
    seen.push_back(std::move(request));
    const std::string text = "HTTP/1.1 " + std::to_string(answer.first) +
                             " x\r\ncontent-type: application/json\r\nbessemer-seq: 7\r\n"
                             "content-length: " + std::to_string(answer.second.size()) +
                             "\r\n\r\n" + answer.second;
    return ::write(socket, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

  Folder folder_;
  std::map<std::string, std::vector<Answer>> answers_;
  real::Descriptor listener_;
  std::jthread thread_;
};

int run_words(std::string_view line, FakeTerminal& terminal, const Surroundings& around) {
  std::vector<std::string> words;
  for (const auto word : split(line, ' ')) words.emplace_back(word);
  return run(words, terminal, around);
}

// ---- documents

constexpr std::string_view sample =
    R"({"id":"wl_1","spec":{"name":"train","gpus":2},"attempts":[{"n":1},{"n":2}],"none":null})";

TEST(Documents, FindAndWrite) {
  const Document document = parse_document(sample).value();
  EXPECT_EQ(document.text("spec.name"), "train");
  EXPECT_EQ(document.text("attempts.-1.n"), "2");
  EXPECT_EQ(document.text("attempts.0.n"), "1");
  EXPECT_EQ(document.text("attempts.9.n"), "");
  EXPECT_EQ(document.find("none"), nullptr);
  EXPECT_EQ(to_json(document, Layout::compact), sample);
  EXPECT_EQ(parse_document(to_json(document)).value(), document);
  for (const char* bad : {"{", "", "1,2", "{} {}", "nope"}) {
    EXPECT_FALSE(parse_document(bad)) << bad;
  }
  EXPECT_EQ(to_json(parse_document("12345678901234567890.10").value(), Layout::compact),
            "12345678901234567890.10") << "no digit is lost";
}

TEST(Documents, Yaml) {
  const Document document = parse_document(
      R"({"name":"a b","yes":"yes","n":"5","list":[{"x":1,"y":[]},"z"],"empty":{}})").value();
  EXPECT_EQ(to_yaml(document),
            "name: \"a b\"\n\"yes\": \"yes\"\nn: \"5\"\nlist:\n  - x: 1\n    y: []\n  - z\n"
            "empty: {}\n");
}

TEST(Documents, Differences) {
  const auto diff = [](std::string_view now, std::string_view wanted, Compare how) {
    return join(differences(parse_document(now).value(), parse_document(wanted).value(), how), "|");
  };
  EXPECT_EQ(diff(R"({"a":1,"b":{"c":[1,2]},"d":3})", R"({"b":{"c":[2,1]},"a":1})",
                 Compare::declared_only), "");
  EXPECT_EQ(diff(R"({"p":[{"sku":"x","amount":"2.5 USD","per":"1"},{"sku":"y"}],"t":"1h"})",
                 R"({"p":[{"sku":"y"},{"sku":"x","amount":"2.50 USD"}],"t":"60m"})",
                 Compare::declared_only), "") << "other spellings and orders are no difference";
  EXPECT_NE(diff(R"({"p":["1 USD"]})", R"({"p":["2 USD"]})", Compare::declared_only), "");
  EXPECT_EQ(diff(R"({"a":1,"d":3})", R"({"a":2,"e":"x"})", Compare::whole),
            "  a: 1 -> 2|+ e: x|- d: 3");
}

// ---- tables

TEST(Tables, AlignedAndSafe) {
  const Document rows = parse_document(
      R"([{"n":"é","b":1536,"t":"2027-01-15T07:59:00Z"},{"n":"\u001b[31mred","b":3}])").value();
  const std::vector<Column> columns = {
      {"NAME", "n"}, {"BYTES", "b", Show::bytes}, {"AGE", "t", Show::age}};
  EXPECT_EQ(render_table(columns, {&rows.members[0].second, &rows.members[1].second},
                         FakeTerminal().now(), 0),
            "NAME        BYTES  AGE\né         1.5 KiB  60s\n?[31mred      3 B  -\n");
  EXPECT_EQ(printable("a\xc2\x9b" "b\x7f"), "a?b?");
}

// ---- arguments

std::string refusal(std::string_view line) {
  std::vector<std::string> words;
  for (const auto word : split(line, ' ')) words.emplace_back(word);
  const auto parsed = parse_arguments(all_commands(), words);
  return parsed ? "" : to_text(parsed.error());
}

TEST(Arguments, WrongWordsNameTheNearest) {
  EXPECT_EQ(refusal("jbo list"), "there is no command 'jbo'; did you mean 'job'?");
  EXPECT_EQ(refusal("job lst"), "there is no command 'lst' of job; did you mean 'list'?");
  EXPECT_EQ(refusal("job"), "'job' needs a word after it; see: bessemer job --help");
  EXPECT_EQ(refusal("job get"), "'job get' needs JOB; see: bessemer job get --help");
  EXPECT_EQ(refusal("job get a b"), "'b' is one word too many; see: bessemer job get --help");
  EXPECT_EQ(refusal("job list --outptu json"),
            "'job list' has no option --outptu; did you mean '--output'?");
  EXPECT_EQ(refusal("job list -o"), "--output needs a value: FORMAT");
  EXPECT_EQ(refusal("job list -o json -o yaml"), "--output is given twice");
  EXPECT_EQ(refusal("job list --watch=yes"), "--watch takes no value");
  EXPECT_EQ(refusal("job list -- x"), "nothing may follow --");
  EXPECT_EQ(refusal("run -g1 --env A=1 -eB=2 -- true --help"), "");
}

TEST(Arguments, TheTableIsSound) {
  std::set<std::string_view> paths;
  for (const Command& command : all_commands()) {
    SCOPED_TRACE(command.path);
    EXPECT_TRUE(paths.insert(command.path).second) << "twice";
    EXPECT_FALSE(command.summary.empty());
    EXPECT_TRUE(command.run != nullptr || !command.target.empty());
    std::set<char> letters;
    std::set<std::string_view> names;
    for (const auto* options : {&command.options, &common_options()}) {
      for (const Option& option : *options) {
        EXPECT_TRUE(names.insert(option.name).second) << option.name;
        EXPECT_TRUE(option.letter == 0 || letters.insert(option.letter).second) << option.name;
      }
    }
    for (std::size_t at = command.target.find('{'); at != std::string_view::npos;
         at = command.target.find('{', at + 1)) {
      const auto name = command.target.substr(at + 1, command.target.find('}', at) - at - 1);
      bool known = name == "project";
      for (const Operand& operand : command.operands) known |= operand.name == name;
      EXPECT_TRUE(known) << name;
    }
  }
}

// Every path that stands in the sources is among the requests that a test compares with the API.
TEST(Arguments, NoRequestIsUndeclared) {
  const auto declared = all_requests();
  auto root = fs::current_path();
  while (!fs::exists(root / "LAYERS") && root.has_relative_path()) root = root.parent_path();
  std::size_t found = 0;
  for (const auto& file : fs::directory_iterator(root / "src/application/cli")) {
    if (file.path().extension() != ".cc" || file.path().stem() == "cli_test") continue;
    std::stringstream text;
    text << std::ifstream(file.path()).rdbuf();
    const std::string source = text.str();
    for (auto at = source.find("\"/api/v1/"); at != std::string::npos;
         at = source.find("\"/api/v1/", at + 1)) {
      std::string path = source.substr(at + 1, source.find('"', at + 1) - at - 1);
      if (path == "/api/v1/...") continue;
      for (auto open = path.find('{'); open != std::string::npos; open = path.find('{', open + 1)) {
        path.replace(open, path.find('}', open) - open + 1, "{}");
      }
      ++found;
      EXPECT_TRUE(std::any_of(declared.begin(), declared.end(), [&](const std::string& request) {
        return request.ends_with(" " + path) || request.find(" " + path + "/") != std::string::npos;
      })) << path << " in " << file.path();
    }
  }
  EXPECT_GT(found, 50u);
}

TEST(Arguments, HelpAndCompletion) {
  const auto commands = all_commands();
  const std::string all = help(commands, "");
  for (const Command& command : commands) {
    if (command.path.starts_with("__")) continue;
    EXPECT_NE(all.find("  " + std::string(command.path)), std::string::npos) << command.path;
    EXPECT_NE(help(commands, command.path).find("Usage: bessemer " + std::string(command.path)),
              std::string::npos);
  }
  EXPECT_EQ(completions(commands, {"pipeline", "r"}), "retry\nrun\nruns\n");
  EXPECT_EQ(completions(commands, {"job", "list", "--ou"}), "--output\n");
  EXPECT_EQ(completions(commands, {"__"}), "");
  for (const char* shell : {"bash", "zsh", "fish"}) EXPECT_TRUE(completion_script(shell)) << shell;
  EXPECT_FALSE(completion_script("cmd"));
}

TEST(Words, Sizes) {
  EXPECT_EQ(parse_bytes("100").value(), 100u);
  EXPECT_EQ(parse_bytes("512MiB").value(), 512u << 20);
  EXPECT_EQ(parse_bytes("2G").value(), 2ull << 30);
  EXPECT_EQ(parse_bytes("1TB").value(), 1ull << 40);
  for (const char* bad : {"", "x", "5XB", "-1", "1.5G", "99999999999999999999", "9999999P"}) {
    EXPECT_FALSE(parse_bytes(bad)) << bad;
  }
}

TEST(Words, Inputs) {
  EXPECT_EQ(to_json(parse_input("d=dataset:mnist@3").value(), Layout::compact),
            R"({"name":"d","dataset":"mnist@3"})");
  EXPECT_TRUE(parse_input("x=" + std::string(64, 'a'))->find("artifact"));
  for (const char* bad : {"", "x", "=y", "x=", "x=mnist"}) EXPECT_FALSE(parse_input(bad)) << bad;
}

// ---- profiles

TEST(Words, PathsInTasksAndPorts) {
  EXPECT_EQ(parse_task_path("train:/tmp/x"), (TaskPath{"train", "/tmp/x"}));
  EXPECT_EQ(parse_task_path("wl_0:a:b"), (TaskPath{"wl_0", "a:b"}));
  for (const char* local : {"x", "./a:b", "/a:b", ":b", ""}) {
    EXPECT_FALSE(parse_task_path(local).has_value()) << local;
  }
  EXPECT_EQ(parse_ports("8080:80").value(), (Ports{8080, 80}));
  EXPECT_EQ(parse_ports("80").value(), (Ports{80, 80}));
  EXPECT_EQ(parse_ports(":80").value(), (Ports{0, 80}));
  for (const char* wrong : {"", ":", "80:", "0", "80:0", "65536", "70000:80", "a:80", "1:2:3"}) {
    EXPECT_FALSE(parse_ports(wrong).has_value()) << wrong;
  }
}

TEST(Profiles, InTheirOrder) {
  Folder folder;
  Surroundings around;
  around.working_directory = folder.path();
  around.variables["HOME"] = folder.path();
  Arguments none, lab;
  lab.options["context"] = {"lab"};
  EXPECT_EQ(find_profile(none, around).error().code, Code::unavailable);
  EXPECT_EQ(find_profile(lab, around).error().code, Code::not_found);

  folder.write("factory/run/api.sock", "");
  folder.write("factory/secrets/admin.key", "bsm_admin\n", 0600);
  EXPECT_EQ(find_profile(none, around)->name, "local factory");
  EXPECT_EQ(find_profile(none, around)->key.reveal(), "bsm_admin");

  folder.write(".config/bessemer/config.yaml",
               "current: home\ncontexts:\n  home: {url: \"http://127.0.0.1:7420/\", key: k1, "
               "project: acme/vision}\n  lab: {url: \"unix:/lab.sock\", key: k2}\n",
               0600);
  EXPECT_EQ(find_profile(none, around)->name, "context home");
  EXPECT_EQ(find_profile(none, around)->address.port, 7420);
  EXPECT_EQ(find_profile(none, around)->project, "acme/vision");

  around.variables["BESSEMER_URL"] = "127.0.0.1:9";
  EXPECT_EQ(find_profile(none, around).error().what, "BESSEMER_URL is set and BESSEMER_KEY is not");
  around.variables["BESSEMER_KEY"] = "k3";
  EXPECT_EQ(find_profile(none, around)->key.reveal(), "k3");
  EXPECT_EQ(find_profile(lab, around)->address.path, "/lab.sock") << "--context comes first";

  ::chmod((folder.path() + "/.config/bessemer/config.yaml").c_str(), 0644);
  EXPECT_EQ(find_profile(lab, around).error().code, Code::forbidden) << "others may read the keys";
}

TEST(Profiles, ContextsAreKept) {
  Folder folder;
  Surroundings around;
  around.working_directory = folder.path();
  around.variables["HOME"] = folder.path();
  FakeTerminal terminal;
  terminal.typed = "bsm_typed\n";
  ASSERT_EQ(run_words("context set lab --url http://127.0.0.1:1 --key-stdin -p acme", terminal,
                      around), 0) << terminal.said;
  ASSERT_EQ(run_words("context list", terminal, around), 0);
  EXPECT_NE(terminal.shown.find("*  lab   http://127.0.0.1:1  acme"), std::string::npos)
      << terminal.shown;
  EXPECT_EQ(terminal.shown.find("bsm_typed"), std::string::npos) << "keys are not shown";
  struct stat about {};
  ::stat((folder.path() + "/.config/bessemer/config.yaml").c_str(), &about);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_EQ(run_words("context use other", terminal, around), 1);
  EXPECT_EQ(run_words("context delete lab", terminal, around), 0);
}

// ---- calls

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
      {"GET /api/v1/jobs?project=acme&limit=500",
       {{200, R"({"items":[{"id":"wl_1","name":"a"},{"id":"wl_2","name":"b"},)"
              R"({"id":"wl_3","name":"b"}]})"}}},
      {"GET /api/v1/jobs/wl_1", {{200, R"({"id":"wl_1","phase":"queued"})"}}},
  });
  FakeTerminal terminal;
  EXPECT_EQ(run_words("job get a -p acme -o json", terminal, server.around()), 0);
  EXPECT_EQ(terminal.shown, "{\n  \"id\": \"wl_1\",\n  \"phase\": \"queued\"\n}\n");
  EXPECT_EQ(run_words("job get b -p acme", terminal, server.around()), 1);
  EXPECT_EQ(run_words("job get c -p acme", terminal, server.around()), 1);
  EXPECT_EQ(terminal.said, "bessemer: several things are called 'b'; use the id\n"
                           "bessemer: there is no 'c' in acme\n");
}

TEST(Calls, AStatementAddsUp) {
  ScriptedServer server({{"GET /api/v1/statement?org=acme", {{200,
      R"({"lines":[{"project_path":"acme/v","meter":"gpu_time","sku":"sim-a","units":"0.5",)"
      R"("unit":"GPU-hour","amount":"1.25 SIM","simulated":true}],"adjustments":[],)"
      R"("totals":["1.25 SIM","0.1 USD"],"complete":true})"}}}});
  FakeTerminal terminal;
  EXPECT_EQ(run_words("statement -p acme", terminal, server.around()), 0) << terminal.said;
  EXPECT_EQ(terminal.shown,
            "PROJECT  METER     SKU    WHAT  QUANTITY  UNIT        AMOUNT  NOTE\n"
            "acme/v   gpu_time  sim-a  -          0.5  GPU-hour  1.25 SIM  simulated\n"
            "\ntotal  1.25 SIM,0.1 USD\n");
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

// ---- apply

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
  EXPECT_TRUE(terminal.said.starts_with("bessemer: kind: -, document 1: is not known: rocket; one "
                                        "of: ")) << terminal.said;
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

// ---- trees

TEST(Trees, ReadWithoutWhatIsIgnored) {
  Folder folder;
  folder.write("train.py", "print(1)", 0755);
  folder.write("data/a.csv", "1,2");
  folder.write(".git/config", "x");
  folder.write("lib/__pycache__/m.pyc", "x");
  folder.write("out/model.bin", "x");
  folder.write("notes.tmp", "x");
  folder.write(".bessemerignore", "# mine\nout/\n*.tmp\n");
  const auto manifest = read_tree(folder.path()).value();
  std::vector<std::string> paths;
  for (const auto& entry : manifest.entries) paths.push_back(entry.path);
  EXPECT_EQ(paths, (std::vector<std::string>{".bessemerignore", "data/a.csv", "train.py"}));
  EXPECT_TRUE(manifest.entries[2].executable);
  EXPECT_EQ(manifest.entries[1].digest, sha256("1,2"));

  fs::create_symlink("/etc/passwd", folder.path() + "/leak");
  EXPECT_EQ(read_tree(folder.path()).error().what, "leak is a link that leads out of the folder");
  fs::remove(folder.path() + "/leak");
  fs::create_symlink("train.py", folder.path() + "/same.py");
  EXPECT_EQ(read_tree(folder.path())->entries.size(), 4u) << "a link inside is its target";
  EXPECT_EQ(read_tree(folder.path() + "/nothing").error().code, Code::not_found);
}

TEST(Trees, Patterns) {
  const struct {
    const char* pattern;
    const char* path;
    bool folder, ignored;
  } table[] = {
      {"*.tmp", "a/b.tmp", false, true},  {"*.tmp", "b.tmpx", false, false},
      {"out/", "out", true, true},        {"out/", "out", false, false},
      {"/out", "out", true, true},        {"a/*.c", "a/x.c", false, true},
      {"a/*.c", "a/b/x.c", false, false}, {"x*y*z", "xaybz", false, true},
  };
  for (const auto& row : table) {
    EXPECT_EQ(is_ignored({row.pattern}, row.path, row.folder), row.ignored)
        << row.pattern << " " << row.path;
  }
}

TEST(Trees, OnlyWhatIsMissingTravels) {
  Folder folder;
  folder.write("a", "alpha");
  folder.write("b", "beta");
  const std::string beta = to_text(sha256("beta"));
  const std::string upload = "upl_00000000000000000000000001";
  ScriptedServer server({
      {"POST /api/v1/trees?project=acme",
       {{200, R"({"missing":[")" + beta + R"("]})"}, {200, R"({"missing":[]})"}}},
      {"POST /api/v1/uploads", {{201, R"({"id":")" + upload + R"(","arrived":2})"}}},
      {"PATCH /api/v1/uploads/" + upload + "?offset=2", {{200, R"({"arrived":4})"}}},
      {"POST /api/v1/uploads/" + upload + "/commit", {{200, "{}"}}},
  });
  FakeTerminal terminal;
  ASSERT_EQ(run_words("artifact push " + folder.path() + " -p acme", terminal, server.around()), 0)
      << terminal.said;
  EXPECT_EQ(server.seen[1].idempotency, "upload-" + beta) << "a second try finds the first";
  EXPECT_EQ(server.seen[2].body, "ta") << "goes on where it was broken off";
  EXPECT_EQ(terminal.shown, to_text(artifact::digest_of(read_tree(folder.path()).value())) + "\n");
  EXPECT_EQ(terminal.said, "2 files, 9 bytes, 4 sent\n");
}

}  // namespace
}  // namespace bessemer::cli
