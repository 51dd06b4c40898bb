// Reads command lines by a table and offers the nearest word for a wrong one.
#include "application/cli/arguments.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace bessemer::cli {
namespace {

// Edits between two words (Levenshtein), for "did you mean".
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t least = word.size() / 3 + 2;
  for (const std::string_view candidate : known) {
    const std::size_t edits = distance(word, candidate);
    if (edits < least) {
      least = edits;
      best = candidate;
    }
  }
  return best.empty() ? "" : "did you mean '" + std::string(best) + "'?";
}

// How many of the words name the command; 0: they name another.
std::size_t named_by(const Command& command, const std::vector<std::string>& words) {
  const auto path = split(command.path, ' ');
  if (path.size() > words.size()) return 0;
  const bool same = std::equal(path.begin(), path.end(), words.begin());
  return same ? path.size() : 0;
}

Error unknown_command(const std::vector<Command>& commands, const std::vector<std::string>& words) {
  std::size_t depth = 0;  // how many words name a group
  std::vector<std::string_view> next;
  for (; depth < words.size(); ++depth) {
    next.clear();
    bool deeper = false;
    for (const Command& command : commands) {
      const auto path = split(command.path, ' ');
      if (path.size() <= depth || !std::equal(words.begin(), words.begin() +
          static_cast<std::ptrdiff_t>(depth), path.begin())) {
        continue;
      }
      next.push_back(path[depth]);
      deeper = deeper || path[depth] == words[depth];
    }
    if (!deeper) break;
  }
  if (depth == words.size()) {
    return invalid("'" + join(words, " ") + "' needs a word after it")
        .fix("see: bessemer " + join(words, " ") + " --help");
  }
  const std::string hint = nearest(words[depth], next);
  return invalid("there is no command '" + words[depth] + "'" +
                 (depth == 0 ? "" : " of " + words[0]))
      .fix(hint.empty() ? "see: bessemer --help" : hint);
}

const Option* find_option(const Command& command, std::string_view name, char letter) {
  for (const auto* options : {&command.options, &common_options()}) {
    for (const Option& option : *options) {
      if (letter != 0 ? option.letter == letter : option.name == name) return &option;
    }
  }
  return nullptr;
}

Error unknown_option(const Command& command, const std::string& word) {
  std::vector<std::string_view> known;
  for (const auto* options : {&command.options, &common_options()}) {
    for (const Option& option : *options) known.push_back(option.name);
  }
  const std::string_view name = std::string_view(word).substr(word.starts_with("--") ? 2 : 1);
  const std::string hint = nearest(name.substr(0, name.find('=')), known);
  return invalid("'" + std::string(command.path) + "' has no option " +
                 word.substr(0, word.find('=')))
      .fix(hint.empty() ? "see: bessemer " + std::string(command.path) + " --help"
                        : "did you mean '--" + hint.substr(14));
}

class Reader {
 public:
  Reader(const Command& command, const std::vector<std::string>& words, std::size_t from)
      : command_(command), words_(words), at_(from) {}

  Result<Arguments> read() {
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") {
        if (command_.rest.empty()) return invalid("nothing may follow --");
        result_.rest.assign(words_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, words_.end());
        break;
      }
      if (word.starts_with("--")) {
        TRY(long_option(word));
      } else if (word.starts_with('-') && word.size() > 1) {
        TRY(letters(word));
      } else {
        result_.operands.push_back(word);
      }
    }
    if (!result_.has("help")) TRY(check_operands());
    return std::move(result_);
  }

 private:
  Result<void> give(const Option& option, std::optional<std::string> value) {
    const std::string shown = "--" + std::string(option.name);
    if (option.value.empty()) {
      if (value) return invalid(shown + " takes no value");
      result_.options[std::string(option.name)].emplace_back();
      return {};
    }
    if (!value) {
      if (++at_ == words_.size()) {
        return invalid(shown + " needs a value: " + std::string(option.value));
      }
      value = words_[at_];
    }
    auto& values = result_.options[std::string(option.name)];
    if (!values.empty() && !option.repeated()) return invalid(shown + " is given twice");
    values.push_back(*std::move(value));
    return {};
  }

  Result<void> long_option(const std::string& word) {
    const std::size_t equals = word.find('=');
    const Option* option = find_option(command_, word.substr(2, equals - 2), 0);
    if (option == nullptr) return unknown_option(command_, word);
    return give(*option, equals == std::string::npos
                             ? std::nullopt
                             : std::optional(word.substr(equals + 1)));
  }

  Result<void> letters(const std::string& word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const Option* option = find_option(command_, "", word[i]);
      if (option == nullptr) return unknown_option(command_, word);
      if (option->value.empty()) {
        TRY(give(*option, {}));
        continue;
      }
      const std::string attached = word.substr(i + 1);
      return give(*option, attached.empty() ? std::nullopt : std::optional(attached));
    }
    return {};
  }

  Result<void> check_operands() {
    const std::string see = "see: bessemer " + std::string(command_.path) + " --help";
    std::size_t most = 0;
    for (std::size_t i = 0; i < command_.operands.size(); ++i) {
      const Operand& operand = command_.operands[i];
      if (operand.times == Operand::Times::once && result_.operands.size() <= i) {
        return invalid("'" + std::string(command_.path) + "' needs " + std::string(operand.name))
            .fix(see);
      }
      most = operand.times == Operand::Times::any ? SIZE_MAX : i + 1;
    }
    if (result_.operands.size() > most) {
      return invalid("'" + result_.operands[most] + "' is one word too many").fix(see);
    }
    return {};
  }

  const Command& command_;
  const std::vector<std::string>& words_;
  std::size_t at_;
  Arguments result_;
};

}  // namespace

