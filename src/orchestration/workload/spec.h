// What a tenant asks to be run: the specification of a job or a service.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

namespace bessemer::workload {

// A job ends by itself; a service runs until it is stopped.
enum class Kind : std::uint8_t { job, service };
DESCRIBE_ENUM(Kind, job, service)

// `none`: loopback only. `egress`: connections out, never to the host's own loopback.
enum class Network : std::uint8_t { none, egress };
DESCRIBE_ENUM(Network, none, egress)

// `strict`: refuse to start where any part of the isolation is missing. `relaxed`: run with what
// there is, and say what is missing.
enum class Isolation : std::uint8_t { strict, relaxed };
DESCRIBE_ENUM(Isolation, strict, relaxed)

// Why a task, and then its attempt, ended.
enum class Reason : std::uint8_t {
  completed,       // exit code 0
  exit_code,       // another exit code
  signal,          // killed by a signal that we did not send
  out_of_memory,   // its memory limit
  deadline,        // the moment the workload had to be done by
  run_time,        // its maximum run time
  no_progress,     // its no-progress time-out
  lost,            // the machine, or its supervisor, is gone
  start_failed,    // the executor could not start it: `detail` says why
  preempted,       // the room is another's
  unpaid,          // the budget ran out
  drained,         // its node is being emptied
  cancelled,       // somebody asked for its end
  gang,            // another task of the gang ended it
  storage,         // more outputs and checkpoints than it asked for
};
DESCRIBE_ENUM(Reason, completed, exit_code, signal, out_of_memory, deadline, run_time,
              no_progress, lost, start_failed, preempted, unpaid, drained, cancelled, gang, storage)

// One thing that appears under /bessemer/inputs/<name>: exactly one source is given. The factory
// resolves `dataset` and `model` to `artifact` when it accepts the workload.
struct Input {
  std::string name;
  std::optional<Digest> artifact;      // a tree or file of the artifact store
  std::optional<std::string> dataset;  // "mnist" or "mnist@3"
  std::optional<std::string> model;    // "digits", "digits@2", "digits@champion"
  friend bool operator==(const Input&, const Input&) = default;
};
DESCRIBE(Input, name, artifact, dataset, model)

// What each task of the workload gets.
struct Resources {
  std::optional<std::uint32_t> gpus;           // whole accelerators of one node
  std::optional<std::uint32_t> gpu_milli;      // 1..999: a part of one accelerator
  std::optional<std::string> gpu_model;        // only this model; left out: any
  std::optional<std::uint64_t> cpu_millis;     // thousandths of a core
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> scratch_bytes;  // of /tmp and $HOME; counted in memory_bytes
  std::optional<std::uint64_t> storage_bytes;  // of outputs and checkpoints; default 16 GiB
  friend bool operator==(const Resources&, const Resources&) = default;
};
DESCRIBE(Resources, gpus, gpu_milli, gpu_model, cpu_millis, memory_bytes, scratch_bytes,
         storage_bytes)

// When an attempt that ended badly is made again. Preemption, draining and an exhausted budget
// always requeue and do not count.
struct Retries {
  std::optional<std::uint32_t> max;      // further attempts after the first
  std::set<Reason> on;                   // empty: {lost, start_failed}
  std::optional<Duration> backoff;       // before the first retry; doubles with each
  std::optional<Duration> max_backoff;
  friend bool operator==(const Retries&, const Retries&) = default;
};
DESCRIBE(Retries, max, on, backoff, max_backoff)

// Where a service listens, inside its own network.
struct Port {
  std::uint16_t port = 0;
  std::optional<std::string> health_path;  // default "/health"
  friend bool operator==(const Port&, const Port&) = default;
};
DESCRIBE(Port, port, health_path)

// The whole request. After `complete` every optional that has a default holds a value.
struct Spec {
  OrgId project;
  std::optional<std::string> name;             // default "job" or "service"; need not be unique
  std::optional<Kind> kind;                    // default job
  std::vector<std::string> command;            // argv; the program is looked up in the sandbox
  std::map<std::string, std::string> env;
  std::optional<Digest> code;                  // tree at /bessemer/code; left out: empty
  std::vector<Input> inputs;
  std::vector<std::string> outputs;            // names under /bessemer/outputs
  std::optional<json::Raw> parameters;         // a JSON object
  std::optional<Resources> resources;
  std::optional<std::uint32_t> tasks;          // gang size: all start together or none
  std::vector<std::string> pools;              // in order of preference; empty: any pool
  std::optional<std::int32_t> priority;        // higher runs first within a queue
  std::optional<bool> preemptible;
  std::optional<Retries> retries;
  std::optional<Instant> deadline;             // must have ended by then
  std::optional<Duration> max_run_time;        // of one attempt
  std::optional<Duration> no_progress;         // stop when nothing is written for so long
  std::optional<Duration> grace;               // between the notice and the kill
  std::optional<Network> network;
  std::optional<Isolation> isolation;          // left out: the factory's policy
  std::optional<std::string> environment;      // "host"
  std::vector<std::string> secrets;            // names granted to the tasks
  std::optional<Port> service;                 // required for a service, refused for a job
  std::optional<RunId> run;                    // the experiment run that gets the metrics
  std::optional<PipelineRunId> pipeline_run;   // set by the pipeline that asked
  std::optional<std::string> step;
  std::optional<EndpointId> endpoint;          // set by the deployment whose replica this is
  std::optional<bool> keep_on_failure;         // keep the sandbox of a failed task for looking in
  std::map<std::string, std::string> labels;
  friend bool operator==(const Spec&, const Spec&) = default;
};
DESCRIBE(Spec, project, name, kind, command, env, code, inputs, outputs, parameters, resources,
         tasks, pools, priority, preemptible, retries, deadline, max_run_time, no_progress, grace,
         network, isolation, environment, secrets, service, run, pipeline_run, step, endpoint,
         keep_on_failure, labels)

namespace limit {
constexpr std::size_t arguments = 1'024;
constexpr std::size_t argument_bytes = 128 * 1'024;  // of the whole command, and of the whole env
constexpr std::size_t variables = 512;
constexpr std::size_t inputs = 64;
constexpr std::size_t outputs = 64;
constexpr std::size_t secrets = 64;
constexpr std::size_t pools = 16;
constexpr std::size_t labels = 32;
constexpr std::size_t parameters_bytes = 256 * 1'024;
constexpr std::uint32_t tasks = 4'096;
constexpr std::uint32_t gpus = 64;                       // of one node
constexpr std::uint64_t cpu_millis = 1'024'000;
constexpr std::uint64_t memory_bytes = 64ull << 40;
constexpr std::uint64_t min_memory_bytes = 4ull << 20;
constexpr std::int32_t priority = 1'000;                 // and its negative
constexpr std::uint32_t retries = 100;
constexpr Duration span = days(366);
}  // namespace limit

// What is meant when a request says nothing.
namespace defaults {
constexpr std::uint64_t cpu_millis = 1'000;
constexpr std::uint64_t memory_bytes = 1ull << 30;
constexpr std::uint64_t scratch_bytes = 256ull << 20;
constexpr std::uint32_t retries = 3;                     // of lost, start_failed
constexpr Duration backoff = seconds(5);
constexpr Duration max_backoff = minutes(10);
constexpr Duration grace = seconds(30);
}  // namespace defaults

// Checks every field against its limit and fills in the defaults. Idempotent.
// Errors: invalid, naming the field.
Result<Spec> complete(Spec spec);

// What one task of a completed spec needs, as plain numbers.
struct Shape {
  std::uint32_t gpus = 0;       // whole accelerators, or
  std::uint32_t gpu_milli = 0;  // 1..999 of one
  std::string gpu_model;        // empty: any
  std::uint64_t cpu_millis = 0;
  std::uint64_t memory_bytes = 0;
  // The accelerators in thousandths.
  std::uint64_t milli() const { return std::uint64_t{gpus} * 1'000 + gpu_milli; }
  friend bool operator==(const Shape&, const Shape&) = default;
};
// Requires: `spec` is complete.
Shape shape_of(const Spec& spec);

}  // namespace bessemer::workload
