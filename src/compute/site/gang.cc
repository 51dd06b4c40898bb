// Several allocations judged as one.
#include "compute/site/gang.h"

namespace bessemer::site {

Result<std::vector<Event>> judge_gang(const State& state, const std::vector<Allocate>& gang,
                                      const Context& context) {
  // What judging an allocation reads, and no more: the state may be large.
  State seen;
  seen.folded_until = state.folded_until;
  for (const Allocate& each : gang) {
    if (const Node* node = find(state, each.node)) seen.nodes.emplace(each.node, *node);
    if (const Allocation* known = find_allocation(state, each.allocation)) {
      seen.allocations.emplace(each.allocation, *known);
    }
    if (const auto ended = state.ended.find(each.allocation); ended != state.ended.end()) {
      seen.ended.insert(*ended);
    }
  }
  std::vector<Event> events;
  for (std::size_t i = 0; i < gang.size(); ++i) {
    auto judged = judge(seen, gang[i], context);
    if (!judged) return std::move(judged).error().within("[" + std::to_string(i) + "]");
    for (Event& event : *judged) {
      apply(seen, event, context);
      events.push_back(std::move(event));
    }
  }
  return events;
}

}  // namespace bessemer::site
