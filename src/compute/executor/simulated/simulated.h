// A machine and its executor in simulated time: the twin of compute/executor/local.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "compute/executor/executor.h"

namespace bessemer::executor {

// What a task does when it is left alone.
struct Behaviour {
  bool starts = true;                     // false: failed_to_start after start_delay
  Duration start_delay = milliseconds(4);
  Duration runs_for = seconds(60);        // then it ends by itself
  ExitReason ends = ExitReason::exit_code;  // or signal, out_of_memory
  std::int32_t exit_code = 0;
  Duration metrics_every{};               // zero: says nothing
  Duration checkpoint_every{};
  Duration obeys_after = milliseconds(200);  // a notice; longer than the grace: it is killed
  std::uint64_t cpu_millis = 1000;        // used while it runs
  std::uint64_t memory_bytes = 64 << 20;
  std::uint64_t gpu_milliwatts = 300'000;  // of each of its devices
  std::optional<Duration> ready_after;    // a service
};

// Decides what a task will do.
struct Author {
  virtual ~Author() = default;
  virtual Behaviour behaviour(const TaskSpec& spec, Random& random) = 0;
};

// What outlives the daemon.
class SimulatedMachine {
 public:
  // Requires: `author` outlives this.
  SimulatedMachine(std::uint64_t seed, Author& author, Capabilities capabilities = {})
      : random_(seed), author_(author), capabilities_(std::move(capabilities)) {}

  // Lets happen what happens until `now`. Requires: never backwards.
  void advance(Instant now);
  // When the next thing happens by itself; nothing while no task runs.
  std::optional<Instant> next() const;
  Instant now() const { return now_; }

  // Everything that runs is lost, without a record.
  void reboot();
  // One supervisor is killed, and its task with it, without a record.
  void kill_supervisor(const TaskKey& key);

  // What must never happen, in words; empty in a correct system.
  const std::vector<std::string>& violations() const { return violations_; }
  std::size_t running() const;

 private:
  friend class SimulatedExecutor;
  enum class Phase : std::uint8_t { starting, running, over };
  struct Task {
    TaskSpec spec;
    Behaviour behaviour;
    Phase phase = Phase::starting;
    Instant started;
    std::optional<Instant> notified;      // SIGTERM
    ExitReason because = ExitReason::stopped;
    std::string why;
    Instant kill_at;
    Instant next_heartbeat, next_metrics, next_checkpoint, ready_at;
    std::int64_t step = 0;
    std::vector<Report> marks, records;   // durable; `spool` counts marks
    bool lost = false;                    // ended without a record
  };
  // The kind is part of the key, so that equal moments have one order.
  struct Due {
    Instant at;
    int kind = 0;
  };
  static std::optional<Due> due(const Task& task);
  void step(Task& task, const Due& due);
  void mark(Task& task, Instant at, Happening what);
  void finish(Task& task, Instant at, Exited exited);
  void notify(Task& task, Instant at, ExitReason because, std::string why, Duration grace);
  Usage usage(const Task& task, Instant at) const;
  void judge_start(const TaskSpec& spec);

  Random random_;
  Author& author_;
  Capabilities capabilities_;
  Instant now_;
  std::map<TaskKey, Task> tasks_;
  std::map<TaskId, std::uint64_t> newest_;
  std::vector<std::string> violations_;
};

// The daemon's side. Destroy it with the daemon; a new one adopts.
class SimulatedExecutor final : public Executor {
 public:
  // Reports older than `delay` are delivered. Requires: `machine` outlives this.
  explicit SimulatedExecutor(SimulatedMachine& machine, Duration delay = {})
      : machine_(machine), delay_(delay) {}

  Capabilities capabilities() const override { return machine_.capabilities_; }
  Result<void> start(const TaskSpec& spec, std::vector<TaskSecret> secrets) override;
  Result<void> stop(const TaskKey& key, std::string why, Duration grace) override;
  Result<void> renew(const TaskKey& key, Instant paid_until, AtUnpaid at_unpaid) override;
  void adopt(std::span<const Expected> expected) override;
  std::vector<Report> poll() override;
  int poll_fd() const override { return -1; }
  Result<void> forget(const TaskKey& key) override;

 private:
  // How far this daemon has read.
  struct Read {
    std::size_t marks = 0, records = 0;
    bool adopted = false, over = false;
  };
  Result<SimulatedMachine::Task*> find(const TaskKey& key);
  void read(const TaskKey& key, Read& read, std::vector<Report>& out);

  SimulatedMachine& machine_;
  Duration delay_;
  std::map<TaskKey, Read> reads_;
  std::vector<Report> pending_;
};

}  // namespace bessemer::executor
