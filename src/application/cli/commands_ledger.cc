// Commands about the ledger by hand: transfers, wallets, credit notes, lost gateways, margins; and
// why a thing is charged or refused.
#include "application/cli/catalog.h"
#include "application/cli/session.h"

namespace bessemer::cli {
namespace {

using Times = Operand::Times;

const Noun transfer = {"transfer", "id",
                       {{"ID", "id"}, {"KIND", "kind"}, {"FROM", "from"}, {"TO", "to"},
                        {"AMOUNT", "amount", Show::number},
                        {"CREDITED", "credited", Show::number}, {"MEMO", "memo"}}};
const Noun wallet = {"wallet", "tenant_path",
                     {{"TENANT", "tenant_path"}, {"BALANCE", "balance", Show::number},
                      {"AVAILABLE", "available", Show::number}, {"OVERDRAWN", "overdrawn"},
                      {"ID", "id"}}};
const Noun epoch = {"lease", "gateway",
                    {{"GATEWAY", "gateway"}, {"EPOCH", "epoch", Show::number},
                     {"STATUS", "status"}, {"LEASES", "leases", Show::number},
                     {"OUTSTANDING", "outstanding", Show::words}}};

std::vector<const Document*> rows_of(const Document& answer, std::string_view part) {
  std::vector<const Document*> rows;
  const Document* list = answer.find(part);
  if (list == nullptr) return rows;
  for (const auto& [unnamed, row] : list->members) rows.push_back(&row);
  return rows;
}

// The fields of one part of an answer under a heading; nothing when it is not there.
void show_part(Session& session, const Document& answer, std::string_view part) {
  const Document* fields = answer.find(part);
  if (fields == nullptr || fields->is(Document::Kind::null)) return;
  session.print("\n" + std::string(part) + "\n" + render_fields(*fields));
}

// The sentence first, then what it rests on, then each record.
Result<int> explain_charge(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(const Document answer, remote->get(asked.target + query_text(asked.query)));
  TRY_ASSIGN(const Output how, session.output());
  if (how != Output::table) {
    TRY(session.show(answer));
    return 0;
  }
  session.print(printable(answer.text("sentence")) + "\n");
  if (!answer.text("rounding").empty()) session.print(answer.text("rounding") + "\n");
  for (const std::string_view part : {"line", "price", "transfer"}) {
    show_part(session, answer, part);
  }
  const auto records = rows_of(answer, "records");
  if (records.empty()) return 0;
  session.print("\n" + render_table({{"FACT", "sequence", Show::number},
                                     {"RECORDED", "recorded_at", Show::moment},
                                     {"SOURCE", "source"}, {"FROM", "from", Show::moment},
                                     {"UNTIL", "until", Show::moment},
                                     {"QUANTITY", "quantity", Show::number},
                                     {"AMOUNT", "amount", Show::number}},
                                    records, session.terminal().now(), 0));
  session.print("\n" + answer.text("record_count") + " records; " +
                (answer.text("agrees") == "true" ? "they add up\n" : "THEY DO NOT ADD UP\n"));
  return 0;
}

Result<int> explain_refusal(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(const Document answer, remote->get(asked.target + query_text(asked.query)));
  TRY_ASSIGN(const Output how, session.output());
  if (how != Output::table) {
    TRY(session.show(answer));
    return 0;
  }
  for (const auto& [name, heading] : {std::pair("sentence", ""), std::pair("rule", "rule: "),
                                      std::pair("next", "next: ")}) {
    const std::string text = answer.text(name);
    if (!text.empty()) session.print(heading + printable(text) + "\n");
  }
  const auto budgets = rows_of(answer, "budgets");
  if (budgets.empty()) return 0;
  session.print("\n" + render_table({{"BUDGET", "name"}, {"ON", "path"},
                                     {"LIMIT", "limit", Show::number},
                                     {"USED", "used", Show::number},
                                     {"HELD", "held", Show::number},
                                     {"LEASED", "leased", Show::number}},
                                    budgets, session.terminal().now(), 0));
  return 0;
}

std::vector<Option> by_hand_options(bool charges) {
  std::vector<Option> options = {
      {"reference", 0, "TEXT", "the incident, contract, invoice or transfer it is about", As::text,
       "reference"},
      {"period", 0, "MONTH", "2026-11; the present one when left out", As::text, "period"},
      {"id", 0, "TRANSFER", "tr_...: given again with the same content it happens once", As::text,
       "id"}};
  if (charges) {
    options.push_back({"kind", 'k', "KIND", "fee, commitment or correction", As::text, "kind"});
  }
  return options;
}

std::vector<Operand> by_hand_operands() {
  return {{"AMOUNT", "above 0: '5 USD'", Times::once, As::text, "amount"},
          {"DESCRIPTION", "what the customer reads", Times::once, As::text, "description"}};
}

}  // namespace

std::vector<Command> ledger_commands() {
  return {
      {.path = "transfer list", .summary = "payments, credit notes, fees and corrections",
       .method = "GET", .target = "/api/v1/transfers", .noun = &transfer, .project = "?org"},
      {.path = "transfer get", .summary = "one transfer", .method = "GET",
       .target = "/api/v1/transfers/{TRANSFER}", .noun = &transfer,
       .operands = {{"TRANSFER", "an id"}}},
      {.path = "wallet list", .summary = "prepaid money", .method = "GET",
       .target = "/api/v1/wallets", .noun = &wallet, .project = "?org"},
      {.path = "wallet top-up", .summary = "pay or grant money into a tenant's wallet",
       .method = "POST", .target = "/api/v1/wallets/top-ups", .noun = &transfer, .project = "org",
       .operands = {{"AMOUNT", "'100 USD'", Times::once, As::text, "amount"}},
       .options = {{"kind", 'k', "KIND", "payment (from outside) or grant (the platform's loss)",
                    As::text, "kind"},
                   {"memo", 0, "TEXT", "what others read", As::text, "memo"},
                   {"id", 0, "TRANSFER", "tr_...: given again with the same content it happens "
                    "once", As::text, "id"}},
       .details = "  bessemer wallet top-up '100 USD' -p acme --memo 'bank 2026-11-03'\n"
                  "  From the first top-up on the tenant's use is taken from its wallet: requests "
                  "and work are let in\n  as far as what is in it reaches, and no further."},
      {.path = "credit-note create", .summary = "give back part of a charge", .method = "POST",
       .target = "/api/v1/credit-notes", .noun = &transfer, .project = "org",
       .operands = by_hand_operands(), .options = by_hand_options(false),
       .details = "  bessemer credit-note create '5 USD' 'outage of 3 May' -p acme\n"
                  "  A correction is a credit note and a new charge."},
      {.path = "charge create", .summary = "add a fee, commitment or correction",
       .method = "POST", .target = "/api/v1/charges", .noun = &transfer, .project = "org",
       .operands = by_hand_operands(), .options = by_hand_options(true)},
      {.path = "lease list", .summary = "gateway processes that hold money of budgets",
       .method = "GET", .target = "/api/v1/leases", .noun = &epoch},
      {.path = "lease write-off", .summary = "give up the usage log of a lost gateway process",
       .method = "POST", .target = "/api/v1/leases/write-off", .noun = &epoch,
       .operands = {{"GATEWAY", "an id, as 'lease list' shows it", Times::once, As::text,
                     "gateway"},
                    {"EPOCH", "its number", Times::once, As::number, "epoch"},
                    {"REASON", "why its log cannot be read any more", Times::once, As::text,
                     "reason"}},
       .details = "  bessemer lease write-off gw_01M7... 3 'its disk is gone'\n"
                  "  Its money returns to the budgets; what it may have paid for is booked as the "
                  "platform's loss.\n  Start a gateway of the same name instead wherever its log "
                  "is left: it is counted then."},
      {.path = "endpoint margin",
       .summary = "what an endpoint earned by the token, less what its replicas cost",
       .method = "GET", .target = "/api/v1/endpoints/{ENDPOINT}/margin",
       .operands = {{.name = "ENDPOINT", .help = "an id or a name",
                     .lookup = "/api/v1/endpoints"}},
       .options = {{"period", 0, "MONTH", "2026-11; the present one when left out", As::text,
                    "?period"}}},
      {.path = "explain charge",
       .summary = "the records, price and rounding behind a line or a transfer", .method = "GET",
       .target = "/api/v1/charges/{CHARGE}/explanation",
       .operands = {{"CHARGE", "line_... of a statement, or tr_..."}}, .run = &explain_charge},
      {.path = "explain refusal", .summary = "the rule behind a refusal; what would let it pass",
       .method = "GET", .target = "/api/v1/refusals/{REFUSAL}/explanation",
       .operands = {{"REFUSAL", "a number of 'audit list', a request (req_...), a job (wl_...)"}},
       .run = &explain_refusal},
  };
}

}  // namespace bessemer::cli
