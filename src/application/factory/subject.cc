// Which node of the organisation an event is about.
#include "application/factory/factory.h"

namespace bessemer::factory {
namespace {

// A member of this name and type is how modules name whose thing it is.
#define HAS(member, Type) \
  requires { requires std::same_as<std::remove_cvref_t<decltype(event.member)>, Type>; }

template <class Found>
OrgId project_of(const Found* found) {
  return found == nullptr ? OrgId{} : found->project;
}

template <class E>
OrgId subject_of_fields(const State& state, const E& event) {
  if constexpr (HAS(project, OrgId)) return event.project;
  else if constexpr (HAS(node, OrgId)) return event.node;
  else if constexpr (HAS(tenant, OrgId)) return event.tenant;
  else if constexpr (HAS(home, OrgId)) return event.home;
  else if constexpr (HAS(workload, WorkloadId)) {
    const auto* found = workload::find(state.workload, event.workload);
    if (found != nullptr) return found->spec.project;
    return project_of(workload::find_former(state.workload, event.workload));
  } else if constexpr (HAS(endpoint, EndpointId)) {
    return project_of(deployment::find(state.deployment, event.endpoint));
  } else if constexpr (HAS(dataset, DatasetId)) {
    return project_of(dataset::find(state.dataset, event.dataset));
  } else if constexpr (HAS(model, ModelId)) {
    return project_of(registry::find(state.registry, event.model));
  } else if constexpr (HAS(run, PipelineRunId)) {
    return project_of(pipeline::find(state.pipeline, event.run));
  } else if constexpr (HAS(pipeline, PipelineId)) {
    return project_of(pipeline::find(state.pipeline, event.pipeline));
  } else if constexpr (HAS(run, RunId)) {
    const auto found = state.run.runs.find(event.run);
    return found == state.run.runs.end() ? OrgId{} : found->second.project;
  } else {
    return {};  // the platform's: prices, nodes, money between accounts
  }
}
#undef HAS

}  // namespace

OrgId subject_of(const State& state, const Event& event) {
  return std::visit(
      [&](const auto& of_module) {
        return std::visit([&](const auto& e) { return subject_of_fields(state, e); }, of_module);
      },
      event);
}

}  // namespace bessemer::factory
