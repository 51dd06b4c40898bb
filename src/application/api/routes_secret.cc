// Secrets: write-only. A value goes in and is never shown again.
#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "application/engine/held_bytes.h"
#include "base/secret.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr Duration look_again = seconds(5);  // after bytes that somebody else held

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

// Sealed on the store's thread: it ends with a sync of the disk.
Result<void> put_secret(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const OrgId project, queried_org(*call, "project"));
  TRY_ASSIGN(Secret read, value_of(call->body()));
  const auto value = std::make_shared<Secret>(std::move(read));
  const std::string& name = call->part("name");
  TRY(check_name(name));
  TRY(tenant::open_node(call->state().tenant, project));
  secret::Put put;
  put.id = call->draw<SecretId>();
  put.project = project;
  put.name = name;
  put.version = secret::next_version(call->state().secret, project, name);
  const secret::Place place{tenant::tenant_of(call->state().tenant, project), project, name,
                            put.version};
  call->services().store.post([=](artifact::Store&) -> StoreQueue::Then {
    const auto sealed =
        std::make_shared<Result<Digest>>(call->services().vault.store(place, *value));
    return [=]() mutable {
      if (!*sealed) return call->answer(responder, sealed->error());
      put.sealed = **sealed;
      if (const auto written = call->submit(secret::Command(put)); !written) {
        return call->answer(responder, written.error());
      }
      Reply reply;
      json::write(reply.body, view_of(*secret::find(call->state().secret, put.project, put.name)));
      call->answer(responder, std::move(reply));
    };
  });
  return {};
}

// Removes what nothing names any more. While somebody else holds the bytes (a backup reads them) it
// stays, and is looked at again; what is left when the daemon ends goes at its next start.
void discard_sealed(Services& services, const std::set<Digest>& sealed) {
  services.store.post([&services, sealed](artifact::Store&) -> StoreQueue::Then {
    if (const auto held = engine::hold_bytes(services.home)) {
      (void)services.vault.discard(sealed).has_value();
      return {};
    }
    return [&services, sealed] {
      services.loop.after(look_again, [&services, sealed] { discard_sealed(services, sealed); });
    };
  });
}

Result<Nothing> remove_secret(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  std::set<Digest> sealed;
  if (const auto* entry = secret::find(call.state().secret, project, call.part("name"))) {
    for (const secret::Version& version : entry->versions) sealed.insert(version.sealed);
  }
  TRY(call.submit(secret::Command(secret::Remove{project, call.part("name")})));
  Services& services = call.services();
  services.engine.when_durable(services.engine.applied(),
                               [&services, sealed] { discard_sealed(services, sealed); });
  return Nothing{};
}

}  // namespace

Table secret_routes() {
  const Parameter project{"project", "path or id of the project"};
  Table table = {
      route<&list_secrets>(Method::get, "/api/v1/secrets", "list_secrets",
                           "Names of secrets, never values", Resource::secret, Action::list,
                           with_page({project})),
      stream_route<&put_secret>(Method::put, "/api/v1/secrets/{name}", "put_secret",
                                "Store a value", Resource::secret, Action::update, {project}),
      route<&remove_secret>(Method::del, "/api/v1/secrets/{name}", "remove_secret",
                            "Remove a secret", Resource::secret, Action::remove, {project}),
  };
  table[1].answer_schema = &json::schema<SecretView>;
  table[1].request_schema = [] {
    return std::string(R"({"type":"object","required":["value"],"additionalProperties":false,)"
                       R"("properties":{"value":{"type":"string"}}})");
  };
  return table;
}

}  // namespace bessemer::api
