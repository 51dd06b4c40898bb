// config.yaml of a state directory.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/money.h"
#include "base/result.h"
#include "compute/executor/local/inventory.h"
#include "orchestration/workload/workload.h"

namespace bessemer::daemon {

struct SimulatedPool {
  std::string model;
  std::uint32_t count = 0;
  std::optional<std::uint64_t> memory_bytes;  // default 80 GiB
};
DESCRIBE(SimulatedPool, model, count, memory_bytes)

// As written; everything may be left out.
struct Config {
  std::optional<std::string> listen;          // the API; default 127.0.0.1:7420
  std::optional<std::string> gateway_listen;  // default 127.0.0.1:7421
  std::optional<std::uint32_t> gateways;      // processes; default 1
  std::optional<Currency> currency;           // of the first price book; default USD
  std::optional<std::string> pool;            // of this machine; default "default"
  std::vector<SimulatedPool> simulated_accelerators;
  std::optional<workload::Isolation> isolation;  // the least that tasks get; default strict
  std::optional<std::uint64_t> snapshot_every;   // facts; default 100,000
};
DESCRIBE(Config, listen, gateway_listen, gateways, currency, pool, simulated_accelerators,
         isolation, snapshot_every)

constexpr std::uint32_t max_gateways = 64;
constexpr std::uint32_t max_simulated = 1024;  // accelerators of one model

// Errors: invalid, with the field.
Result<Config> read_config(std::string_view yaml);
// What a new state directory gets: every field with its default, explained.
std::string default_config();

}  // namespace bessemer::daemon
