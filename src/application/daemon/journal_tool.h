// `bessemer journal ...`: reads a state directory without a daemon.
#pragma once
#include <string>
#include <vector>

namespace bessemer::daemon {

// cat [--from SEQUENCE] | verify | snapshot. Returns the exit status.
int run_journal_tool(const std::vector<std::string>& words);

}  // namespace bessemer::daemon
