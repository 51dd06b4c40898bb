// Audit records: cut to size, kept for a while, asked for by filter.
#include "governance/audit/audit.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::audit {
namespace {

using Events = std::vector<Event>;
constexpr std::int64_t minute_ns = 60'000'000'000;

constexpr std::size_t max_target = 1024;  // of an access: with the command line

// At most so many bytes of UTF-8, cut between characters; anything else says so.
std::string cut(std::string_view text, std::size_t most = max_word) {
  if (!is_utf8(text)) return "(not text)";
  if (text.size() <= most) return std::string(text);
  std::size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

Instant minute_of(Instant at) { return {at.ns - at.ns % minute_ns}; }

// Adds to a bounded tally; what has no room counts as "other".
void tally(std::map<std::string, std::uint64_t>& counts, std::string_view kind,
           std::uint64_t times) {
  const auto at = counts.find(std::string(kind));
  if (at != counts.end()) {
    at->second += times;
  } else {
    counts[counts.size() < max_attempt_kinds - 1 ? std::string(kind) : "other"] += times;
  }
}

Result<void> check_words(std::string_view resource, std::string_view action) {
  if (resource.empty()) return invalid("must not be empty").at("resource");
  if (action.empty()) return invalid("must not be empty").at("action");
  return {};
}

Result<Events> judge_one(const State&, const RecordRefusal& c) {
  TRY(check_words(c.resource, c.action));
  if (c.reason.empty()) return invalid("must not be empty").at("reason");
  return Events{Refused{cut(c.resource), cut(c.action), cut(c.target), c.node, cut(c.from),
                        cut(c.reason), c.request, cut(c.what, max_said),
                        cut(c.remedy, max_said)}};
}

Result<Events> judge_one(const State&, const RecordAccess& c) {
  TRY(check_words(c.resource, c.action));
  return Events{Accessed{cut(c.resource), cut(c.action), cut(c.target, max_target), c.node,
                         cut(c.from),
                         c.request}};
}

Result<Events> judge_one(const State& state, const RecordAttempts& c) {
  if (c.attempts == 0) return Events{};
  if (c.minute != minute_of(c.minute)) return invalid("must begin a minute").at("minute");
  if (state.minutes.contains(c.minute)) return conflict("the minute is recorded").at("minute");
  AttemptsCounted counted{c.minute, c.attempts, {}};
  for (const auto& [kind, times] : c.by_kind) tally(counted.by_kind, cut(kind), times);
  return Events{std::move(counted)};
}

void keep(State& state, AuditEntry entry, const Context& ctx) {
  entry.sequence = ++state.recorded;
  entry.at = ctx.occurred_at;
  entry.actor = ctx.actor;
  entry.key = ctx.key;
  state.entries.emplace_hint(state.entries.end(), entry.sequence, std::move(entry));
  if (state.entries.size() > kept_entries) state.entries.erase(state.entries.begin());
}

template <class Recorded>
AuditEntry entry_of(const Recorded& e) {
  AuditEntry entry;
  entry.resource = e.resource;
  entry.action = e.action;
  entry.target = e.target;
  entry.node = e.node;
  entry.from = e.from;
  entry.request = e.request;
  return entry;
}

void apply_one(State& state, const Refused& e, const Context& ctx) {
  AuditEntry entry = entry_of(e);
  entry.outcome = Outcome::refused;
  entry.reason = e.reason;
  entry.what = e.what;
  entry.remedy = e.remedy;
  tally(state.refusals, e.reason, 1);
  keep(state, std::move(entry), ctx);
}
void apply_one(State& state, const Accessed& e, const Context& ctx) {
  keep(state, entry_of(e), ctx);
}
void apply_one(State& state, const AttemptsCounted& e, const Context&) {
  state.minutes[e.minute] = {e.attempts, e.by_kind};
  if (state.minutes.size() > kept_minutes) state.minutes.erase(state.minutes.begin());
}

// The first `count` dotted numbers of an IPv4 address; nothing when it is none.
std::optional<std::string> ipv4_network(std::string_view address) {
  const auto parts = split(address, '.');
  if (parts.size() != 4) return {};
  for (const auto part : parts) {
    const auto number = parse_unsigned(part);
    if (!number || *number > 255 || part.size() > 3) return {};
  }
  if (*parse_unsigned(parts[0]) == 127) return "local";
  return std::string(parts[0]) + "." + std::string(parts[1]) + "." + std::string(parts[2]) +
         ".0/24";
}

// The first 48 bits of an IPv6 address; nothing when it is none.
std::optional<std::string> ipv6_network(std::string_view address) {
  if (address == "::1") return "local";
  if (address.starts_with("::ffff:")) return ipv4_network(address.substr(7));
  const std::size_t gap = address.find("::");
  const auto parts = split(address.substr(0, gap), ':');
  if (parts.size() > 8 || (gap == std::string_view::npos && parts.size() != 8)) return {};
  std::string network;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string_view part = i < parts.size() && !parts[i].empty() ? parts[i] : "0";
    const bool hexadecimal = part.size() <= 4 && std::all_of(part.begin(), part.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    });
    if (!hexadecimal) return {};
    network += std::string(part) + ":";
  }
  return network + ":/48";
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& one) { return judge_one(state, one); }, command);
}

