// What of the host a task may see, found once by the launcher.
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "compute/executor/supervisor/site.h"

namespace bessemer::executor {
namespace {

// Of /etc only what programs need to start and to speak: nothing about people or this machine.
constexpr const char* plain_etc[] = {"alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
                                     "ssl/certs",    "ssl/openssl.cnf", "mime.types", "fonts",
                                     "protocols",    "services"};

bool exists(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0;
}

// Debian keeps a part of its Python in /etc/python3*.
void add_python_settings(wire::Site& site) {
  DIR* const etc = ::opendir("/etc");
  while (const dirent* entry = etc == nullptr ? nullptr : ::readdir(etc)) {
    const std::string name = entry->d_name;
    if (name.starts_with("python3")) site.host_trees.push_back("/etc/" + name);
  }
  if (etc != nullptr) ::closedir(etc);
}

}  // namespace

void find_host_view(wire::Site& site) {
  site.host_trees.push_back("/usr");
  // Programs and libraries. Where /bin and the like are links (every merged-/usr system), links.
  for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}) {
    const std::string path = std::string("/") + name;
    char target[256] = {};
    if (::readlink(path.c_str(), target, sizeof target - 1) > 0) {
      site.root_links.emplace_back(name, target);
    } else if (exists(path)) {
      site.host_trees.push_back(path);
    }
  }
  for (const char* name : plain_etc) {
    const std::string path = std::string("/etc/") + name;
    if (exists(path)) site.host_trees.push_back(path);
  }
  add_python_settings(site);
  for (const char* path : {"/sys/devices/system/cpu", "/sys/devices/system/node"}) {
    if (exists(path)) site.host_trees.emplace_back(path);
  }
  std::sort(site.host_trees.begin(), site.host_trees.end());
}

}  // namespace bessemer::executor
