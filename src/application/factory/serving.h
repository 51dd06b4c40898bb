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

}  // namespace bessemer::factory
