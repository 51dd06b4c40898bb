// From a copy of the task's first process to the task's program, losing everything on the way.
#include "compute/executor/supervisor/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "compute/executor/supervisor/seccomp.h"

namespace bessemer::executor {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const auto& word : words) out.push_back(const_cast<char*>(word.c_str()));
  out.push_back(nullptr);
  return out;
}

Result<void> set_capabilities(std::uint32_t low) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = low;
  if (::syscall(__NR_capset, &header, data) != 0) return os_error("giving up capabilities");
  return {};
}

Result<void> give_up_privileges(const ChildPlan& plan) {
  for (int capability = 0; capability < 64; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 || errno == EPERM) continue;
    if (errno == EINVAL) break;  // beyond the last one this kernel knows
    return os_error("giving up capabilities for ever");
  }
  if (plan.change_uid) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(plan.uid, plan.uid, plan.uid) != 0 ||
        ::setresuid(plan.uid, plan.uid, plan.uid) != 0) {
      return os_error("taking the task's uid");
    }
  }
  TRY(set_capabilities(0));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return os_error("forbidding new privileges");
  return {};
}

Result<void> arrange_descriptors(const ChildPlan& plan, Fd& status) {
  ::setsid();
  // Clear of 0, 1, 2 before anything is put there.
  status = Fd(::fcntl(status.get(), F_DUPFD_CLOEXEC, 10));
  const int from[3] = {::fcntl(plan.input, F_DUPFD_CLOEXEC, 10),
                       ::fcntl(plan.output, F_DUPFD_CLOEXEC, 10),
                       ::fcntl(plan.error, F_DUPFD_CLOEXEC, 10)};
  for (int to = 0; to < 3; ++to) {
    if (::dup2(from[to], to) < 0) return os_error("arranging descriptors");
  }
  if (::syscall(__NR_close_range, 3u, UINT_MAX, 4u /* CLOSE_RANGE_CLOEXEC */) != 0) {
    return os_error("closing descriptors");
  }
  if (plan.terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) return os_error("taking the terminal");
  return {};
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::string path_of(const std::vector<std::string>& environment) {
  for (const auto& variable : environment) {
    if (variable.starts_with("PATH=")) return variable.substr(5);
  }
  return "/usr/bin:/bin";
}

// execvpe with the task's own PATH. Returns only when it fails.
void run_program(const ChildPlan& plan) {
  const auto argv = pointers(plan.argv), environment = pointers(plan.environment);
  const std::string& program = plan.argv.front();
  if (program.find('/') != std::string::npos) {
    ::execve(program.c_str(), argv.data(), environment.data());
    return;
  }
  const std::string path = path_of(plan.environment);
  int failure = ENOENT;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string file = path.substr(at, end - at) + "/" + program;
    ::execve(file.c_str(), argv.data(), environment.data());
    if (errno != ENOENT && errno != ENOTDIR) failure = errno;
    at = end + 1;
  }
  errno = failure;
}

Result<void> become(const ChildPlan& plan, const std::vector<sock_filter>& filter, Fd& status) {
  TRY(arrange_descriptors(plan, status));
  reset_signals();
  ::umask(022);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  TRY(give_up_privileges(plan));
  if (::chdir(plan.directory.c_str()) != 0) return os_error("entering " + plan.directory);
  TRY(install_filter(filter));
  if (plan.body) {
    status.reset();  // as a program's start closes it: it runs
    ::_exit(plan.body());
  }
  run_program(plan);
  return os_error("cannot run '" + plan.argv.front() + "'");
}

}  // namespace

constexpr std::size_t longest_failure = 512;  // bytes: less than a pipe holds

Result<int> start_child(const ChildPlan& plan, const std::vector<sock_filter>& filter) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("making a pipe");
  Fd read_end(ends[0]), status(ends[1]);
  const int pid = ::fork();
  if (pid < 0) return os_error("starting a process");
  if (pid == 0) {
    const auto failed = become(plan, filter, status);
    // Never more than the pipe takes: nobody empties it while this process is waited for.
    const std::string& what = failed.error().what;
    (void)!::write(status.get(), what.data(), std::min(what.size(), longest_failure));
    ::_exit(127);
  }
  status.reset();
  char what[longest_failure];
  ssize_t got = -1;
  do {
    got = ::read(read_end.get(), what, sizeof what);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return pid;
  ::waitpid(pid, nullptr, 0);
  return invalid(std::string(what, static_cast<std::size_t>(got)));
}

Result<void> keep_init_capabilities() {
  constexpr std::uint32_t kept = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_SETPCAP |
                                 1u << CAP_KILL | 1u << CAP_CHOWN;
  TRY(set_capabilities(kept));
  // Not to be traced or read by anything of the task.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return os_error("closing the first process");
  return {};
}

}  // namespace bessemer::executor
