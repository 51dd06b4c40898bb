// Counters on a tree: taken and given along a path, all or nothing.
#include "governance/quota/quota.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::quota {
namespace {

using Events = std::vector<Event>;

std::uint64_t amount_in(const std::map<OrgId, Amounts>& table, OrgId node, Counted counted) {
  const auto at = table.find(node);
  if (at == table.end()) return 0;
  const auto amount = at->second.find(counted);
  return amount == at->second.end() ? 0 : amount->second;
}

// Refuses malformed requests; returns the amounts that are not zero.
Result<Amounts> check_request(const Path& path, const Amounts& amounts) {
  if (path.empty() || path.size() > max_path) {
    return invalid("a path has 1 to " + std::to_string(max_path) + " nodes").at("path");
  }
  Amounts wanted;
  for (const auto& [counted, amount] : amounts) {
    if (amount > max_limit) {
      return invalid("must be at most " + std::to_string(max_limit))
          .at(std::string(enum_text(counted)));
    }
    if (amount > 0) wanted.emplace(counted, amount);
  }
  return wanted;
}

Result<Events> judge_one(const State& state, const SetLimit& c) {
  if (!c.node) return invalid("must name a node").at("node");
  if (c.limit && *c.limit > max_limit) {
    return invalid("must be at most " + std::to_string(max_limit)).at("limit");
  }
  if (limit(state, c.node, c.counted) == c.limit) return Events{};
  return Events{LimitSet{c.node, c.counted, c.limit}};
}

Result<Events> judge_one(const State& state, const Take& c) {
  TRY_ASSIGN(const Amounts wanted, check_request(c.path, c.amounts));
  for (const auto& [counted, amount] : wanted) {
    const Headroom room = headroom(state, c.path, counted);
    if (amount <= room.left || (c.happened && room.node)) continue;
    const std::string what(enum_text(counted));
    return exhausted("the quota of " + what + " is " + std::to_string(room.limit) + ", " +
                     std::to_string(room.used) + " are used and " + std::to_string(amount) +
                     " more were asked for").at(what).because("quota_exhausted")
        .fix("remove some, or ask for a higher limit on " + to_text(room.node));
  }
  if (wanted.empty()) return Events{};
  return Events{Taken{c.path, wanted}};
}

Result<Events> judge_one(const State& state, const Give& c) {
  TRY_ASSIGN(const Amounts back, check_request(c.path, c.amounts));
  for (const OrgId node : c.path) {
    for (const auto& [counted, amount] : back) {
      if (amount <= used(state, node, counted)) continue;
      return conflict("more is given back than was taken").at(std::string(enum_text(counted)));
    }
  }
  if (back.empty()) return Events{};
  return Events{Given{c.path, back}};
}

void apply_one(State& state, const LimitSet& e) {
  if (e.limit) {
    state.limits[e.node][e.counted] = *e.limit;
    return;
  }
  const auto at = state.limits.find(e.node);
  check(at != state.limits.end(), "quota: took away a limit that was not there");
  at->second.erase(e.counted);
  if (at->second.empty()) state.limits.erase(at);
}

void apply_one(State& state, const Taken& e) {
  for (const OrgId node : e.path) {
    for (const auto& [counted, amount] : e.amounts) state.used[node][counted] += amount;
  }
}

void apply_one(State& state, const Given& e) {
  for (const OrgId node : e.path) {
    for (const auto& [counted, amount] : e.amounts) {
      Amounts& here = state.used[node];
      const auto at = here.find(counted);
      check(at != here.end() && at->second >= amount, "quota: gave back what was not taken");
      at->second -= amount;
      if (at->second == 0) here.erase(at);
      if (here.empty()) state.used.erase(node);
    }
  }
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& one) { return judge_one(state, one); }, command);
}

void apply(State& state, const Event& event, const Context&) {
  std::visit([&](const auto& one) { apply_one(state, one); }, event);
}

std::uint64_t used(const State& state, OrgId node, Counted counted) {
  return amount_in(state.used, node, counted);
}

std::optional<std::uint64_t> limit(const State& state, OrgId node, Counted counted) {
  const auto at = state.limits.find(node);
  if (at == state.limits.end()) return {};
  const auto own = at->second.find(counted);
  if (own == at->second.end()) return {};
  return own->second;
}

Headroom headroom(const State& state, std::span<const OrgId> path, Counted counted) {
  Headroom narrowest;
  if (!path.empty()) {  // the counter itself is bounded: sums on the way up never overflow
    const std::uint64_t all = used(state, path.back(), counted);
    narrowest = {{}, max_limit, all, max_limit - std::min(all, max_limit)};
  }
  for (std::size_t i = 0; i < path.size(); ++i) {
    const OrgId node = path[i];
    auto own = limit(state, node, counted);
    if (!own && i + 2 == path.size() && default_limit(counted) < max_limit) {
      own = default_limit(counted);
    }
    if (!own) continue;
    const std::uint64_t taken = used(state, node, counted);
    const std::uint64_t left = taken < *own ? *own - taken : 0;
    if (!narrowest.node || left < narrowest.left) narrowest = {node, *own, taken, left};
  }
  return narrowest;
}

std::vector<Line> lines(const State& state, std::span<const OrgId> path) {
  std::vector<Line> table;
  if (path.empty()) return table;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<Counted>>([&](auto counted) {
    const Line line{counted.value, used(state, path.front(), counted.value),
                    limit(state, path.front(), counted.value),
                    headroom(state, path, counted.value)};
    if (line.used > 0 || line.effective.node) table.push_back(line);
  });
  return table;
}

std::vector<Excess> over_limit(const State& state) {
  std::vector<Excess> found;
  for (const auto& [node, limits] : state.limits) {
    for (const auto& [counted, most] : limits) {
      const std::uint64_t taken = used(state, node, counted);
      if (taken > most) found.push_back({node, counted, most, taken});
    }
  }
  return found;
}

}  // namespace bessemer::quota
