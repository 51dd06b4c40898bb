// One command being carried out: its words, its terminal, and the API when it is needed.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/catalog.h"
#include "application/cli/document.h"
#include "application/cli/profile.h"
#include "application/cli/remote.h"
#include "application/cli/terminal.h"
#include "base/result.h"

namespace bessemer::cli {

enum class Output : std::uint8_t { table, json, yaml, name };

class Session {
 public:
  Session(const std::vector<Command>& commands, const Command& command,
          const Arguments& arguments, Terminal& terminal, const Surroundings& around)
      : commands_(commands), command_(command), arguments_(arguments), terminal_(terminal),
        around_(around) {}

  const std::vector<Command>& commands() const { return commands_; }
  const Command& command() const { return command_; }
  const Arguments& arguments() const { return arguments_; }
  Terminal& terminal() { return terminal_; }
  const Surroundings& around() const { return around_; }

  // Connects at the first use. Errors: find_profile's.
  Result<Remote*> remote();
  // The node that the command is about. Errors: invalid when none was named.
  Result<std::string> project();
  // From now on about this node, as if --project had named it.
  void place(std::string node);
  Result<Output> output() const;

  // Shows an answer: a list as a table of the command's noun, a thing as fields.
  Result<void> show(const Document& answer);
  void print(std::string_view text) { terminal_.out(text); }
  void note(std::string_view text) { terminal_.err(text); }

  // Fetches and shows; with --watch again whenever the answer changes, until it is interrupted or
  // `finished` says so.
  Result<int> watch(const std::function<Result<Document>()>& fetch,
                    const std::function<bool(const Document&)>& finished = {});

 private:
  std::string render(const Document& answer, Output how);

  const std::vector<Command>& commands_;
  const Command& command_;
  const Arguments& arguments_;
  Terminal& terminal_;
  const Surroundings& around_;
  std::unique_ptr<Profile> profile_;
  std::unique_ptr<Remote> remote_;
};

// The request of a command's table row: target with operands, query and body filled in.
struct Asked {
  std::string method;
  std::string target;
  Query query;
  std::string body;  // JSON; empty when the row has no body fields and nothing was given
};
// Errors: invalid, naming the option.
Result<Asked> ask(Session& session);

// How a list is asked for the things of the session's project, and what it calls a row of it.
Query list_query(Session& session, std::string_view list);
std::string name_in(std::string_view list, const Document& row);
// The id of a thing that was named, found in a list such as "/api/v1/jobs"; an id stays as it is.
// Of several jobs or pipeline runs with a name the newest is meant. Errors: not_found, conflict
// (several other things have the name).
Result<std::string> look_up(Session& session, std::string_view list, const std::string& word);

// Makes the request and shows the answer: what a command without code does.
Result<int> run_request(Session& session);

// "512MiB", "2G", "100" -> bytes. Errors: invalid.
Result<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace bessemer::cli
