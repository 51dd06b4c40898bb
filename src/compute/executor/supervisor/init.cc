// The loop of a task's first process.
#include "compute/executor/supervisor/init.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>

#include "compute/executor/copy.h"
#include "compute/executor/supervisor/child.h"
#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/sandbox.h"
#include "compute/executor/supervisor/seccomp.h"

namespace bessemer::executor {
namespace {

constexpr std::uint32_t unprivileged_uid = 1000;
constexpr int connect_wait_ms = 500;

// In a process of the task: copies a tree between its files and its standard streams.
int copy_files(const wire::Execute& what, const std::string& name) {
  const bool out = what.copy == wire::Copy::out;
  const auto done = out ? pack_files(what.path, STDOUT_FILENO)
                        : unpack_files(STDIN_FILENO, what.path, name);
  std::string note;
  if (!done) {
    note = to_text(done.error()) + "\n";
  } else if (done->left_out > 0) {
    note = std::to_string(done->left_out) + " links and special files were left out\n";
  }
  (void)!::write(STDERR_FILENO, note.data(), note.size());
  return done ? 0 : 1;
}

class Init {
 public:
  explicit Init(InitPlan plan) : plan_(std::move(plan)) {}

  [[noreturn]] void run() {
    watch_children();
    if (!wait_for_go()) leave();
    auto begun = begin();
    if (!begun) {
      say(wire::Failed{begun.error().what +
                           (begun.error().remedy.empty() ? "" : "; " + begun.error().remedy),
                       is_permanent(begun.error().code)});
      leave();
    }
    while (true) {
      pollfd both[2] = {{plan_.channel.get(), POLLIN, 0}, {children_.get(), POLLIN, 0}};
      if (::poll(both, 2, -1) < 0 && errno != EINTR) leave();
      if (both[1].revents != 0) reap();
      if (both[0].revents != 0) obey();
    }
  }

 private:
  void watch_children() {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, nullptr);
    children_ = Fd(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!plan_.sandbox) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  }

  void say(const wire::News& news, std::span<const int> fds = {}) {
    (void)send_packet(plan_.channel.get(), codec::encode(news), fds);
  }

  bool wait_for_go() {
    Packet packet;
    if (take_packet(plan_.channel.get(), packet) != Taken::packet) return false;
    const auto order = codec::decode<wire::Order>(packet.bytes);
    return order.has_value() && std::holds_alternative<wire::Go>(*order);
  }

  Result<void> begin() {
    Ground ground;
    ground.spec = plan_.spec;
    ground.site = plan_.site;
    ground.secrets = plan_.secrets;
    ground.directory = plan_.directory.get();
    ground.ids = plan_.ids ? plan_.ids.get() : -1;
    uid_ = ground.uid = plan_.site->privileged ? plan_.spec->uid : unprivileged_uid;
    Built built;
    if (plan_.network && ::setns(plan_.network.get(), CLONE_NEWNET) != 0) {
      return os_error("joining the gang's network");
    }
    plan_.network.reset();
    if (plan_.sandbox) {
      TRY_ASSIGN(built, build_sandbox(ground));
      if (plan_.site->privileged) TRY(keep_init_capabilities());
      ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    } else {
      TRY_ASSIGN(built, build_bare(ground, plan_.directory_path, places_));
    }
    for (auto& secret : *plan_.secrets) ::explicit_bzero(secret.value.data(), secret.value.size());
    plan_.secrets->clear();
    plan_.directory.reset();
    plan_.ids.reset();
    const int handed[2] = {built.metrics.get(), built.socket.get()};
    say(wire::Ready{}, handed);
    if (!wait_for_go()) leave();
    return start();
  }

  ChildPlan child_plan(std::vector<std::string> argv, std::string directory) {
    ChildPlan child;
    child.argv = std::move(argv);
    child.environment = task_environment(*plan_.spec, places_);
    child.directory = std::move(directory);
    child.uid = uid_;
    child.change_uid = plan_.site->privileged;
    return child;
  }

  Result<void> start() {
    filter_ = task_filter();
    ChildPlan child = child_plan(plan_.spec->argv, task_directory(*plan_.spec, places_));
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    child.input = null.get();
    child.output = plan_.output.get();
    child.error = plan_.error.get();
    TRY_ASSIGN(main_, start_child(child, filter_));
    plan_.output.reset();
    plan_.error.reset();
    say(wire::Running{});
    return {};
  }

  void reap() {
    signalfd_siginfo seen[8];
    while (::read(children_.get(), seen, sizeof seen) > 0) {
    }
    int status = 0;
    for (int pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == main_) {
        say(wire::Ended{status});
        if (status == 0 || plan_.spec->keep <= Duration{}) leave();
        stay();
        continue;
      }
      const auto command = commands_.find(pid);
      if (command == commands_.end()) continue;
      say(wire::InnerEnded{command->second, status});
      commands_.erase(command);
    }
  }

