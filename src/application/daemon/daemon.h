// The daemon: one loop that owns the engine, and everything that hangs on it.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "application/api/api.h"
#include "application/conductor/conductor.h"
#include "application/daemon/committer.h"
#include "application/daemon/gateway_processes.h"
#include "application/daemon/gateways.h"
#include "application/daemon/home.h"
#include "application/daemon/snapshots.h"
#include "application/daemon/store_thread.h"
#include "application/daemon/task_bytes.h"
#include "application/daemon/task_doors.h"
#include "application/daemon/task_logs.h"
#include "application/engine/engine.h"
#include "application/server/server.h"
#include "compute/executor/local/local.h"
#include "governance/secret/people.h"
#include "governance/secret/vault.h"
#include "world/real/loop.h"

namespace bessemer::daemon {

struct Options {
  std::string home;
  std::string program_directory;  // where bessemer and bessemer-supervisor lie
  bool insecure = false;          // an address beyond loopback without TLS
};

class Daemon final : api::Standing {
 public:
  // Recovers, adopts, listens. Errors say what to do next.
  static Result<std::unique_ptr<Daemon>> start(Options options);
  ~Daemon() override;

  // Serves until a signal asks it to end. Returns the process's exit status.
  int run();

  const real::Address& address() const { return address_; }

 private:
  explicit Daemon(Options options) : options_(std::move(options)) {}
  Result<void> open();
  Result<void> open_secrets();
  Result<void> listen();
  Result<void> tell_address();
  Result<void> listen_to_gateways();
  void wait_for_gateways(int turns);
  Result<void> watch_signals();
  void committed(Result<void> result);
  // Everything that follows from what has happened: conducts, commits, sets the next wake-up.
  void act();
  void act_soon();
  void maintain();
  std::vector<api::GatewayStanding> gateways() const override { return gateways_->list(); }
  executor::Capabilities isolation() const override { return executor_->capabilities(); }
  std::uint64_t lost_metrics() const override { return bytes_->lost_metrics(); }
  Result<Zone> zone(std::string_view name) const override;
  void stop() override;

  Options options_;
  real::RealClock clock_;
  real::RealEntropy entropy_;
  Home home_;
  std::unique_ptr<real::Loop> loop_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<secret::MasterKey> master_;
  std::unique_ptr<secret::Vault> vault_;
  std::unique_ptr<secret::People> people_;
  std::unique_ptr<StoreThread> store_;
  std::unique_ptr<Inspector> inspector_;
  std::unique_ptr<TaskBytes> bytes_;
  std::unique_ptr<executor::LocalExecutor> executor_;
  std::unique_ptr<conductor::Conductor> conductor_;
  std::unique_ptr<TaskLogs> logs_;
  std::unique_ptr<TaskDoors> doors_;
  std::unique_ptr<Gateways> gateways_;
  std::unique_ptr<GatewayProcesses> gateway_processes_;
  std::unique_ptr<api::EventHub> events_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<server::HttpServer> server_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Snapshots> snapshots_;
  std::vector<std::unique_ptr<real::Watcher>> watchers_;
  real::Descriptor signals_;
  real::Descriptor executor_events_;
  real::Address address_;
  real::Loop::Timer wake_ = 0;
  Duration collected_;  // since boot: the last garbage collection
  bool acting_soon_ = false, stopping_ = false;
  int status_ = 0;
};

}  // namespace bessemer::daemon
