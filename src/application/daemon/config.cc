// config.yaml: read strictly, defaults filled in by those who use them.
#include "application/daemon/config.h"

#include "application/yaml/yaml.h"
#include "base/json.h"
#include "base/text.h"
#include "world/real/socket.h"

namespace bessemer::daemon {

Result<Config> read_config(std::string_view yaml) {
  TRY_ASSIGN(const auto documents, yaml::documents(yaml));
  if (documents.empty() || documents.front() == "null") return Config{};
  if (documents.size() > 1) return invalid("must hold one YAML document");
  TRY_ASSIGN(Config config, json::read<Config>(documents.front()));
  if (config.gateways.value_or(1) > max_gateways) {
    return invalid("must be at most 64").at("gateways");
  }
  if (config.snapshot_every == 0u) return invalid("must be at least 1").at("snapshot_every");
  if (config.currency == simulated_currency) {
    return invalid("SIM is the currency of simulated accelerators").at("currency");
  }
  for (const auto& [address, field] : {std::pair(config.listen, "listen"),
                                       std::pair(config.gateway_listen, "gateway_listen")}) {
    if (!address) continue;
    if (auto read = real::parse_address(*address); !read) return std::move(read).error().at(field);
  }
  for (std::size_t i = 0; i < config.simulated_accelerators.size(); ++i) {
    const SimulatedPool& pool = config.simulated_accelerators[i];
    const std::string field = "simulated_accelerators[" + std::to_string(i) + "].";
    if (auto named = check_name(pool.model); !named) {
      return std::move(named).error().at(field + "model");
    }
    if (pool.count == 0 || pool.count > max_simulated) {
      return invalid("must be from 1 to " + std::to_string(max_simulated)).at(field + "count");
    }
  }
  if (config.pool) {
    if (auto named = check_name(*config.pool); !named) {
      return std::move(named).error().within("pool");
    }
  }
  return config;
}

std::string default_config() {
  return R"(# Bessemer: this factory's configuration. Everything may be left out.
# listen: 127.0.0.1:7420           # API; beyond loopback only with --insecure
# gateway_listen: 127.0.0.1:7421   # OpenAI-compatible endpoint
# gateways: 1                      # gateway processes
# currency: USD                    # of the first price book
# pool: default                    # the node pool this machine belongs to
# isolation: strict                # strict, or relaxed where a part of it is missing
# snapshot_every: 100000           # facts: a start replays about so many at most

# Accelerators that do not exist, so that everything can be tried without them. They are charged
# in a currency of their own, SIM, which can reach no real invoice.
simulated_accelerators:
  - model: h100
    count: 8
)";
}

}  // namespace bessemer::daemon
