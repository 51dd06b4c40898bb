// The contract of an executor: start, observe and stop tasks on a site.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/id.h"
#include "base/json.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/time.h"

namespace bessemer::executor {

namespace limits {
constexpr std::size_t arguments = 1024;            // words of a command
constexpr std::size_t argument_bytes = 256 << 10;  // all words and the environment together
constexpr std::size_t variables = 512;             // of the declared environment
constexpr std::size_t inputs = 256;
constexpr std::size_t secrets = 64;
constexpr std::size_t secret_bytes = 64 << 10;     // of one secret
constexpr std::size_t parameters_bytes = 1 << 20;
constexpr std::size_t gpus = 64;                   // of one task
constexpr std::size_t line_bytes = 4096;           // one line of metrics or of the task's socket
constexpr std::size_t metrics_per_line = 256;
constexpr std::size_t message_bytes = 1024;        // an explanation in a report
constexpr std::uint64_t log_bytes = 64 << 20;      // of one stream, unless declared
constexpr std::uint64_t spool_bytes = 256 << 20;   // metrics and marks of one generation
}  // namespace limits

// One attempt at a task. A message for an older generation is refused.
struct TaskKey {
  TaskId task;
  std::uint64_t generation = 0;
  friend auto operator<=>(const TaskKey&, const TaskKey&) = default;
};
DESCRIBE(TaskKey, task, generation)

// A directory the daemon prepared, seen by the task under its name.
struct Mount {
  std::string name;       // the last part of /bessemer/inputs/<name>
  std::string host_path;  // absolute
  friend bool operator==(const Mount&, const Mount&) = default;
};
DESCRIBE(Mount, name, host_path)

// One accelerator given to the task, wholly or in part.
struct Device {
  std::string uuid;          // NVML's "GPU-..."; of a simulated one, its declared name
  std::uint32_t index = 0;   // NVML's index on this machine
  std::uint32_t minor = 0;   // of /dev/nvidia<minor>
  std::uint32_t milli = 1000;  // thousandths of it
  bool simulated = false;
  friend bool operator==(const Device&, const Device&) = default;
};
DESCRIBE(Device, uuid, index, minor, milli, simulated)

struct Resources {
  std::uint64_t cpu_millis = 1000;      // thousandths of a core; 0 = no limit
  std::uint64_t memory_bytes = 0;       // 0 = no limit
  std::uint64_t pids = 512;             // processes and threads; 0 = no limit
  std::uint64_t scratch_bytes = 256 << 20;  // /tmp and $HOME, in memory, counted in memory_bytes
  std::uint64_t storage_bytes = std::uint64_t{16} << 30;  // outputs and checkpoints together;
                                                          // 0 = no limit
  std::uint64_t log_bytes = limits::log_bytes;  // of each of stdout and stderr
  std::vector<Device> gpus;
  friend bool operator==(const Resources&, const Resources&) = default;
};
DESCRIBE(Resources, cpu_millis, memory_bytes, pids, scratch_bytes, storage_bytes, log_bytes, gpus)

// none: loopback only. egress: outgoing connections as well; never the host's loopback.
enum class Network : std::uint8_t { none, egress };
DESCRIBE_ENUM(Network, none, egress)

// strict: refuse to start when any part of the isolation is missing.
// relaxed: run with what there is, and report what is missing.
enum class Isolation : std::uint8_t { strict, relaxed };
DESCRIBE_ENUM(Isolation, strict, relaxed)

// A place in a gang; its members see torchrun's variables, and on one machine share a loopback.
struct Rank {
  std::uint32_t rank = 0, world_size = 1, local_rank = 0;
  std::string master_address;
  std::uint16_t master_port = 0;
  friend bool operator==(const Rank&, const Rank&) = default;
};
DESCRIBE(Rank, rank, world_size, local_rank, master_address, master_port)

// What happens at paid_until when nobody has renewed it.
enum class AtUnpaid : std::uint8_t { stop, go_on };
DESCRIBE_ENUM(AtUnpaid, stop, go_on)

// Everything that a task is started with, but for its secrets.
struct TaskSpec {
  TaskKey key;
  WorkloadId workload;
  OrgId project;
  std::string project_name, workload_name;         // for the environment and for people
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::string working_directory;                   // empty = /bessemer/code, or /tmp without code
  std::map<std::string, std::string> environment;  // declared; nothing else is inherited
  json::Raw parameters{"{}"};                      // /bessemer/parameters.json
  std::string code;                                // host path of the pushed tree; may be empty
  std::vector<Mount> inputs;                       // read-only below /bessemer/inputs
  std::vector<std::string> output_names;           // made as /bessemer/outputs/<name>
  std::string outputs;      // host path, this generation's own; empty = in scratch, not kept
  std::string checkpoints;  // host path, the same for each generation; empty = not kept
  Resources resources;
  Network network = Network::none;
  std::optional<std::uint16_t> service_port;  // a service: it listens here on 127.0.0.1
  Isolation isolation = Isolation::strict;
  Duration grace = seconds(30);          // between the notice and the kill
  std::optional<Instant> deadline;       // stopped by then, notice included
  std::optional<Instant> paid_until;     // none = never asked
  AtUnpaid at_unpaid = AtUnpaid::stop;   // go_on: no hard budget limits it
  std::optional<Rank> rank;
  std::uint32_t uid = 0;  // host uid and gid of the task, one per project; 0 only where the
                          // executor itself runs as an ordinary user
  std::optional<Duration> no_progress;  // stopped when it has told nothing for so long: neither
                                        // metrics, checkpoint nor progress
  Duration keep;  // after a failure the sandbox stays for so long, and the task with it: its end
                  // comes when that is over or it is stopped; zero: it ends at once
};
DESCRIBE(TaskSpec, key, workload, project, project_name, workload_name, argv, working_directory,
         environment, parameters, code, inputs, output_names, outputs, checkpoints, resources,
         network, service_port, isolation, grace, deadline, paid_until, at_unpaid, rank, uid,
         no_progress, keep)

// Granted to the task as /run/secrets/<name>, in memory; masked in its logs.
struct TaskSecret {
  std::string name;
  Secret value;
};

// Refuses what no executor can start: empty or oversized commands, names that leave their
// directory, relative host paths, repeated names. Errors: invalid, with the field.
Result<void> check_spec(const TaskSpec& spec, std::span<const TaskSecret> secrets);

// ---- what comes back

// What a task has used since it started.
struct Usage {
  Duration cpu;                          // over all its processes
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t gpu_energy_millijoules = 0;  // of its own devices; 0 where they cannot tell
  bool gpu_energy_estimated = false;     // nobody watched the meter at the exact end
  friend bool operator==(const Usage&, const Usage&) = default;
};
DESCRIBE(Usage, cpu, memory_peak_bytes, gpu_energy_millijoules, gpu_energy_estimated)

enum class ExitReason : std::uint8_t {
  exit_code,        // it ended by itself: see exit_code
  signal,           // killed by a signal that was not ours: see signal
  out_of_memory,    // the kernel killed it at its memory limit
  deadline,         // stopped by us at its deadline
  unpaid,           // stopped by us at paid_until
  storage,          // stopped by us: more outputs and checkpoints than it asked for
  stopped,          // stopped by us because we were told to
  lost,             // its supervisor or its machine went away: ended at the last heartbeat
  failed_to_start,  // it never ran
  no_progress,      // stopped by us: it told nothing for as long as it had declared
};
DESCRIBE_ENUM(ExitReason, exit_code, signal, out_of_memory, deadline, unpaid, storage, stopped,
              lost, failed_to_start, no_progress)

// The task runs. `adopted`: it ran before and was found again.
struct Started {
  static constexpr std::string_view tag = "started";
  std::vector<std::string> missing_isolation;  // relaxed only; in words
  bool adopted = false;
  friend bool operator==(const Started&, const Started&) = default;
};
DESCRIBE(Started, missing_isolation, adopted)

// Durable every 10 s. A lost task ends at its last one.
struct Heartbeat {
  static constexpr std::string_view tag = "heartbeat";
  Usage usage;
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
DESCRIBE(Heartbeat, usage)

struct Metrics {
  static constexpr std::string_view tag = "metrics";
  std::optional<std::int64_t> step;
  std::map<std::string, double> values;
  friend bool operator==(const Metrics&, const Metrics&) = default;
};
DESCRIBE(Metrics, step, values)

struct Checkpoint {
  static constexpr std::string_view tag = "checkpoint";
  std::optional<std::int64_t> step;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
DESCRIBE(Checkpoint, step)

struct Progress {
  static constexpr std::string_view tag = "progress";
  std::int64_t done = 0, of = 0;
  friend bool operator==(const Progress&, const Progress&) = default;
};
DESCRIBE(Progress, done, of)

// A service answered GET /health with 200, or stopped doing so.
struct Health {
  static constexpr std::string_view tag = "health";
  bool ready = false;
  std::string why;  // when not ready
  friend bool operator==(const Health&, const Health&) = default;
};
DESCRIBE(Health, ready, why)

// SIGTERM was sent; the kill follows after the grace period.
struct Notice {
  static constexpr std::string_view tag = "notice";
  ExitReason because = ExitReason::stopped;
  friend bool operator==(const Notice&, const Notice&) = default;
};
DESCRIBE(Notice, because)

// Durable before it is told. Nothing of the task runs any more.
struct Exited {
  static constexpr std::string_view tag = "exited";
  ExitReason reason = ExitReason::exit_code;
  std::int32_t exit_code = 0;  // with exit_code; else 0
  std::int32_t signal = 0;     // with signal and out_of_memory; else 0
  std::string message;         // for a person
  Usage usage;
  bool ran = false;            // false: it never got as far as running: nothing is owed
  bool permanent = false;      // with failed_to_start: the same again would fail the same way
  friend bool operator==(const Exited&, const Exited&) = default;
};
DESCRIBE(Exited, reason, exit_code, signal, message, usage, ran, permanent)

// Whether what was refused so would be refused again however often it is tried: the request itself
// is wrong. Everything else may pass: a full disk, a process limit, a launcher that went away.
constexpr bool is_permanent(Code refused) {
  return refused == Code::invalid || refused == Code::forbidden;
}

using Happening =
    std::variant<Started, Heartbeat, Metrics, Checkpoint, Progress, Health, Notice, Exited>;

struct Report {
  TaskKey key;
  Instant occurred_at;  // by the supervisor's durable records
  std::uint64_t spool = 0;  // after this report: hand it to adopt() to go on from here
  Happening what;
  friend bool operator==(const Report&, const Report&) = default;
};
DESCRIBE(Report, key, occurred_at, spool, what)

// What isolation this machine can give.
struct Capabilities {
  bool privileged = false;           // own uid per project, device nodes, mounts of any owner
  std::string limits;                // "cgroup v2", "cgroup v1 + v2 kill", "none"
  std::vector<std::string> missing;  // in words; empty = everything in docs/task.md holds
  bool egress = false;
  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};
DESCRIBE(Capabilities, privileged, limits, missing, egress)

// A task that the caller believes to be alive, or whose end it has not yet recorded.
struct Expected {
  TaskKey key;
  std::uint64_t spool = 0;    // of the last report it has recorded
  bool started = false;       // it has recorded the start
  Instant last_heard;         // the end of a task that left no trace at all
};

// Starts, observes and stops tasks. Every call returns at once; what happens comes as reports.
// Reports come at least once and in order per task; after adopt() some may come again.
struct Executor {
  virtual ~Executor() = default;

