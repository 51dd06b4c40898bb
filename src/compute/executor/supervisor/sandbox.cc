// The root of a task: host programs read-only, its own things, and nothing else.
#include "compute/executor/supervisor/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/mounts.h"

namespace bessemer::executor {
namespace {

constexpr std::uint64_t metrics_bytes = 16 << 20;  // consumed lines are given back at once

struct Node {
  const char* name;
  std::uint32_t major, minor;
};
constexpr Node plain_nodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

struct Placed {
  std::string target;
  Tree tree;
};

bool exists(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0;
}

// Files of the NVIDIA driver's nodes that belong to `resources`; empty without a real GPU.
std::vector<std::string> gpu_nodes(const Resources& resources) {
  std::vector<std::string> out;
  for (const auto& device : resources.gpus) {
    if (!device.simulated) out.push_back("nvidia" + std::to_string(device.minor));
  }
  if (out.empty()) return out;
  for (const char* shared : {"nvidiactl", "nvidia-uvm"}) {
    if (exists(std::string("/dev/") + shared)) out.emplace_back(shared);
  }
  return out;
}

class Builder {
 public:
  explicit Builder(const Ground& ground) : ground_(ground), spec_(*ground.spec) {}

  Result<Built> build() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return os_error("making mounts private");
    }
    TRY(take_host());
    TRY(take_own());
    TRY(open_root());
    for (const auto& placed : placed_) TRY(put_tree(root_.get(), placed.target, placed.tree));
    TRY(write_etc());
    TRY(make_dev());
    TRY(make_scratch());
    TRY(write_own());
    TRY(enter());
    Built built;
    TRY(raise_loopback());
    TRY(listen(built));
    TRY(close_root());
    built.metrics = std::move(metrics_);
    return built;
  }

 private:
  Result<void> take(const std::string& host, std::string target, Access access, int ids = -1) {
    TRY_ASSIGN(Tree tree, take_tree(host, access, ids));
    placed_.push_back({std::move(target), std::move(tree)});
    return {};
  }

  Result<void> take_host() {
    for (const auto& path : ground_.site->host_trees) {
      TRY(take(path, path.substr(1), Access::read_only));
    }
    return {};
  }

  Result<void> take_own() {
    const int ids = ground_.ids;
    if (!spec_.code.empty()) TRY(take(spec_.code, "bessemer/code", Access::read_only, ids));
    for (const auto& input : spec_.inputs) {
      TRY(take(input.host_path, "bessemer/inputs/" + input.name, Access::read_only, ids));
    }
    if (!spec_.outputs.empty()) {
      TRY(take(spec_.outputs, "bessemer/outputs", Access::read_write, ids));
    }
    if (!spec_.checkpoints.empty()) {
      TRY(take(spec_.checkpoints, "bessemer/checkpoints", Access::read_write, ids));
    }
    if (!ground_.site->privileged) {
      for (const auto& node : plain_nodes) {
        const std::string name = std::string("dev/") + node.name;
        TRY(take("/" + name, name, Access::device));
      }
    }
    for (const auto& node : gpu_nodes(spec_.resources)) {
      TRY(take("/dev/" + node, "dev/" + node, Access::device));
    }
    return {};
  }

