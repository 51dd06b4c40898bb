// The words of command lines, and the table they are read by.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "application/cli/arguments.h"
#include "application/cli/catalog.h"
#include "application/cli/fakes.h"
#include "application/cli/help.h"
#include "application/cli/inside.h"
#include "application/cli/session.h"
#include "application/cli/work.h"

namespace bessemer::cli {
namespace {

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
    const std::string name = file.path().filename().string();
    if (!name.ends_with(".cc") || name.ends_with("_test.cc")) continue;
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
  using Words = std::vector<std::string>;
  EXPECT_EQ(completions(commands, {"pipeline", "r"}), (Words{"retry", "run", "runs"}));
  EXPECT_EQ(completions(commands, {"job", "list", "--ou"}), Words{"--output"});
  EXPECT_EQ(completions(commands, {"job", "list", "--output", "j"}), Words{"json"});
  EXPECT_EQ(completions(commands, {"role", "grant", "robot", "v"}), Words{"viewer"});
  EXPECT_EQ(completions(commands, {"__"}), Words{});
  for (const char* shell : {"bash", "zsh", "fish"}) EXPECT_TRUE(completion_script(shell)) << shell;
  EXPECT_FALSE(completion_script("cmd"));
}

TEST(Arguments, EveryCommandHasAnExampleThatCanBeTyped) {
  const auto commands = all_commands();
  for (const Command& command : commands) {
    if (command.path.starts_with("__")) continue;
    const std::string text = help(commands, command.path);
    const std::size_t at = text.find("For example:\n");
    ASSERT_NE(at, std::string::npos) << command.path;
    const std::string shown = "bessemer " + std::string(command.path);
    EXPECT_NE(text.find(command.path == "apply" ? "kind: " : shown, at), std::string::npos) << text;
    if (!command.details.empty()) continue;
    std::vector<std::string> words;
    const std::string example = example_of(command);
    for (const auto word : split(example, ' ')) words.emplace_back(word);
    words.erase(words.begin());
    const auto parsed = parse_arguments(commands, words);
    ASSERT_TRUE(parsed) << example_of(command) << ": " << to_text(parsed.error());
    EXPECT_EQ(parsed->command->path, command.path) << example_of(command);
  }
}

TEST(Arguments, WhatAnUnfinishedWordStandsFor) {
  const auto commands = all_commands();
  EXPECT_EQ(unfinished(commands, {"jo"}).command, nullptr);
  Unfinished at = unfinished(commands, {"logs", "-p", "acme", "-f", ""});
  ASSERT_NE(at.operand, nullptr);
  EXPECT_EQ(at.operand->name, "JOB");
  EXPECT_EQ(at.arguments.value("project"), "acme");
  at = unfinished(commands, {"logs", "--project", "ac"});
  ASSERT_NE(at.option, nullptr);
  EXPECT_EQ(at.option->name, "project");
  EXPECT_EQ(at.operand, nullptr);
  EXPECT_EQ(unfinished(commands, {"logs", "train", "x"}).operand, nullptr) << "one job only";
  EXPECT_EQ(unfinished(commands, {"logs", "--fo"}).operand, nullptr);
  EXPECT_EQ(unfinished(commands, {"run", "--", "py"}).operand, nullptr);
  EXPECT_EQ(unfinished(commands, {"job", "cancel", "--why=a", "t"}).operand->name, "JOB");
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

}  // namespace
}  // namespace bessemer::cli
