// What gateways and the daemon say to each other over run/control.sock.
//
// A message is {u32 length of the rest, u8 kind, body}; the body is the binary form (base/codec.h)
// of the struct, the kind its place in the variant. Each side sends whenever it has something.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "application/control/configuration.h"
#include "base/codec.h"
#include "base/spend.h"
#include "governance/budget/budget.h"
#include "governance/lease/lease.h"

namespace bessemer::control {

constexpr std::size_t max_message_bytes = 64u << 20;  // a snapshot of a million keys
constexpr std::size_t max_shipped_bytes = 1u << 20;   // of one UsageShipped
constexpr std::uint32_t protocol_version = 2;
constexpr std::size_t max_idempotency_key = 255;

// ---- gateway -> daemon

// The first message. The daemon answers with Welcome or Refused.
struct Hello {
  std::uint32_t protocol = protocol_version;
  std::string gateway;        // its name: the same identity for the same name
  std::uint64_t process = 0;  // pid
  std::uint64_t epoch = 0;    // its own, when the same process comes again; else 0
  std::vector<std::string> listen;  // where callers reach it
};
DESCRIBE(Hello, protocol, gateway, process, epoch, listen)

// Asks for leases on every budget that matches: lease::Borrow.
struct LeaseRequest {
  std::uint64_t serial = 0;  // of the answer
  budget::Spender spender;
  Spend need;
  budget::Purpose purpose = budget::Purpose::admission;
  std::vector<lease::Idle> idle;  // lease::ask_for
};
DESCRIBE(LeaseRequest, serial, spender, need, purpose, idle)

// Whole batches of a usage log, in order (journal::walk_range). Repeating is harmless.
struct UsageShipped {
  std::uint64_t epoch = 0;
  std::string batches;
};
DESCRIBE(UsageShipped, epoch, batches)

// A log is closed and shipped up to `offset`, its last record: lease::Close.
struct EpochEnded {
  std::uint64_t epoch = 0;
  std::uint64_t offset = 0;
};
DESCRIBE(EpochEnded, epoch, offset)

// Asks for a Pong, which renews the right to spend.
struct Ping {
  std::uint64_t serial = 0;
  std::uint64_t calls = 0;  // that it answers right now
};
DESCRIBE(Ping, serial, calls)

// Something a person should know: an engine broke its bound, a replica misbehaves.
struct Alert {
  EndpointId endpoint;
  std::string what;
  bool bound_violation = false;
};
DESCRIBE(Alert, endpoint, what, bound_violation)

// An authenticated request was refused over money or access: a fact for the audit.
struct RequestRefused {
  RequestId request;
  KeyId key;
  std::string model;
  std::string reason;  // Error::reason, else the code
  std::string what;
  Instant at;
};
DESCRIBE(RequestRefused, request, key, model, reason, what, at)

// Sends the whole configuration again, please.
struct SnapshotWanted {
  std::uint64_t held = 0;
};
DESCRIBE(SnapshotWanted, held)

// A request with an Idempotency-Key: asks whether it is the first of its key. Answered by
// KeyClaimed.
struct ClaimKey {
  std::uint64_t serial = 0;
  KeyId caller;        // whose owner the key's scope is
  std::string key;     // at most max_idempotency_key
  Digest body;         // of path and body
  RequestId request;   // this one
};
DESCRIBE(ClaimKey, serial, caller, key, body, request)

// That request was charged nothing: its key may be used again.
struct ReleaseKey {
  RequestId request;
};
DESCRIBE(ReleaseKey, request)

// lease::Reduce: the answer to a recall, sent once it is durable in the log.
using FromGateway =
    std::variant<Hello, LeaseRequest, lease::Reduce, UsageShipped, EpochEnded, Ping, Alert,
                 RequestRefused, SnapshotWanted, ClaimKey, ReleaseKey>;

// ---- daemon -> gateway

// A log that the daemon has not seen to its end: up to where it has.
struct OwedLog {
  std::uint64_t epoch = 0;
  std::uint64_t acknowledged = 0;
  bool lent = false;  // something: a log that is not there is a loss, not one never begun
  friend bool operator==(const OwedLog&, const OwedLog&) = default;
};
DESCRIBE(OwedLog, epoch, acknowledged, lent)

// To a new process: a new epoch (lease::OpenEpoch), whose log it begins. To one that comes again:
// its own, or another if that is lost; then the process ends and its successor recovers the log.
struct Welcome {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::vector<OwedLog> owed;  // with its own, if it comes again
};
DESCRIBE(Welcome, gateway, epoch, owed)

// The daemon will have nothing to do with this gateway; it stops.
struct Refused {
  std::string what;
};
DESCRIBE(Refused, what)

enum class LeaseOutcome : std::uint8_t {
  granted,
  wait,     // recalls are under way: ask again
  refused,  // told by `reason`: for want of money (budget::is_of_money), or another refusal
};
DESCRIBE_ENUM(LeaseOutcome, granted, wait, refused)

struct LeaseAnswer {
  std::uint64_t serial = 0;
  LeaseOutcome outcome = LeaseOutcome::granted;
  std::vector<lease::Lease> leases;  // granted or wait: the set as it now is, for lease::take
  std::string reason, what, remedy;  // refused
  std::uint64_t budgets = 0;         // Configuration::budgets as of this answer
};
DESCRIBE(LeaseAnswer, serial, outcome, leases, reason, what, remedy, budgets)

// As the lender has them: lease::take, then lease::give_back, then lease::Reduce for each, always.
struct LeasesRecalled {
  std::vector<lease::Lease> leases;
};
DESCRIBE(LeasesRecalled, leases)

// The log is stored and counted up to `offset`.
struct UsageAcknowledged {
  std::uint64_t epoch = 0;
  std::uint64_t offset = 0;
};
DESCRIBE(UsageAcknowledged, epoch, offset)

// Nothing of that epoch is owed any more.
struct EpochSettled {
  std::uint64_t epoch = 0;
};
DESCRIBE(EpochSettled, epoch)

struct Pong {
  std::uint64_t serial = 0;
};
DESCRIBE(Pong, serial)

// Take no new requests, end the running ones, close the log, leave.
struct Drain {
  Duration patience = seconds(30);
};
DESCRIBE(Drain, patience)

enum class Claim : std::uint8_t {
  first,        // go on
  repeated,     // `request` runs or was charged
  other_body,   // `request` had another body
  unknown_key,  // of a caller who is gone
  full,         // too many keys are claimed already
};
DESCRIBE_ENUM(Claim, first, repeated, other_body, unknown_key, full)

struct KeyClaimed {
  std::uint64_t serial = 0;
  Claim claim = Claim::first;
  RequestId request;  // that holds the key
};
DESCRIBE(KeyClaimed, serial, claim, request)

using FromDaemon =
    std::variant<Welcome, Refused, Configuration, LeaseAnswer, LeasesRecalled, UsageAcknowledged,
                 EpochSettled, Pong, Drain, KeyClaimed>;

// ---- frames

// Appends one framed message. Requires: at most max_message_bytes (checked).
void append_message(std::string& out, const FromGateway& message);
void append_message(std::string& out, const FromDaemon& message);

// Takes the next whole message from the front of `in` and drops it there. Nothing when it has not
// come whole. Errors: invalid (too long, an unknown kind, damaged): end the connection.
template <class Message>
Result<std::optional<Message>> take_message(std::string_view& in);
extern template Result<std::optional<FromGateway>> take_message<FromGateway>(std::string_view&);
extern template Result<std::optional<FromDaemon>> take_message<FromDaemon>(std::string_view&);

}  // namespace bessemer::control
