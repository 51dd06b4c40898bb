// The words of a command line, read by a table.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bessemer::cli {

class Session;

// How a word becomes JSON.
enum class As : std::uint8_t {
  nothing,  // the command's own code reads it
  text,
  number,   // a whole number
  flag,     // true when given
  list,     // given several times: a list of texts
  pairs,    // NAME=VALUE, several times: an object of texts
  values,   // NAME=VALUE, several times: an object of JSON values, or texts where it is none
  json,     // JSON as it stands, or YAML
  bytes,    // "512MiB" -> 536870912
  milli,    // "0.5" -> 500
};

// --name VALUE, or --name alone when `value` is empty.
struct Option {
  std::string_view name;   // "project", without the dashes
  char letter = 0;         // 'p' for -p; 0: none
  std::string_view value;  // what stands for the value in help: "PATH"
  std::string_view help;
  As as = As::nothing;
  std::string_view field;  // where it goes: "resources.gpus" in the body, "?after" in the query
  std::string_view choices = {};  // the words it may be; empty: any
  std::string_view lookup = {};   // a list in which a name is found when the word is not an id
  bool repeated() const { return as == As::list || as == As::pairs || as == As::values; }
};

// A word that is not an option. The target may name it in braces.
struct Operand {
  std::string_view name;  // "JOB"
  std::string_view help;
  enum class Times : std::uint8_t { once, optional, any } times = Times::once;
  As as = As::nothing;
  std::string_view field;
  std::string_view lookup;   // a list in which a name is found when the word is not an id
  std::string_view choices;  // "table json": the words it may be; empty: any
};

// What the user typed, taken apart.
struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::vector<std::string> operands;
  std::vector<std::string> rest;  // after "--"
  bool has(std::string_view option) const { return options.contains(option); }
  // The last value given; nothing when absent.
  std::optional<std::string> value(std::string_view option) const;
  std::vector<std::string> values(std::string_view option) const;
  // Empty when it was left out.
  std::string operand(std::size_t index) const;
};

struct Noun;

// One command: either a request that follows from the table alone (`method` and `target`), or code.
struct Command {
  std::string_view path;     // "job list"
  std::string_view summary;  // one line
  std::string_view method;   // "POST"
  std::string_view target;   // "/api/v1/jobs/{JOB}/cancel"; {project} is --project
  const Noun* noun = nullptr;
  std::string_view project;  // where --project goes besides: "?project", "project"; empty: nowhere
  std::vector<Operand> operands;
  std::vector<Option> options;
  Result<int> (*run)(Session&) = nullptr;  // null: the request; returns the exit status
  std::string_view details;  // more help, with examples; may be empty
  std::string_view rest;     // what follows "--": "COMMAND..."; empty: nothing may
};

// Options that every command takes.
const std::vector<Option>& common_options();

// A command and what was said to it.
struct Parsed {
  const Command* command = nullptr;
  Arguments arguments;
};

// Finds the longest command that the first words name and reads the rest. Errors: invalid, naming
// the nearest known word. `--help` needs no operands and is in the arguments.
Result<Parsed> parse_arguments(const std::vector<Command>& commands,
                               const std::vector<std::string>& words);

// What the last, unfinished word of a command line stands for.
struct Unfinished {
  const Command* command = nullptr;   // null: the words before name none yet
  Arguments arguments;                // what the words before say
  const Option* option = nullptr;     // the word is this option's value, or else
  const Operand* operand = nullptr;   // this operand; neither: a word of a path, or an option
};
Unfinished unfinished(const std::vector<Command>& commands, const std::vector<std::string>& words);
// The words that may follow `words`, of which the last is unfinished, as far as the table knows
// them. Sorted.
std::vector<std::string> completions(const std::vector<Command>& commands,
                                     const std::vector<std::string>& words);
// Errors: invalid for another shell than bash, zsh, fish.
Result<std::string> completion_script(std::string_view shell);

}  // namespace bessemer::cli
