// Help, from the table of commands.
#include "application/cli/help.h"

#include <utility>

namespace bessemer::cli {
namespace {

void help_line(std::string& out, std::string left, std::string_view right) {
  constexpr std::size_t column = 30;
  out += "  " + left;
  out += left.size() + 2 < column ? std::string(column - left.size() - 2, ' ')
                                  : "\n" + std::string(column, ' ');
  out += std::string(right) + "\n";
}

std::string usage_of(const Operand& operand) {
  const std::string name(operand.name);
  switch (operand.times) {
    case Operand::Times::once: return name;
    case Operand::Times::optional: return "[" + name + "]";
    case Operand::Times::any: return "[" + name + "...]";
  }
  return name;
}

void help_options(std::string& out, const std::vector<Option>& options) {
  for (const Option& option : options) {
    std::string left = option.letter == 0 ? "    " : std::string("-") + option.letter + ", ";
    left += "--" + std::string(option.name);
    if (!option.value.empty()) left += " " + std::string(option.value);
    help_line(out, left, option.help);
  }
}

std::string help_of(const Command& command) {
  std::string out = std::string(command.summary) + "\n\nUsage: bessemer " +
                    std::string(command.path);
  for (const Operand& operand : command.operands) out += " " + usage_of(operand);
  if (!command.options.empty()) out += " [options]";
  if (!command.rest.empty()) out += " -- " + std::string(command.rest);
  out += "\n";
  if (!command.operands.empty()) out += "\n";
  for (const Operand& operand : command.operands) {
    help_line(out, std::string(operand.name), operand.help);
  }
  if (!command.options.empty()) out += "\nOptions:\n";
  help_options(out, command.options);
  out += "\nEverywhere:\n";
  help_options(out, common_options());
  out += "\nFor example:\n" +
         (command.details.empty() ? "  " + example_of(command) : std::string(command.details)) +
         "\n";
  return out;
}

// What an operand could be, by its name.
std::string_view word_for(const Operand& operand) {
  static constexpr std::pair<std::string_view, std::string_view> words[] = {
      {"JOB", "train"}, {"ENDPOINT", "chat"}, {"PIPELINE", "first-factory"},
      {"RUN", "prn_01J9Z3NDEKTSV4RRFFQ69G5FAV"}, {"STEP", "train"}, {"DATASET", "mnist"},
      {"MODEL", "digits"}, {"NODE", "this-machine"}, {"KEY", "laptop"}, {"NAME", "laptop"},
      {"USER", "ada"}, {"PRINCIPAL", "robot"}, {"ROLE", "developer"}, {"PATH", "acme/vision"},
      {"POOL", "default"}, {"BUDGET", "monthly"}, {"LIMIT", "10"}, {"COUNTED", "endpoints"},
      {"BOOK", "standard"}, {"INVOICE", "inv_01J9Z3NDEKTSV4RRFFQ69G5FAV"}, {"PERIOD", "2026-11"},
      {"FOLDER", "data/"}, {"REPLICAS", "2"}, {"ALIAS", "champion"}, {"VERSION", "3"},
      {"SHELL", "bash"}, {"METHOD", "GET"}, {"THING", "model:digits@2"}};
  for (const auto& [name, word] : words) {
    if (operand.name == name) return word;
  }
  return operand.name;
}

}  // namespace

std::string example_of(const Command& command) {
  std::string out = "bessemer " + std::string(command.path);
  for (const Operand& operand : command.operands) {
    if (operand.times == Operand::Times::once) out += " " + std::string(word_for(operand));
  }
  const bool placed = !command.project.empty() && command.target.find("orgs") == std::string::npos;
  if (placed) out += command.project.ends_with("org") ? " -p acme" : " -p acme/vision";
  return out;
}

std::string help(const std::vector<Command>& commands, std::string_view path) {
  for (const Command& command : commands) {
    if (command.path == path) return help_of(command);
  }
  std::string out = path.empty()
      ? "bessemer: an AI factory. Data in, trained and tested models out, every cent accounted "
        "for.\n\nUsage: bessemer COMMAND [options]\n\n"
      : "Usage: bessemer " + std::string(path) + " COMMAND [options]\n\n";
  for (const Command& command : commands) {
    if (!path.empty() && !command.path.starts_with(std::string(path) + " ")) continue;
    if (command.path.starts_with("__")) continue;
    std::string left(command.path);
    for (const Operand& operand : command.operands) left += " " + usage_of(operand);
    help_line(out, left, command.summary);
  }
  out += "\nEverywhere:\n";
  help_options(out, common_options());
  out += "\nMore: bessemer COMMAND --help\n";
  return out;
}

}  // namespace bessemer::cli
