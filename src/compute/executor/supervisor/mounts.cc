// Mounts by descriptor (Linux 5.12 and later), so that no path is looked up twice.
#include "compute/executor/supervisor/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace bessemer::executor {

Result<Tree> take_tree(const std::string& host_path, Access access, int ids) {
  Tree tree;
  tree.mount = Fd(::open_tree(AT_FDCWD, host_path.c_str(),
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!tree.mount) return os_error("taking " + host_path);
  struct stat about {};
  if (::fstat(tree.mount.get(), &about) != 0) return os_error("looking at " + host_path);
  tree.directory = S_ISDIR(about.st_mode);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_NOSUID;
  if (access != Access::device) attributes.attr_set |= MOUNT_ATTR_NODEV;
  if (access == Access::read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (::mount_setattr(tree.mount.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                      sizeof attributes) != 0) {
    return os_error("restricting " + host_path);
  }
  if (ids < 0) return tree;
  mount_attr mapped{};
  mapped.attr_set = MOUNT_ATTR_IDMAP;
  mapped.userns_fd = static_cast<unsigned>(ids);
  if (::mount_setattr(tree.mount.get(), "", AT_EMPTY_PATH, &mapped, sizeof mapped) != 0) {
    Error error = os_error("mapping the owner of " + host_path);
    error.code = Code::unavailable;
    error.remedy = "keep the state directory on ext4, xfs or btrfs";
    return error;
  }
  return tree;
}

Result<void> make_below(int root, const std::string& path, unsigned mode) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    (void)::mkdirat(root, path.substr(0, slash).c_str(), 0755);
  }
  if (::mkdirat(root, path.c_str(), mode) != 0 && errno != EEXIST) {
    return os_error("making /" + path);
  }
  return {};
}

Result<void> put_tree(int root, const std::string& target, const Tree& tree) {
  if (tree.directory) {
    TRY(make_below(root, target));
  } else {
    const auto slash = target.rfind('/');
    if (slash != std::string::npos) TRY(make_below(root, target.substr(0, slash)));
    const Fd file(::openat(root, target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!file) return os_error("making /" + target);
  }
  if (::move_mount(tree.mount.get(), "", root, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return os_error("mounting /" + target);
  }
  return {};
}

Result<void> mount_new(int root, const std::string& target, const char* type,
                       unsigned long flags, const std::string& options) {
  TRY(make_below(root, target));
  const std::string path = "/proc/self/fd/" + std::to_string(root) + "/" + target;
  if (::mount(type, path.c_str(), type, flags, options.c_str()) != 0) {
    return os_error(std::string("mounting ") + type + " at /" + target);
  }
  return {};
}

}  // namespace bessemer::executor
