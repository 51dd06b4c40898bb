// The command line as a function: words in, exit status out.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/cli/terminal.h"

namespace bessemer::cli {

// A command that the program carries out by itself, such as `daemon`: known here only for help and
// completion.
struct Other {
  std::string_view path;
  std::string_view summary;
};

// Carries out one command. Returns 0, the exit status of a followed job, 1 for a refusal, 2 for a
// wrong command line.
int run(const std::vector<std::string>& words, Terminal& terminal, const Surroundings& around,
        const std::vector<Other>& others = {});

// main() of the client: the process's own words, terminal and environment.
int run_process(int count, const char* const* words, const std::vector<Other>& others = {});

}  // namespace bessemer::cli
