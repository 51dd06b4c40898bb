// `bessemer backup` and `bessemer restore`: a state directory carried away and brought back.
#pragma once
#include <string>
#include <vector>

namespace bessemer::daemon {

// backup PLACE. Returns the exit status.
int run_backup(const std::vector<std::string>& words);
// restore PLACE [--to DIRECTORY] [--verify]. Returns the exit status.
int run_restore(const std::vector<std::string>& words);

}  // namespace bessemer::daemon
