// What conducting needs of bytes and files: done by the daemon on a thread of its own, by the
// simulator at once.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/id.h"
#include "base/result.h"
#include "compute/executor/executor.h"
#include "data/dataset/inspect.h"
#include "data/run/metrics.h"
#include "orchestration/workload/workload.h"

namespace bessemer::conductor {

// What one task is to be started with.
struct Wanted {
  OrgId tenant, project;
  WorkloadId workload;
  executor::TaskKey key;
  std::uint32_t rank = 0;
  Digest code;                                         // none: no code
  std::vector<std::pair<std::string, Digest>> inputs;  // name and tree
  std::vector<std::string> outputs;
  std::vector<std::string> secrets;
};

// Where on this machine it lies now.
struct Prepared {
  std::string code;
  std::vector<executor::Mount> inputs;
  std::string outputs;
  std::string checkpoints;
  std::vector<executor::TaskSecret> secrets;
};

// Callbacks come on the owner's thread, perhaps before the call returns.
struct Bytes {
  virtual ~Bytes() = default;
  virtual void prepare(Wanted wanted, std::function<void(Result<Prepared>)> then) = 0;
  // Publishes what lies under the task's declared outputs; a name without files is left out.
  virtual void take_outputs(Wanted wanted,
                            std::function<void(Result<std::vector<workload::Product>>)> then) = 0;
  // A line of metrics of a run; lost lines are counted, never fatal.
  virtual void measure(RunId run, const executor::Metrics& metrics, Instant at) = 0;
  // The summary of a run's series, once nothing more comes. An empty one when it measured nothing.
  virtual void end_series(RunId run, std::function<void(Result<run::SeriesEnd>)> then) = 0;
  // The generation's scratch may go, when its logs have been kept; with `all` the workload's
  // checkpoints too.
  virtual void discard(const executor::TaskKey& key, bool all, std::function<void()> then) = 0;
  // Reads every byte of a tree and says how it fits the schema. Errors: not_found, internal (the
  // stored bytes are damaged).
  virtual void inspect(OrgId tenant, const Digest& tree, const dataset::Schema& schema,
                       std::function<void(Result<dataset::Validation>)> then) = 0;
};

}  // namespace bessemer::conductor
