// The kinds of things the API has, and every command that is made of requests alone.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/table.h"

namespace bessemer::cli {

// A kind of thing: what it is called and what a table of it shows.
struct Noun {
  std::string_view singular;
  std::string_view name;  // path of what `-o name` prints: "name|id"
  std::vector<Column> columns;
};

// The commands of the whole program; `commands_*.cc` hold the tables.
std::vector<Command> all_commands();

// Every request that the program makes, "POST /api/v1/jobs/{}/cancel", sorted: what the API must
// know. The rows of the table, the kinds of `apply`, and what the code of the others asks.
std::vector<std::string> all_requests();

std::vector<Command> organisation_commands();
std::vector<Command> money_commands();
std::vector<Command> ledger_commands();
std::vector<Command> work_commands();
std::vector<Command> data_commands();
std::vector<Command> platform_commands();
std::vector<Command> local_commands();  // contexts, completion, apply

}  // namespace bessemer::cli
