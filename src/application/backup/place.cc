// Asks the machine which folders lie above a place: names alone do not tell.
#include "application/backup/place.h"

#include <filesystem>

namespace bessemer::backup {
namespace {

namespace fs = std::filesystem;

// Calls `asked` with each folder above `place` that is there, the nearest first, until it says yes.
template <class Asked>
std::string first_above(const fs::path& place, Asked asked) {
  std::error_code failed;
  fs::path at = fs::weakly_canonical(place, failed);
  if (failed) at = place.lexically_normal();
  while (at.has_relative_path()) {
    at = at.parent_path();
    if (fs::is_directory(at, failed) && asked(at)) return at.string();
  }
  return {};
}

bool is_same(const fs::path& one, const fs::path& other) {
  std::error_code failed;  // what is not there is nothing's same
  return fs::equivalent(one, other, failed);
}

}  // namespace

bool lies_inside(const std::string& place, const std::string& folder) {
  return is_same(place, folder) ||
         !first_above(place, [&](const fs::path& at) { return is_same(at, folder); }).empty();
}

std::string factory_above(const std::string& place) {
  return first_above(place, [](const fs::path& at) {
    std::error_code failed;
    return fs::is_directory(at / "journal", failed) && fs::is_directory(at / "secrets", failed);
  });
}

}  // namespace bessemer::backup
