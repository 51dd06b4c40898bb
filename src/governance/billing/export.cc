// Statements and price books as CSV.
#include <initializer_list>
#include <string>

#include "governance/billing/billing.h"

namespace bessemer::billing {
namespace {

// RFC 4180: quoted where a comma, a quote or a line end would be misread. A leading =, +, - or @
// of free text gets a space before it, so that no spreadsheet takes it for a formula.
std::string cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string free_text(std::string_view text) {
  const bool formula = !text.empty() && std::string_view("=+-@").find(text[0]) != text.npos;
  return formula ? " " + std::string(text) : std::string(text);
}

void row(std::string& out, std::initializer_list<std::string> cells) {
  bool first = true;
  for (const std::string& one : cells) {
    if (!first) out += ',';
    first = false;
    out += cell(one);
  }
  out += '\n';
}

std::string decimal(Money money) { return decimal_text(money.nano, nano_per_unit); }

std::string category(AdjustmentKind kind) {
  switch (kind) {
    case AdjustmentKind::credit: return "Credit";
    case AdjustmentKind::tax: return "Tax";
    case AdjustmentKind::fee:
    case AdjustmentKind::commitment:
    case AdjustmentKind::minimum: return "Purchase";
    case AdjustmentKind::correction: return "Adjustment";
  }
  return "Adjustment";
}

std::string service(pricing::Meter meter) {
  if (meter == pricing::Meter::storage_time) return "Storage";
  return pricing::is_time(meter) ? "Compute" : "AI and Machine Learning";
}

std::string resource(const metering::Subject& subject) {
  if (subject.workload) return to_text(subject.workload);
  if (subject.endpoint) return to_text(subject.endpoint);
  return to_text(subject.model);
}

}  // namespace

std::string statement_csv(const Statement& statement) {
  const std::string tenant = to_text(statement.tenant), from = to_text(statement.period.from),
                    until = to_text(statement.period.until);
  std::string out =
      "BillingAccountId,SubAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,"
      "ChargePeriodEnd,ChargeCategory,ChargeDescription,ServiceCategory,ResourceId,SkuId,"
      "ConsumedQuantity,ConsumedUnit,BilledCost,BillingCurrency,x_Meter,x_Quantity,x_PriceVersion,"
      "x_Key,x_Workload,x_Endpoint,x_Model,x_Unpriced,x_Simulated,x_Reference,x_BorneCost\n";
  const auto usage = [&](const StatementLine& line, bool borne) {
    const metering::LineKey& key = line.key;
    const std::string meter(enum_text(key.meter));
    row(out, {tenant, to_text(key.project), from, until, to_text(line.first), to_text(line.last),
              "Usage", meter + " of " + key.sku, service(key.meter), resource(key.subject),
              key.sku, line.units, line.unit, borne ? "0" : decimal(line.amount),
              to_text(line.amount.currency), meter, to_text(line.quantity), to_text(key.version),
              to_text(key.key), to_text(key.subject.workload), to_text(key.subject.endpoint),
              to_text(key.subject.model), line.unpriced ? "true" : "false",
              line.simulated ? "true" : "false", "", borne ? decimal(line.amount) : ""});
  };
  for (const StatementLine& line : statement.lines) usage(line, false);
  for (const StatementLine& line : statement.borne) usage(line, true);
  for (const Adjustment& one : statement.adjustments) {
    row(out, {tenant, "", from, until, from, until, category(one.kind),
              free_text(one.description), "Other", "", "", "", "", decimal(one.amount),
              to_text(one.amount.currency), "", "", "", "", "", "", "", "false", "false",
              free_text(one.reference), ""});
  }
  return out;
}

std::string prices_csv(const pricing::State& prices) {
  std::string out = "version,book,number,effective_from,meter,sku,amount,currency,per\n";
  for (const auto& [name, versions] : prices.books) {
    for (const pricing::Version& version : versions) {
      for (const pricing::Price& price : version.prices) {
        row(out, {to_text(version.id), name, std::to_string(version.number),
                  to_text(version.effective_from), std::string(enum_text(price.meter)), price.sku,
                  decimal(price.amount), to_text(price.amount.currency), to_text(price.per)});
      }
    }
  }
  return out;
}

}  // namespace bessemer::billing
