// The organisation tree: refusals, changes, and ways to name a node.
#include "governance/tenant/tenant.h"

#include <algorithm>

#include "base/check.h"
#include "base/limits.h"
#include "base/text.h"

namespace bessemer::tenant {
namespace {

using Events = std::vector<Event>;

Result<void> check_time_zone(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '/' || c == '_' || c == '-' || c == '+';
  };
  if (name.empty() || name.size() > max_time_zone || name.front() == '/' || name.back() == '/' ||
      !std::all_of(name.begin(), name.end(), allowed)) {
    return invalid("must be an IANA time zone name").at("time_zone")
        .fix("for example UTC or Europe/Berlin");
  }
  return {};
}

std::size_t depth_of(const State& state, OrgId id) { return ancestors(state, id).size(); }

std::size_t count_children(const State& state, OrgId node) {
  std::size_t count = 0;
  for (auto at = state.by_name.lower_bound({node, ""});
       at != state.by_name.end() && at->first.first == node; ++at) {
    ++count;
  }
  return count;
}

// A node that commands may change: known and not closed.
Result<const Node*> standing(const State& state, OrgId id) {
  const Node* node = find(state, id);
  if (node == nullptr || node->closed_at) {
    return not_found("no such organisation node").at("node");
  }
  return node;
}

// Refuses anything but a tenant: currency and time zone belong to tenants alone.
Result<const Node*> standing_tenant(const State& state, OrgId id) {
  TRY_ASSIGN(const Node* node, standing(state, id));
  if (node->kind != Kind::tenant) {
    return invalid("must be a tenant").at("node").fix("name the tenant above it");
  }
  return node;
}

Result<Events> create(const State& state, const NodeCreated& wanted) {
  if (auto named = check_name(wanted.name); !named) return std::move(named).error().at("name");
  if (wanted.name.starts_with("org_")) {
    return invalid("must not begin with org_, which is how ids begin").at("name");
  }
  TRY(check_time_zone(wanted.time_zone));
  if (!wanted.id) return invalid("must not be empty").at("id");
  if (const Node* same = find(state, wanted.id)) {
    if (same->parent == wanted.parent && same->kind == wanted.kind && same->name == wanted.name) {
      return Events{};
    }
    return conflict("another node has this id").at("id");
  }
  const Node* parent = find(state, wanted.parent);
  if (parent == nullptr || parent->closed_at) {
    return not_found("no such organisation node").at("parent");
  }
  if (parent->kind == Kind::project) {
    return invalid("a project holds no groups or projects").at("parent").fix("name a group");
  }
  if (wanted.kind != Kind::tenant && parent->kind == Kind::platform) {
    return invalid("must be a tenant or a group, not the platform").at("parent")
        .fix("create a tenant first");
  }
  if (is_suspended(state, wanted.parent)) {
    return forbidden("the parent is suspended").at("parent").because("suspended")
        .fix("resume it first");
  }
  if (depth_of(state, wanted.parent) >= max_depth) {
    return exhausted("the tree may be at most " + std::to_string(max_depth) + " nodes deep")
        .at("parent");
  }
  if (state.by_name.contains({wanted.parent, wanted.name})) {
    return conflict("the name is taken here")
        .at("name")
        .because("name_taken")
        .fix("choose another");
  }
  if (count_children(state, wanted.parent) >= max_children) {
    return exhausted("at most " + std::to_string(max_children) + " nodes may stand below one")
        .at("parent");
  }
  if (state.nodes.size() >= max_nodes) {
    return exhausted("the tree may hold at most " + std::to_string(max_nodes) + " nodes");
  }
  return Events{wanted};
}

Result<Events> judge_one(const State& state, const CreateTenant& c) {
  return create(state, {c.id, root, Kind::tenant, c.name, c.time_zone.value_or("UTC")});
}
Result<Events> judge_one(const State& state, const CreateGroup& c) {
  return create(state, {c.id, c.parent, Kind::group, c.name, "UTC"});
}
Result<Events> judge_one(const State& state, const CreateProject& c) {
  return create(state, {c.id, c.parent, Kind::project, c.name, "UTC"});
}

Result<Events> judge_one(const State& state, const SetTimeZone& c) {
  TRY(check_time_zone(c.time_zone));
  TRY_ASSIGN(const Node* node, standing_tenant(state, c.node));
  if (node->time_zone == c.time_zone) return Events{};
  return Events{TimeZoneSet{c.node, c.time_zone}};
}

Result<Events> judge_one(const State& state, const FixCurrency& c) {
  if (c.currency == Currency{}) return invalid("must be a currency").at("currency");
  TRY_ASSIGN(const Node* node, standing_tenant(state, c.node));
  if (node->currency == c.currency) return Events{};
  if (node->currency) {
    return conflict("the tenant is billed in " + to_text(*node->currency) +
                    " since its first charge").at("currency").because("currency_fixed");
  }
  return Events{CurrencyFixed{c.node, c.currency}};
}

Result<Events> judge_one(const State& state, const Suspend& c) {
  if (c.why.empty() || c.why.size() > limits::text || !is_utf8(c.why)) {
    return invalid("must say why, in at most " + std::to_string(limits::text) + " bytes")
        .at("why");
  }
  TRY_ASSIGN(const Node* node, standing(state, c.node));
  if (node->kind == Kind::platform) return invalid("the platform cannot be suspended").at("node");
  if (node->suspended && node->suspended_why == c.why) return Events{};
  return Events{NodeSuspended{c.node, c.why}};
}

Result<Events> judge_one(const State& state, const Resume& c) {
  TRY_ASSIGN(const Node* node, standing(state, c.node));
  if (!node->suspended) return Events{};
  return Events{NodeResumed{c.node}};
}

Result<Events> judge_one(const State& state, const Close& c) {
  const Node* node = find(state, c.node);
  if (node != nullptr && node->closed_at) return Events{};
  TRY_ASSIGN(node, standing(state, c.node));
  if (node->kind == Kind::platform) return invalid("the platform cannot be closed").at("node");
  if (count_children(state, c.node) != 0) {
    return conflict("is not empty").at("node").because("not_empty")
        .fix("close what stands below it first");
  }
  return Events{NodeClosed{c.node}};
}

Node& existing(State& state, OrgId id) {
  const auto at = state.nodes.find(id);
  check(at != state.nodes.end(), "tenant: event about an unknown node");
  return at->second;
}

void apply_one(State& state, const NodeCreated& e, const Context& ctx) {
  Node node{e.id, e.parent, e.kind, e.name, ctx.occurred_at, false, {}, {}, e.time_zone, {}};
  check(state.nodes.emplace(e.id, std::move(node)).second, "tenant: created twice");
  check(state.by_name.emplace(std::pair(e.parent, e.name), e.id).second, "tenant: name twice");
}
void apply_one(State& state, const TimeZoneSet& e, const Context&) {
  existing(state, e.node).time_zone = e.time_zone;
}
void apply_one(State& state, const CurrencyFixed& e, const Context&) {
  existing(state, e.node).currency = e.currency;
}
void apply_one(State& state, const NodeSuspended& e, const Context&) {
  Node& node = existing(state, e.node);
  node.suspended = true;
  node.suspended_why = e.why;
}
void apply_one(State& state, const NodeResumed& e, const Context&) {
  Node& node = existing(state, e.node);
  node.suspended = false;
  node.suspended_why.clear();
}
void apply_one(State& state, const NodeClosed& e, const Context& ctx) {
  Node& node = existing(state, e.node);
  check(state.by_name.erase({node.parent, node.name}) == 1, "tenant: closed twice");
  node.closed_at = ctx.occurred_at;
}

void list_below(const State& state, OrgId node, std::vector<const Node*>& out) {
  for (const Node* child : children(state, node)) {
    out.push_back(child);
    list_below(state, child->id, out);
  }
}

}  // namespace

