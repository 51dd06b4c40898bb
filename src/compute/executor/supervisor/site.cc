// Tries each part of the isolation once, in a throw-away process.
#include "compute/executor/supervisor/site.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "compute/executor/supervisor/cgroup.h"
#include "compute/executor/supervisor/files.h"

namespace bessemer::executor {
namespace {

constexpr char variable_name[] = "BESSEMER_SITE";

// Exit codes of the throw-away process.
constexpr int all_works = 0, no_proc = 1, no_mounts = 2, old_kernel = 3;

bool has_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(__NR_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32) & 1u) != 0;
}

int try_mounts(int go) {
  char byte = 0;
  (void)!::read(go, &byte, 1);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return no_mounts;
  if (::mount("tmpfs", "/tmp", "tmpfs", 0, "size=64k") != 0) return no_mounts;
  const Fd usr(::open_tree(AT_FDCWD, "/usr", OPEN_TREE_CLONE | AT_RECURSIVE));
  if (!usr) return errno == ENOSYS ? old_kernel : no_mounts;
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(usr.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                      sizeof attributes) != 0) {
    return errno == ENOSYS ? old_kernel : no_mounts;
  }
  if (::mkdir("/tmp/proc", 0755) != 0) return no_mounts;
  return ::mount("proc", "/tmp/proc", "proc", 0, "") == 0 ? all_works : no_proc;
}

// The exit code of the attempt, or -errno where the namespaces themselves were refused.
int try_namespaces(bool privileged) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
  Fd read_end(ends[0]), write_end(ends[1]);
  clone_args arguments{};
  arguments.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
  if (!privileged) arguments.flags |= CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(__NR_clone3, &arguments, sizeof arguments);
  if (pid < 0) return -errno;
  if (pid == 0) {
    write_end.reset();
    ::_exit(try_mounts(read_end.get()));
  }
  if (!privileged) {
    const std::string base = "/proc/" + std::to_string(pid);
    (void)write_control(AT_FDCWD, base + "/setgroups", "deny");
    (void)write_control(AT_FDCWD, base + "/uid_map",
                        "1000 " + std::to_string(::geteuid()) + " 1");
    (void)write_control(AT_FDCWD, base + "/gid_map",
                        "1000 " + std::to_string(::getegid()) + " 1");
  }
  write_end.reset();
  int status = 0;
  while (::waitpid(static_cast<pid_t>(pid), &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : no_mounts;
}

void judge_namespaces(wire::Site& site) {
  const int tried = try_namespaces(site.privileged);
  const std::string no_sandbox =
      "no file system, process, network or IPC isolation: the task sees this machine's files and "
      "network as the daemon's user does: ";
  site.namespaces = tried == all_works || tried == no_proc;
  site.own_proc = tried == all_works;
  if (tried < 0) {
    site.missing.push_back(no_sandbox + (site.privileged ? "" : "unprivileged user ") +
                           "namespaces are refused (" + std::strerror(-tried) +
                           "); check user.max_user_namespaces, AppArmor or the container's "
                           "seccomp profile, or run as root");
  } else if (tried == old_kernel) {
    site.missing.push_back(no_sandbox + "Linux 5.12 or later is needed");
  } else if (tried == no_mounts) {
    site.missing.push_back(no_sandbox + "mounts are refused inside a namespace");
  } else if (tried == no_proc) {
    site.missing.push_back("no /proc for the task: the container that we are in hides parts of "
                           "its own /proc");
  }
}

}  // namespace

wire::Site find_site(const Without& without) {
  wire::Site site;
  site.privileged = ::geteuid() == 0 && has_capability(CAP_SYS_ADMIN) && !without.namespaces;
  const auto boot = read_text(AT_FDCWD, "/proc/sys/kernel/random/boot_id");
  site.boot_id = boot ? boot->substr(0, boot->find('\n')) : std::string("unknown");
  if (without.namespaces) {
    site.missing.push_back("no file system, process, network or IPC isolation: namespaces are "
                           "switched off by an option of the launcher");
  } else {
    judge_namespaces(site);
  }
  if (site.privileged && !site.namespaces) site.privileged = false;
  if (!site.privileged) {
    site.missing.push_back("no uid of its own: the task runs with the daemon's uid; start the "
                           "daemon as root to give each project its own");
  }
  if (without.cgroups) {
    site.missing.push_back("no cgroup limits: switched off by an option of the launcher");
  } else {
    find_cgroups(site);
  }
  find_host_view(site);
  site.id_maps = !without.id_maps;
  return site;
}

std::string site_variable(const wire::Site& site) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out = std::string(variable_name) + "=";
  for (const char c : codec::encode(site)) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

Result<wire::Site> site_from_environment() {
  const char* const text = std::getenv(variable_name);
  if (text == nullptr) return invalid("BESSEMER_SITE is not set");
  std::string bytes;
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (const char* at = text; at[0] != '\0' && at[1] != '\0'; at += 2) {
    bytes += static_cast<char>(value(at[0]) * 16 + value(at[1]));
  }
  return codec::decode<wire::Site>(bytes);
}

}  // namespace bessemer::executor