  Result<void> open_root() {
    // Everything of the host is already in hand, so it does not matter what this covers.
    if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID, "mode=755,size=16m,nr_inodes=8192") != 0) {
      return os_error("mounting the root");
    }
    root_ = Fd(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) return os_error("opening the root");
    for (const char* name : {"proc", "sys", "dev", "etc", "run/secrets", "tmp", "var", "bessemer",
                             "bessemer/inputs"}) {
      TRY(make_below(root_.get(), name));
    }
    for (const auto& [name, target] : ground_.site->root_links) {
      if (::symlinkat(target.c_str(), root_.get(), name.c_str()) != 0) {
        return os_error("linking /" + name);
      }
    }
    (void)::symlinkat("/tmp", root_.get(), "var/tmp");
    // The libraries of a GPU look at its place on the bus; without sysfs they guess.
    if (!gpu_nodes(spec_.resources).empty()) {
      (void)mount_new(root_.get(), "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                      "");
    }
    return {};
  }

  Result<void> write_etc() {
    const std::string uid = std::to_string(ground_.uid);
    const int root = root_.get();
    TRY(write_new(root, "etc/passwd",
                  "root:x:0:0:root:/:/usr/sbin/nologin\ntask:x:" + uid + ":" + uid +
                      ":task:/tmp/home:/bin/sh\n",
                  0644));
    TRY(write_new(root, "etc/group", "root:x:0:\ntask:x:" + uid + ":\n", 0644));
    TRY(write_new(root, "etc/hosts", "127.0.0.1 localhost task\n::1 localhost\n", 0644));
    TRY(write_new(root, "etc/hostname", "task\n", 0644));
    return write_new(root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n",
                     0644);
  }

  Result<void> make_dev() {
    const int root = root_.get();
    if (ground_.site->privileged) {
      for (const auto& node : plain_nodes) {
        const std::string name = std::string("dev/") + node.name;
        if (::mknodat(root, name.c_str(), S_IFCHR | 0666, makedev(node.major, node.minor)) != 0 ||
            ::fchmodat(root, name.c_str(), 0666, 0) != 0) {
          return os_error("making /" + name);
        }
      }
    }
    TRY(mount_new(root, "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                  "newinstance,ptmxmode=0666,mode=0620"));
    const std::uint64_t shared = spec_.resources.memory_bytes != 0 ? spec_.resources.memory_bytes
                                                                   : spec_.resources.scratch_bytes;
    TRY(mount_new(root, "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
                  "mode=1777,size=" + std::to_string(std::max<std::uint64_t>(shared, 1 << 20))));
    (void)::symlinkat("pts/ptmx", root, "dev/ptmx");
    (void)::symlinkat("/proc/self/fd", root, "dev/fd");
    (void)::symlinkat("/proc/self/fd/0", root, "dev/stdin");
    (void)::symlinkat("/proc/self/fd/1", root, "dev/stdout");
    (void)::symlinkat("/proc/self/fd/2", root, "dev/stderr");
    if (ground_.site->own_proc) {
      TRY(mount_new(root, "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""));
    }
    return {};
  }

  std::string owned() const {
    const std::string uid = std::to_string(ground_.uid);
    return "uid=" + uid + ",gid=" + uid;
  }

  Result<void> make_scratch() {
    const int root = root_.get();
    const std::uint64_t size = std::max<std::uint64_t>(spec_.resources.scratch_bytes, 1 << 20);
    const std::uint64_t files = std::clamp<std::uint64_t>(size / 4096, 1024, 1 << 20);
    TRY(mount_new(root, "tmp", "tmpfs", MS_NOSUID | MS_NODEV,
                  "mode=1777," + owned() + ",size=" + std::to_string(size) +
                      ",nr_inodes=" + std::to_string(files)));
    TRY(mount_new(root, "bessemer/.metrics", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "mode=700," + owned() + ",size=" + std::to_string(metrics_bytes) +
                      ",nr_inodes=16"));
    metrics_ = Fd(::openat(root, "bessemer/.metrics/metrics.jsonl",
                           O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!metrics_) return os_error("making metrics.jsonl");
    TRY(give(metrics_.get()));
    if (::symlinkat(".metrics/metrics.jsonl", root, "bessemer/metrics.jsonl") != 0) {
      return os_error("linking metrics.jsonl");
    }
    TRY(make_owned("tmp/home"));
    if (spec_.outputs.empty()) {
      TRY(make_owned("tmp/outputs"));
      for (const auto& name : spec_.output_names) TRY(make_owned("tmp/outputs/" + name));
      if (::symlinkat("/tmp/outputs", root, "bessemer/outputs") != 0) {
        return os_error("linking outputs");
      }
    }
    return {};
  }

  Result<void> give(int file) {
    if (::fchown(file, ground_.uid, ground_.uid) != 0) return os_error("giving a file away");
    return {};
  }

  Result<void> make_owned(const std::string& path) {
    TRY(make_below(root_.get(), path, 0700));
    const Fd made(::openat(root_.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return give(made.get());
  }

  Result<void> write_own() {
    TRY(write_new(root_.get(), "bessemer/parameters.json", spec_.parameters.text, 0644));
    for (const auto& secret : *ground_.secrets) {
      const std::string path = "run/secrets/" + secret.name;
      TRY(write_new(root_.get(), path, secret.value, 0400));
      if (::fchownat(root_.get(), path.c_str(), ground_.uid, ground_.uid, 0) != 0) {
        return os_error("giving /" + path + " away");
      }
    }
    return {};
  }

  // pivot_root(2): the new root onto the old one, then the old one away.
  Result<void> enter() {
    if (::fchdir(root_.get()) != 0 || ::syscall(__NR_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) {
      return os_error("entering the root");
    }
    if (::sethostname("task", 4) != 0) return os_error("naming the host");
    return {};
  }

  Result<void> raise_loopback() {
    const Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    if (::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return os_error("raising loopback");
    return {};
  }

  Result<void> listen(Built& built) {
    TRY_ASSIGN(built.socket,
               listen_at(AT_FDCWD, "run/bessemer.sock", SOCK_STREAM | SOCK_NONBLOCK));
    if (::chmod("/run/bessemer.sock", 0666) != 0) return os_error("opening bessemer.sock");
    return {};
  }

  Result<void> close_root() {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
    if (::mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes) != 0) {
      return os_error("making the root read-only");
    }
    return {};
  }

  const Ground& ground_;
  const TaskSpec& spec_;
  std::vector<Placed> placed_;
  Fd root_, metrics_;
};

}  // namespace

Result<Built> build_sandbox(const Ground& ground) { return Builder(ground).build(); }

std::vector<CharDevice> task_devices(const Resources& resources) {
  std::vector<CharDevice> out;
  for (const auto& node : plain_nodes) out.push_back({node.major, node.minor});
  out.push_back({5, 2});     // ptmx
  out.push_back({136, -1});  // pseudo-terminals
  for (const auto& node : gpu_nodes(resources)) {
    struct stat about {};
    if (::stat(("/dev/" + node).c_str(), &about) == 0) {
      out.push_back({major(about.st_rdev), static_cast<std::int64_t>(minor(about.st_rdev))});
    }
  }
  return out;
}

}  // namespace bessemer::executor
