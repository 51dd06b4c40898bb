// Declares queues, and refuses guarantees that cannot be kept.
#include "orchestration/queue/queue.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::queue {
namespace {

using Events = std::vector<Event>;
using Pool = std::map<OrgId, Queue>;

// What queues directly below `above` deserve together: those with no deserving queue in between.
std::uint64_t deserved_below(const Pool& pool, const Queue& above) {
  std::uint64_t sum = 0;
  for (const auto& [node, queue] : pool) {
    if (node == above.key.node || !queue.deserved_gpu_milli) continue;
    const auto& path = queue.path;
    const auto at = std::find(path.begin(), path.end(), above.key.node);
    if (at == path.end()) continue;
    const bool hidden = std::any_of(at + 1, path.end() - 1, [&](OrgId between) {
      const auto found = pool.find(between);
      return found != pool.end() && found->second.deserved_gpu_milli.has_value();
    });
    if (!hidden) sum += *queue.deserved_gpu_milli;
  }
  return sum;
}

std::string in_accelerators(std::uint64_t milli) {
  std::string text = std::to_string(milli / 1'000);
  if (milli % 1'000 == 0) return text;
  const std::string part = std::to_string(1'000 + milli % 1'000).substr(1);
  return text + "." + part.substr(0, part.find_last_not_of('0') + 1);
}

// What is guaranteed below a queue must fit what it is guaranteed, and what it may use at all.
Result<void> check_fits(const Pool& pool, const Queue& queue) {
  const std::uint64_t below = deserved_below(pool, queue);
  const auto& deserved = queue.deserved_gpu_milli;
  const auto& most = queue.limit.gpu_milli;
  if (deserved && below > *deserved) {
    return exhausted("the queues below " + to_text(queue.key.node) + " would deserve " +
                     in_accelerators(below) + " accelerators of its " +
                     in_accelerators(*deserved))
        .at("deserved_gpu_milli")
        .fix("lower the others, or raise " + to_text(queue.key.node));
  }
  const std::uint64_t guaranteed = deserved.value_or(below);
  if (most && guaranteed > *most) {
    return exhausted("what is deserved, " + in_accelerators(guaranteed) +
                     " accelerators, is above the limit of " + to_text(queue.key.node) + ", " +
                     in_accelerators(*most))
        .at("limit.gpu_milli");
  }
  return {};
}

Result<void> check_path(const std::vector<OrgId>& path, OrgId node) {
  if (path.empty() || path.back() != node) {
    return invalid("must end with the queue's own node").at("path");
  }
  if (path.size() > max_depth) {
    return invalid("must be at most " + std::to_string(max_depth) + " deep").at("path");
  }
  std::vector<OrgId> sorted = path;
  std::sort(sorted.begin(), sorted.end());
  const bool repeats = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  if (repeats || !sorted.front()) return invalid("must name each node once").at("path");
  return {};
}

Result<void> check_fields(const SetQueue& command) {
  if (!command.node) return invalid("is required").at("node");
  if (auto fit = check_name(command.pool); !fit) return std::move(fit).error().at("pool");
  TRY(check_path(command.path, command.node));
  const auto at_most = [](std::optional<std::uint64_t> value, std::string_view field)
      -> Result<void> {
    if (value.value_or(0) <= max_milli) return {};
    return invalid("must be at most " + std::to_string(max_milli)).at(std::string(field));
  };
  TRY(at_most(command.deserved_gpu_milli, "deserved_gpu_milli"));
  const Amount limit = command.limit.value_or(Amount{});
  TRY(at_most(limit.gpu_milli, "limit.gpu_milli"));
  TRY(at_most(limit.cpu_millis, "limit.cpu_millis"));
  if (command.weight.value_or(0) > max_weight) {
    return invalid("must be at most " + std::to_string(max_weight)).at("weight");
  }
  return {};
}

Result<Events> decide(const State& state, const SetQueue& command) {
  TRY(check_fields(command));
  Queue queue;
  queue.key = {command.node, command.pool};
  queue.path = command.path;
  queue.deserved_gpu_milli = command.deserved_gpu_milli;
  queue.weight = command.weight.value_or(default_weight);
  queue.limit = command.limit.value_or(Amount{});
  const Queue* known = find(state, command.node, command.pool);
  if (known != nullptr && *known == queue) return Events{};
  if (known == nullptr && list(state).size() >= max_queues) {
    return exhausted("at most " + std::to_string(max_queues) + " queues").at("node");
  }
  Pool next;
  if (const auto at = state.pools.find(command.pool); at != state.pools.end()) next = at->second;
  next[command.node] = queue;
  for (const OrgId node : command.path) {
    if (const auto at = next.find(node); at != next.end()) TRY(check_fits(next, at->second));
  }
  return Events{QueueSet{std::move(queue)}};
}

Result<Events> decide(const State& state, const RemoveQueue& command) {
  const Queue* known = find(state, command.node, command.pool);
  if (known == nullptr) {
    return not_found("no queue of " + to_text(command.node) + " in pool " + command.pool)
        .at("node");
  }
  return Events{QueueRemoved{known->key}};
}

void change(State& state, const QueueSet& event) {
  state.pools[event.queue.key.pool][event.queue.key.node] = event.queue;
}

void change(State& state, const QueueRemoved& event) {
  const auto pool = state.pools.find(event.key.pool);
  check(pool != state.pools.end(), "queue: removed from an unknown pool");
  pool->second.erase(event.key.node);
  if (pool->second.empty()) state.pools.erase(pool);
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& asked) { return decide(state, asked); }, command);
}

void apply(State& state, const Event& event, const Context&) {
  std::visit([&](const auto& happened) { change(state, happened); }, event);
}

const Queue* find(const State& state, OrgId node, std::string_view pool) {
  const auto in = state.pools.find(std::string(pool));
  if (in == state.pools.end()) return nullptr;
  const auto at = in->second.find(node);
  return at == in->second.end() ? nullptr : &at->second;
}

std::vector<const Queue*> list(const State& state) {
  std::vector<const Queue*> all;
  for (const auto& [name, pool] : state.pools) {
    for (const auto& [node, queue] : pool) all.push_back(&queue);
  }
  return all;
}

std::vector<const Queue*> on_path(const State& state, const std::vector<OrgId>& path,
                                  std::string_view pool) {
  std::vector<const Queue*> found;
  for (const OrgId node : path) {
    if (const Queue* queue = find(state, node, pool)) found.push_back(queue);
  }
  return found;
}

}  // namespace bessemer::queue
