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
                    {"AMOUNT", "amount", Show::number}, {"NOTE", "note"}, {"LINE", "id"}}};
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

// What a reader must not overlook of a line.
Document noted(Document lines) {
  for (auto& [unnamed, one] : lines.members) {
    if (one.text("unpriced") == "true") one.set("note", Document::of("has no price"));
    else if (one.text("simulated") == "true") one.set("note", Document::of("simulated"));
  }
  return lines;
}

// Amounts one a line, those of simulated pools told apart.
std::string sums(std::string_view title, const Document& answer, std::string_view part) {
  const Document* amounts = answer.find(part);
  if (amounts == nullptr) return {};
  std::string out;
  for (const auto& [unnamed, one] : amounts->members) {
    const bool simulated = one.scalar.ends_with(" SIM");
    out += std::string(title) + "  " + one.scalar +
           (simulated ? "  (simulated: on no invoice)" : "") + "\n";
  }
  return out;
}

void show_parts(Session& session, const Document& answer) {
  for (const std::string_view part : {"grouped", "adjustments"}) {
    const Document* rows = answer.find(part);
    if (rows == nullptr || rows->members.empty()) continue;
    std::vector<const Document*> shown;
    for (const auto& [unnamed, row] : rows->members) shown.push_back(&row);
    session.print("\n" + render_table({{"OF", "of|description|kind"},
                                       {"AMOUNT", "amounts|amount", Show::number}},
                                      shown, session.terminal().now(), 0));
  }
}

// The head of a statement or invoice: whose, and which days of whose calendar.
std::string heading(const Document& answer) {
  if (answer.text("from").empty()) return {};
  return printable(answer.text("tenant_path")) + "  " + answer.text("from") + " to " +
         answer.text("until") + "  (" + printable(answer.text("zone")) + ")\n\n";
}

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
  session.print(heading(answer));
  if (answer.text("folded") == "true") {
    session.print("folded: invoiced more than 14 months ago, its lines tell no jobs and no keys "
                  "apart\n\n");
  }
  TRY(session.show(noted(*lines)));
  show_parts(session, answer);
  if (const Document* borne = answer.find("borne"); borne != nullptr && !borne->members.empty()) {
    session.print("\nborne by endpoints whose callers pay by the token; no part of the total\n");
    TRY(session.show(noted(*borne)));
    session.print(sums("borne", answer, "borne_totals"));
  }
  session.print("\n" + sums("total", answer, "totals") + sums("to pay", answer, "payable"));
  if (answer.text("complete") == "false") session.print("some lines have no price yet\n");
  if (!lines->members.empty() && lines->members.front().second.find("id") != nullptr) {
    session.print("what is behind a line: bessemer explain charge LINE\n");
  }
  return 0;
}

// One invoice: what is to be paid and what it is made of.
Result<int> show_invoice(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(const Document answer, remote->get(asked.target));
  TRY_ASSIGN(const Output how, session.output());
  if (how != Output::table) {
    TRY(session.show(answer));
    return 0;
  }
  session.print("invoice " + answer.text("number") + "  " + heading(answer));
  session.print("usage  " + answer.text("statement") + "  (" + answer.text("line_count") +
                " lines, sha256 " + answer.text("lines").substr(0, 12) + ")\n");
  show_parts(session, answer);
  session.print("\ntotal  " + answer.text("total") + "\n");
  if (!answer.text("waiver").empty()) {
    session.print("lines without a price were let go: " + printable(answer.text("waiver")) + "\n");
  }
  session.print("its lines: bessemer statement -p " + printable(answer.text("tenant_path")) +
                " --period MONTH\n");
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
                   {"at-limit", 0, "JSON", "per class of work: '{\"service\":\"overdraft\"}'",
                    As::json, "at_limit"},
                   {"overdraft", 0, "AMOUNT", "how far beyond the limit, for such classes",
                    As::text, "overdraft"}},
       .details = "  bessemer budget set monthly '100 USD' -p acme\n"
                  "  bessemer budget set nights 40h --term total -p acme/vision"},
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
       .details = "  bessemer statement -p acme --by model\n"
                  "  Simulated accelerators are charged in SIM, which reaches no invoice. To check "
                  "it with another\n  program: bessemer statement export, bessemer price export."},
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
       .operands = {{"INVOICE", "an id"}}, .run = &show_invoice},
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
