// The usage log of a gateway process: its records, and the fold that both the gateway (live and at
// recovery) and the daemon make of them.
//
// A record is the binary form (base/codec.h) of LogRecord; files, frames and checksums are
// journal's business. One log per gateway process and epoch. Words that repeat are defined once:
// LeaseTaken names a lease, TermsDefined what requests of one kind have in common.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/spend.h"
#include "base/time.h"
#include "base/wide.h"
#include "base/zone.h"
#include "governance/metering/metering.h"

namespace bessemer::metering {

constexpr std::uint64_t max_request_tokens = 1'000'000'000'000;  // of one meter of one request
constexpr std::size_t max_terms = 100'000;       // of one log
constexpr std::size_t max_terms_leases = 32;     // budgets that one request may draw on
constexpr std::size_t max_open_holds = 100'000;  // of one log

// What a request used, by meter; cached input is not part of input, nor reasoning of output.
struct Counts {
  std::uint64_t input = 0;
  std::uint64_t cached_input = 0;
  std::uint64_t output = 0;
  std::uint64_t reasoning = 0;
  std::uint64_t requests = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};
DESCRIBE(Counts, input, cached_input, output, reasoning, requests)
std::uint64_t tokens_of(const Counts& counts);
std::uint64_t count_of(const Counts& counts, Meter meter);  // 0 for time meters

// What all requests of one kind share: payer, model, prices, and the leases they draw on. Fixed
// when a hold is opened.
struct Terms {
  Payer payer;
  Subject subject;
  std::string sku;            // of all its meters
  PriceBookId version;        // none: unpriced, when admission lets that through
  std::vector<pricing::Price> prices;  // of the meters that are priced; one currency
  std::vector<LeaseId> leases;         // one per budget of the set; empty: nothing limits it
  friend bool operator==(const Terms&, const Terms&) = default;
};
DESCRIBE(Terms, payer, subject, sku, version, prices, leases)
// Currency of the prices; XXX without any.
Currency currency_of(const Terms& terms);
// What `counts` cost, each meter rounded up: what holds and settlements take from leases. Errors:
// invalid (a count beyond max_request_tokens, or an amount beyond pricing's).
Result<Wide> cost_of(const Terms& terms, const Counts& counts);

// ---- records

struct LogOpened {
  static constexpr std::string_view tag = "log_opened";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  Instant at;
  friend bool operator==(const LogOpened&, const LogOpened&) = default;
};
DESCRIBE(LogOpened, gateway, epoch, at)

// A lease, or the same lease at a later revision of the lender: `granted` is its new whole.
struct LeaseTaken {
  static constexpr std::string_view tag = "lease_taken";
  LeaseId lease;
  BudgetId budget;
  Period window;
  SpendUnit unit = SpendUnit::money;
  Currency currency;
  Wide granted = 0;
  std::uint64_t revision = 0;
  friend bool operator==(const LeaseTaken&, const LeaseTaken&) = default;
};
DESCRIBE(LeaseTaken, lease, budget, window, unit, currency, granted, revision)

// A recall, binding once this record is durable: `granted` is the smaller whole. The lease's
// revision rises by one, so that no older grant on its way can undo it.
struct LeaseReduced {
  static constexpr std::string_view tag = "lease_reduced";
  LeaseId lease;
  Wide granted = 0;
  friend bool operator==(const LeaseReduced&, const LeaseReduced&) = default;
};
DESCRIBE(LeaseReduced, lease, granted)

struct TermsDefined {
  static constexpr std::string_view tag = "terms_defined";
  std::uint32_t number = 0;
  Terms terms;
  friend bool operator==(const TermsDefined&, const TermsDefined&) = default;
};
DESCRIBE(TermsDefined, number, terms)

// `money` (nano) and `tokens` are held from the terms' leases; `slice_*` is what the next
// extension will ask for (0: none), kept free from admissions.
struct HoldOpened {
  static constexpr std::string_view tag = "hold_opened";
  std::uint64_t hold = 0;
  RequestId request;
  std::uint32_t terms = 0;
  Wide money = 0;
  std::uint64_t tokens = 0;
  Wide slice_money = 0;
  std::uint64_t slice_tokens = 0;
  Instant at;
  friend bool operator==(const HoldOpened&, const HoldOpened&) = default;
};
DESCRIBE(HoldOpened, hold, request, terms, money, tokens, slice_money, slice_tokens, at)

// Durable before the first byte of its slice. `delivered`: all that has left so far, whole
// (prompt included); `money` and `tokens`: the new wholes held.
struct HoldExtended {
  static constexpr std::string_view tag = "hold_extended";
  std::uint64_t hold = 0;
  Counts delivered;
  Wide money = 0;
  std::uint64_t tokens = 0;
  Wide slice_money = 0;
  std::uint64_t slice_tokens = 0;
  friend bool operator==(const HoldExtended&, const HoldExtended&) = default;
};
DESCRIBE(HoldExtended, hold, delivered, money, tokens, slice_money, slice_tokens)

enum class Resolution : std::uint8_t {
  settled,  // by the engine's count, or by what was produced until the client left
  partial,  // after a crash: the last durable delivered count
};
DESCRIBE_ENUM(Resolution, settled, partial)

struct HoldSettled {
  static constexpr std::string_view tag = "hold_settled";
  std::uint64_t hold = 0;
  Counts counts;
  Wide money = 0;  // cost_of(terms, counts)
  Resolution resolution = Resolution::settled;
  bool estimated = false;        // the engine gave no count
  bool bound_violation = false;  // more than was held: charged whole
  Instant at;
  friend bool operator==(const HoldSettled&, const HoldSettled&) = default;
};
DESCRIBE(HoldSettled, hold, counts, money, resolution, estimated, bound_violation, at)

enum class VoidReason : std::uint8_t { refused, upstream_failed, client_left, log_failed, crashed };
DESCRIBE_ENUM(VoidReason, refused, upstream_failed, client_left, log_failed, crashed)

struct HoldVoided {
  static constexpr std::string_view tag = "hold_voided";
  std::uint64_t hold = 0;
  VoidReason reason = VoidReason::refused;
  friend bool operator==(const HoldVoided&, const HoldVoided&) = default;
};
DESCRIBE(HoldVoided, hold, reason)

// The last record of a log: every hold is resolved.
struct LogClosed {
  static constexpr std::string_view tag = "log_closed";
  Instant at;
  friend bool operator==(const LogClosed&, const LogClosed&) = default;
};
DESCRIBE(LogClosed, at)

using LogRecord = std::variant<LogOpened, LeaseTaken, LeaseReduced, TermsDefined, HoldOpened,
                               HoldExtended, HoldSettled, HoldVoided, LogClosed>;

// ---- the fold

struct OpenHold {
  RequestId request;
  std::uint32_t terms = 0;
  Wide money = 0;
  std::uint64_t tokens = 0;
  Wide slice_money = 0;
  std::uint64_t slice_tokens = 0;
  std::optional<Counts> delivered;  // as of the last extension
  Instant opened_at;
  friend bool operator==(const OpenHold&, const OpenHold&) = default;
};
DESCRIBE(OpenHold, request, terms, money, tokens, slice_money, slice_tokens, delivered, opened_at)

// A lease as its log tells it; amounts in its own unit. granted >= consumed + held, unless an
// engine broke its bound.
struct LeaseUse {
  LeaseTaken taken;   // `granted` as it is now
  Wide held = 0;      // by open holds
  Wide sliced = 0;    // what open holds will ask for next
  Wide consumed = 0;  // by settled ones; only rises
  friend bool operator==(const LeaseUse&, const LeaseUse&) = default;
};
DESCRIBE(LeaseUse, taken, held, sliced, consumed)

struct Log {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t next_hold = 1;
  std::uint32_t next_terms = 1;
  bool closed = false;
  std::map<LeaseId, LeaseUse> leases;
  std::map<std::uint32_t, Terms> terms;
  std::map<std::uint64_t, OpenHold> holds;
  std::uint64_t settled = 0, partial = 0, voided = 0, estimated = 0, violations = 0;
  friend bool operator==(const Log&, const Log&) = default;
};
DESCRIBE(Log, gateway, epoch, next_hold, next_terms, closed, leases, terms, holds, settled,
         partial, voided, estimated, violations)

// A settled request, as the fold reports it.
struct Settlement {
  std::uint32_t terms = 0;
  RequestId request;
  Counts counts;
  Wide money = 0;
  Instant opened_at;
};

// Takes the next record. Gives the settlement when the record is one. Errors: internal (the record
// does not fit the log before it: unknown hold, terms or lease, or a wrong sum).
Result<std::optional<Settlement>> fold(Log& log, const LogRecord& record);

// Adds up settlements by terms and quarter of an hour (in which no month begins in any zone), so
// that a range of the log becomes one metering::Record.
class UsageSums {
 public:
  void add(const Settlement& settlement);
  // One usage per terms, quarter and meter that was used, in order; `terms_of[i]` is the terms
  // of usages[i]. Requires: the terms are defined in `log`.
  struct Usages {
    std::vector<Usage> usages;
    std::vector<std::uint32_t> terms_of;
  };
  Usages usages(const Log& log) const;
  bool empty() const { return sums_.empty(); }

 private:
  struct Sum {
    Counts counts;
    Instant first;
  };
  std::map<std::pair<std::uint32_t, std::int64_t>, Sum> sums_;
};

// The stream name of a log's usage: "gateway/gw_.../epoch".
std::string stream_of(GatewayId gateway, std::uint64_t epoch);

}  // namespace bessemer::metering
