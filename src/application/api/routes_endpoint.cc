// Endpoints: models behind replicas.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/network.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "application/factory/serving.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct EndpointView {
  EndpointId id;
  std::string project_path;
  std::string name;
  std::set<std::string> aliases;
  deployment::Protocol protocol = deployment::Protocol::openai;
  deployment::Billing billing = deployment::Billing::dedicated;
  deployment::Standing standing = deployment::Standing::rolling;
  std::string sentence;
  std::uint32_t replicas = 0;  // wanted
  std::uint64_t ready = 0;
  std::uint32_t routed = 0;    // the revision that callers reach
  std::vector<deployment::Revision> revisions;
  std::map<WorkloadId, deployment::Replica> running;
  Instant created_at;
  std::string model;  // of the newest revision
  json::Raw workload{"{}"};
  deployment::HealthCheck health;
};
DESCRIBE(EndpointView, id, project_path, name, aliases, protocol, billing, standing, sentence,
         replicas, ready, routed, revisions, running, created_at, model, workload, health)

EndpointView view_of(Call& call, const deployment::Endpoint& found) {
  EndpointView view;
  view.id = found.id;
  view.project_path = tenant::path_of(call.state().tenant, found.project);
  view.name = found.name;
  view.aliases = found.aliases;
  view.protocol = found.protocol;
  view.billing = found.billing;
  view.standing = deployment::standing(found);
  view.sentence = deployment::sentence(found, call.now());
  view.replicas = found.replicas;
  view.ready = deployment::targets(found).size();
  view.routed = found.routed;
  view.revisions = found.revisions;
  view.running = found.running;
  view.created_at = found.created_at;
  view.health = found.health;
  if (const auto* newest = deployment::newest(found)) {
    view.model = newest->runs.model.value_or("");
    view.workload = newest->runs.workload;
  }
  return view;
}

struct CreateEndpoint {
  std::string name;
  std::optional<std::string> model;  // "digits@champion"
  std::set<std::string> aliases;
  std::optional<deployment::Protocol> protocol;
  std::optional<deployment::Billing> billing;
  std::optional<deployment::HealthCheck> health;
  std::optional<std::uint32_t> replicas;
  std::optional<json::Raw> workload;
};
DESCRIBE(CreateEndpoint, name, model, aliases, protocol, billing, health, replicas, workload)

Result<EndpointView> create_endpoint(Call& call, const InProject<CreateEndpoint>& body) {
  TRY_ASSIGN(const OrgId project, placed(call, body.project, "project"));
  const CreateEndpoint& asked = body.rest;
  if (asked.workload) {
    // What cannot be read is refused below, in its own words.
    const auto replica = json::read<workload::Spec>(asked.workload->text);
    if (replica) TRY(check_network(call, replica->network, "workload.network"));
  }
  factory::EndpointSpec spec{asked.aliases, asked.protocol, asked.billing,
                             asked.health,  asked.replicas, asked.workload};
  deployment::Create create = factory::create_of(spec);
  create.endpoint = call.draw<EndpointId>();
  create.project = project;
  create.name = asked.name;
  create.runs.model = asked.model;
  const EndpointId id = create.endpoint;
  call.makes("/api/v1/endpoints/" + to_text(id));
  TRY(call.submit(deployment::Command(std::move(create))));
  return view_of(call, *deployment::find(call.state().deployment, id));
}

Result<const deployment::Endpoint*> named_endpoint(Call& call) {
  return named_thing<EndpointId>(
      call, "endpoint", "endpoint",
      [&](EndpointId id) { return deployment::find(call.state().deployment, id); },
      [](const deployment::Endpoint& found) { return found.project; });
}

Result<EndpointView> get_endpoint(Call& call) {
  TRY_ASSIGN(const deployment::Endpoint* const found, named_endpoint(call));
  return view_of(call, *found);
}

Result<Page<EndpointView>> list_endpoints(Call& call) {
  OrgId only;
  if (const auto path = call.query("project")) {
    TRY_ASSIGN(only, call.org(*path));
    TRY(call.permit(only));
  } else {
    call.permit_self();
  }
  std::vector<const deployment::Endpoint*> all;
  for (const auto& [id, endpoint] : call.state().deployment.endpoints) {
    if (only ? endpoint.project == only
             : call.may(endpoint.project, Resource::endpoint, Action::list)) {
      all.push_back(&endpoint);
    }
  }
  return paginate<EndpointView>(
      call, all, [](const deployment::Endpoint* one) { return to_text(one->id); },
      [&](const deployment::Endpoint* one) { return view_of(call, *one); });
}

struct ChangeEndpoint {
  std::optional<std::string> model;  // rolls to it
  std::optional<json::Raw> workload;
  std::optional<std::uint32_t> replicas;
  std::optional<deployment::HealthCheck> health;
  std::optional<deployment::Billing> billing;
  std::optional<std::set<std::string>> aliases;
};
DESCRIBE(ChangeEndpoint, model, workload, replicas, health, billing, aliases)

Result<EndpointView> change_endpoint(Call& call, const ChangeEndpoint& body) {
  TRY_ASSIGN(const deployment::Endpoint* const found, named_endpoint(call));
  const EndpointId id = found->id;
  factory::ChangeEndpoint change;
  if (body.model || body.workload) {
    deployment::Roll& roll = change.roll.emplace();
    roll.endpoint = id;
    if (const auto* newest = deployment::newest(*found)) roll.runs = newest->runs;
    if (body.model) roll.runs.model = body.model;
    if (body.workload) roll.runs.workload = *body.workload;
  }
  if (body.replicas || body.health || body.billing || body.aliases) {
    change.configure = deployment::Configure{id, body.replicas, body.health, body.billing,
                                             body.aliases};
  }
  TRY(call.submit(factory::OwnCommand(std::move(change))));
  return view_of(call, *deployment::find(call.state().deployment, id));
}

Result<Nothing> delete_endpoint(Call& call) {
  TRY_ASSIGN(const deployment::Endpoint* const found, named_endpoint(call));
  TRY(call.submit(deployment::Command(deployment::Delete{found->id})));
  return Nothing{};
}

}  // namespace

Table endpoint_routes() {
  return {
      route<&create_endpoint>(Method::post, "/api/v1/endpoints", "create_endpoint",
                              "Put a model behind replicas", Resource::endpoint, Action::create),
      route<&list_endpoints>(Method::get, "/api/v1/endpoints", "list_endpoints", "Endpoints",
                             Resource::endpoint, Action::list,
                             with_page({{"project", "path or id of the project"}})),
      route<&get_endpoint>(Method::get, "/api/v1/endpoints/{endpoint}", "get_endpoint",
                           "One endpoint with revisions and replicas", Resource::endpoint,
                           Action::read),
      route<&change_endpoint>(Method::patch, "/api/v1/endpoints/{endpoint}", "change_endpoint",
                              "Roll, scale or configure it", Resource::endpoint, Action::update),
      route<&delete_endpoint>(Method::del, "/api/v1/endpoints/{endpoint}", "delete_endpoint",
                              "Remove an endpoint and its replicas", Resource::endpoint,
                              Action::remove),
  };
}

}  // namespace bessemer::api
