// Where to ask, and with which key.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/terminal.h"
#include "base/describe.h"
#include "base/result.h"
#include "base/secret.h"
#include "world/real/socket.h"

namespace bessemer::cli {

// One context of the config file.
struct Place {
  std::optional<std::string> url;  // "http://127.0.0.1:7420"; none: the factory on this machine
  std::optional<std::string> key;       // the key itself, or
  std::optional<std::string> key_file;  // a file that holds it
  std::optional<std::string> project;   // when no --project is given
  friend bool operator==(const Place&, const Place&) = default;
};
DESCRIBE(Place, url, key, key_file, project)

// ~/.config/bessemer/config.yaml; 0600, because it holds keys.
struct Config {
  std::optional<std::string> current;
  std::map<std::string, Place> contexts;
  friend bool operator==(const Config&, const Config&) = default;
};
DESCRIBE(Config, current, contexts)

// "$XDG_CONFIG_HOME/bessemer" or "~/.config/bessemer". Errors: invalid when neither is known.
Result<std::string> config_folder(const Surroundings& around);
// An absent file is an empty config. Errors: invalid; forbidden when others may read it.
Result<Config> read_config(const Surroundings& around);
Result<void> write_config(const Surroundings& around, const Config& config);

// What a call needs.
struct Profile {
  std::string name;       // which rule found it: "--context lab", "BESSEMER_URL", "local factory"
  real::Address address;
  Secret key;
  std::string project;    // default of --project; may be empty
};

// In this order: --context; BESSEMER_URL with BESSEMER_KEY; the factory in BESSEMER_HOME, by its
// socket and admin key; the config file's current context; the factory in ./factory. A context
// without a url gives its project to the factory on this machine. Errors: invalid, unavailable,
// saying what was looked for.
Result<Profile> find_profile(const Arguments& arguments, const Surroundings& around);

}  // namespace bessemer::cli
