// The organisation tree: platform, tenants, groups, projects. Everything else hangs on its nodes.
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
#include "base/money.h"
#include "base/result.h"
#include "base/time.h"

namespace bessemer::tenant {

constexpr OrgId root{0, 1};                    // the platform; it is always there
constexpr std::size_t max_depth = 8;           // nodes on a path, the platform included
constexpr std::size_t max_children = 10'000;   // open nodes directly below one node
constexpr std::size_t max_nodes = 1'000'000;   // nodes ever created
constexpr std::size_t max_time_zone = 64;      // characters of an IANA zone name

enum class Kind : std::uint8_t { platform, tenant, group, project };
DESCRIBE_ENUM(Kind, platform, tenant, group, project)

// One node. A closed node stays known, so that statements can name it; its name is free again.
struct Node {
  OrgId id;
  OrgId parent;  // none: the platform
  Kind kind = Kind::platform;
  std::string name;
  Instant created_at;
  bool suspended = false;              // by itself; see is_suspended for what it inherits
  std::string suspended_why;
  std::optional<Currency> currency;    // tenants: fixed at the first charge
  std::string time_zone = "UTC";       // tenants: where billing periods begin and end
  std::optional<Instant> closed_at;
  friend bool operator==(const Node&, const Node&) = default;
};
DESCRIBE(Node, id, parent, kind, name, created_at, suspended, suspended_why, currency, time_zone,
         closed_at)

// The tree that holds nothing but the platform.
std::map<OrgId, Node> bare_platform();

struct State {
  std::map<OrgId, Node> nodes = bare_platform();
  std::map<std::pair<OrgId, std::string>, OrgId> by_name;  // (parent, name) of open nodes
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, nodes, by_name)

// ---- commands; `id` is drawn by the shell

struct CreateTenant {
  OrgId id;
  std::string name;
  std::optional<std::string> time_zone;  // default UTC
};
DESCRIBE(CreateTenant, id, name, time_zone)
struct CreateGroup {
  OrgId id;
  OrgId parent;  // a tenant or a group
  std::string name;
};
DESCRIBE(CreateGroup, id, parent, name)
struct CreateProject {
  OrgId id;
  OrgId parent;  // a tenant or a group
  std::string name;
};
DESCRIBE(CreateProject, id, parent, name)
// Only for tenants. Only the form of the name is checked: the shell knows which zones exist.
struct SetTimeZone {
  OrgId node;
  std::string time_zone;
};
DESCRIBE(SetTimeZone, node, time_zone)
// Given with the first charge; the same currency again is fine, another is a conflict.
struct FixCurrency {
  OrgId node;  // a tenant
  Currency currency;
};
DESCRIBE(FixCurrency, node, currency)
// Stops new work at and below the node.
struct Suspend {
  OrgId node;
  std::string why;
};
DESCRIBE(Suspend, node, why)
struct Resume {
  OrgId node;
};
DESCRIBE(Resume, node)
// Refused while anything stands below it; the factory checks what else hangs on the node.
struct Close {
  OrgId node;
};
DESCRIBE(Close, node)

using Command = std::variant<CreateTenant, CreateGroup, CreateProject, SetTimeZone, FixCurrency,
                             Suspend, Resume, Close>;

// ---- events

struct NodeCreated {
  static constexpr std::uint16_t fact = 0x0101;
  static constexpr std::string_view tag = "org_created";
  OrgId id;
  OrgId parent;
  Kind kind = Kind::tenant;
  std::string name;
  std::string time_zone;
};
DESCRIBE(NodeCreated, id, parent, kind, name, time_zone)
struct TimeZoneSet {
  static constexpr std::uint16_t fact = 0x0102;
  static constexpr std::string_view tag = "org_time_zone_set";
  OrgId node;
  std::string time_zone;
};
DESCRIBE(TimeZoneSet, node, time_zone)
struct CurrencyFixed {
  static constexpr std::uint16_t fact = 0x0103;
  static constexpr std::string_view tag = "org_currency_fixed";
  OrgId node;
  Currency currency;
};
DESCRIBE(CurrencyFixed, node, currency)
struct NodeSuspended {
  static constexpr std::uint16_t fact = 0x0104;
  static constexpr std::string_view tag = "org_suspended";
  OrgId node;
  std::string why;
};
DESCRIBE(NodeSuspended, node, why)
struct NodeResumed {
  static constexpr std::uint16_t fact = 0x0105;
  static constexpr std::string_view tag = "org_resumed";
  OrgId node;
};
DESCRIBE(NodeResumed, node)
struct NodeClosed {
  static constexpr std::uint16_t fact = 0x0106;
  static constexpr std::string_view tag = "org_closed";
  OrgId node;
};
DESCRIBE(NodeClosed, node)

using Event = std::variant<NodeCreated, TimeZoneSet, CurrencyFixed, NodeSuspended, NodeResumed,
                           NodeClosed>;

// Decides. Errors: invalid, not_found, conflict, exhausted (limits above).
Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& ctx);
void apply(State& state, const Event& event, const Context& ctx);

// ---- queries; a node that was closed is found by id, never by path or in a list

const Node* find(const State& state, OrgId id);

// "acme/vision/ocr", an id ("org_..."), or "/" for the platform. Errors: invalid, not_found.
Result<OrgId> resolve(const State& state, std::string_view path);

// "acme/vision/ocr"; "/" for the platform; empty for an unknown id.
std::string path_of(const State& state, OrgId id);

// The node itself first, the platform last; empty for an unknown id.
std::vector<OrgId> ancestors(const State& state, OrgId id);

// The tenant at or above the node; none for the platform and for unknown ids.
OrgId tenant_of(const State& state, OrgId id);

// True when `ancestor` is `node` or stands above it.
bool is_within(const State& state, OrgId node, OrgId ancestor);

// True when the node or one above it is suspended. Requires nothing: unknown ids are not.
bool is_suspended(const State& state, OrgId node);

// Refuses what cannot take new work: unknown or closed (not_found), suspended (forbidden).
Result<const Node*> open_node(const State& state, OrgId node);

// Open nodes directly below, by name.
std::vector<const Node*> children(const State& state, OrgId node);

// Open nodes at and below, each after its parent, by name.
std::vector<const Node*> list(const State& state, OrgId below = root);

}  // namespace bessemer::tenant
