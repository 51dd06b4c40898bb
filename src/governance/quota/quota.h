// Counted things per node of the organisation tree: limits, what is used, who is over.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/result.h"

namespace bessemer::quota {

// GPU time is not here: orchestration/queue shares accelerators, governance/budget bounds money.
enum class Counted : std::uint8_t {
  storage_bytes,      // logical bytes, before de-duplication
  orgs, principals, keys, secrets, datasets, artifacts, models, runs, pipelines,
  endpoints,
  services,           // not over, replicas of endpoints among them
  jobs                // not over
};
DESCRIBE_ENUM(Counted, storage_bytes, orgs, principals, keys, secrets, datasets, artifacts, models,
              runs, pipelines, endpoints, services, jobs)

// What a tenant may have where nobody set a limit for it: enough for work, too little to exhaust
// the factory's memory. max_limit: nothing bounds it but money and the disk.
constexpr std::uint64_t default_limit(Counted counted) {
  switch (counted) {
    case Counted::storage_bytes: return std::uint64_t{1} << 62;
    case Counted::orgs: return 1'000;
    case Counted::principals:
    case Counted::keys:
    case Counted::secrets:
    case Counted::pipelines:
    case Counted::services: return 10'000;
    case Counted::endpoints: return 1'000;
    case Counted::datasets:
    case Counted::models:
    case Counted::jobs: return 100'000;
    case Counted::artifacts:
    case Counted::runs: return 1'000'000;
  }
  return 0;
}

constexpr std::uint64_t max_limit = std::uint64_t{1} << 62;
constexpr std::size_t max_path = 16;  // nodes

// The path of a node: the node first, the platform last.
using Path = std::vector<OrgId>;
using Amounts = std::map<Counted, std::uint64_t>;

struct State {
  std::map<OrgId, Amounts> limits;  // absent: no limit of its own
  std::map<OrgId, Amounts> used;    // at and below the node
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, limits, used)

// ---- commands

// A limit below what is used is allowed: nothing is taken away, nothing more is given.
struct SetLimit {
  OrgId node;
  Counted counted = Counted::storage_bytes;
  std::optional<std::uint64_t> limit;  // none: no limit of its own
};
DESCRIBE(SetLimit, node, counted, limit)
// All or nothing, over every node of the path.
struct Take {
  Path path;
  Amounts amounts;
  bool happened = false;  // it is there already: counted, whatever the limit
};
DESCRIBE(Take, path, amounts, happened)
// Requires: taken before (checked).
struct Give {
  Path path;
  Amounts amounts;
};
DESCRIBE(Give, path, amounts)

using Command = std::variant<SetLimit, Take, Give>;

// ---- events

struct LimitSet {
  static constexpr std::uint16_t fact = 0x0301;
  static constexpr std::string_view tag = "quota_limit_set";
  OrgId node;
  Counted counted = Counted::storage_bytes;
  std::optional<std::uint64_t> limit;
};
DESCRIBE(LimitSet, node, counted, limit)
struct Taken {
  static constexpr std::uint16_t fact = 0x0302;
  static constexpr std::string_view tag = "quota_taken";
  Path path;
  Amounts amounts;
};
DESCRIBE(Taken, path, amounts)
struct Given {
  static constexpr std::uint16_t fact = 0x0303;
  static constexpr std::string_view tag = "quota_given";
  Path path;
  Amounts amounts;
};
DESCRIBE(Given, path, amounts)

using Event = std::variant<LimitSet, Taken, Given>;

// Errors: exhausted (reason quota_exhausted; `what` says by how much, `field` what is counted),
// invalid, conflict (giving back more than was taken).
Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& ctx);
void apply(State& state, const Event& event, const Context& ctx);

// ---- queries

std::uint64_t used(const State& state, OrgId node, Counted counted);
std::optional<std::uint64_t> limit(const State& state, OrgId node, Counted counted);

// The narrowest limit on a path: the node that has it and what is left there. A tenant, which is
// the last but one of its path, has default_limit() where it has none of its own.
struct Headroom {
  OrgId node;  // none: nothing on the path has a limit
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
  std::uint64_t left = max_limit;
};
DESCRIBE(Headroom, node, limit, used, left)
Headroom headroom(const State& state, std::span<const OrgId> path, Counted counted);

// One line of a quota table: what applies at a node, its own limit or an inherited one.
struct Line {
  Counted counted = Counted::storage_bytes;
  std::uint64_t used = 0;              // at and below the node
  std::optional<std::uint64_t> limit;  // the node's own
  Headroom effective;
};
DESCRIBE(Line, counted, used, limit, effective)
// Every counted thing that is used or limited on the path.
std::vector<Line> lines(const State& state, std::span<const OrgId> path);

// Who uses more than its limit (possible after a limit was lowered).
struct Excess {
  OrgId node;
  Counted counted = Counted::storage_bytes;
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
};
DESCRIBE(Excess, node, counted, limit, used)
std::vector<Excess> over_limit(const State& state);

}  // namespace bessemer::quota