void apply(State& state, const Event& event, const Context& ctx) {
  std::visit([&](const auto& one) { apply_one(state, one, ctx); }, event);
}

const AuditEntry* find(const State& state, std::uint64_t sequence) {
  const auto found = state.entries.find(sequence);
  return found == state.entries.end() ? nullptr : &found->second;
}

const AuditEntry* find(const State& state, RequestId request) {
  const auto found = std::find_if(
      state.entries.rbegin(), state.entries.rend(),
      [&](const auto& one) { return request && one.second.request == request; });
  return found == state.entries.rend() ? nullptr : &found->second;
}

bool matches(const Filter& filter, const AuditEntry& entry) {
  if (filter.actor && *filter.actor != entry.actor) return false;
  if (filter.resource && *filter.resource != entry.resource) return false;
  if (filter.outcome && *filter.outcome != entry.outcome) return false;
  if (filter.since && entry.at < *filter.since) return false;
  if (filter.before && entry.at >= *filter.before) return false;
  return filter.nodes.empty() ||
         std::find(filter.nodes.begin(), filter.nodes.end(), entry.node) != filter.nodes.end();
}

std::vector<AuditEntry> query(const State& state, const Filter& filter, std::uint64_t before,
                              std::size_t limit) {
  std::vector<AuditEntry> found;
  auto at = before == 0 ? state.entries.end() : state.entries.lower_bound(before);
  while (at != state.entries.begin() && found.size() < limit) {
    --at;
    if (matches(filter, at->second)) found.push_back(at->second);
  }
  return found;
}

std::string network_of(std::string_view address) {
  if (address.empty() || address == "local" || address.front() == '/') return "local";
  std::optional<std::string> network;
  if (address.front() == '[') {
    const std::size_t end = address.find(']');
    if (end != std::string_view::npos) network = ipv6_network(address.substr(1, end - 1));
  } else if (std::count(address.begin(), address.end(), ':') > 1) {
    network = ipv6_network(address);
  } else {
    network = ipv4_network(address.substr(0, address.find(':')));
  }
  return network.value_or("unknown");
}

std::optional<RecordAttempts> AttemptCounter::count(Instant now, std::string_view reason,
                                                    std::string_view from) {
  auto former = due(now);
  if (gathered_.attempts == 0) gathered_.minute = minute_of(now);
  ++gathered_.attempts;
  tally(gathered_.by_kind, cut(std::string(reason) + " from " + network_of(from)), 1);
  return former;
}

std::optional<RecordAttempts> AttemptCounter::due(Instant now) {
  // A clock that steps back keeps counting into the minute that it had begun.
  if (gathered_.attempts == 0 || minute_of(now) <= gathered_.minute) return {};
  return std::exchange(gathered_, {});
}

}  // namespace bessemer::audit
