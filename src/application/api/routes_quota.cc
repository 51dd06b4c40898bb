// Quotas: what is counted, used and limited.
#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct EffectiveView {
  std::string path;  // the node whose limit is the narrowest; empty: nothing limits it
  std::uint64_t limit = 0;
  std::uint64_t left = 0;
};
DESCRIBE(EffectiveView, path, limit, left)

struct QuotaView {
  quota::Counted counted = quota::Counted::storage_bytes;
  std::uint64_t used = 0;
  std::optional<std::uint64_t> limit;
  EffectiveView effective;
  std::string path;  // of the node that `used` and `limit` are about
};
DESCRIBE(QuotaView, counted, used, limit, effective, path)

QuotaView view_of(const factory::State& state, OrgId org, const quota::Line& line) {
  QuotaView view{line.counted, line.used, line.limit, {}, tenant::path_of(state.tenant, org)};
  if (line.effective.node) {
    view.effective = {tenant::path_of(state.tenant, line.effective.node), line.effective.limit,
                      line.effective.left};
  }
  return view;
}

Result<Page<QuotaView>> list_quotas(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  const auto path = tenant::ancestors(call.state().tenant, org);
  return paginate<QuotaView>(
      call, quota::lines(call.state().quota, path),
      [](const quota::Line& line) { return std::string(enum_text(line.counted)); },
      [&](const quota::Line& line) { return view_of(call.state(), org, line); });
}

struct SetQuota {
  std::string counted;
  std::optional<std::uint64_t> limit;
};
DESCRIBE(SetQuota, counted, limit)

Result<QuotaView> set_limit(Call& call, OrgId org, std::string_view counted,
                            std::optional<std::uint64_t> limit) {
  const auto what = enum_from_text<quota::Counted>(counted);
  if (!what) return invalid("must be one of: " + enum_choices<quota::Counted>()).at("counted");
  TRY(call.submit(quota::Command(quota::SetLimit{org, *what, limit})));
  const auto path = tenant::ancestors(call.state().tenant, org);
  for (const quota::Line& line : quota::lines(call.state().quota, path)) {
    if (line.counted == *what) return view_of(call.state(), org, line);
  }
  return QuotaView{*what, 0, limit, {}, tenant::path_of(call.state().tenant, org)};
}

Result<QuotaView> set_quota(Call& call, const InOrg<SetQuota>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  return set_limit(call, org, body.rest.counted, body.rest.limit);
}

struct LimitBody {
  std::optional<std::uint64_t> limit;
};
DESCRIBE(LimitBody, limit)

Result<QuotaView> set_one_quota(Call& call, const LimitBody& body) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org"));
  return set_limit(call, org, call.part("counted"), body.limit);
}

}  // namespace

Table quota_routes() {
  const Parameter org{"org", "path or id; the platform when left out"};
  return {
      route<&list_quotas>(Method::get, "/api/v1/quotas", "list_quotas",
                          "What is counted at and below a node", Resource::quota, Action::list,
                          with_page({org})),
      route<&set_quota>(Method::put, "/api/v1/quotas", "set_quota", "Limit a counted thing",
                        Resource::quota, Action::update),
      route<&set_one_quota>(Method::put, "/api/v1/quotas/{counted}", "set_one_quota",
                            "Limit a counted thing; no limit lifts it", Resource::quota,
                            Action::update, {org}),
  };
}

}  // namespace bessemer::api