const std::vector<Option>& common_options() {
  static const std::vector<Option> options = {
      {"project", 'p', "PATH", "the project, group or tenant: acme/vision"},
      {"context", 0, "NAME", "a context of the config file"},
      {"output", 'o', "FORMAT", "table, json, yaml or name", As::nothing, "",
       "table json yaml name"},
      {"watch", 'w', "", "show again whenever it changes, until Ctrl-C"},
      {"quiet", 'q', "", "print names only"},
      {"help", 'h', "", "what this command does"},
  };
  return options;
}

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto at = options.find(option);
  if (at == options.end()) return {};
  return at->second.back();
}

std::vector<std::string> Arguments::values(std::string_view option) const {
  const auto at = options.find(option);
  return at == options.end() ? std::vector<std::string>{} : at->second;
}

std::string Arguments::operand(std::size_t index) const {
  return index < operands.size() ? operands[index] : std::string();
}

Result<Parsed> parse_arguments(const std::vector<Command>& commands,
                               const std::vector<std::string>& words) {
  const Command* best = nullptr;
  std::size_t named = 0;
  for (const Command& command : commands) {
    const std::size_t count = named_by(command, words);
    if (count > named) {
      best = &command;
      named = count;
    }
  }
  if (best == nullptr) return unknown_command(commands, words);
  Parsed parsed{best, {}};
  TRY_ASSIGN(parsed.arguments, Reader(*best, words, named).read());
  return parsed;
}

Unfinished unfinished(const std::vector<Command>& commands, const std::vector<std::string>& words) {
  Unfinished found;
  if (words.empty()) return found;
  const std::vector<std::string> before(words.begin(), words.end() - 1);
  std::size_t named = 0;
  for (const Command& command : commands) {
    const std::size_t count = named_by(command, before);
    if (count > named) found.command = &command;
    named = std::max(named, count);
  }
  if (found.command == nullptr) return found;
  std::vector<std::string> operands;
  for (std::size_t i = named; i < before.size(); ++i) {
    const std::string& word = before[i];
    if (word == "--") return found;
    if (!word.starts_with('-') || word.size() == 1) {
      operands.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const Option* const option = word.starts_with("--")
                                     ? find_option(*found.command, word.substr(2, equals - 2), 0)
                                     : find_option(*found.command, "", word[1]);
    if (option == nullptr || option->value.empty()) continue;
    std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (equals == std::string::npos && i + 1 == before.size()) {
      found.option = option;
    } else if (equals == std::string::npos) {
      value = before[++i];
    }
    found.arguments.options[std::string(option->name)].push_back(std::move(value));
  }
  if (found.option != nullptr) found.arguments.options.erase(std::string(found.option->name));
  const auto& known = found.command->operands;
  if (found.option == nullptr && !words.back().starts_with('-') && !known.empty()) {
    if (operands.size() < known.size()) found.operand = &known[operands.size()];
    else if (known.back().times == Operand::Times::any) found.operand = &known.back();
  }
  found.arguments.operands = std::move(operands);
  return found;
}

std::vector<std::string> completions(const std::vector<Command>& commands,
                                     const std::vector<std::string>& words) {
  std::set<std::string> found;
  if (words.empty()) return {};
  const std::string& last = words.back();
  const auto offer = [&](std::string_view word) {
    if (word.starts_with(last)) found.emplace(word);
  };
  const Unfinished at = unfinished(commands, words);
  const std::string_view choices = at.option != nullptr    ? at.option->choices
                                   : at.operand != nullptr ? at.operand->choices
                                                           : std::string_view();
  if (!choices.empty()) {
    for (const std::string_view choice : split(choices, ' ')) offer(choice);
  }
  if (at.option != nullptr) return {found.begin(), found.end()};
  const std::size_t depth = words.size() - 1;
  for (const Command& command : commands) {
    const auto path = split(command.path, ' ');
    if (command.path.starts_with("__") || path.size() <= depth) continue;
    if (std::equal(words.begin(), words.end() - 1, path.begin())) offer(path[depth]);
  }
  if (at.command != nullptr && last.starts_with('-')) {
    for (const auto* options : {&at.command->options, &common_options()}) {
      for (const Option& option : *options) offer("--" + std::string(option.name));
    }
  }
  return {found.begin(), found.end()};
}

Result<std::string> completion_script(std::string_view shell) {
  if (shell == "bash") {
    return std::string(
        "_bessemer() {\n"
        "  mapfile -t COMPREPLY < <(bessemer __complete -- "
        "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
        "}\n"
        "complete -o default -F _bessemer bessemer\n");
  }
  if (shell == "zsh") {
    return std::string(
        "#compdef bessemer\n"
        "_bessemer() {\n"
        "  local -a found\n"
        "  found=(${(f)\"$(bessemer __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
        "  (( $#found )) && compadd -a found || _files\n"
        "}\n"
        "compdef _bessemer bessemer\n");
  }
  if (shell == "fish") {
    return std::string(
        "complete -c bessemer -a '(bessemer __complete -- "
        "(commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n");
  }
  return invalid("no completion for '" + std::string(shell) + "'").fix("one of bash, zsh, fish");
}

}  // namespace bessemer::cli
