// Billing: the statement of a period, adjustments as lines of their own, and the invoice, which is
// exactly their sum.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wide.h"
#include "base/zone.h"
#include "governance/ledger/ledger.h"
#include "governance/metering/metering.h"
#include "governance/pricing/pricing.h"

namespace bessemer::billing {

constexpr std::size_t max_adjustments = 10'000;  // of one tenant's period
constexpr std::size_t max_description = 256;
constexpr std::uint32_t max_tax_ppm = 1'000'000;
constexpr std::size_t max_open_periods = 1'000'000;  // with adjustments, of all tenants
constexpr Duration max_adjust_ahead = days(366);     // from now to what an adjustment is for

enum class AdjustmentKind : std::uint8_t {
  credit,      // an incident, a courtesy: below zero
  fee,         // above zero
  commitment,  // what was promised
  minimum,     // up to the contract's minimum; made by closing
  tax,         // made by closing
  correction,  // of an earlier invoice, either sign
};
DESCRIBE_ENUM(AdjustmentKind, credit, fee, commitment, minimum, tax, correction)

// Tax and minimum are made by closing; all others before it.
constexpr bool is_made_by_closing(AdjustmentKind kind) {
  return kind == AdjustmentKind::minimum || kind == AdjustmentKind::tax;
}

struct Adjustment {
  TransferId id;
  AdjustmentKind kind = AdjustmentKind::credit;
  Money amount;
  std::string description;
  std::string reference;  // the incident, contract or invoice it comes from
  friend bool operator==(const Adjustment&, const Adjustment&) = default;
};
DESCRIBE(Adjustment, id, kind, amount, description, reference)

// What a tenant's contract adds at closing.
struct Contract {
  std::string tax_name;        // "VAT 19 %"
  std::uint32_t tax_ppm = 0;   // of the sum before tax, in millionths
  std::optional<Money> minimum;  // per period, before tax
  friend bool operator==(const Contract&, const Contract&) = default;
};
DESCRIBE(Contract, tax_name, tax_ppm, minimum)

// Statement + adjustments = total, exactly. The lines stay in metering, where a closed period does
// not change; `lines` is the digest of their canonical text (statement_csv).
struct Invoice {
  InvoiceId id;
  std::uint64_t number = 0;  // 1, 2, ... without gaps
  OrgId tenant;
  Period period;
  Currency currency;
  Money statement;
  std::vector<Adjustment> adjustments;
  Money total;
  std::uint64_t line_count = 0;  // real ones: simulated usage is on the statement only
  Digest lines;
  Instant closed_at;
  std::string waiver;  // why lines without a price were not charged; empty: there were none
  friend bool operator==(const Invoice&, const Invoice&) = default;
};
DESCRIBE(Invoice, id, number, tenant, period, currency, statement, adjustments, total, line_count,
         lines, closed_at, waiver)

using PeriodKey = std::pair<OrgId, Instant>;  // tenant, start of the period

struct State {
  std::map<OrgId, Contract> contracts;
  std::map<PeriodKey, std::vector<Adjustment>> adjustments;  // of periods that are open
  std::map<InvoiceId, Invoice> invoices;
  std::map<PeriodKey, InvoiceId> by_period;
};
DESCRIBE(State, contracts, adjustments, invoices, by_period)

struct SetContract {
  static constexpr std::string_view tag = "set_contract";
  OrgId tenant;
  Contract contract;
};
DESCRIBE(SetContract, tenant, contract)

// Adds a line to the period that holds `at`. Refused once it is invoiced (correct the next one),
// and further ahead than max_adjust_ahead.
struct Adjust {
  static constexpr std::string_view tag = "adjust";
  OrgId tenant;
  Instant at;
  Adjustment adjustment;  // not minimum or tax
};
DESCRIBE(Adjust, tenant, at, adjustment)

// Closes a period that is over and makes its invoice. Errors: conflict (not over, an earlier period
// is open, unpriced lines, two currencies, nothing but SIM). The same id for the same period again:
// already done. Requires metering's ClosePeriod in the same batch.
struct CloseInvoice {
  static constexpr std::string_view tag = "close_invoice";
  InvoiceId id;
  OrgId tenant;
  Instant period;  // its start
  std::optional<std::string> waiver;  // why lines without a price are not charged
};
DESCRIBE(CloseInvoice, id, tenant, period, waiver)

using Command = std::variant<SetContract, Adjust, CloseInvoice>;

struct ContractSet {
  static constexpr std::uint16_t fact = 0x0901;
  static constexpr std::string_view tag = "contract_set";
  OrgId tenant;
  Contract contract;
  friend bool operator==(const ContractSet&, const ContractSet&) = default;
};
DESCRIBE(ContractSet, tenant, contract)

struct Adjusted {
  static constexpr std::uint16_t fact = 0x0902;
  static constexpr std::string_view tag = "adjusted";
  OrgId tenant;
  Instant period;
  Adjustment adjustment;
  friend bool operator==(const Adjusted&, const Adjusted&) = default;
};
DESCRIBE(Adjusted, tenant, period, adjustment)

struct InvoiceClosed {
  static constexpr std::uint16_t fact = 0x0903;
  static constexpr std::string_view tag = "invoice_closed";
  Invoice invoice;
  friend bool operator==(const InvoiceClosed&, const InvoiceClosed&) = default;
};
DESCRIBE(InvoiceClosed, invoice)

using Event = std::variant<ContractSet, Adjusted, InvoiceClosed>;

Result<std::vector<Event>> judge(const State& state, const metering::State& usage,
                                 const Command& command, const Context& at);
void apply(State& state, const Event& event, const Context& at);

// ---- statements

// Narrows a statement; a field left out lets everything through.
struct Filter {
  std::optional<OrgId> project;
  std::optional<KeyId> key;
  std::optional<ModelId> model;
  std::optional<EndpointId> endpoint;
  std::optional<WorkloadId> workload;
  std::optional<pricing::Meter> meter;
};

struct StatementLine {
  metering::LineKey key;
  Wide quantity = 0;
  std::string unit;      // "GPU-hour": what `units` counts
  std::string units;     // the quantity in it, to nine decimals
  Instant first, last;   // what occurred first and last in it
  Money amount;
  bool unpriced = false;
  bool simulated = false;
  friend bool operator==(const StatementLine&, const StatementLine&) = default;
};
DESCRIBE(StatementLine, key, quantity, unit, units, first, last, amount, unpriced, simulated)

struct Statement {
  OrgId tenant;
  Period period;
  std::vector<StatementLine> lines;  // what the tenant pays
  std::map<Currency, Wide> totals;   // nano, of `lines`; SIM stands apart
  std::vector<Adjustment> adjustments;
  std::optional<Invoice> invoice;  // once closed
  bool complete = true;            // false: has unpriced lines
  std::string zone;                // whose calendar the period follows
  std::vector<StatementLine> borne;         // by cost accounts of the tenant's endpoints
  std::map<Currency, Wide> borne_totals;    // nano, of `borne`; no part of the totals
};
DESCRIBE(Statement, tenant, period, lines, totals, adjustments, invoice, complete, zone, borne,
         borne_totals)

// The lines of the period that holds `at`. Errors: not_found (no account).
Result<Statement> statement(const State& state, const metering::State& usage, OrgId tenant,
                            Instant at, const Filter& filter = {});
// A line's name: the same for the same line, always.
std::string line_id(const metering::LineKey& key);
// The line of that name; null: none. Looks through all lines of the tenant.
const std::pair<const metering::LineKey, metering::Line>* find_line(const metering::State& usage,
                                                                    OrgId tenant,
                                                                    std::string_view id);

// What an endpoint earned by the token and what its replicas cost, in the period of each payer that
// holds `at`. Simulated replicas cost SIM, which is told apart.
struct Margin {
  std::map<Currency, Wide> revenue;  // nano
  std::map<Currency, Wide> cost;     // nano, whoever bears it
  friend bool operator==(const Margin&, const Margin&) = default;
};
DESCRIBE(Margin, revenue, cost)
Margin margin(const metering::State& usage, EndpointId endpoint, Instant at);

// Totals of a statement by one of its dimensions, for "per project, per key, per model".
enum class Dimension : std::uint8_t { project, key, model, endpoint, workload, meter, sku };
DESCRIBE_ENUM(Dimension, project, key, model, endpoint, workload, meter, sku)
std::map<std::string, std::map<Currency, Wide>> totals_by(const Statement& statement,
                                                          Dimension dimension);

// ---- exports: UTF-8 CSV with a header line, '\n' line ends, RFC 4180 quoting

// Usage as FOCUS 1.0 columns (BilledCost, BillingPeriodStart, ...) and the x_ columns that an
// independent program needs to rate it again (x_Quantity, x_PriceVersion).
std::string statement_csv(const Statement& statement);
// Every price of every version: version, book, effective_from, meter, sku, amount, currency, per.
std::string prices_csv(const pricing::State& prices);

}  // namespace bessemer::billing
