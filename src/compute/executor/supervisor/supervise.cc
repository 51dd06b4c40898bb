// Reads what a supervisor is told and runs its task.
#include "compute/executor/supervisor/supervise.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/site.h"
#include "compute/executor/supervisor/task.h"

namespace bessemer::executor {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0; }

// One for life: whoever can take it knows that no supervisor lives here.
Result<Fd> take_lock(int directory) {
  Fd lock = open_own(directory, "lock", O_RDWR);
  if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return os_error("taking the lock");
  return lock;
}

// Diagnostics of a failed check go to a file of the task, not to whoever started the daemon.
void redirect_standard(int directory) {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ::dup2(null.get(), 0);
  ::dup2(null.get(), 1);
  const Fd log = open_own(directory, "supervisor.log", O_WRONLY | O_APPEND);
  ::dup2(log ? log.get() : null.get(), 2);
}

Result<std::vector<wire::Granted>> read_secrets(Fd file) {
  if (!file) return std::vector<wire::Granted>{};
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return os_error("reading the secrets");
  std::string bytes(static_cast<std::size_t>(about.st_size), '\0');
  const ssize_t got = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  if (got != about.st_size) return internal("the secrets are cut short");
  auto secrets = codec::decode<std::vector<wire::Granted>>(bytes);
  ::explicit_bzero(bytes.data(), bytes.size());
  return secrets;
}

Result<TaskSpec> read_spec(int directory) {
  TRY_ASSIGN(const std::string bytes, read_text(directory, "spec", 8 << 20));
  return codec::decode<TaskSpec>(bytes);
}

}  // namespace

int supervise() {
  if (!is_open(directory_fd) || !is_open(control_fd)) return 2;
  Fd directory(directory_fd), control(control_fd);
  Fd secrets_file(is_open(secrets_fd) ? secrets_fd : -1), ids(is_open(ids_fd) ? ids_fd : -1);
  Fd network(is_open(network_fd) ? network_fd : -1);
  redirect_standard(directory.get());
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_NAME, "bessemer-task");
  const auto lock = take_lock(directory.get());
  if (!lock) return 3;
  auto site = site_from_environment();
  auto spec = read_spec(directory.get());
  auto secrets = read_secrets(std::move(secrets_file));
  if (!site || !spec || !secrets) return 4;
  Task task(std::move(directory), std::move(*site), std::move(*spec), std::move(*secrets),
            std::move(ids), std::move(network));
  auto begun = task.begin(std::move(control));
  if (!begun) {
    task.fail(begun.error());
    return 0;
  }
  task.run();
  ::_exit(0);  // the kernel clears up faster than we do
}

}  // namespace bessemer::executor
