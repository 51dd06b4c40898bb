// Clears away what supervisors could not, having been killed.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "compute/executor/supervisor/cgroup.h"
#include "compute/executor/supervisor/loop.h"

namespace bessemer::executor {
namespace {

// A cgroup younger than this may be one that is just being made.
constexpr Duration youth = minutes(1);

void sweep(const std::string& parent) {
  DIR* const listing = parent.empty() ? nullptr : ::opendir(parent.c_str());
  if (listing == nullptr) return;
  std::vector<std::string> old;
  const std::int64_t limit = (wall_now() - youth).ns / 1'000'000'000;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string path = parent + "/" + entry->d_name;
    struct stat about {};
    if (std::string_view(entry->d_name).starts_with("task_") &&
        ::stat(path.c_str(), &about) == 0 && about.st_ctim.tv_sec < limit) {
      old.push_back(path);
    }
  }
  ::closedir(listing);
  for (const auto& path : old) (void)::rmdir(path.c_str());  // refused while anything runs in it
}

}  // namespace

void sweep_cgroups(const wire::Site& site) {
  for (const auto* parent : {&site.cpu, &site.memory, &site.pids, &site.device, &site.unified}) {
    sweep(*parent);
  }
}

}  // namespace bessemer::executor
