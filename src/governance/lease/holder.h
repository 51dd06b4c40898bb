// The holder's half of leases: a gateway process opens, extends, settles and voids holds against
// what it was lent.
//
// Pure. Each function decides and gives records; the gateway applies them at once (so that the next
// decision sees them), writes them to its usage log in that order, and waits for durability where
// money.md says: a hold before the first byte, an extension before its slice, a settlement before
// the last byte.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/spend.h"
#include "base/time.h"
#include "base/wide.h"
#include "governance/lease/lease.h"
#include "governance/metering/usage_log.h"

namespace bessemer::lease {

using metering::Counts;
using metering::LogRecord;
using metering::Terms;

struct Holder {
  metering::Log log;
  Duration spend_until;  // since boot; nothing is opened or extended from then on
};

// Starts an epoch: the log's first record. Requires: a new log.
LogRecord open_log(GatewayId gateway, std::uint64_t epoch, Instant now);

// The control plane answered a question that was asked at `asked` (since boot).
void renew(Holder& holder, Duration asked);
bool may_spend(const Holder& holder, Duration since_boot);

// Records for leases as the lender says they are (Decision::leases, recalls). One whose revision
// is not newer than what is known is left out: an old answer that comes late is harmless.
std::vector<LogRecord> take(const Holder& holder, const std::vector<Lease>& leases);
// A recall, after taking the lease as it came with it: gives back everything that no open hold has
// or will ask for next. Empty when there is nothing to give back.
std::vector<LogRecord> give_back(const Holder& holder, LeaseId lease);
// The answer to the recall, to be sent once these records are durable, even if there were none.
// Requires: the lease is held.
Reduce reduced(const Holder& holder, LeaseId lease);

// Defines terms (once per kind of request; the number is log.next_terms). Errors: invalid
// (a lease that is not held, prices of two currencies, too many).
Result<LogRecord> define_terms(const Holder& holder, const Terms& terms);

// What a request asks for at its admission.
struct Opening {
  RequestId request;
  std::uint32_t terms = 0;
  Counts first;  // bound of the whole request, or prompt + first slice when it is extended
  Counts slice;  // of each extension; all 0: never extended
};

// What to borrow: see Borrow.
struct Ask {
  Spend need;
  std::vector<Idle> idle;
};

// Admits a request. Errors, `reason` says which:
// - unavailable/lease_expired: no contact with the control plane for too long;
// - unavailable/lease_window_over: a window has ended: borrow again, define new terms;
// - unavailable/lease_short: borrow ask_for(...), then try again;
// - invalid: the terms are unknown or a count is out of bounds; exhausted: too many open holds.
Result<LogRecord> open(const Holder& holder, const Opening& opening, Instant now,
                       Duration since_boot);

// Extends: `delivered` has left (or is about to), `total` bounds everything delivered by the end of
// this slice, `slice` is the next one (all 0: none follows). Draws also on what admissions must
// leave free. Errors: unavailable as open; not_found (resolved already); invalid (less).
Result<LogRecord> extend(const Holder& holder, std::uint64_t hold, const Counts& delivered,
                         const Counts& total, const Counts& slice, Duration since_boot);

// Settles by what was used: never refused for money or time. Use beyond the hold is charged and
// marked as a bound violation: alert, and stop routing to that model. Errors: not_found; invalid.
Result<LogRecord> settle(const Holder& holder, std::uint64_t hold, const Counts& used,
                         bool estimated, Instant now);
Result<LogRecord> void_hold(const Holder& holder, std::uint64_t hold, metering::VoidReason reason);

// What to borrow so that an opening, or an extension, is let in; also before any lease of the terms
// is known. Errors: invalid, not_found, as open and extend.
Result<Ask> ask_for(const Holder& holder, const Terms& terms, const Opening& opening);
Result<Ask> ask_for(const Holder& holder, std::uint64_t hold, const Counts& total);

// Changes the holder by its own record.
void apply(Holder& holder, const LogRecord& record);

// Resolves every open hold of a dead process's log: partial where an extension was durable, void
// otherwise; then closes the log. To be written, folded and reported.
std::vector<LogRecord> recover(const metering::Log& log, Instant now);
// The same for a process that ends in order. Requires: no open holds.
LogRecord close_log(Instant now);

}  // namespace bessemer::lease
