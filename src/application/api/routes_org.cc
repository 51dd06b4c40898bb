// The organisation tree: tenants, groups, projects.
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct OrgView {
  OrgId id;
  std::string path;
  tenant::Kind kind = tenant::Kind::tenant;
  std::string time_zone;
  bool suspended = false;
  std::string suspended_why;
  Instant created_at;
  // A tenant's present billing period; the next one begins in `time_zone`.
  std::optional<Instant> period_from, period_until;
};
DESCRIBE(OrgView, id, path, kind, time_zone, suspended, suspended_why, created_at, period_from,
         period_until)

OrgView view_of(Call& call, const tenant::Node& node) {
  const factory::State& state = call.state();
  OrgView view;
  view.id = node.id;
  view.path = tenant::path_of(state.tenant, node.id);
  view.kind = node.kind;
  view.time_zone = node.time_zone;
  view.suspended = tenant::is_suspended(state.tenant, node.id);
  view.suspended_why = node.suspended_why;
  view.created_at = node.created_at;
  if (const metering::Account* account = metering::find(state.metering, node.id)) {
    const Period period = metering::period_of(state.metering, *account, call.now());
    view.period_from = period.from;
    view.period_until = period.until;
  }
  return view;
}

// The node named by the path's part {org}: an id, or a path with '/' written as %2F.
Result<const tenant::Node*> named(Call& call) {
  TRY_ASSIGN(const OrgId id, call.org(call.part("org")));
  TRY(call.permit(id));
  return tenant::find(call.state().tenant, id);
}

struct CreateOrg {
  tenant::Kind kind = tenant::Kind::project;
  std::string path;  // "acme/vision": the parent must be there
  std::optional<std::string> time_zone;
};
DESCRIBE(CreateOrg, kind, path, time_zone)

// The offsets of a zone, which are handed in before anything refers to them. Those that are known
// stay as they are: tzdata may say otherwise by now.
Result<Zone> zone_of(Call& call, const std::string& name) {
  if (name == "UTC") return Zone{};
  const auto known = call.state().metering.zones.find(name);
  if (known != call.state().metering.zones.end()) return known->second;
  auto zone = call.services().standing.zone(name);
  if (!zone) return std::move(zone).error().at("time_zone");
  return zone;
}

Result<OrgView> create_org(Call& call, const CreateOrg& body) {
  const std::size_t slash = body.path.rfind('/');
  const std::string name =
      slash == std::string::npos ? body.path : body.path.substr(slash + 1);
  const std::string parent_path = slash == std::string::npos ? "/" : body.path.substr(0, slash);
  auto parent = call.org(parent_path);
  if (!parent) return std::move(parent).error().within("path");
  TRY(call.permit(*parent));
  const OrgId id = call.draw<OrgId>();
  call.makes("/api/v1/orgs/" + to_text(id));
  if (body.time_zone && body.kind != tenant::Kind::tenant) {
    return invalid("belongs to a tenant").at("time_zone");
  }
  factory::Command command;
  switch (body.kind) {
    case tenant::Kind::platform:
      return invalid("the platform is there already").at("kind");
    case tenant::Kind::tenant: {
      if (*parent != tenant::root) return invalid("a tenant stands below the platform").at("path");
      factory::CreateTenant create{{id, name, body.time_zone}, std::nullopt};
      if (body.time_zone) {
        TRY_ASSIGN(create.zone, zone_of(call, *body.time_zone));
      }
      command = factory::OwnCommand(std::move(create));
      break;
    }
    case tenant::Kind::group:
      command = tenant::Command(tenant::CreateGroup{id, *parent, name});
      break;
    case tenant::Kind::project:
      command = tenant::Command(tenant::CreateProject{id, *parent, name});
      break;
  }
  TRY(call.submit(command));
  return view_of(call, *tenant::find(call.state().tenant, id));
}

Result<OrgView> get_org(Call& call) {
  TRY_ASSIGN(const tenant::Node* const node, named(call));
  return view_of(call, *node);
}

Result<Page<OrgView>> list_orgs(Call& call) {
  OrgId below = tenant::root;
  if (const auto under = call.query("below")) {
    TRY_ASSIGN(below, call.org(*under));
    TRY(call.permit(below));
  } else {
    call.permit_self();  // what the caller may not see is left out
  }
  std::vector<OrgView> visible;
  for (const tenant::Node* node : tenant::list(call.state().tenant, below)) {
    if (call.may(node->id, Resource::org, Action::list)) {
      visible.push_back(view_of(call, *node));
    }
  }
  return paginate<OrgView>(
      call, visible, [](const OrgView& view) { return view.path; },
      [](const OrgView& view) { return view; });
}

struct ChangeOrg {
  std::string time_zone;
};
DESCRIBE(ChangeOrg, time_zone)

Result<OrgView> change_org(Call& call, const ChangeOrg& body) {
  TRY_ASSIGN(const tenant::Node* const node, named(call));
  const OrgId id = node->id;
  if (node->kind != tenant::Kind::tenant) return invalid("belongs to a tenant").at("time_zone");
  TRY_ASSIGN(Zone zone, zone_of(call, body.time_zone));
  TRY(call.submit(factory::OwnCommand(factory::SetTimeZone{id, std::move(zone)})));
  return view_of(call, *tenant::find(call.state().tenant, id));
}

struct SuspendOrg {
  std::string why;
};
DESCRIBE(SuspendOrg, why)

Result<OrgView> suspend_org(Call& call, const SuspendOrg& body) {
  TRY_ASSIGN(const tenant::Node* const node, named(call));
  const OrgId id = node->id;
  TRY(call.submit(tenant::Command(tenant::Suspend{id, body.why})));
  return view_of(call, *tenant::find(call.state().tenant, id));
}

Result<OrgView> resume_org(Call& call) {
  TRY_ASSIGN(const tenant::Node* const node, named(call));
  const OrgId id = node->id;
  TRY(call.submit(tenant::Command(tenant::Resume{id})));
  return view_of(call, *tenant::find(call.state().tenant, id));
}

Result<Nothing> close_org(Call& call) {
  TRY_ASSIGN(const tenant::Node* const node, named(call));
  TRY(call.submit(tenant::Command(tenant::Close{node->id})));
  return Nothing{};
}

}  // namespace

Table org_routes() {
  return {
      route<&create_org>(Method::post, "/api/v1/orgs", "create_org",
                         "Create a tenant, group or project", Resource::org, Action::create),
      route<&list_orgs>(Method::get, "/api/v1/orgs", "list_orgs",
                        "The organisation tree as far as you may see it", Resource::org,
                        Action::list, with_page({{"below", "path or id of the node to begin at"}})),
      route<&get_org>(Method::get, "/api/v1/orgs/{org}", "get_org", "One node of the tree",
                      Resource::org, Action::read),
      route<&change_org>(Method::patch, "/api/v1/orgs/{org}", "change_org",
                         "Change a tenant's time zone: billing periods follow it from the end of "
                         "the present one on",
                         Resource::org, Action::update),
      route<&suspend_org>(Method::post, "/api/v1/orgs/{org}/suspend", "suspend_org",
                          "Stop new work at and below a node", Resource::org, Action::update),
      route<&resume_org>(Method::post, "/api/v1/orgs/{org}/resume", "resume_org",
                         "Let work begin again", Resource::org, Action::update),
      route<&close_org>(Method::del, "/api/v1/orgs/{org}", "close_org",
                        "Close an empty tenant, group or project", Resource::org, Action::remove),
  };
}

}  // namespace bessemer::api