  virtual Capabilities capabilities() const = 0;

  // Begins to start a task; Started or Exited{failed_to_start} follows. Starting the same key
  // again is already done. Errors: invalid (the spec), conflict (an older generation, or another
  // generation of it still runs), forbidden (strict and isolation is missing, naming it).
  virtual Result<void> start(const TaskSpec& spec, std::vector<TaskSecret> secrets) = 0;

  // Gives notice and kills after `grace`; zero kills at once. A second stop can only shorten the
  // grace. Errors: not_found, conflict (an older generation).
  virtual Result<void> stop(const TaskKey& key, std::string why, Duration grace) = 0;

  // Moves paid_until, never backwards, and says what happens then. What would have gone on and is
  // to stop has its whole grace first. Errors: not_found, conflict (an older generation).
  virtual Result<void> renew(const TaskKey& key, Instant paid_until, AtUnpaid at_unpaid) = 0;

  // After a restart of the daemon, once, before anything else: reconnects to the living, reports
  // the ends of the finished from their durable records, and marks those as lost that were
  // expected and left none (a reboot, a supervisor killed). Tasks found alive but not expected
  // are reported as Started{adopted}: the caller stops what it does not want.
  virtual void adopt(std::span<const Expected> expected) = 0;

  // Takes what has happened since the last call. Never blocks.
  virtual std::vector<Report> poll() = 0;

  // Readable whenever poll() has something to do; -1 where time comes by hand (the simulator).
  virtual int poll_fd() const = 0;

  // The end of `key` is recorded and its outputs are taken: its records and logs may go.
  // Errors: conflict (still running).
  virtual Result<void> forget(const TaskKey& key) = 0;
};

}  // namespace bessemer::executor
