// Commands about money: prices, budgets, the ledger, statements, invoices, the audit log.
#include "application/cli/catalog.h"
#include "application/cli/session.h"
#include "application/cli/work.h"

namespace bessemer::cli {
namespace {

using Times = Operand::Times;

const Noun budget = {"budget", "name|id",
                     {{"NAME", "name"}, {"ON", "path|scope.path|scope.node"}, {"UNIT", "unit"},
                      {"TERM", "term"}, {"LIMIT", "limit", Show::number},
                      {"USED", "used|counters.used", Show::number},
                      {"HELD", "held|counters.held", Show::number},
                      {"LEASED", "leased|counters.leased", Show::number}, {"ID", "id"}}};
const Noun book = {"price book", "name|book",
                   {{"BOOK", "book|name"}, {"VERSION", "number", Show::number},
                    {"CURRENCY", "currency"}, {"FROM", "effective_from", Show::moment},
                    {"PRICES", "prices", Show::count}, {"ID", "id"}}};
const Noun line = {"line", "key",
                   {{"PROJECT", "project_path|key.project"}, {"METER", "meter|key.meter"},
                    {"SKU", "sku|key.sku"}, {"WHAT", "what|key.endpoint|key.workload"},
                    {"QUANTITY", "units|quantity", Show::number}, {"UNIT", "unit"},
                    {"AMOUNT", "amount", Show::number}, {"NOTE", "note"}}};
const Noun invoice = {"invoice", "number|id",
                      {{"NUMBER", "number"}, {"TENANT", "tenant_path|tenant"},
                       {"FROM", "from", Show::moment}, {"TOTAL", "total", Show::number},
                       {"ID", "id"}}};
const Noun account = {"account", "id",
                      {{"ID", "id"}, {"OWNER", "owner_path|owner"}, {"KIND", "kind"},
                       {"BALANCE", "balance", Show::number}, {"HELD", "held", Show::number}}};
const Noun entry = {"entry", "sequence",
                    {{"WHEN", "at", Show::moment}, {"WHO", "actor"}, {"ACTION", "action"},
                     {"RESOURCE", "resource"}, {"TARGET", "target"}, {"FROM", "from"},
                     {"RESULT", "outcome"}, {"REASON", "reason"}}};

// A statement is lines and then what they come to.
Result<int> show_statement(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(const Document answer, remote->get(asked.target + query_text(asked.query)));
  TRY_ASSIGN(const Output how, session.output());
  const Document* lines = answer.find("lines");
  if (how != Output::table || lines == nullptr) {
    TRY(session.show(answer));
    return 0;
  }
  Document noted = *lines;
  for (auto& [unnamed, one] : noted.members) {
    if (one.text("unpriced") == "true") one.set("note", Document::of("has no price"));
    else if (one.text("simulated") == "true") one.set("note", Document::of("simulated"));
  }
  TRY(session.show(noted));
  for (const std::string_view part : {"grouped", "adjustments"}) {
    const Document* rows = answer.find(part);
    if (rows == nullptr || rows->members.empty()) continue;
    std::vector<const Document*> shown;
    for (const auto& [unnamed, row] : rows->members) shown.push_back(&row);
    session.print("\n" + render_table({{"OF", "of|description|kind"},
                                       {"AMOUNT", "amounts|amount", Show::number}},
                                      shown, session.terminal().now(), 0));
  }
  const Column total{"", "totals", Show::words};
  session.print("\ntotal  " + show(answer, total, {}) + "\n");
  if (answer.text("complete") == "false") session.print("some lines have no price yet\n");
  return 0;
}

std::vector<Command> limit_commands() {
  return {
      {.path = "budget list", .summary = "limits of spending and what is used", .method = "GET",
       .target = "/api/v1/budgets", .noun = &budget, .project = "?org"},
      {.path = "budget get", .summary = "one budget", .method = "GET",
       .target = "/api/v1/budgets/{BUDGET}", .noun = &budget,
       .operands = {{.name = "BUDGET", .help = "an id or a name",
                     .lookup = "/api/v1/budgets"}}},
      {.path = "budget set", .summary = "make or change a budget on the node", .method = "PUT",
       .target = "/api/v1/budgets", .noun = &budget, .project = "org",
       .operands = {{"NAME", "unique on the node", Times::once, As::text, "name"},
                    {"LIMIT", "'100 USD', '40h' of GPU, '1000000' tokens", Times::once, As::text,
                     "limit"}},
       .options = {{"term", 0, "TERM", "monthly or total", As::text, "term", "monthly total"},
                   {"key", 0, "KEY", "only this API key", As::text, "key", "", "/api/v1/keys"},
                   {"model", 0, "ALIAS", "only this model", As::text, "model"},
                   {"at-limit", 0, "JSON", "what happens per class of work", As::json,
                    "at_limit"}}},
      {.path = "budget delete", .summary = "remove a budget", .method = "DELETE",
       .target = "/api/v1/budgets/{BUDGET}",
       .operands = {{.name = "BUDGET", .help = "an id or a name",
                     .lookup = "/api/v1/budgets"}}},

      {.path = "price list", .summary = "price books and their versions", .method = "GET",
       .target = "/api/v1/price-books", .noun = &book},
      {.path = "price get", .summary = "one version of a price book", .method = "GET",
       .target = "/api/v1/price-books/{BOOK}", 
       .operands = {{.name = "BOOK", .help = "an id or a name",
                     .lookup = "/api/v1/price-books"}}},
      {.path = "price publish", .summary = "publish a new version; see also apply -f",
       .method = "POST", .target = "/api/v1/price-books", .noun = &book,
       .operands = {{"BOOK", "its name", Times::once, As::text, "name"}},
       .options = {{"currency", 0, "CODE", "USD", As::text, "currency"},
                   {"from", 0, "MOMENT", "in force from", As::text, "effective_from"},
                   {"prices", 0, "JSON", "a list of prices", As::json, "prices"}}},
  };
}

std::vector<Command> bill_commands() {
  const std::vector<Option> period = {
      {"period", 0, "MONTH", "2026-11; the present one when left out", As::text, "?period"},
      {"by", 0, "WHAT", "project, key, model, endpoint, workload, meter or sku", As::text, "?by"}};
  return {
      {.path = "statement", .summary = "what was used and what it costs, line by line",
       .method = "GET", .target = "/api/v1/statement", .noun = &line, .project = "?org",
       .options = period, .run = &show_statement,
       .details = "  bessemer statement -p acme --by model"},
      {.path = "statement export", .summary = "the same as CSV, to be checked by another program",
       .method = "GET", .target = "/api/v1/statement/usage.csv", .project = "?org",
       .options = {{"period", 0, "MONTH", "2026-11; the present one when left out", As::text,
                    "?period"}},
       .run = &print_stream},
      {.path = "price export", .summary = "every price of every version as CSV", .method = "GET",
       .target = "/api/v1/price-books/prices.csv", .run = &print_stream},
      {.path = "invoice list", .summary = "closed periods", .method = "GET",
       .target = "/api/v1/invoices", .noun = &invoice, .project = "?org"},
      {.path = "invoice get", .summary = "one invoice", .method = "GET",
       .target = "/api/v1/invoices/{INVOICE}", .noun = &invoice,
       .operands = {{"INVOICE", "an id"}}},
      {.path = "invoice close", .summary = "close a tenant's period", .method = "POST",
       .target = "/api/v1/invoices", .noun = &invoice, .project = "org",
       .operands = {{"PERIOD", "2026-11", Times::once, As::text, "period"}},
       .options = {{"waiver", 0, "TEXT", "why lines without a price are let go", As::text,
                    "waiver"}}},
      {.path = "account list", .summary = "ledger accounts", .method = "GET",
       .target = "/api/v1/accounts", .noun = &account, .project = "?org"},
      {.path = "ledger check", .summary = "the trial balance: every currency must come to zero",
       .method = "GET", .target = "/api/v1/ledger/balance"},

      {.path = "audit list", .summary = "who did what, when, from where, with what result",
       .method = "GET", .target = "/api/v1/audit", .noun = &entry, .project = "?org",
       .options = {{"actor", 0, "PRINCIPAL", "only by", As::text, "?actor"},
                   {"resource", 0, "KIND", "only about", As::text, "?resource"},
                   {"outcome", 0, "WORD", "allowed or refused", As::text, "?outcome",
                    "allowed refused"}}},
      {.path = "audit verify", .summary = "check the journal's hash chain from its beginning",
       .method = "POST", .target = "/api/v1/audit/verify"},
  };
}

}  // namespace

std::vector<Command> money_commands() {
  std::vector<Command> all = limit_commands();
  for (Command& command : bill_commands()) all.push_back(std::move(command));
  return all;
}

}  // namespace bessemer::cli
