// Invoices: closed periods, which never change again.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/money.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "governance/billing/billing.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct InvoiceView {
  InvoiceId id;
  std::uint64_t number = 0;
  std::string tenant_path;
  Instant from, until;
  Money statement;
  std::vector<billing::Adjustment> adjustments;
  Money total;
  std::uint64_t line_count = 0;
  Digest lines;
  Instant closed_at;
  std::string waiver;
  std::string zone;  // whose calendar the period follows
};
DESCRIBE(InvoiceView, id, number, tenant_path, from, until, statement, adjustments, total,
         line_count, lines, closed_at, waiver, zone)

InvoiceView view_of(const factory::State& state, const billing::Invoice& invoice) {
  const metering::Account* const account = metering::find(state.metering, invoice.tenant);
  return {invoice.id,
          invoice.number,
          tenant::path_of(state.tenant, invoice.tenant),
          invoice.period.from,
          invoice.period.until,
          invoice.statement,
          invoice.adjustments,
          invoice.total,
          invoice.line_count,
          invoice.lines,
          invoice.closed_at,
          invoice.waiver,
          account == nullptr ? "UTC"
                             : std::string(metering::zone_at(*account, invoice.period.from))};
}

struct CloseBody {
  std::string period;  // "2026-11"
  std::optional<std::string> waiver;
};
DESCRIBE(CloseBody, period, waiver)

Result<InvoiceView> close_invoice(Call& call, const InOrg<CloseBody>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  const metering::Account* const account = metering::find(call.state().metering, org);
  if (account == nullptr) return invalid("must be a tenant with an account").at("org");
  TRY_ASSIGN(const Instant middle, moment_of_month(body.rest.period));
  factory::CloseInvoice command;
  command.close.id = call.draw<InvoiceId>();
  command.close.tenant = org;
  command.close.period = metering::period_of(call.state().metering, *account, middle).from;
  command.close.waiver = body.rest.waiver;
  const InvoiceId id = command.close.id;
  call.makes("/api/v1/invoices/" + to_text(id));
  TRY(call.submit(factory::OwnCommand(std::move(command))));
  return view_of(call.state(), call.state().billing.invoices.at(id));
}

Result<Page<InvoiceView>> list_invoices(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  std::vector<const billing::Invoice*> all;
  for (const auto& [id, invoice] : call.state().billing.invoices) {
    if (tenant::is_within(call.state().tenant, invoice.tenant, org)) all.push_back(&invoice);
  }
  return paginate<InvoiceView>(
      call, all, [](const billing::Invoice* one) { return to_text(one->id); },
      [&](const billing::Invoice* one) { return view_of(call.state(), *one); });
}

Result<InvoiceView> get_invoice(Call& call) {
  TRY_ASSIGN(const billing::Invoice* const found,
             named_thing<InvoiceId>(
                 call, "invoice", "invoice",
                 [&](InvoiceId id) -> const billing::Invoice* {
                   const auto at = call.state().billing.invoices.find(id);
                   return at == call.state().billing.invoices.end() ? nullptr : &at->second;
                 },
                 [](const billing::Invoice& invoice) { return invoice.tenant; }));
  return view_of(call.state(), *found);
}

}  // namespace

Table invoice_routes() {
  return {
      route<&close_invoice>(Method::post, "/api/v1/invoices", "close_invoice",
                            "Close a tenant's period", Resource::invoice, Action::create),
      route<&list_invoices>(Method::get, "/api/v1/invoices", "list_invoices", "Closed periods",
                            Resource::invoice, Action::list,
                            with_page({{"org", "path or id; the platform when left out"}})),
      route<&get_invoice>(Method::get, "/api/v1/invoices/{invoice}", "get_invoice",
                          "One invoice", Resource::invoice, Action::read),
  };
}

}  // namespace bessemer::api
