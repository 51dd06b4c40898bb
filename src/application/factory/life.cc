// A new life of a restored state: fences what the former life may still be doing.
#include <algorithm>

#include "application/factory/ladder.h"

namespace bessemer::factory {

Result<Batch> judge_life(const State& state, const BeginLife& command, const Context& context) {
  std::uint32_t highest = state.life.floor;
  for (const auto& [id, workload] : state.workload.workloads) {
    highest = std::max(highest, workload.generation);
  }
  if (command.floor <= highest) {
    return invalid("must be above " + std::to_string(highest)).at("floor").fix(
        "set the clock: it stands before the moment of an earlier restore");
  }
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  batch.events.emplace_back(OwnEvent(FactoryRestored{command.sequence, command.floor}));
  TRY_ASSIGN(auto fenced, lease::judge(state.lease, state.budget,
                                       lease::Command(lease::Fence{command.floor}), context));
  add(batch, std::move(fenced.events));
  return batch;
}

void apply_own(State& state, const FactoryRestored& restored, const Context& context) {
  state.life = {context.now, restored.floor};
}

}  // namespace bessemer::factory
