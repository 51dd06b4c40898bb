// The daemon's end of the control socket, and the gateway processes it keeps running.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "application/api/gateway_standing.h"
#include "application/control/messages.h"
#include "application/daemon/key_claims.h"
#include "application/daemon/usage_intake.h"
#include "application/daemon/usage_sealer.h"
#include "application/engine/engine.h"
#include "compute/executor/local/local.h"
#include "governance/audit/refusal_counter.h"
#include "governance/lease/absence.h"
#include "world/real/connection.h"
#include "world/real/listener.h"

namespace bessemer::daemon {

// The identity of a gateway is its name.
GatewayId gateway_id(std::string_view name);

class Gateways {
 public:
  // Everything outlives this.
  Gateways(engine::Engine& engine, const executor::LocalExecutor& executor, real::Loop& loop,
           world::Disk& disk, const world::Clock& clock, world::Entropy& entropy);
  ~Gateways();

  // Errors: conflict (the socket is in use).
  Result<void> listen(const real::Address& address);
  // Sends what has changed to every gateway; cheap when nothing has. Once per turn of the loop.
  void update();
  // Calls lost whom nobody has heard of for a lease's lifetime. Once in a while.
  void maintain();
  // Asks every gateway to take no new requests, to end the running ones and to leave.
  void drain(Duration patience);
  std::size_t connected() const;
  // Every gateway that was ever here and whose books are not closed: connected ones, and the logs
  // that dead ones left.
  std::vector<api::GatewayStanding> list() const;
  // Alerts that gateways have raised: an engine broke its bound.
  std::uint64_t alerts() const { return alerts_; }

 private:
  class Peer;
  friend class Peer;
  Context observed() const;
  void record(const std::vector<audit::Told>& refusals);
  void hello(Peer& peer, const control::Hello& hello);
  void borrow(Peer& peer, const control::LeaseRequest& request);
  void take_usage(Peer& peer, const control::UsageShipped& shipped);
  void end_epoch(Peer& peer, const control::EpochEnded& ended);
  void send_recalls();
  void lost(Peer& peer);
  // Sends once everything applied so far is durable; dropped when the peer is gone by then.
  void answer(const Peer& peer, control::FromDaemon message);

  engine::Engine& engine_;
  const executor::LocalExecutor& executor_;
  real::Loop& loop_;
  const world::Clock& clock_;
  world::Entropy& entropy_;
  KeyClaims claims_;
  audit::RefusalCounter refusals_;
  UsageIntake intake_;
  lease::Absence absence_;
  UsageSealer sealer_;
  std::unique_ptr<real::Listener> listener_;
  std::map<std::uint64_t, std::unique_ptr<Peer>> peers_;
  std::uint64_t next_peer_ = 1;
  control::Configuration configuration_;
  bool changed_ = true;
  bool recalls_ = false;
  std::uint64_t alerts_ = 0;
};

}  // namespace bessemer::daemon
