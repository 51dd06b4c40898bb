// Commands about the platform: nodes, pools, gateways, events, backups.
#include "application/cli/catalog.h"
#include "application/cli/session.h"
#include "application/cli/work.h"

namespace bessemer::cli {
namespace {

const Noun node = {"node", "name|inventory.name|id",
                   {{"NAME", "name|inventory.name"}, {"SITE", "site|inventory.site"},
                    {"POOL", "pool|inventory.pool"}, {"STATE", "state"},
                    {"CPUS", "cpu_millis|inventory.cpu_millis", Show::number},
                    {"MEMORY", "memory_bytes|inventory.memory_bytes", Show::bytes},
                    {"GPUS", "accelerators|inventory.accelerators", Show::count},
                    {"GAPS", "isolation.missing", Show::count},
                    {"SEEN", "last_seen", Show::age}, {"ID", "id"}}};
const Noun gateway = {"gateway", "name|id",
                      {{"NAME", "name"}, {"PROCESS", "process", Show::number},
                       {"LISTEN", "listen.0"}, {"EPOCH", "epoch", Show::number},
                       {"LEASE", "lease"}, {"CONNECTED", "connected"},
                       {"CALLS", "calls", Show::number}, {"LEASES", "leases", Show::number},
                       {"SEEN", "last_seen", Show::age}, {"ID", "id"}}};
const Operand node_operand = {.name = "NODE", .help = "an id or a name",
                              .lookup = "/api/v1/nodes"};

}  // namespace

std::vector<Command> platform_commands() {
  return {
      {.path = "status", .summary = "is the factory well, and what it is doing", .method = "GET",
       .target = "/api/v1/status"},
      {.path = "stop", .summary = "end the daemon in order; tasks go on, and state survives",
       .method = "POST", .target = "/api/v1/stop"},
      {.path = "node list", .summary = "machines", .method = "GET", .target = "/api/v1/nodes",
       .noun = &node},
      {.path = "node get", .summary = "one machine: what it has and who uses it", .method = "GET",
       .target = "/api/v1/nodes/{NODE}", .operands = {node_operand}},
      {.path = "node cordon", .summary = "start nothing new on a machine", .method = "POST",
       .target = "/api/v1/nodes/{NODE}/cordon", .noun = &node, .operands = {node_operand},
       .options = {{"why", 0, "TEXT", "what others are told", As::text, "why"}}},
      {.path = "node drain", .summary = "cordon, and move what runs there", .method = "POST",
       .target = "/api/v1/nodes/{NODE}/drain", .noun = &node, .operands = {node_operand},
       .options = {{"why", 0, "TEXT", "what others are told", As::text, "why"}}},
      {.path = "node ready", .summary = "use a machine again", .method = "POST",
       .target = "/api/v1/nodes/{NODE}/ready", .noun = &node, .operands = {node_operand}},
      {.path = "gateway list", .summary = "gateway processes, and the logs that dead ones left",
       .method = "GET", .target = "/api/v1/gateways", .noun = &gateway},
      {.path = "events", .summary = "what changes, as it changes",
       .run = &follow_events},
  };
}

}  // namespace bessemer::cli
