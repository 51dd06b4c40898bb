// A gateway process of a simulation: requests against leases, a usage log, and sudden deaths.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "governance/lease/holder.h"
#include "governance/lease/lease.h"
#include "journal/usage_log.h"
#include "world/simulated/clock.h"
#include "world/simulated/disk.h"

namespace bessemer::sim {

// What a gateway asks of the control plane. Nothing comes back while the daemon is away.
struct ControlPlane {
  virtual ~ControlPlane() = default;
  // Opens the next epoch; the epochs that are still owed are left in `owed`, with their offsets.
  struct Welcome {
    std::uint64_t epoch = 0;
    std::map<std::uint64_t, journal::Sequence> owed;
  };
  virtual std::optional<Welcome> hello(GatewayId gateway) = 0;
  struct Answer {
    lease::Outcome outcome = lease::Outcome::wait;
    std::vector<lease::Lease> leases;
    std::string refused;  // the reason
  };
  virtual std::optional<Answer> borrow(GatewayId gateway, std::uint64_t epoch,
                                       const budget::Spender& spender, budget::Purpose purpose,
                                       const lease::Ask& ask) = 0;
  // Acknowledges the offset up to which everything is counted.
  virtual std::optional<journal::Sequence> ship(GatewayId gateway, std::uint64_t epoch,
                                                const std::string& range) = 0;
  virtual bool reduce(const lease::Reduce& answer) = 0;
  virtual bool close(GatewayId gateway, std::uint64_t epoch, journal::Sequence offset) = 0;
  virtual std::vector<lease::Lease> recalled(GatewayId gateway) = 0;
  virtual bool ping() = 0;
};

// What requests of one kind have in common.
struct RequestKind {
  budget::Spender spender;
  metering::Payer payer;
  metering::Subject subject;
  std::string sku;
  PriceBookId version;
  std::vector<pricing::Price> prices;
};

// What the outside saw of one request.
struct Seen {
  std::size_t kind = 0;
  std::optional<metering::Counts> answered;  // the whole answer reached the client
  metering::Counts delivered;                // what may have reached it at most
  bool began = false;                        // a byte left
};

struct GatewayCounts {
  std::uint64_t opened = 0, answered = 0, refused = 0, unavailable = 0, deaths = 0, recovered = 0,
                extended = 0, voided = 0, recalls = 0, stopped = 0;
};

// One machine with a gateway on it. Its disk and what clients saw outlive the process.
class SimulatedGateway {
 public:
  SimulatedGateway(GatewayId id, const simulated::SimulatedClock& clock, std::uint64_t seed);

  GatewayId id() const { return id_; }
  bool alive() const { return process_ != nullptr; }
  // Starts the process: recovers and closes old logs, then opens a new epoch. Stays dead when the
  // control plane does not answer or the disk fails.
  void start(ControlPlane& control);
  // One thing that a gateway does, by chance.
  void step(ControlPlane& control, const std::vector<RequestKind>& kinds);
  void kill(simulated::Unsynced unsynced);
  // SIGSTOP: it does nothing until SIGCONT, while time goes on.
  void set_stopped(bool stopped) { stopped_ = stopped; }
  bool stopped() const { return stopped_; }
  // Ends all requests, ships everything and closes the log. False: try again.
  bool drain(ControlPlane& control);

  simulated::SimulatedDisk& disk() { return disk_; }
  const std::map<RequestId, Seen>& seen() const { return seen_; }
  const GatewayCounts& counts() const { return counts_; }

 private:
  struct Request {
    RequestId id;
    std::size_t kind = 0;
    std::uint64_t hold = 0;
    metering::Counts produced;  // by the engine so far
    metering::Counts covered;   // what the hold covers
    std::uint64_t output_in_all = 0;
    std::uint64_t slice = 0;    // 0: held whole
    bool open = false;          // its hold is durable
    bool busy = false;          // waits for durability
  };
  // What may happen once a sequence is durable.
  struct Waiting {
    journal::Sequence sequence = 0;
    RequestId request;
    enum class What : std::uint8_t { opened, extended, answered, gone, reduced } what;
    LeaseId lease;
    metering::Counts covered;
  };
  struct Process {
    lease::Holder holder;
    journal::UsageLog log;
    std::optional<journal::Shipper> shipper;
    std::map<std::size_t, std::uint32_t> terms;  // by kind
    std::map<RequestId, Request> requests;
    std::deque<Waiting> waiting;
    journal::Sequence acknowledged = 0;
  };

  bool write(const std::vector<lease::LogRecord>& records);
  bool commit(ControlPlane& control);
  void release(const Waiting& waiting, ControlPlane& control);
  void arrive(ControlPlane& control, const std::vector<RequestKind>& kinds);
  bool prepare_terms(ControlPlane& control, const RequestKind& kind, std::size_t index,
                     const lease::Opening& opening);
  std::optional<std::vector<LeaseId>> borrow(ControlPlane& control, const RequestKind& kind,
                                             budget::Purpose purpose,
                                             const Result<lease::Ask>& ask);
  void progress(ControlPlane& control, const std::vector<RequestKind>& kinds);
  void produce(Request& request);
  void extend(Request& request, ControlPlane& control, const std::vector<RequestKind>& kinds);
  void settle(Request& request);
  void ship(ControlPlane& control);
  void answer_recalls(ControlPlane& control);
  bool recover_epoch(ControlPlane& control, std::uint64_t epoch, journal::Sequence acknowledged);
  void die();

  GatewayId id_;
  const simulated::SimulatedClock& clock_;
  Random random_;
  simulated::SimulatedDisk disk_;
  std::unique_ptr<Process> process_;
  bool stopped_ = false;
  std::map<RequestId, Seen> seen_;
  GatewayCounts counts_;
};

}  // namespace bessemer::sim
