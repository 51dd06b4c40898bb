// What tasks are given and what they leave, on this machine's disk.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "application/conductor/bytes.h"
#include "application/daemon/home.h"
#include "application/daemon/inspector.h"
#include "application/daemon/store_thread.h"
#include "application/engine/engine.h"
#include "governance/secret/vault.h"

namespace bessemer::daemon {

class TaskBytes final : public conductor::Bytes {
 public:
  // Everything outlives this.
  TaskBytes(const Home& home, StoreThread& store, Inspector& inspector, secret::Vault& vault,
            const engine::Engine& engine)
      : home_(home), store_(store), inspector_(inspector), vault_(vault), engine_(engine) {}

  void prepare(conductor::Wanted wanted,
               std::function<void(Result<conductor::Prepared>)> then) override;
  void take_outputs(conductor::Wanted wanted,
                    std::function<void(Result<std::vector<workload::Product>>)> then) override;
  void measure(RunId run, const executor::Metrics& metrics, Instant at) override;
  void end_series(RunId run, std::function<void(Result<run::SeriesEnd>)> then) override;
  void discard(const executor::TaskKey& key, bool all, std::function<void()> then) override;
  void inspect(OrgId tenant, const Digest& tree, const dataset::Schema& schema,
               std::function<void(Result<dataset::Validation>)> then) override;

  std::uint64_t lost_metrics() const { return lost_metrics_; }

 private:
  struct Sealed {
    secret::Place place;
    Digest digest;
  };
  std::string outputs_of(const executor::TaskKey& key) const;
  std::string checkpoints_of(TaskId task) const;
  // Where the secrets that a task asks for lie now.
  Result<std::vector<Sealed>> sealed_of(const conductor::Wanted& wanted) const;

  const Home& home_;
  StoreThread& store_;
  Inspector& inspector_;
  secret::Vault& vault_;
  const engine::Engine& engine_;
  std::map<RunId, run::SeriesWriter> series_;
  std::uint64_t lost_metrics_ = 0;
};

// The file of a run's metric series, below the state directory.
std::string series_path(RunId run);
// Where the logs of an ended generation are kept, absolute: read as a task's directory.
std::string kept_logs(const Home& home, const executor::TaskKey& key);

}  // namespace bessemer::daemon
