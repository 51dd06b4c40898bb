// What isolation this machine gives, found out by trying.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// Parts of the isolation to do without although the machine has them: so that the ways taken on
// lesser machines can be walked on this one.
struct Without {
  bool namespaces = false, cgroups = false, id_maps = false;
};

wire::Site find_site(const Without& without);

// Fills host_trees and root_links: programs, libraries, and the harmless part of /etc.
void find_host_view(wire::Site& site);

// The site as a variable of a supervisor's environment, and back.
std::string site_variable(const wire::Site& site);
Result<wire::Site> site_from_environment();

}  // namespace bessemer::executor
