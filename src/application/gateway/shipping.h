// Usage logs on their way to the daemon: the living one, and those that dead processes left.
#pragma once
#include <map>
#include <memory>
#include <optional>

#include "application/control/messages.h"
#include "application/gateway/till.h"
#include "journal/usage_log.h"
#include "world/world.h"

namespace bessemer::gateway {

// How long durable records wait for company before they are shipped.
constexpr Duration shipping_delay = milliseconds(10);

// Ships one range at a time per log and repeats from the last acknowledged record after a lost
// connection, so that nothing is missed and repeats are harmless.
class Shipping {
 public:
  Shipping(real::Loop& loop, const world::Clock& clock, world::Disk& disk,
           world::Entropy& entropy, ControlSender& sender)
      : loop_(loop), clock_(clock), disk_(disk), entropy_(entropy), sender_(sender) {}
  ~Shipping() { loop_.cancel(timer_); }

  // The living log. Call progressed() after each commit.
  void add_own(std::uint64_t epoch, LogWriter& writer);
  void progressed();
  // The daemon lacks the end of these logs. Those of dead processes are recovered: every open hold
  // is resolved, the log closed. Returns what could not be: a log that is not on this disk or
  // damaged, each said in words.
  std::vector<std::string> owe(GatewayId gateway, const std::vector<control::OwedLog>& owed);
  // The living log has got its last record.
  void end_own(journal::Sequence last);

  void acknowledged(const control::UsageAcknowledged& message);
  void settled(std::uint64_t epoch);
  void disconnected();
  // Nothing is left to be shipped or settled.
  bool done() const { return logs_.empty(); }

 private:
  struct Log {
    const journal::UsageLog* log = nullptr;      // the living one, or `recovered`
    std::optional<journal::UsageLog> recovered;
    std::optional<journal::Shipper> shipper;
    journal::Sequence acknowledged = 0;
    journal::Sequence last = 0;                  // 0: it goes on
    bool in_flight = false, ended = false;
  };
  Result<void> recover(GatewayId gateway, const control::OwedLog& owed, Log& into);
  Result<journal::UsageLog> open_dead(GatewayId gateway, const control::OwedLog& owed,
                                      metering::Log& folded);
  void ship_all();
  void ship(std::uint64_t epoch, Log& log);

  real::Loop& loop_;
  const world::Clock& clock_;
  world::Disk& disk_;
  world::Entropy& entropy_;
  ControlSender& sender_;
  std::map<std::uint64_t, Log> logs_;
  std::uint64_t own_ = 0;
  real::Loop::Timer timer_ = 0;
};

}  // namespace bessemer::gateway
