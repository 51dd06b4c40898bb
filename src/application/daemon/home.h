// The state directory: where everything lies, and the keys that are made at the first start.
#pragma once
#include <memory>
#include <string>

#include "application/daemon/config.h"
#include "base/secret.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/entropy.h"
#include "world/real/tree.h"

namespace bessemer::daemon {

// An opened and locked state directory.
struct Home {
  std::string path;  // absolute
  std::unique_ptr<real::RealDisk> disk;
  std::unique_ptr<world::Lock> lock;
  Config config;
  Secret admin_key;
  bool fresh = false;  // made by this start

  std::string at(std::string_view below) const { return path + "/" + std::string(below); }
};

// $BESSEMER_HOME, else ./factory, absolute.
std::string home_path();

// Opens, making what is missing: directories 0700, config.yaml, secrets/admin.key 0600.
// Errors: conflict (another daemon has it), invalid (config.yaml, with the field), the disk's.
Result<Home> open_home(const std::string& path, world::Entropy& entropy);

}  // namespace bessemer::daemon
