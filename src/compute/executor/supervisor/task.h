// The life of one task, from its spec to its exit record.
#pragma once
#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "compute/executor/supervisor/cgroup.h"
#include "compute/executor/supervisor/doors.h"
#include "compute/executor/supervisor/health.h"
#include "compute/executor/supervisor/logs.h"
#include "compute/executor/supervisor/loop.h"
#include "compute/executor/supervisor/mask.h"
#include "compute/executor/supervisor/records.h"
#include "compute/executor/supervisor/voice.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// Starts the task of `directory`, keeps its limits of time and money, and records its end.
class Task {
 public:
  Task(Fd directory, wire::Site site, TaskSpec spec, std::vector<wire::Granted> secrets, Fd ids,
       Fd network);

  // Makes everything up to the moment where the task may run. After an error: fail().
  Result<void> begin(Fd control);
  // It never ran: leaves an exit record that says why.
  void fail(const Error& why);
  // Until its end is recorded.
  void run();

 private:
  struct Ending {
    ExitReason because = ExitReason::stopped;
    std::string why;
    Duration kill_at;  // since boot
    Loop::Timer timer{};
  };
  struct Stream {
    Fd pipe;
    Mask mask;
    Log log;
  };

  Result<void> launch_init();
  Result<void> map_ids(int pid);
  Result<void> prepare_outputs();
  // Where owners cannot be mapped, what the task may write becomes the task's, and at its end
  // the daemon's again.
  Result<void> decide_ownership();
  void give_back();
  void start_clocks();
  void hear_init();
  void on_news(const wire::News& news, Packet& packet);
  void on_running();
  void read_stream(Stream& stream, bool last);
  Result<void> order(const wire::Order& order, std::span<const int> fds);

  void stop(ExitReason because, std::string why, Duration grace);
  void kill();
  void renew(const wire::Renew& paid);
  void watch_payment();
  void watch_storage();
  void watch_progress();
  // Its main process has ended: so does the task, unless it failed and is to be kept.
  void on_ended(int status);
  void beat();
  void mark(wire::Mark mark);

  void on_init_gone();
  void write_exit(Exited exited);
  Exited judge_end() const;
  Usage usage() const;

  Fd directory_;
  wire::Site site_;
  TaskSpec spec_;
  std::vector<wire::Granted> secrets_;
  Fd ids_, network_;
  bool sandbox_ = true;
  bool given_away_ = false;
  std::vector<std::string> missing_;

  Loop loop_;
  Cgroup cgroup_;
  std::optional<Records> records_;
  Voice voice_;
  Doors doors_;
  std::optional<HealthCheck> health_;
  std::optional<Stream> out_, err_;

  Fd channel_, init_;
  int init_pid_ = -1;
  bool running_ = false, go_sent_ = false;
  std::string failed_;               // the init's words
  bool permanent_ = false;           // what failed would fail again
  Duration told_at_;                 // since boot: when it last told anything
  bool kept_ = false;                // it has failed, and only its files are left
  bool oom_killed_ = false;          // as far as its main process is concerned
  std::optional<int> status_;        // of the task's main process
  std::optional<Ending> ending_;
  std::optional<Loop::Timer> payment_;
  std::uint64_t heartbeats_ = 0;
  std::optional<rusage> used_;       // once it is over
};

// What `spec` asks for and `site` cannot give, in words.
std::vector<std::string> missing_for(const TaskSpec& spec, const wire::Site& site);

}  // namespace bessemer::executor
