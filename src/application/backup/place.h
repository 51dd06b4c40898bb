// Where backups and new state directories must not lie: inside a state directory.
#pragma once
#include <string>

namespace bessemer::backup {

// Whether `place`, which need not be there yet, is `folder` or lies below it, whatever links and
// mounts lead there. Requires: absolute paths.
bool lies_inside(const std::string& place, const std::string& folder);

// The state directory, or backup of one, that `place` is below; empty: none. Requires: absolute.
std::string factory_above(const std::string& place);

}  // namespace bessemer::backup
