// Finds the command, carries it out, says in one line what went wrong.
#include "application/cli/cli.h"

#include "application/cli/catalog.h"
#include "application/cli/help.h"
#include "application/cli/session.h"
#include "base/text.h"

namespace bessemer::cli {
namespace {

constexpr int refused = 1, misused = 2;

int fail(Terminal& terminal, const Error& error, int status) {
  terminal.err("bessemer: " + printable(to_text(error)) + "\n");
  return status;
}

// The words before the first option.
std::string named(const std::vector<std::string>& words) {
  std::vector<std::string> path;
  for (const std::string& word : words) {
    if (word.starts_with('-')) break;
    path.push_back(word);
  }
  return join(path, " ");
}

bool asks_for_help(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "--help" || word == "-h") return true;
  }
  return words.empty() || words.front() == "help";
}

// True when the words name a group of commands, such as "job".
bool is_group(const std::vector<Command>& commands, const std::string& path) {
  for (const Command& command : commands) {
    if (command.path.starts_with(path + " ")) return true;
  }
  return false;
}

}  // namespace

int run(const std::vector<std::string>& words, Terminal& terminal, const Surroundings& around,
        const std::vector<Other>& others) {
  std::vector<Command> commands = all_commands();
  for (const Other& other : others) {
    commands.push_back({.path = other.path, .summary = other.summary});
  }
  if (asks_for_help(words)) {
    std::vector<std::string> about = words;
    if (!about.empty() && about.front() == "help") about.erase(about.begin());
    std::string path = named(about);
    const auto parsed = parse_arguments(commands, about);
    if (parsed) path = parsed->command->path;
    if (!parsed && !path.empty() && !is_group(commands, path)) {
      return fail(terminal, parsed.error(), misused);
    }
    terminal.out(help(commands, path));
    return 0;
  }
  const auto parsed = parse_arguments(commands, words);
  if (!parsed) return fail(terminal, parsed.error(), misused);
  Session session(commands, *parsed->command, parsed->arguments, terminal, around);
  if (auto how = session.output(); !how) return fail(terminal, how.error(), misused);
  auto* const carry_out = parsed->command->run != nullptr ? parsed->command->run : &run_request;
  const auto status = carry_out(session);
  return status ? *status : fail(terminal, status.error(), refused);
}

int run_process(int count, const char* const* words, const std::vector<Other>& others) {
  std::vector<std::string> given;
  for (int i = 1; i < count; ++i) given.emplace_back(words[i]);
  ProcessTerminal terminal;
  return run(given, terminal, process_surroundings(), others);
}

}  // namespace bessemer::cli
