// The state directory, made and locked.
#include "application/daemon/home.h"

#include <climits>
#include <cstdlib>
#include <filesystem>

#include "application/yaml/yaml.h"
#include "governance/access/key.h"

namespace bessemer::daemon {
namespace {

constexpr std::size_t max_config_bytes = 1 << 20;
constexpr std::string_view admin_key_path = "secrets/admin.key";

Result<Secret> admin_key(world::Disk& disk, world::Entropy& entropy) {
  if (!disk.exists(admin_key_path)) {
    std::array<std::byte, access::key_bytes> random{};
    entropy.fill(random);
    const Secret key = access::make_key(random);
    TRY(world::replace_file(disk, admin_key_path, std::string(key.reveal()) + "\n"));
  }
  TRY_ASSIGN(std::string text, world::read_file(disk, admin_key_path, 4096));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return Secret(std::move(text));
}

}  // namespace

std::string home_path() {
  const char* const given = std::getenv("BESSEMER_HOME");
  std::error_code ignored;
  return std::filesystem::absolute(given != nullptr && *given != '\0' ? given : "factory", ignored)
      .lexically_normal()
      .string();
}

Result<Home> open_home(const std::string& path, world::Entropy& entropy) {
  Home home;
  home.path = path;
  TRY_ASSIGN(home.disk, real::RealDisk::open_root(path));
  TRY_ASSIGN(home.lock, home.disk->lock(""));
  home.fresh = !home.disk->exists("journal");
  for (const char* directory : {"journal", "snapshots", "usage", "artifacts", "runs", "tasks",
                                "outputs", "checkpoints", "logs", "secrets", "run"}) {
    TRY(home.disk->make_directories(directory));
  }
  if (!home.disk->exists("config.yaml")) {
    TRY(world::replace_file(*home.disk, "config.yaml", default_config()));
  }
  TRY_ASSIGN(const std::string text,
             world::read_file(*home.disk, "config.yaml", max_config_bytes));
  auto config = read_config(text);
  if (!config) {
    Error error = std::move(config).error();
    const std::size_t line = yaml::line_of(text, error.field);
    error.what = home.at("config.yaml") + (line == 0 ? "" : ":" + std::to_string(line)) + ": " +
                 (error.field.empty() ? "" : error.field + ": ") + error.what;
    error.field.clear();  // it is in the sentence
    return error;
  }
  home.config = *std::move(config);
  TRY_ASSIGN(home.admin_key, admin_key(*home.disk, entropy));
  return home;
}

}  // namespace bessemer::daemon