  void obey() {
    Packet packet;
    const Taken taken = take_packet(plan_.channel.get(), packet);
    if (taken == Taken::closed) leave();
    if (taken == Taken::nothing) return;
    auto order = codec::decode<wire::Order>(packet.bytes);
    if (!order) leave();
    if (const auto* signal = std::get_if<wire::Signal>(&*order)) {
      if (main_ > 0) ::kill(main_, signal->number);
    } else if (auto* execute = std::get_if<wire::InnerExecute>(&*order)) {
      run_command(*execute, packet.fds);
    } else if (const auto* kill = std::get_if<wire::InnerKill>(&*order)) {
      for (const auto& [pid, id] : commands_) {
        if (id == kill->id) ::kill(-pid, SIGKILL);
      }
    } else if (const auto* connect = std::get_if<wire::InnerConnect>(&*order)) {
      connect_inside(*connect);
    }
  }

  void run_command(wire::InnerExecute& order, std::vector<Fd>& fds) {
    auto pid = try_command(order, fds);
    if (!pid) {
      say(wire::InnerAnswer{order.id, pid.error().what});
      return;
    }
    commands_[*pid] = order.id;
    const int terminal[1] = {terminal_.get()};
    say(wire::InnerAnswer{order.id, {}},
        std::span<const int>(terminal, terminal_ ? 1u : 0u));
    terminal_.reset();
  }

  Result<int> try_command(wire::InnerExecute& order, std::vector<Fd>& fds) {
    auto& execute = order.execute;
    if (execute.argv.empty()) return invalid("must name a program").at("argv");
    ChildPlan child = child_plan(std::move(execute.argv),
                                 execute.working_directory.empty()
                                     ? task_directory(*plan_.spec, places_)
                                     : execute.working_directory);
    if (execute.copy != wire::Copy::none) {
      child.body = [&execute, &child] { return copy_files(execute, child.argv.front()); };
    }
    Fd slave;
    if (execute.terminal) {
      TRY(open_terminal(execute, slave));
      child.environment.emplace_back("TERM=xterm-256color");
      child.terminal = true;
      child.input = child.output = child.error = slave.get();
    } else {
      if (fds.size() != 3) return invalid("needs stdin, stdout and stderr");
      child.input = fds[0].get();
      child.output = fds[1].get();
      child.error = fds[2].get();
    }
    return start_child(child, filter_);
  }

  Result<void> open_terminal(const wire::Execute& execute, Fd& slave) {
    Fd master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!master || ::unlockpt(master.get()) != 0) return os_error("opening a terminal");
    char name[64] = {};
    if (::ptsname_r(master.get(), name, sizeof name) != 0) return os_error("naming a terminal");
    slave = Fd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave) return os_error("opening a terminal");
    if (plan_.site->privileged) (void)!::fchown(slave.get(), uid_, uid_);
    const winsize size{execute.rows, execute.columns, 0, 0};
    ::ioctl(master.get(), TIOCSWINSZ, &size);
    terminal_ = std::move(master);
    return {};
  }

  void connect_inside(const wire::InnerConnect& order) {
    const auto refuse = [&](const std::string& why) { say(wire::InnerAnswer{order.id, why}); };
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(order.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno != EINPROGRESS) return refuse(os_error("connecting").what);
      pollfd wait{socket.get(), POLLOUT, 0};
      int failure = ETIMEDOUT;
      socklen_t length = sizeof failure;
      if (::poll(&wait, 1, connect_wait_ms) > 0) {
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &length);
      }
      if (failure != 0) {
        errno = failure;
        return refuse(os_error("connecting").what);
      }
    }
    const int handed[1] = {socket.get()};
    say(wire::InnerAnswer{order.id, {}}, handed);
  }

  // Without a pid namespace nobody else ends what the task has left behind.
  void kill_descendants() {
    const std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
    for (int round = 0; round < 1000; ++round) {
      const auto children = read_text(AT_FDCWD, path);
      if (!children || children->empty()) return;
      for (const char* at = children->c_str(); *at != '\0';) {
        char* end = nullptr;
        const long pid = std::strtol(at, &end, 10);
        if (end == at) break;
        ::kill(static_cast<pid_t>(pid), SIGKILL);
        ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
        at = *end == ' ' ? end + 1 : end;
      }
    }
  }

  // The task has failed and its sandbox stays: what it left running ends, its files are there to
  // be looked at. The supervisor says when it is over.
  void stay() {
    main_ = -1;
    if (plan_.sandbox) {
      ::kill(-1, SIGKILL);
      return;
    }
    kill_descendants();
    for (const auto& [pid, id] : commands_) say(wire::InnerEnded{id, SIGKILL});
    commands_.clear();
  }

  // Ends the task: with a pid namespace the kernel kills the rest of it.
  [[noreturn]] void leave() {
    if (!plan_.sandbox) kill_descendants();
    ::_exit(0);
  }

  InitPlan plan_;
  Places places_;
  std::uint32_t uid_ = 0;
  std::vector<sock_filter> filter_;
  Fd children_, terminal_;
  int main_ = -1;
  std::map<int, std::uint64_t> commands_;  // pid -> id
};

}  // namespace

void run_init(InitPlan plan) { Init(std::move(plan)).run(); }

}  // namespace bessemer::executor
