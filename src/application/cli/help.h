// Help, from the table of commands.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/arguments.h"

namespace bessemer::cli {

// Help of a command; of a group ("job"); of everything when `path` is empty.
std::string help(const std::vector<Command>& commands, std::string_view path);

// A command line that shows what the command is for.
std::string example_of(const Command& command);

}  // namespace bessemer::cli
