// Starts supervisors, each in its own session.
#include "compute/executor/supervisor/launch.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <utility>

#include "compute/executor/supervisor/cgroup.h"
#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/supervise.h"

namespace bessemer::executor {
namespace {

constexpr int daemon_fd = 3;
constexpr std::size_t maps_kept = 256;
constexpr std::size_t networks_kept = 64;  // of gangs that may still be starting

// A throw-away process in namespaces of its own, until it is killed.
Result<long> pause_in(std::uint64_t namespaces, Fd& process) {
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = namespaces | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(__NR_clone3, &arguments, sizeof arguments);
  if (pid < 0) return os_error("making a namespace");
  if (pid == 0) {
    while (true) ::pause();
  }
  process = Fd(pidfd);
  return pid;
}

void end_pause(long pid, const Fd& process) {
  (void)::syscall(__NR_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0u);
  ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
}

// A network that the tasks of a gang share: its loopback is theirs alone.
Result<Fd> make_network() {
  Fd process;
  TRY_ASSIGN(const long pid, pause_in(CLONE_NEWNET, process));
  Fd network(::open(("/proc/" + std::to_string(pid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  end_pause(pid, process);
  if (!network) return os_error("opening a network");
  return network;
}

// A user namespace in which the owner of a task's files is the task. Only its mapping is used:
// mounts of those files are made through it.
Result<Fd> make_id_map(const struct stat& owner, std::uint32_t uid) {
  Fd process;
  TRY_ASSIGN(const long pid, pause_in(CLONE_NEWUSER, process));
  const std::string base = "/proc/" + std::to_string(pid);
  const std::string to = " " + std::to_string(uid) + " 1";
  auto mapped = write_control(AT_FDCWD, base + "/uid_map", std::to_string(owner.st_uid) + to);
  if (mapped) {
    mapped = write_control(AT_FDCWD, base + "/gid_map", std::to_string(owner.st_gid) + to);
  }
  Fd map(::open((base + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  end_pause(pid, process);
  if (!mapped) return std::move(mapped).error();
  if (!map) return os_error("opening an id map");
  return map;
}

class Launcher {
 public:
  explicit Launcher(wire::Site site) : site_(std::move(site)), variable_(site_variable(site_)) {}

  int serve() {
    if (!send_packet(daemon_fd, codec::encode(site_))) return 1;
    for (Packet packet; take_packet(daemon_fd, packet) == Taken::packet;) {
      const auto asked = codec::decode<wire::Launch>(packet.bytes);
      // Without a supervisor the control socket closes, and the daemon knows.
      if (asked && packet.fds.size() >= 2) start(*asked, packet.fds);
    }
    return 0;
  }

 private:
  void start(const wire::Launch& asked, const std::vector<Fd>& fds) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    constexpr int targets[] = {directory_fd, control_fd, secrets_fd, ids_fd};
    std::vector<Fd> high;  // clear of the targets
    const auto pass = [&](int fd, int target) {
      high.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 20));
      ::posix_spawn_file_actions_adddup2(&actions, high.back().get(), target);
    };
    for (std::size_t i = 0; i < fds.size() && i < 3; ++i) pass(fds[i].get(), targets[i]);
    if (const int map = id_map(fds[0].get(), asked.uid); map >= 0) pass(map, ids_fd);
    if (const int network = network_of(asked.gang); network >= 0) pass(network, network_fd);
    sigset_t ours, none;  // what launch() ignores; everything else is as it should be
    sigemptyset(&ours);
    sigaddset(&ours, SIGPIPE);
    sigaddset(&ours, SIGCHLD);
    sigemptyset(&none);
    ::posix_spawnattr_setsigdefault(&attributes, &ours);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSID |
                                                               POSIX_SPAWN_SETSIGDEF |
                                                               POSIX_SPAWN_SETSIGMASK));
    std::string name = "bessemer-supervisor", role = "run", title = asked.title;
    char* const argv[] = {name.data(), role.data(), title.data(), nullptr};
    char* const environment[] = {variable_.data(), nullptr};
    pid_t pid = -1;
    (void)::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, environment);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }

  int id_map(int directory, std::uint32_t uid) {
    struct stat owner {};
    if (!site_.privileged || !site_.id_maps || uid == 0) return -1;
    if (::fstat(directory, &owner) != 0) return -1;
    const auto key = std::tuple{owner.st_uid, owner.st_gid, uid};
    const auto known = maps_.find(key);
    if (known != maps_.end()) return known->second.get();
    auto made = make_id_map(owner, uid);
    if (!made) return -1;
    if (maps_.size() >= maps_kept) maps_.erase(maps_.begin());
    return (maps_[key] = std::move(*made)).get();
  }

  int network_of(const std::string& gang) {
    if (!site_.privileged || gang.empty()) return -1;
    for (const auto& [name, network] : networks_) {
      if (name == gang) return network.get();
    }
    auto made = make_network();
    if (!made) return -1;
    if (networks_.size() >= networks_kept) networks_.pop_front();
    return networks_.emplace_back(gang, std::move(*made)).second.get();
  }

  wire::Site site_;
  std::string variable_;
  std::deque<std::pair<std::string, Fd>> networks_;
  std::map<std::tuple<uid_t, gid_t, std::uint32_t>, Fd> maps_;
};

}  // namespace

int launch(const Without& without) {
  // A Ctrl-C at the terminal is for the daemon, which then closes our socket.
  ::setsid();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  const wire::Site site = find_site(without);
  sweep_cgroups(site);
  Launcher launcher(site);
  ::signal(SIGCHLD, SIG_IGN);  // supervisors are nobody's to wait for
  return launcher.serve();
}

}  // namespace bessemer::executor
