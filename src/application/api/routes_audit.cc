// The audit log: who did what, when, from where, with what result.
#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct AuditPage {
  std::vector<audit::AuditEntry> items;  // newest first
  std::optional<std::string> next;
};
DESCRIBE(AuditPage, items, next)

Result<AuditPage> list_audit(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  audit::Filter filter;
  if (org != tenant::root) {
    for (const tenant::Node* node : tenant::list(call.state().tenant, org)) {
      filter.nodes.push_back(node->id);
    }
  }
  if (const auto actor = call.query("actor")) {
    auto id = from_text(std::type_identity<PrincipalId>{}, *actor);
    if (!id) return std::move(id).error().within("actor");
    filter.actor = *id;
  }
  if (const auto resource = call.query("resource")) filter.resource = std::string(*resource);
  if (const auto outcome = call.query("outcome")) {
    filter.outcome = enum_from_text<audit::Outcome>(*outcome);
    if (!filter.outcome) return invalid("must be allowed or refused").at("outcome");
  }
  TRY_ASSIGN(const std::size_t limit, page_limit(call));
  const auto before = parse_unsigned(call.query("after").value_or("0"));
  if (!before) return invalid("must be `next` of the page before").at("after");
  AuditPage page;
  page.items = audit::query(call.state().audit, filter, *before, limit);
  if (page.items.size() == limit) page.next = std::to_string(page.items.back().sequence);
  return page;
}

struct VerifyView {
  bool holds = false;
  std::uint64_t facts = 0;
  std::uint64_t batches = 0;
  std::string head;
};
DESCRIBE(VerifyView, holds, facts, batches, head)

// Reads the whole journal: on the store's thread, for it takes as long as it takes.
Result<void> verify_audit(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY(call->permit(tenant::root));
  journal::Journal* const journal = &call->services().engine.journal();
  call->services().store.post([=](artifact::Store&) -> StoreQueue::Then {
    auto view = std::make_shared<Result<VerifyView>>([&]() -> Result<VerifyView> {
      VerifyView made;
      if (journal->durable() == 0) return VerifyView{true, 0, 0, ""};
      TRY_ASSIGN(const auto cursor, journal->read(1));
      journal::Batch batch;
      while (true) {
        TRY_ASSIGN(const bool more, cursor->next(batch));
        if (!more) break;
        ++made.batches;
        made.facts = batch.last();
        made.head = to_text(batch.digest);
      }
      made.holds = true;
      return made;
    }());
    return [=] {
      if (!*view) return call->answer(responder, view->error());
      Reply reply;
      json::write(reply.body, **view);
      call->answer(responder, std::move(reply));
    };
  });
  return {};
}

}  // namespace

Table audit_routes() {
  Table table = {
      route<&list_audit>(Method::get, "/api/v1/audit", "list_audit",
                         "Accesses and refusals, newest first", Resource::audit, Action::list,
                         with_page({{"org", "path or id; the platform when left out"},
                                    {"actor", "only by this principal"},
                                    {"resource", "only about this kind"},
                                    {"outcome", "allowed or refused"}})),
      stream_route<&verify_audit>(Method::post, "/api/v1/audit/verify", "verify_audit",
                                  "Check the journal's hash chain from its beginning",
                                  Resource::audit, Action::read),
  };
  table.back().answer_schema = &json::schema<VerifyView>;
  return table;
}

}  // namespace bessemer::api
