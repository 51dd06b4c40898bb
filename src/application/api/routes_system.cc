// Health, the caller himself, and the OpenAPI document.
#include <fmt/format.h>

#include <algorithm>

#include "application/api/api.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using http::Method;

struct HealthView {
  std::string status;
  std::uint64_t applied = 0;  // the last fact applied
  std::uint64_t durable = 0;  // the last fact on disk
};
DESCRIBE(HealthView, status, applied, durable)

Result<HealthView> get_health(Call& call) {
  const engine::Engine& engine = call.services().engine;
  if (engine.failed()) return unavailable("the journal has failed").fix("see the daemon's log");
  return HealthView{"ok", engine.applied(), engine.durable()};
}

// A full journal takes only what ends something, or keeps alive what runs.
Result<HealthView> get_readiness(Call& call) {
  TRY_ASSIGN(const HealthView view, get_health(call));
  if (call.services().engine.journal().full()) {
    return unavailable("the disk is full: no new work is taken, what runs goes on")
        .because("disk_full")
        .fix("make room on the disk of the state directory");
  }
  return view;
}

struct RoleView {
  std::string org;
  access::Role role = access::Role::viewer;
};
DESCRIBE(RoleView, org, role)

struct WhoView {
  PrincipalId principal;
  access::PrincipalKind kind = access::PrincipalKind::user;
  KeyId key;
  std::vector<RoleView> roles;
};
DESCRIBE(WhoView, principal, kind, key, roles)

Result<WhoView> get_whoami(Call& call) {
  call.permit_self();
  const factory::State& state = call.state();
  WhoView view;
  view.principal = call.caller().principal;
  view.key = call.caller().key;
  if (const auto* principal = access::find(state.access, view.principal)) {
    view.kind = principal->kind;
  }
  const auto grants = state.access.grants.find(view.principal);
  if (grants == state.access.grants.end()) return view;
  for (const auto& [node, grant] : grants->second) {
    for (const access::Role role : grant.roles) {
      view.roles.push_back({tenant::path_of(state.tenant, node), role});
    }
  }
  return view;
}

struct StatusView {
  std::string status;
  std::uint64_t applied = 0, durable = 0;
  std::map<workload::Phase, std::uint64_t> workloads;
  std::uint64_t endpoints = 0;
  std::uint64_t nodes = 0;
  std::uint64_t accelerators = 0;
  std::uint64_t accelerators_in_use = 0;  // thousandths
  std::uint64_t gateways = 0;
  bool disk_full = false;
  std::vector<std::string> missing_isolation;
};
DESCRIBE(StatusView, status, applied, durable, workloads, endpoints, nodes, accelerators,
         accelerators_in_use, gateways, disk_full, missing_isolation)

StatusView status_of(Call& call) {
  const factory::State& state = call.state();
  const engine::Engine& engine = call.services().engine;
  StatusView view;
  view.disk_full = call.services().engine.journal().full();
  view.status = view.disk_full ? "the disk is full: only what ends something is taken" : "ok";
  view.applied = engine.applied();
  view.durable = engine.durable();
  for (const WorkloadId id : state.workload.live) {
    ++view.workloads[state.workload.workloads.at(id).phase];
  }
  view.endpoints = state.deployment.endpoints.size();
  view.nodes = state.site.nodes.size();
  for (const auto& [id, node] : state.site.nodes) {
    view.accelerators += node.inventory.accelerators.size();
    for (const std::uint32_t used : node.use.accelerators) view.accelerators_in_use += used;
  }
  const auto gateways = call.services().standing.gateways();
  view.gateways = static_cast<std::uint64_t>(
      std::ranges::count_if(gateways, &GatewayStanding::connected));
  view.missing_isolation = call.services().standing.isolation().missing;
  return view;
}

Result<StatusView> get_status(Call& call) {
  TRY(call.permit(tenant::root));
  return status_of(call);
}

Result<Page<GatewayStanding>> list_gateways(Call& call) {
  TRY(call.permit(tenant::root));
  const auto all = call.services().standing.gateways();
  return paginate<GatewayStanding>(
      call, all,
      [](const GatewayStanding& one) {
        return to_text(one.id) + fmt::format("/{:020}", one.epoch);
      },
      [](const GatewayStanding& one) { return one; });
}

