// Contexts: files, environment, and the factory next door.
#include "application/cli/profile.h"

#include <sys/stat.h>

#include "application/yaml/yaml.h"
#include "base/json.h"
#include "base/text.h"
#include "world/real/disk.h"

namespace bessemer::cli {
namespace {

constexpr std::size_t max_config = 256 * 1024;
constexpr std::size_t max_key_file = 4096;
constexpr std::string_view config_name = "config.yaml";

bool exists(const std::string& path) {
  struct stat about{};
  return ::stat(path.c_str(), &about) == 0;
}

// A file of credentials; refuses one that others may read.
Result<std::string> read_private(const std::string& path, std::size_t limit) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return not_found("there is no file " + path);
  if ((about.st_mode & 077) != 0) {
    return forbidden(path + " may be read by others").fix("chmod 600 " + path);
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  TRY_ASSIGN(const auto disk, real::RealDisk::open_root(folder));
  return world::read_file(*disk, slash == std::string::npos ? path : path.substr(slash + 1), limit);
}

Result<Secret> read_key(const std::string& path) {
  TRY_ASSIGN(const std::string text, read_private(path, max_key_file));
  return Secret(std::string(trim(text)));
}

Result<real::Address> address_of(std::string_view url) {
  if (url.starts_with("http://")) url.remove_prefix(7);
  if (url.starts_with("https://")) {
    return invalid("https is not spoken yet").fix("use http:// on the loopback, or an ssh tunnel");
  }
  while (url.ends_with('/') && !url.starts_with("unix:")) url.remove_suffix(1);
  auto address = real::parse_address(url);
  if (!address) return std::move(address).error().during("the address " + std::string(url));
  return address;
}

// Requires: a url.
Result<Profile> from_place(std::string name, const Place& place) {
  Profile profile;
  profile.name = std::move(name);
  TRY_ASSIGN(profile.address, address_of(*place.url));
  if (place.key) {
    profile.key = Secret(*place.key);
  } else if (place.key_file) {
    TRY_ASSIGN(profile.key, read_key(*place.key_file));
  } else {
    return invalid(profile.name + " has no key")
        .fix("bessemer context set NAME --key-file FILE, or: bessemer context delete NAME");
  }
  profile.project = place.project.value_or("");
  return profile;
}

// The factory on this machine, when its socket and key are there for us.
Result<Profile> local_factory(const Surroundings& around) {
  std::string home = around.variable("BESSEMER_HOME");
  if (home.empty()) home = around.working_directory + "/factory";
  if (!home.starts_with('/')) home = around.working_directory + "/" + home;
  const std::string socket = home + "/run/api.sock";
  if (!exists(socket)) {
    return unavailable("no factory answers at " + socket)
        .fix("start one with ./up; if it runs, set BESSEMER_HOME to its state directory, or "
             "BESSEMER_URL and BESSEMER_KEY");
  }
  Place place;
  place.url = "unix:" + socket;
  place.key_file = home + "/secrets/admin.key";
  return from_place("local factory", place);
}

// A context without a url is of the factory on this machine.
Result<Profile> named(const Config& config, const std::string& name, const Surroundings& around) {
  const auto at = config.contexts.find(name);
  if (at != config.contexts.end()) {
    const Place& place = at->second;
    if (place.url) return from_place("context " + name, place);
    TRY_ASSIGN(Profile profile, local_factory(around));
    profile.project = place.project.value_or("");
    return profile;
  }
  std::vector<std::string> known;
  for (const auto& [other, place] : config.contexts) known.push_back(other);
  return not_found("the config file has no context '" + name + "'")
      .fix(known.empty() ? "bessemer context set " + name + " --url URL --key-file FILE"
                         : "there are: " + join(known, ", "));
}

}  // namespace

Result<std::string> config_folder(const Surroundings& around) {
  const std::string base = around.variable("XDG_CONFIG_HOME");
  if (!base.empty()) return base + "/bessemer";
  const std::string home = around.variable("HOME");
  if (home.empty()) return invalid("neither XDG_CONFIG_HOME nor HOME is set");
  return home + "/.config/bessemer";
}

Result<Config> read_config(const Surroundings& around) {
  const auto folder = config_folder(around);
  if (!folder) return Config{};
  const std::string path = *folder + "/" + std::string(config_name);
  if (!exists(path)) return Config{};
  TRY_ASSIGN(const std::string text, read_private(path, max_config));
  auto as_json = yaml::to_json(text);
  if (!as_json) return std::move(as_json).error().during("reading " + path);
  auto config = json::read<Config>(*as_json);
  if (!config) return std::move(config).error().during("reading " + path);
  return config;
}

Result<void> write_config(const Surroundings& around, const Config& config) {
  TRY_ASSIGN(const std::string folder, config_folder(around));
  TRY_ASSIGN(const auto disk, real::RealDisk::open_root(folder));
  std::string text = "# Written by `bessemer context`. JSON is YAML.\n";
  json::write(text, config);
  return world::replace_file(*disk, config_name, text + "\n");
}

Result<Profile> find_profile(const Arguments& arguments, const Surroundings& around) {
  Result<Profile> found = [&]() -> Result<Profile> {
    if (const auto context = arguments.value("context")) {
      TRY_ASSIGN(const Config config, read_config(around));
      return named(config, *context, around);
    }
    if (const std::string url = around.variable("BESSEMER_URL"); !url.empty()) {
      Place place;
      place.url = url;
      const std::string key = around.variable("BESSEMER_KEY");
      if (key.empty()) return invalid("BESSEMER_URL is set and BESSEMER_KEY is not");
      place.key = key;
      return from_place("BESSEMER_URL", place);
    }
    TRY_ASSIGN(const Config config, read_config(around));
    if (!config.current) return local_factory(around);
    // Who sets the variable means that factory.
    const auto at = config.contexts.find(*config.current);
    const bool elsewhere = at != config.contexts.end() && at->second.url;
    if (elsewhere && !around.variable("BESSEMER_HOME").empty()) return local_factory(around);
    return named(config, *config.current, around);
  }();
  if (!found) return found;
  if (const std::string project = around.variable("BESSEMER_PROJECT"); !project.empty()) {
    found->project = project;
  }
  if (const auto project = arguments.value("project")) found->project = *project;
  return found;
}

}  // namespace bessemer::cli
