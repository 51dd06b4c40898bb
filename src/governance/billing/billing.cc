// Decides adjustments and invoices; makes statements.
#include "governance/billing/billing.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/codec.h"

namespace bessemer::billing {
namespace {

using Events = std::vector<Event>;

const Invoice* invoice_of(const State& state, OrgId tenant, Instant period) {
  const auto found = state.by_period.find({tenant, period});
  return found == state.by_period.end() ? nullptr : &state.invoices.at(found->second);
}

const std::vector<Adjustment>& adjustments_of(const State& state, OrgId tenant, Instant period) {
  static const std::vector<Adjustment> none;
  const auto found = state.adjustments.find({tenant, period});
  return found == state.adjustments.end() ? none : found->second;
}

Result<Events> judge_one(const State& state, const metering::State& usage,
                         const SetContract& command, const Context&) {
  const Contract& contract = command.contract;
  if (metering::find(usage, command.tenant) == nullptr) {
    return not_found("the tenant has no account").at("tenant");
  }
  if (contract.tax_ppm > max_tax_ppm) {
    return invalid("must be at most 1000000 (100 %)").at("contract.tax_ppm");
  }
  if (contract.tax_name.size() > max_description ||
      contract.tax_name.empty() != (contract.tax_ppm == 0)) {
    return invalid("must be given with a rate, and be at most 256 bytes").at("contract.tax_name");
  }
  if (contract.minimum) {
    const Money& minimum = *contract.minimum;
    if (minimum.nano < 0 || minimum.nano > max_money_nano) {
      return invalid("must be 0 to 10^15 units").at("contract.minimum");
    }
    if (minimum.currency == simulated_currency || minimum.currency == Currency{}) {
      return invalid("must be in a real currency").at("contract.minimum");
    }
  }
  const auto known = state.contracts.find(command.tenant);
  if (known != state.contracts.end() && known->second == contract) return Events{};
  return Events{ContractSet{command.tenant, contract}};
}

Result<void> check_adjustment(const Adjustment& adjustment) {
  if (!adjustment.id) return invalid("must not be empty").at("id");
  const Wide nano = adjustment.amount.nano;
  if (nano == 0 || nano > max_money_nano || nano < -max_money_nano) {
    return invalid("must not be 0, and at most 10^15 units").at("amount");
  }
  const Currency currency = adjustment.amount.currency;
  if (currency == simulated_currency || currency == Currency{}) {
    return invalid("must be in a real currency").at("amount");
  }
  switch (adjustment.kind) {
    case AdjustmentKind::credit:
      if (nano > 0) return invalid("must be below 0 for a credit").at("amount");
      break;
    case AdjustmentKind::fee:
    case AdjustmentKind::commitment:
      if (nano < 0) return invalid("must be above 0").at("amount");
      break;
    case AdjustmentKind::correction: break;
    case AdjustmentKind::minimum:
    case AdjustmentKind::tax:
      return invalid("is made when the invoice is closed").at("kind").fix("set the contract");
  }
  if (adjustment.description.empty() || adjustment.description.size() > max_description) {
    return invalid("must be 1 to 256 bytes").at("description");
  }
  if (adjustment.reference.size() > max_description) {
    return invalid("must be at most 256 bytes").at("reference");
  }
  return {};
}

// The adjustment of an id in whichever period it stands: an id is used once, like its transfer's.
const Adjustment* adjustment_of(const State& state, OrgId tenant, TransferId id) {
  const auto among = [&](const std::vector<Adjustment>& some) -> const Adjustment* {
    const auto found = std::ranges::find(some, id, &Adjustment::id);
    return found == some.end() ? nullptr : &*found;
  };
  for (auto open = state.adjustments.lower_bound({tenant, Instant{}});
       open != state.adjustments.end() && open->first.first == tenant; ++open) {
    if (const Adjustment* one = among(open->second)) return one;
  }
  for (auto closed = state.by_period.lower_bound({tenant, Instant{}});
       closed != state.by_period.end() && closed->first.first == tenant; ++closed) {
    const auto invoice = state.invoices.find(closed->second);
    if (invoice == state.invoices.end()) continue;
    if (const Adjustment* one = among(invoice->second.adjustments)) return one;
  }
  return nullptr;
}

Result<Events> judge_one(const State& state, const metering::State& usage, const Adjust& command,
                         const Context& context) {
  if (auto sound = check_adjustment(command.adjustment); !sound) {
    return std::move(sound).error().within("adjustment");
  }
  const metering::Account* account = metering::find(usage, command.tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("tenant");
  const Instant period = metering::period_of(usage, *account, command.at).from;
  const auto& open = adjustments_of(state, command.tenant, period);
  if (const auto* known = adjustment_of(state, command.tenant, command.adjustment.id)) {
    if (*known == command.adjustment) return Events{};
    return conflict("an adjustment with this id has other content").at("adjustment.id");
  }
  if (invoice_of(state, command.tenant, period) != nullptr) {
    return conflict("the period is invoiced").at("period").fix("correct it in the next one");
  }
  if (command.at > context.now + max_adjust_ahead) {
    return invalid("must be at most 366 days ahead").at("period");
  }
  if (open.size() >= max_adjustments) return exhausted("the period has 10000 adjustments already");
  if (open.empty() && state.adjustments.size() >= max_open_periods) {
    return exhausted("there are 1000000 periods with adjustments already");
  }
  return Events{Adjusted{command.tenant, period, command.adjustment}};
}

bool is_charged(const StatementLine& line) { return !line.simulated && !line.unpriced; }

// The first period before `period` that has something to invoice and no invoice. Lines without a
// price make an invoice only with something else, such as the contract's minimum.
const Instant* earlier_open(const State& state, const metering::State& usage, OrgId tenant,
                            Instant period) {
  const auto contract = state.contracts.find(tenant);
  const bool minimum = contract != state.contracts.end() && contract->second.minimum;
  const Instant* open = nullptr;
  const auto consider = [&](const Instant& one) {
    if (one < period && invoice_of(state, tenant, one) == nullptr) open = &one;
  };
  auto line = usage.lines.lower_bound(metering::LineKey{.tenant = tenant, .sku = {}});
  for (; open == nullptr && line != usage.lines.end() && line->first.tenant == tenant; ++line) {
    const bool borne = line->first.bearer == metering::Bearer::endpoint;
    const bool charged = !borne && !pricing::is_simulated(line->first.sku);
    if (charged && (minimum || !line->second.unpriced)) consider(line->first.period);
  }
  auto adjusted = state.adjustments.lower_bound({tenant, Instant{}});
  for (; adjusted != state.adjustments.end() && adjusted->first.first == tenant; ++adjusted) {
    if (open == nullptr) consider(adjusted->first.second);
  }
  return open;
}

// The one real currency of what is to be invoiced.
Result<Currency> currency_of(const std::vector<StatementLine>& lines,
                             const std::vector<Adjustment>& adjustments,
                             const Contract& contract) {
  std::set<Currency> currencies;
  for (const auto& line : lines) currencies.insert(line.amount.currency);
  for (const auto& one : adjustments) currencies.insert(one.amount.currency);
  if (contract.minimum) currencies.insert(contract.minimum->currency);
  if (currencies.empty()) {
    return conflict("there is nothing to invoice: no usage that has a price and is not simulated")
        .fix("later periods do not wait for this one; a fee may be added to it");
  }
  if (currencies.size() > 1) return conflict("the period has amounts in two currencies");
  return *currencies.begin();
}

// Completes the invoice from its statement and open adjustments: minimum, then tax, then total.
void complete(Invoice& invoice, const Contract& contract) {
  Money sum = invoice.statement;
  for (const Adjustment& one : invoice.adjustments) sum = sum + one.amount;
  const auto add = [&](AdjustmentKind kind, Money amount, std::string description) {
    const auto id = derive_id<TransferTag>(invoice.id, invoice.adjustments.size());
    invoice.adjustments.push_back({id, kind, amount, std::move(description), {}});
    sum = sum + amount;
  };
  if (contract.minimum && sum < *contract.minimum) {
    add(AdjustmentKind::minimum, *contract.minimum - sum, "up to the contract's minimum");
  }
  if (contract.tax_ppm > 0 && sum.nano > 0) {
    const Wide tax = scale(sum.nano, contract.tax_ppm, max_tax_ppm);
    if (tax != 0) add(AdjustmentKind::tax, {tax, invoice.currency}, contract.tax_name);
  }
  invoice.total = sum;
}

Result<Events> judge_one(const State& state, const metering::State& usage,
                         const CloseInvoice& command, const Context& at) {
  if (!command.id) return invalid("must not be empty").at("id");
  if (command.waiver && (command.waiver->empty() || command.waiver->size() > max_description)) {
    return invalid("must be 1 to 256 bytes").at("waiver");
  }
  const metering::Account* account = metering::find(usage, command.tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("tenant");
  if (const auto known = state.invoices.find(command.id); known != state.invoices.end()) {
    const Invoice& invoice = known->second;
    const bool same = invoice.tenant == command.tenant && invoice.period.from == command.period;
    if (same) return Events{};
    return conflict("an invoice with this id is of another period").at("id");
  }
  if (invoice_of(state, command.tenant, command.period) != nullptr) {
    return conflict("the period is invoiced").at("period");
  }
  const Period period = metering::period_of(usage, *account, command.period);
  if (period.from != command.period) {
    return invalid("must be the start of a period: " + to_text(period.from)).at("period");
  }
  if (period.until > at.now) {
    return conflict("the period is not over before " + to_text(period.until)).at("period");
  }
  if (const Instant* open = earlier_open(state, usage, command.tenant, period.from)) {
    return conflict("the period of " + to_text(*open) + " is open").at("period")
        .fix("close it first");
  }
  TRY_ASSIGN(Statement all, statement(state, usage, command.tenant, period.from));
  std::erase_if(all.lines, [](const StatementLine& line) { return !is_charged(line); });
  const auto contract = state.contracts.find(command.tenant);
  const Contract terms = contract == state.contracts.end() ? Contract{} : contract->second;
  TRY_ASSIGN(const Currency currency, currency_of(all.lines, all.adjustments, terms));
  if (!all.complete && !command.waiver) {
    return conflict("the statement has lines without a price")
        .fix("close it with a waiver, and add a fee for what they are worth");
  }
  Invoice invoice{.id = command.id, .number = state.invoices.size() + 1, .tenant = command.tenant,
                  .period = period, .currency = currency, .statement = {0, currency},
                  .adjustments = all.adjustments, .total = {}, .line_count = all.lines.size(),
                  .lines = {}, .closed_at = at.now,
                  .waiver = all.complete ? std::string{} : *command.waiver};
  for (const StatementLine& line : all.lines) {
    invoice.statement = invoice.statement + line.amount;
  }
  all.adjustments.clear();
  all.borne.clear();
  invoice.lines = sha256(statement_csv(all));
  complete(invoice, terms);
  return Events{InvoiceClosed{std::move(invoice)}};
}

void apply_one(State& state, const ContractSet& event) {
  state.contracts[event.tenant] = event.contract;
}
void apply_one(State& state, const Adjusted& event) {
  state.adjustments[{event.tenant, event.period}].push_back(event.adjustment);
}
void apply_one(State& state, const InvoiceClosed& event) {
  const Invoice& invoice = event.invoice;
  const PeriodKey key{invoice.tenant, invoice.period.from};
  state.adjustments.erase(key);
  state.by_period.emplace(key, invoice.id);
  state.invoices.emplace(invoice.id, invoice);
}

StatementLine line_of(const metering::LineKey& key, const metering::Line& line) {
  const pricing::MeterUnit unit = pricing::unit_of(key.meter);
  return {.key = key, .quantity = line.quantity, .unit = std::string(unit.name),
          .units = decimal_text(line.quantity, unit.quantity), .first = line.first,
          .last = line.last, .amount = line.amount, .unpriced = line.unpriced,
          .simulated = pricing::is_simulated(key.sku)};
}

bool passes(const Filter& filter, const metering::LineKey& key) {
  const auto fits = [](const auto& wanted, const auto& held) { return !wanted || *wanted == held; };
  return fits(filter.project, key.project) && fits(filter.key, key.key) &&
         fits(filter.model, key.subject.model) && fits(filter.endpoint, key.subject.endpoint) &&
         fits(filter.workload, key.subject.workload) && fits(filter.meter, key.meter);
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const metering::State& usage,
                                 const Command& command, const Context& at) {
  return std::visit([&](const auto& one) { return judge_one(state, usage, one, at); }, command);
}

void apply(State& state, const Event& event, const Context&) {
  std::visit([&](const auto& one) { apply_one(state, one); }, event);
}

Result<Statement> statement(const State& state, const metering::State& usage, OrgId tenant,
                            Instant at, const Filter& filter) {
  const metering::Account* account = metering::find(usage, tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("tenant");
  Statement out{.tenant = tenant, .period = metering::period_of(usage, *account, at),
                .lines = {}, .totals = {}, .adjustments = {}, .invoice = std::nullopt,
                .zone = std::string(metering::zone_at(*account, at)), .borne = {},
                .borne_totals = {}};
  for (const auto& [key, line] : metering::lines_of(usage, tenant, out.period.from)) {
    if (!passes(filter, key)) continue;
    const bool borne = key.bearer == metering::Bearer::endpoint;
    auto& totals = borne ? out.borne_totals : out.totals;
    out.complete = out.complete && (borne || !line.unpriced);
    if (!line.unpriced) totals[line.amount.currency] += line.amount.nano;
    (borne ? out.borne : out.lines).push_back(line_of(key, line));
  }
  if (const Invoice* invoice = invoice_of(state, tenant, out.period.from); invoice != nullptr) {
    out.invoice = *invoice;
    out.adjustments = invoice->adjustments;
  } else {
    out.adjustments = adjustments_of(state, tenant, out.period.from);
  }
  return out;
}

std::string line_id(const metering::LineKey& key) {
  return "line_" + to_text(sha256(codec::encode(key))).substr(0, 32);
}

const std::pair<const metering::LineKey, metering::Line>* find_line(const metering::State& usage,
                                                                    OrgId tenant,
                                                                    std::string_view id) {
  auto line = usage.lines.lower_bound(metering::LineKey{.tenant = tenant, .sku = {}});
  for (; line != usage.lines.end() && line->first.tenant == tenant; ++line) {
    if (line_id(line->first) == id) return &*line;
  }
  return nullptr;
}

Margin margin(const metering::State& usage, EndpointId endpoint, Instant at) {
  Margin out;
  for (const auto& [tenant, account] : usage.accounts) {
    const Instant period = metering::period_of(usage, account, at).from;
    for (const auto& [key, line] : metering::lines_of(usage, tenant, period)) {
      if (key.subject.endpoint != endpoint || line.unpriced) continue;
      auto& sums = pricing::is_time(key.meter) ? out.cost : out.revenue;
      sums[line.amount.currency] += line.amount.nano;
    }
  }
  return out;
}

std::map<std::string, std::map<Currency, Wide>> totals_by(const Statement& statement,
                                                          Dimension dimension) {
  std::map<std::string, std::map<Currency, Wide>> totals;
  for (const StatementLine& line : statement.lines) {
    if (line.unpriced) continue;
    const metering::LineKey& key = line.key;
    std::string name;
    switch (dimension) {
      case Dimension::project: name = to_text(key.project); break;
      case Dimension::key: name = to_text(key.key); break;
      case Dimension::model: name = to_text(key.subject.model); break;
      case Dimension::endpoint: name = to_text(key.subject.endpoint); break;
      case Dimension::workload: name = to_text(key.subject.workload); break;
      case Dimension::meter: name = enum_text(key.meter); break;
      case Dimension::sku: name = key.sku; break;
    }
    totals[name][line.amount.currency] += line.amount.nano;
  }
  return totals;
}

}  // namespace bessemer::billing
