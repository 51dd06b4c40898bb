// Facts: an event of some module with its envelope, and their binary and readable forms.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "application/factory/state.h"
#include "base/fact.h"

namespace bessemer::factory {

// A request with an Idempotency-Key was carried out.
struct RequestNoted {
  static constexpr std::uint16_t fact = 0x4101;
  static constexpr std::string_view tag = "request_noted";
  PrincipalId principal;
  std::string key;
  Digest body;
  std::string location;
  std::vector<Permission> asked;
  std::uint32_t status = 0;
};
DESCRIBE(RequestNoted, principal, key, body, location, asked, status)
// What it was answered with.
struct RequestAnswered {
  static constexpr std::uint16_t fact = 0x4102;
  static constexpr std::string_view tag = "request_answered";
  PrincipalId principal;
  std::string key;
  std::string answer;
};
DESCRIBE(RequestAnswered, principal, key, answer)
// The state was restored from a backup of its first `sequence` facts. See Life.
struct FactoryRestored {
  static constexpr std::uint16_t fact = 0x4110;
  static constexpr std::string_view tag = "factory_restored";
  std::uint64_t sequence = 0;
  std::uint32_t floor = 0;
};
DESCRIBE(FactoryRestored, sequence, floor)
using OwnEvent = std::variant<RequestNoted, RequestAnswered, FactoryRestored>;

// Any event. The order here is of no meaning: what is written is the event's own number.
using Event =
    std::variant<tenant::Event, access::Event, quota::Event, secret::Event, pricing::Event,
                 ledger::Event, budget::Event, metering::Event, lease::Event, billing::Event,
                 audit::Event, queue::Event, workload::Event, pipeline::Event, deployment::Event,
                 artifact::Event, dataset::Event, run::Event, registry::Event, site::Event,
                 OwnEvent>;

// An event in its place in the journal.
struct Fact {
  std::uint64_t sequence = 0;
  Context context;
  Event event;
};

// Appends envelope and event; returns the event's number, which the journal keeps beside it.
std::uint16_t encode_fact(std::string& out, const Context& context, const Event& event);
// Errors: invalid "journal_newer" for a number or field that this version does not know.
Result<Fact> decode_fact(std::uint64_t sequence, std::uint16_t number, std::string_view bytes);

// "workload_submitted".
std::string_view tag_of(const Event& event);
// {"sequence":7,"at":"...","actor":"usr_...","fact":"...","body":{...}} for people.
std::string to_json(const Fact& fact);

}  // namespace bessemer::factory
