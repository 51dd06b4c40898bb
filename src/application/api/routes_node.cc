// Machines, and queues: who may use how much of which pool.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct NodeView {
  NodeId id;
  std::string name, site, pool;
  site::NodeState state = site::NodeState::ready;
  std::string why;
  std::uint64_t cpu_millis = 0, free_cpu_millis = 0;
  std::uint64_t memory_bytes = 0, free_memory_bytes = 0;
  std::vector<site::Accelerator> accelerators;
  std::vector<std::uint32_t> accelerators_used;  // thousandths of each
  std::map<std::string, std::string> labels;
  Instant registered_at, last_seen;
  // What keeps tasks there apart; nothing where the site itself sees to it.
  std::optional<executor::Capabilities> isolation;
};
DESCRIBE(NodeView, id, name, site, pool, state, why, cpu_millis, free_cpu_millis, memory_bytes,
         free_memory_bytes, accelerators, accelerators_used, labels, registered_at, last_seen,
         isolation)

NodeView view_of(Call& call, const site::Node& node) {
  NodeView view;
  view.id = node.id;
  view.name = node.inventory.name;
  view.site = node.inventory.site;
  view.pool = node.inventory.pool;
  view.state = node.state;
  view.why = node.why;
  view.cpu_millis = node.inventory.cpu_millis;
  view.free_cpu_millis = node.inventory.cpu_millis - node.use.cpu_millis;
  view.memory_bytes = node.inventory.memory_bytes;
  view.free_memory_bytes = node.inventory.memory_bytes - node.use.memory_bytes;
  view.accelerators = node.inventory.accelerators;
  view.accelerators_used = node.use.accelerators;
  view.labels = node.inventory.labels;
  view.registered_at = node.registered_at;
  view.last_seen = node.last_seen;
  if (node.inventory.site == "local") view.isolation = call.services().standing.isolation();
  return view;
}

Result<const site::Node*> named_node(Call& call) {
  return named_thing<NodeId>(
      call, "node", "node", [&](NodeId id) { return site::find(call.state().site, id); },
      [](const site::Node&) { return tenant::root; });
}

Result<Page<NodeView>> list_nodes(Call& call) {
  TRY(call.permit(tenant::root));
  std::vector<const site::Node*> all;
  for (const auto& [id, node] : call.state().site.nodes) all.push_back(&node);
  return paginate<NodeView>(
      call, all, [](const site::Node* one) { return to_text(one->id); },
      [&](const site::Node* one) { return view_of(call, *one); });
}

Result<NodeView> get_node(Call& call) {
  TRY_ASSIGN(const site::Node* const found, named_node(call));
  return view_of(call, *found);
}

struct WhyBody {
  std::optional<std::string> why;
};
DESCRIBE(WhyBody, why)

template <site::NodeState state>
Result<NodeView> set_state(Call& call, const WhyBody& body) {
  TRY_ASSIGN(const site::Node* const found, named_node(call));
  const NodeId id = found->id;
  TRY(call.submit(site::Command(site::SetNodeState{id, state, body.why.value_or("")})));
  return view_of(call, *site::find(call.state().site, id));
}

// ---- queues

struct QueueView {
  std::string path;
  std::string pool;
  std::optional<std::uint64_t> deserved_gpu_milli;
  std::uint32_t weight = 100;
  queue::Amount limit;
};
DESCRIBE(QueueView, path, pool, deserved_gpu_milli, weight, limit)

QueueView view_of(const factory::State& state, const queue::Queue& found) {
  return {tenant::path_of(state.tenant, found.key.node), found.key.pool, found.deserved_gpu_milli,
          found.weight, found.limit};
}

struct SetQueue {
  std::string pool;
  std::optional<std::uint64_t> deserved_gpu_milli;
  std::optional<std::uint32_t> weight;
  std::optional<queue::Amount> limit;
};
DESCRIBE(SetQueue, pool, deserved_gpu_milli, weight, limit)

Result<QueueView> set_queue(Call& call, const InOrg<SetQueue>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  queue::SetQueue set;
  set.node = org;
  set.pool = body.rest.pool;
  set.path = tenant::ancestors(call.state().tenant, org);
  std::reverse(set.path.begin(), set.path.end());
  set.deserved_gpu_milli = body.rest.deserved_gpu_milli;
  set.weight = body.rest.weight;
  set.limit = body.rest.limit;
  TRY(call.submit(queue::Command(std::move(set))));
  return view_of(call.state(), *queue::find(call.state().queue, org, body.rest.pool));
}

Result<Page<QueueView>> list_queues(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  const auto pool = call.query("pool");
  std::vector<const queue::Queue*> all;
  for (const queue::Queue* one : queue::list(call.state().queue)) {
    if (pool && one->key.pool != *pool) continue;
    if (tenant::is_within(call.state().tenant, one->key.node, org)) all.push_back(one);
  }
  return paginate<QueueView>(
      call, all,
      [](const queue::Queue* one) { return one->key.pool + "/" + to_text(one->key.node); },
      [&](const queue::Queue* one) { return view_of(call.state(), *one); });
}

Result<Nothing> remove_queue(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org"));
  TRY(call.submit(queue::Command(
      queue::RemoveQueue{org, std::string(call.query("pool").value_or(""))})));
  return Nothing{};
}

}  // namespace

Table node_routes() {
  using site::NodeState;
  const Parameter org{"org", "path or id; the platform when left out"};
  return {
      route<&list_nodes>(Method::get, "/api/v1/nodes", "list_nodes", "Machines", Resource::node,
                         Action::list, page_parameters),
      route<&get_node>(Method::get, "/api/v1/nodes/{node}", "get_node", "One machine",
                       Resource::node, Action::read),
      route<&set_state<NodeState::cordoned>>(Method::post, "/api/v1/nodes/{node}/cordon",
                                             "cordon_node", "Start nothing new on a machine",
                                             Resource::node, Action::update),
      route<&set_state<NodeState::draining>>(Method::post, "/api/v1/nodes/{node}/drain",
                                             "drain_node", "Cordon, and empty it",
                                             Resource::node, Action::update),
      route<&set_state<NodeState::ready>>(Method::post, "/api/v1/nodes/{node}/ready",
                                          "ready_node", "Use a machine again", Resource::node,
                                          Action::update),
      route<&set_queue>(Method::put, "/api/v1/queues", "set_queue",
                        "Set quota, weight and limit of a node in a pool", Resource::queue,
                        Action::update),
      route<&list_queues>(Method::get, "/api/v1/queues", "list_queues",
                          "Who may use how much of which pool", Resource::queue, Action::list,
                          with_page({org, {"pool", "only this pool"}})),
      route<&remove_queue>(Method::del, "/api/v1/queues", "remove_queue",
                           "Remove a node's queue in a pool", Resource::queue, Action::remove,
                           {org, {"pool", "which pool"}}),
  };
}

}  // namespace bessemer::api
