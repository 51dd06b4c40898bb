// Endpoints move towards what is wanted of them.
#include "application/conductor/conductor.h"

namespace bessemer::conductor {

void Conductor::move_endpoints() {
  std::vector<EndpointId> ids;
  for (const auto& [id, endpoint] : engine_.state().deployment.endpoints) ids.push_back(id);
  for (const EndpointId id : ids) {
    const deployment::Endpoint* const endpoint =
        deployment::find(engine_.state().deployment, id);
    if (endpoint == nullptr) continue;
    const deployment::Actions actions = deployment::reconcile(*endpoint, clock_.now());
    if (actions.again_at) again_at(*actions.again_at);
    for (const deployment::Action& action : actions.list) {
      if (const auto* start = std::get_if<deployment::StartReplica>(&action)) {
        decide(factory::OwnCommand(
            factory::BeginReplica{start->endpoint, start->revision, start->ordinal}));
      } else if (const auto* stop = std::get_if<deployment::StopReplica>(&action)) {
        decide(factory::OwnCommand(
            factory::EndReplica{stop->endpoint, stop->workload, stop->failed, stop->why}));
      } else {
        decide(deployment::Command(std::get<deployment::SwitchRoute>(action)));
      }
    }
  }
}

}  // namespace bessemer::conductor
