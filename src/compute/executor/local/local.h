// The executor of this machine: hands tasks to the launcher, reads what their supervisors write.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compute/executor/channel.h"
#include "compute/executor/executor.h"
#include "compute/executor/local/energy.h"
#include "compute/executor/wire.h"
#include "world/world.h"

namespace bessemer::executor {

struct LocalOptions {
  std::string tasks_directory;  // absolute; made with mode 0700 where it is missing
  std::string supervisor;       // path of the program bessemer-supervisor
  std::vector<std::string> launcher_options;  // see launch.h: to do without parts
  const world::Clock* clock = nullptr;        // Requires: outlives the executor
};

// A running launcher; it ends when the socket closes.
struct Launcher {
  Fd socket;
  int pid = -1;
};

// A daemon that gives up root starts the launcher before and hands it in.
Result<Launcher> start_launcher(const LocalOptions& options);

// What a command inside a task said: see LocalExecutor::command.
struct CommandNews {
  bool answered = false;           // it runs, or `refused` says why not
  std::string refused;
  Fd terminal;                     // with `answered`, where one was asked for
  std::optional<int> exit_code;    // it ended
  bool closed = false;             // the task or its supervisor went away
};

class LocalExecutor final : public Executor {
 public:
  // Without `launcher` one is started, and again whenever it dies. Errors: unavailable (the
  // program or the directory), naming it.
  static Result<std::unique_ptr<LocalExecutor>> open(LocalOptions options, Launcher launcher = {});
  ~LocalExecutor() override;

  Capabilities capabilities() const override { return capabilities_; }
  Result<void> start(const TaskSpec& spec, std::vector<TaskSecret> secrets) override;
  Result<void> stop(const TaskKey& key, std::string why, Duration grace) override;
  Result<void> renew(const TaskKey& key, Instant paid_until, AtUnpaid at_unpaid) override;
  void adopt(std::span<const Expected> expected) override;
  std::vector<Report> poll() override;
  int poll_fd() const override { return epoll_.get(); }
  Result<void> forget(const TaskKey& key) override;

  // The task's directory: logs (logs.h), the gateway's door `service`, supervisor.log.
  std::string directory_of(const TaskKey& key) const;

  // Runs a command inside a task, as the task. Answers its connection: watch it, take_command()
  // when readable, close it to kill the command. `standard` are stdin, stdout, stderr, unused
  // with a terminal. Errors: not_found, unavailable.
  Result<Fd> command(const TaskKey& key, const wire::Execute& what, std::span<const int> standard);
  static std::optional<CommandNews> take_command(int connection);

  // Asks for a socket connected to 127.0.0.1:port inside the task; take_connection() when the
  // answer is readable. Errors: not_found, unavailable.
  Result<Fd> connect(const TaskKey& key, std::uint16_t port);
  static Result<Fd> take_connection(int connection);

 private:
  // What is known of one generation of a task.
  struct Known {
    Fd directory, control, spool;
    std::uint64_t spool_offset = 0;
    std::uint64_t heartbeat = 0;  // number of the last one reported
    bool started = false, exited = false, adopted = false;
    std::optional<EnergyReading> energy;
    std::uint64_t tag = 0;               // of epoll
    Instant last_heard;                  // what the caller knew of an adopted one
    std::vector<wire::Request> waiting;  // for a supervisor that does not listen yet
  };

  LocalExecutor(LocalOptions options, Launcher launcher);
  void drop_launcher();
  Result<void> greet_launcher();
  Result<void> send_launch(const TaskSpec& spec, const std::vector<TaskSecret>& secrets,
                           Known& known);
  Result<Known*> find(const TaskKey& key);
  Result<void> send(Known& known, const wire::Request& request);
  void watch(int fd, std::uint64_t tag);
  void hear(const TaskKey& key, Known& known);
  // Reads records and spool, and reports what is new in them.
  void read_news(const TaskKey& key, Known& known);
  void read_spool(const TaskKey& key, Known& known);
  void report_exit(const TaskKey& key, Known& known, const wire::ExitRecord& record);
  void report_loss(const TaskKey& key, Known& known, Instant last_heard);
  void adopt_one(const TaskKey& key, const Expected* expected);
  // Finds out whether a supervisor lives and connects to it; again later when it lives and does
  // not listen yet.
  void reach(const TaskKey& key, Known& known);
  void reach_again();
  // Fills in where each real device is on this machine. Errors: invalid, naming the uuid.
  Result<void> locate(std::vector<Device>& devices) const;
  void attend(const TaskKey& key, Known& known);
  void tell(const TaskKey& key, Known& known, Instant at, Happening what);
  void measure_energy(Known& known, Usage& usage, bool late);

  LocalOptions options_;
  Capabilities capabilities_;
  std::string boot_id_;
  bool own_launcher_ = true;
  Launcher launcher_;
  Fd epoll_, pending_, again_;
  std::vector<TaskKey> unreached_;
  EnergyMeter meter_;
  std::map<std::string, GpuInfo> gpus_;  // of this machine, by uuid
  std::map<TaskKey, Known> known_;
  std::map<std::uint64_t, TaskKey> tags_;  // of epoll
  std::uint64_t next_tag_ = 16;
  std::vector<Report> reports_;
};

}  // namespace bessemer::executor
