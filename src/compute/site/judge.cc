// Decides what may be registered, allocated and released.
#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "compute/site/site.h"

namespace bessemer::site {
namespace {

using Events = std::vector<Event>;

constexpr std::size_t max_why = 1'024;

Error unknown(NodeId id) { return not_found("no node " + to_text(id)).at("node"); }

Result<void> check_label_text(std::string_view text, std::string field, std::size_t most) {
  if (text.empty() || text.size() > most || !is_utf8(text)) {
    return invalid("must be 1 to " + std::to_string(most) + " characters of UTF-8")
        .at(std::move(field));
  }
  return {};
}

Result<void> check_accelerators(const Inventory& inventory) {
  const auto& list = inventory.accelerators;
  if (list.size() > limit::accelerators) {
    return invalid("must have at most " + std::to_string(limit::accelerators) + " elements")
        .at("inventory.accelerators");
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string field = "inventory.accelerators[" + std::to_string(i) + "]";
    if (list[i].index != i) return invalid("must count from 0 in order").at(field + ".index");
    TRY(check_label_text(list[i].model, field + ".model", limits::name));
    TRY(check_label_text(list[i].uuid, field + ".uuid", 128));
    if (list[i].model != list[0].model || list[i].simulated != list[0].simulated) {
      return invalid("all accelerators of a node must be of one model, simulated or real")
          .at(field)
          .fix("register the others as another node");
    }
  }
  return {};
}

Result<void> check_inventory(const State& state, const Inventory& inventory) {
  if (auto fit = check_name(inventory.name); !fit) {
    return std::move(fit).error().at("inventory.name");
  }
  if (!state.sites.contains(inventory.site)) {
    return not_found("no site " + inventory.site).at("inventory.site");
  }
  if (auto fit = check_name(inventory.pool); !fit) {
    return std::move(fit).error().at("inventory.pool");
  }
  if (inventory.cpu_millis == 0 || inventory.cpu_millis > limit::cpu_millis) {
    return invalid("must be between 1 and " + std::to_string(limit::cpu_millis))
        .at("inventory.cpu_millis");
  }
  if (inventory.memory_bytes == 0 || inventory.memory_bytes > limit::memory_bytes) {
    return invalid("must be between 1 and " + std::to_string(limit::memory_bytes))
        .at("inventory.memory_bytes");
  }
  TRY(check_accelerators(inventory));
  if (inventory.labels.size() > limit::labels) {
    return invalid("must have at most " + std::to_string(limit::labels) + " members")
        .at("inventory.labels");
  }
  for (const auto& [name, value] : inventory.labels) {
    TRY(check_label_text(name, "inventory.labels", 256));
    TRY(check_label_text(value, "inventory.labels." + name, 256));
  }
  return check_label_text(inventory.boot, "inventory.boot", 128);
}

Result<Events> decide(const State& state, const RegisterSite& command, const Context&) {
  if (auto fit = check_name(command.name); !fit) return std::move(fit).error().at("name");
  const auto known = state.sites.find(command.name);
  if (known == state.sites.end()) return Events{SiteRegistered{command.name, command.engine}};
  if (known->second == command.engine) return Events{};
  return conflict("is already a site of engine " + std::string(enum_text(known->second)))
      .at("name");
}

Result<Events> seen(const Node& node, const Context& context) {
  if (context.now - node.last_seen < seen_interval) return Events{};
  return Events{NodeSeen{node.id}};
}

Result<Events> decide(const State& state, const RegisterNode& command, const Context& context) {
  TRY(check_inventory(state, command.inventory));
  const Node* known = find_by_name(state, command.inventory.name);
  if (known == nullptr) {
    if (!command.node) return invalid("is required for a new node").at("node");
    if (find(state, command.node) != nullptr) {
      return conflict("names a node of another name").at("node");
    }
    if (state.nodes.size() >= limit::nodes) {
      return exhausted("at most " + std::to_string(limit::nodes) + " nodes").at("node");
    }
    return Events{NodeRegistered{command.node, command.inventory}};
  }
  if (!known->lost && known->inventory == command.inventory) return seen(*known, context);
  return Events{NodeRegistered{known->id, command.inventory}};
}

Result<Events> decide(const State& state, const SetNodeState& command, const Context&) {
  const Node* node = find(state, command.node);
  if (node == nullptr) return unknown(command.node);
  if (command.why.size() > max_why) return invalid("must be at most 1024 characters").at("why");
  if (node->wished == command.state && (node->lost || node->why == command.why)) return Events{};
  if (command.state == NodeState::down && !allocations_on(state, command.node).empty()) {
    return conflict("has work on it").at("node").fix("drain it first, or report it lost");
  }
  return Events{NodeStateSet{command.node, command.state, command.why}};
}

Result<Events> decide(const State& state, const ReportSeen& command, const Context& context) {
  const Node* node = find(state, command.node);
  if (node == nullptr) return unknown(command.node);
  if (node->lost) return Events{};  // it registers again, with what it has now
  return seen(*node, context);
}

// What a repeated command must agree with.
bool is_same(const Allocation& known, const Allocate& asked) {
  return known.workload == asked.workload && known.task == asked.task &&
         known.generation == asked.generation && known.node == asked.node &&
         known.cpu_millis == asked.cpu_millis && known.memory_bytes == asked.memory_bytes &&
         known.accelerators == asked.accelerators;
}

Result<void> check_shares(const Node& node, const Use& free, const std::vector<Share>& shares) {
  const auto& accelerators = node.inventory.accelerators;
  std::vector<bool> taken(accelerators.size(), false);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const std::string field = "accelerators[" + std::to_string(i) + "]";
    const auto [index, milli] = shares[i];
    if (index >= accelerators.size()) {
      return invalid(node.inventory.name + " has no accelerator " + std::to_string(index))
          .at(field);
    }
    if (taken[index]) return invalid("names an accelerator twice").at(field);
    taken[index] = true;
    if (milli == 0 || milli > 1'000) {
      return invalid("must be 1 to 1000 thousandths").at(field + ".milli");
    }
    if (accelerators[index].health != Health::healthy) {
      return conflict("accelerator " + std::to_string(index) + " of " + node.inventory.name +
                      " is unhealthy").at(field);
    }
    if (milli > free.accelerators[index]) {
      return exhausted("accelerator " + std::to_string(index) + " of " + node.inventory.name +
                       " has " + std::to_string(free.accelerators[index]) +
                       " thousandths free").at(field);
    }
  }
  return {};
}

Result<Events> decide(const State& state, const Allocate& command, const Context& context) {
  if (!command.allocation) return invalid("is required").at("allocation");
  if (!command.workload || !command.task) return invalid("is required").at("workload");
  if (const Allocation* known = find_allocation(state, command.allocation)) {
    if (is_same(*known, command)) return Events{};
    return conflict("this id names another allocation").at("allocation");
  }
  if (state.ended.contains(command.allocation)) {
    return conflict("this allocation has ended").at("allocation");
  }
  const Node* node = find(state, command.node);
  if (node == nullptr) return unknown(command.node);
  if (node->state != NodeState::ready) {
    return conflict(node->inventory.name + " is " + std::string(enum_text(node->state)))
        .at("node");
  }
  const Use free = free_of(*node);
  if (command.cpu_millis > free.cpu_millis) {
    return exhausted(node->inventory.name + " has " + std::to_string(free.cpu_millis) +
                     " thousandths of a core free").at("cpu_millis");
  }
  if (command.memory_bytes > free.memory_bytes) {
    return exhausted(node->inventory.name + " has " + std::to_string(free.memory_bytes) +
                     " bytes free").at("memory_bytes");
  }
  TRY(check_shares(*node, free, command.accelerators));
  Allocation allocation{command.allocation, command.workload,     command.task,
                        command.generation, command.node,         command.cpu_millis,
                        command.memory_bytes, command.accelerators, {}, node->inventory.boot};
  // A clock that went backwards must not charge one moment twice.
  allocation.from = std::max({context.occurred_at, node->busy_until, state.folded_until});
  return Events{Allocated{std::move(allocation)}};
}

// Not before it began; not later than now, whatever another clock says.
AllocationEnded ended(const Allocation& allocation, const Context& context) {
  const Instant to = std::min(context.occurred_at, context.now);
  return {allocation.id, std::max(allocation.from, to)};
}

Result<Events> decide(const State& state, const Release& command, const Context& context) {
  if (state.ended.contains(command.allocation)) return Events{};
  const Allocation* allocation = find_allocation(state, command.allocation);
  if (allocation == nullptr) {
    return not_found("no allocation " + to_text(command.allocation)).at("allocation");
  }
  return Events{ended(*allocation, context)};
}

Result<Events> decide(const State& state, const ReportLost& command, const Context& context) {
  const Node* node = find(state, command.node);
  if (node == nullptr) return unknown(command.node);
  if (node->lost) return Events{};
  Events events;
  for (const Allocation* allocation : allocations_on(state, command.node)) {
    events.push_back(ended(*allocation, context));
  }
  events.push_back(NodeLost{command.node, command.why.substr(0, max_why)});
  return events;
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context) {
  return std::visit([&](const auto& asked) { return decide(state, asked, context); }, command);
}

}  // namespace bessemer::site