std::map<OrgId, Node> bare_platform() {
  Node platform;
  platform.id = root;
  platform.name = "platform";
  return {{root, platform}};
}

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& one) { return judge_one(state, one); }, command);
}

void apply(State& state, const Event& event, const Context& ctx) {
  std::visit([&](const auto& one) { apply_one(state, one, ctx); }, event);
}

const Node* find(const State& state, OrgId id) {
  const auto at = state.nodes.find(id);
  return at == state.nodes.end() ? nullptr : &at->second;
}

Result<OrgId> resolve(const State& state, std::string_view path) {
  if (path == "/") return root;
  if (path.starts_with("org_")) {
    TRY_ASSIGN(const OrgId id, from_text(std::type_identity<OrgId>{}, path));
    const Node* node = find(state, id);
    if (node == nullptr || node->closed_at) return not_found("no such organisation node");
    return id;
  }
  if (path.size() > max_depth * (limits::name + 1)) {
    return invalid("is too long for a path of the organisation");
  }
  OrgId at = root;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty()) {
      return invalid("must be names with a / between them").fix("for example acme/vision");
    }
    const auto next = state.by_name.find({at, std::string(part)});
    if (next == state.by_name.end()) return not_found("no such organisation node");
    at = next->second;
  }
  return at;
}

std::string path_of(const State& state, OrgId id) {
  if (id == root) return "/";
  std::string path;
  for (const Node* node = find(state, id); node != nullptr && node->id != root;
       node = find(state, node->parent)) {
    path = path.empty() ? node->name : node->name + "/" + path;
  }
  return path;
}

std::vector<OrgId> ancestors(const State& state, OrgId id) {
  std::vector<OrgId> path;
  for (const Node* node = find(state, id); node != nullptr; node = find(state, node->parent)) {
    path.push_back(node->id);
  }
  return path;
}

OrgId tenant_of(const State& state, OrgId id) {
  for (const Node* node = find(state, id); node != nullptr; node = find(state, node->parent)) {
    if (node->kind == Kind::tenant) return node->id;
  }
  return {};
}

bool is_within(const State& state, OrgId node, OrgId ancestor) {
  for (const Node* at = find(state, node); at != nullptr; at = find(state, at->parent)) {
    if (at->id == ancestor) return true;
  }
  return false;
}

bool is_suspended(const State& state, OrgId node) {
  for (const Node* at = find(state, node); at != nullptr; at = find(state, at->parent)) {
    if (at->suspended) return true;
  }
  return false;
}

Result<const Node*> open_node(const State& state, OrgId id) {
  TRY_ASSIGN(const Node* node, standing(state, id));
  for (const Node* at = node; at != nullptr; at = find(state, at->parent)) {
    if (!at->suspended) continue;
    return forbidden(path_of(state, at->id) + " is suspended: " + at->suspended_why)
        .because("suspended").fix("ask its administrator to resume it");
  }
  return node;
}

std::vector<const Node*> children(const State& state, OrgId node) {
  std::vector<const Node*> found;
  for (auto at = state.by_name.lower_bound({node, ""});
       at != state.by_name.end() && at->first.first == node; ++at) {
    found.push_back(find(state, at->second));
  }
  return found;
}

std::vector<const Node*> list(const State& state, OrgId below) {
  std::vector<const Node*> found;
  const Node* top = find(state, below);
  if (top == nullptr || top->closed_at) return found;
  found.push_back(top);
  list_below(state, below, found);
  return found;
}

}  // namespace bessemer::tenant