Result<StatusView> stop_daemon(Call& call) {
  TRY(call.permit(tenant::root));
  call.services().standing.stop();
  return status_of(call);
}

// Prometheus text exposition format 0.0.4.
Result<void> get_metrics(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY(call->permit(tenant::root));
  const StatusView status = status_of(*call);
  std::string out;
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    out += fmt::format("# HELP bessemer_{0} {1}\n# TYPE bessemer_{0} gauge\nbessemer_{0} {2}\n",
                       name, help, value);
  };
  gauge("journal_applied", "last fact applied", status.applied);
  gauge("journal_durable", "last fact on disk", status.durable);
  gauge("journal_full", "1 when the disk is full", status.disk_full ? 1 : 0);
  gauge("endpoints", "endpoints", status.endpoints);
  gauge("nodes", "machines", status.nodes);
  gauge("accelerators", "accelerators", status.accelerators);
  gauge("accelerators_in_use_milli", "thousandths of accelerators allocated",
        status.accelerators_in_use);
  gauge("gateways", "gateway processes connected", status.gateways);
  gauge("plans", "plans made", call->services().conductor.plans());
  gauge("metrics_lost", "lines of metrics that could not be kept",
        call->services().standing.lost_metrics());
  out += "# HELP bessemer_workloads jobs and services that are not over\n"
         "# TYPE bessemer_workloads gauge\n";
  for (const auto& [phase, count] : status.workloads) {
    out += fmt::format("bessemer_workloads{{phase=\"{}\"}} {}\n", enum_text(phase), count);
  }
  out += "# HELP bessemer_requests_total requests by route and result\n"
         "# TYPE bessemer_requests_total counter\n";
  for (std::size_t i = 0; i < routes().size(); ++i) {
    const RouteCount& count = (*call->services().counts)[i];
    for (const auto& [result, value] : {std::pair("answered", count.answered),
                                        std::pair("refused", count.refused)}) {
      if (value == 0) continue;
      out += fmt::format("bessemer_requests_total{{route=\"{}\",result=\"{}\"}} {}\n",
                         routes()[i].operation, result, value);
    }
  }
  server::Answer answer;
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  answer.body = std::move(out);
  responder.answer(std::move(answer));
  return {};
}

Result<json::Raw> get_document(Call& call) {
  call.permit_self();
  return json::Raw{openapi_document()};
}

}  // namespace

Table system_routes() {
  using access::Action;
  using access::Resource;
  Table table = {
      route<&get_health>(Method::get, "/healthz", "health", "Is the daemon alive?", Resource::org,
                         Action::read),
      route<&get_readiness>(Method::get, "/readyz", "ready", "Does the daemon take new work?",
                            Resource::org, Action::read),
      route<&get_whoami>(Method::get, "/api/v1/whoami", "whoami", "Who am I, and what may I do?",
                         Resource::principal, Action::read),
      route<&get_document>(Method::get, "/api/v1/openapi.json", "openapi",
                           "This document, as OpenAPI 3.1", Resource::org, Action::read),
      route<&get_status>(Method::get, "/api/v1/status", "get_status",
                         "Is the factory well, and what is it doing?", Resource::node,
                         Action::list),
      route<&list_gateways>(Method::get, "/api/v1/gateways", "list_gateways",
                            "Gateway processes, and the logs that dead ones left",
                            Resource::node, Action::list, page_parameters),
      route<&stop_daemon>(Method::post, "/api/v1/stop", "stop_daemon",
                          "End the daemon in order; tasks go on", Resource::node, Action::update),
      stream_route<&get_metrics>(Method::get, "/metrics", "get_metrics",
                                 "Prometheus metrics", Resource::node, Action::list),
  };
  table[0].entry = table[1].entry = Entry::anyone;
  table[2].entry = table[3].entry = Entry::signed_in;
  table.back().answer_type = "text/plain";  // of get_metrics
  return table;
}

}  // namespace bessemer::api
