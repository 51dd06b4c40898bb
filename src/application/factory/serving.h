// How an endpoint is asked for: the same words in the API, in a pipeline and in a YAML file.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "application/factory/factory.h"
#include "base/json.h"

namespace bessemer::factory {

struct EndpointSpec {
  std::set<std::string> aliases;
  std::optional<deployment::Protocol> protocol;
  std::optional<deployment::Billing> billing;
  std::optional<deployment::HealthCheck> health;
  std::optional<std::uint32_t> replicas;
  std::optional<json::Raw> workload;  // what each replica runs: a workload specification
};
DESCRIBE(EndpointSpec, aliases, protocol, billing, health, replicas, workload)

// The command without id, project, name and model.
deployment::Create create_of(const EndpointSpec& spec);

// Whether replicas of both templates are the same, however they are written down.
bool makes_the_same(const State& state, const deployment::Endpoint& endpoint,
                    const deployment::Template& one, const deployment::Template& other);

// What the deploy step of a pipeline changes of an endpoint that is there: nothing that is so
// already. What the step leaves out stays as it is. Errors: conflict (another protocol; a name that
// is taken), invalid, not_found.
Result<ChangeEndpoint> change_for(const State& state, const deployment::Endpoint& endpoint,
                                  const pipeline::DeployModel& deploy);                // steps.cc

}  // namespace bessemer::factory
