// Who tried what and was refused, who reached into what: the part of the audit trail that is not
// already a fact of another module.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bessemer::audit {

constexpr std::size_t kept_entries = 10'000;  // most recent; older ones are in the journal
constexpr std::size_t kept_minutes = 1'440;   // of unauthenticated attempts
constexpr std::size_t max_attempt_kinds = 64; // per minute; the rest counts as "other"
constexpr std::size_t max_word = 128;         // characters of a field; longer ones are cut
constexpr std::size_t max_said = 512;         // of what a refusal said

// What came of it.
enum class Outcome : std::uint8_t { allowed, refused };
DESCRIBE_ENUM(Outcome, allowed, refused)

// One line of the audit log, for the API: a recorded access or refusal, or a successful write
// rendered from its fact by the shell.
struct AuditEntry {
  std::uint64_t sequence = 0;  // in the journal for facts of other modules; here a running number
  Instant at;
  PrincipalId actor;           // who; none: the factory itself
  KeyId key;
  std::string resource;        // what kind: "job"
  std::string action;          // what: "create"
  std::string target;          // id or name of the thing; may be empty
  OrgId node;                  // where in the organisation
  std::string from;            // network or local socket, never a full address
  Outcome outcome = Outcome::allowed;
  std::string reason;          // of a refusal: "budget_exhausted"
  RequestId request;
  std::string what;            // of a refusal: the sentence that was answered
  std::string remedy;          // and what would let it pass
  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};
DESCRIBE(AuditEntry, sequence, at, actor, key, resource, action, target, node, from, outcome,
         reason, request, what, remedy)

// Attempts without a valid key, of one minute.
struct Minute {
  std::uint64_t attempts = 0;
  std::map<std::string, std::uint64_t> by_kind;  // "key_unknown from 203.0.113.0/24"
  friend bool operator==(const Minute&, const Minute&) = default;
};
DESCRIBE(Minute, attempts, by_kind)

struct State {
  std::uint64_t recorded = 0;                   // entries ever
  std::map<std::uint64_t, AuditEntry> entries;  // by running number, the last kept_entries
  std::map<Instant, Minute> minutes;            // by start, the last kept_minutes
  std::map<std::string, std::uint64_t> refusals;  // by reason, ever; at most max_attempt_kinds
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, recorded, entries, minutes, refusals)

// ---- commands

// An authenticated refusal of money or access. The actor and the moment are the context's.
struct RecordRefusal {
  std::string resource, action, target;
  OrgId node;
  std::string from;
  std::string reason;
  RequestId request;
  std::string what, remedy;
};
DESCRIBE(RecordRefusal, resource, action, target, node, from, reason, request, what, remedy)
// An access that changes nothing of ours and must still be known: exec, port-forward, cp, export.
struct RecordAccess {
  std::string resource, action, target;
  OrgId node;
  std::string from;
  RequestId request;
};
DESCRIBE(RecordAccess, resource, action, target, node, from, request)
// One minute of unauthenticated attempts, as AttemptCounter gathered it.
struct RecordAttempts {
  Instant minute;
  std::uint64_t attempts = 0;
  std::map<std::string, std::uint64_t> by_kind;
};
DESCRIBE(RecordAttempts, minute, attempts, by_kind)
using Command = std::variant<RecordRefusal, RecordAccess, RecordAttempts>;

// ---- events

struct Refused {
  static constexpr std::uint16_t fact = 0x0A01;
  static constexpr std::string_view tag = "refused";
  std::string resource, action, target;
  OrgId node;
  std::string from;
  std::string reason;
  RequestId request;
  std::string what, remedy;
};
DESCRIBE(Refused, resource, action, target, node, from, reason, request, what, remedy)
struct Accessed {
  static constexpr std::uint16_t fact = 0x0A02;
  static constexpr std::string_view tag = "accessed";
  std::string resource, action, target;
  OrgId node;
  std::string from;
  RequestId request;
};
DESCRIBE(Accessed, resource, action, target, node, from, request)
struct AttemptsCounted {
  static constexpr std::uint16_t fact = 0x0A03;
  static constexpr std::string_view tag = "attempts_counted";
  Instant minute;
  std::uint64_t attempts = 0;
  std::map<std::string, std::uint64_t> by_kind;
};
DESCRIBE(AttemptsCounted, minute, attempts, by_kind)
using Event = std::variant<Refused, Accessed, AttemptsCounted>;

// Never refuses a record for its length: fields are cut to max_word. Errors: invalid (empty words).
Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& ctx);
void apply(State& state, const Event& event, const Context& ctx);

// ---- queries

// Which entries to show; absent fields match all.
struct Filter {
  std::optional<PrincipalId> actor;
  std::optional<std::string> resource;
  std::optional<Outcome> outcome;
  std::optional<Instant> since, before;
  std::vector<OrgId> nodes;  // only these nodes; empty: all
};
DESCRIBE(Filter, actor, resource, outcome, since, before, nodes)
// The kept entry of a number, or the latest of a request; null: none is kept any more.
const AuditEntry* find(const State& state, std::uint64_t sequence);
const AuditEntry* find(const State& state, RequestId request);
bool matches(const Filter& filter, const AuditEntry& entry);
// The newest first, below the running number `before` (0: from the newest); at most `limit`.
std::vector<AuditEntry> query(const State& state, const Filter& filter, std::uint64_t before,
                              std::size_t limit);

// "203.0.113.7:5501" -> "203.0.113.0/24", "[2001:db8:1:2::3]:80" -> "2001:db8:1::/48"; "local" for
// the loopback and sockets, "unknown" for what is no address: where from, without naming a person.
std::string network_of(std::string_view address);

// Gathers unauthenticated attempts in the shell, bounded whatever is thrown at it: one command a
// minute at most.
class AttemptCounter {
 public:
  // Counts one attempt; returns the former minute when `now` begins a new one.
  std::optional<RecordAttempts> count(Instant now, std::string_view reason, std::string_view from);
  // The former minute when it is over and had attempts: to be asked once a tick.
  std::optional<RecordAttempts> due(Instant now);

 private:
  RecordAttempts gathered_;
};

}  // namespace bessemer::audit
