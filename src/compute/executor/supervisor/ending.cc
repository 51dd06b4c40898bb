// A task's end: what it was, what it used, and the record of it.
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "compute/executor/supervisor/task.h"

namespace bessemer::executor {
namespace {

Duration of(const timeval& time) { return seconds(time.tv_sec) + microseconds(time.tv_usec); }

}  // namespace

Usage Task::usage() const {
  Usage out;
  out.cpu = cgroup_.cpu_used();
  out.memory_peak_bytes = cgroup_.memory_peak();
  if (used_) {
    // Without a cgroup the kernel's account of the ended processes has to do.
    out.cpu = std::max(out.cpu, of(used_->ru_utime) + of(used_->ru_stime));
    out.memory_peak_bytes = std::max(out.memory_peak_bytes,
                                     static_cast<std::uint64_t>(used_->ru_maxrss) * 1024);
  }
  return out;
}

void Task::on_init_gone() {
  // Its last words may still be on their way.
  for (Packet packet; take_packet(channel_.get(), packet) == Taken::packet;) {
    const auto news = codec::decode<wire::News>(packet.bytes);
    if (news) on_news(*news, packet);
  }
  rusage used{};
  int status = 0;
  while (::wait4(init_pid_, &status, 0, &used) < 0 && errno == EINTR) {
  }
  used_ = used;
  cgroup_.kill();
  read_stream(*out_, true);
  read_stream(*err_, true);
  voice_.read_metrics(true);
  if (!status_) oom_killed_ = cgroup_.oom_kills() > 0;
  Exited exited = judge_end();
  exited.usage = usage();
  cgroup_.remove();
  give_back();
  write_exit(std::move(exited));
  loop_.stop();
}

Exited Task::judge_end() const {
  Exited out;
  out.ran = running_;
  if (status_ && WIFEXITED(*status_)) out.exit_code = WEXITSTATUS(*status_);
  if (status_ && WIFSIGNALED(*status_)) out.signal = WTERMSIG(*status_);
  if (ending_) {
    out.reason = ending_->because;
    out.message = ending_->why;
    return out;
  }
  if (!running_) {
    out.reason = ExitReason::failed_to_start;
    out.message = failed_.empty() ? "its first process ended before it ran" : failed_;
    out.message.resize(std::min(out.message.size(), limits::message_bytes));
    out.permanent = permanent_;
    return out;
  }
  const bool failed = !status_ || *status_ != 0;
  if (oom_killed_ && failed) {
    out.reason = ExitReason::out_of_memory;
    out.message = "it needed more than its " + std::to_string(spec_.resources.memory_bytes) +
                  " bytes of memory; ask for more with resources.memory_bytes";
  } else if (!status_) {
    out.reason = ExitReason::lost;
    out.message = "its first process was killed from outside";
  } else if (out.signal != 0) {
    out.reason = ExitReason::signal;
    out.message = std::string("killed by signal ") + ::strsignal(out.signal);
  } else {
    out.reason = ExitReason::exit_code;
  }
  return out;
}

void Task::write_exit(Exited exited) {
  const auto written = records_->exit({wall_now(), std::move(exited)});
  // Without its record the daemon finds a dead supervisor and calls the task lost: never less.
  if (written) doors_.nudge();
}

void Task::fail(const Error& why) {
  if (init_pid_ > 0) {
    kill();
    ::waitpid(init_pid_, nullptr, 0);
  }
  cgroup_.remove();
  give_back();
  if (!records_) {
    wire::StartRecord start;
    start.key = spec_.key;
    start.at = wall_now();
    start.boot_id = site_.boot_id;
    auto begun = Records::begin(directory_.get(), start);
    if (!begun) return;
    records_ = std::move(*begun);
  }
  Exited exited;
  exited.reason = ExitReason::failed_to_start;
  exited.message = to_text(why).substr(0, limits::message_bytes);
  exited.permanent = is_permanent(why.code);
  write_exit(std::move(exited));
}

}  // namespace bessemer::executor
