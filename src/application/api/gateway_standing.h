// A gateway process as the daemon sees it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/describe.h"
#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "governance/lease/lease.h"

namespace bessemer::api {

// One life of a gateway whose books are not closed: it serves, or its log waits to be recovered.
struct GatewayStanding {
  GatewayId id;
  std::string name;                 // empty: it is not connected
  std::uint64_t epoch = 0;
  lease::EpochStatus lease = lease::EpochStatus::live;  // live, lost, written_off
  bool connected = false;
  std::uint64_t process = 0;        // pid
  std::vector<std::string> listen;  // where callers reach it
  std::uint64_t calls = 0;          // that it answered when it was last seen
  std::uint64_t leases = 0;         // that something is left of
  std::vector<Money> lent;          // what it may still spend, one for each currency
  std::uint64_t reported = 0;       // records of its usage log that are counted
  std::optional<Instant> last_seen;
};
DESCRIBE(GatewayStanding, id, name, epoch, lease, connected, process, listen, calls, leases, lent,
         reported, last_seen)

}  // namespace bessemer::api
