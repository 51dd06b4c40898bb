// Secrets: write-only. A value goes in and is never shown again.
#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "base/secret.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct SecretView {
  std::string name;
  std::uint32_t version = 0;
  Instant changed_at;
  PrincipalId changed_by;
};
DESCRIBE(SecretView, name, version, changed_at, changed_by)

SecretView view_of(const secret::Entry& entry) {
  const secret::Version& newest = entry.versions.back();
  return {entry.name, newest.number, newest.created_at, newest.created_by};
}

Result<Page<SecretView>> list_secrets(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  return paginate<SecretView>(
      call, secret::list(call.state().secret, project),
      [](const secret::Entry* one) { return one->name; },
      [](const secret::Entry* one) { return view_of(*one); });
}

// The member "value" of the body, wiped when it goes out of scope.
Result<Secret> value_of(std::string_view body) {
  Secret value;
  bool found = false;
  TRY(json::parse(body, [&](json::Value& root) {
    return root.object([&](std::string_view key, json::Value& member) -> Result<void> {
      if (key != "value" || found) return invalid("is not a known field, or is given twice");
      found = true;
      TRY_ASSIGN(std::string text, member.string());
      value = Secret(std::move(text));
      return {};
    });
  }));
  if (!found) return invalid("is required").at("value");
  return value;
}

Result<SecretView> put_secret(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  TRY_ASSIGN(const Secret value, value_of(call.body()));
  const std::string& name = call.part("name");
  TRY(check_name(name));
  TRY(tenant::open_node(call.state().tenant, project));
  secret::Place place;
  place.tenant = tenant::tenant_of(call.state().tenant, project);
  place.project = project;
  place.name = name;
  place.version = secret::next_version(call.state().secret, project, name);
  secret::Put put;
  put.id = call.draw<SecretId>();
  put.project = project;
  put.name = name;
  put.version = place.version;
  TRY_ASSIGN(put.sealed, call.services().vault.store(place, value));
  TRY(call.submit(secret::Command(std::move(put))));
  return view_of(*secret::find(call.state().secret, project, name));
}

Result<Nothing> remove_secret(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  TRY(call.submit(secret::Command(secret::Remove{project, call.part("name")})));
  TRY(call.services().vault.sweep(secret::sealed_blobs(call.state().secret)));
  return Nothing{};
}

}  // namespace

Table secret_routes() {
  const Parameter project{"project", "path or id of the project"};
  Table table = {
      route<&list_secrets>(Method::get, "/api/v1/secrets", "list_secrets",
                           "Names of secrets, never values", Resource::secret, Action::list,
                           with_page({project})),
      route<&put_secret>(Method::put, "/api/v1/secrets/{name}", "put_secret", "Store a value",
                         Resource::secret, Action::update, {project}),
      route<&remove_secret>(Method::del, "/api/v1/secrets/{name}", "remove_secret",
                            "Remove a secret", Resource::secret, Action::remove, {project}),
  };
  table[1].request_schema = [] {
    return std::string(R"({"type":"object","required":["value"],"additionalProperties":false,)"
                       R"("properties":{"value":{"type":"string"}}})");
  };
  return table;
}

}  // namespace bessemer::api
