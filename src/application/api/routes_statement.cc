// Statements, the ledger, and exports that an independent program can check.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/money.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "application/factory/charge.h"
#include "governance/billing/billing.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct LineView {
  std::string id;        // for: bessemer explain charge ID
  std::string project_path;
  pricing::Meter meter = pricing::Meter::requests;
  std::string sku;
  std::string what;      // the endpoint, job or service by name
  KeyId key;
  metering::Subject subject;
  std::string units;     // in `unit`, exact or to nine decimals
  std::string unit;      // "GPU-hour"
  Wide quantity = 0;     // in the meter's base unit
  Money amount;
  bool unpriced = false;
  bool simulated = false;
  PriceBookId price_version;
};
DESCRIBE(LineView, id, project_path, meter, sku, what, key, subject, units, unit, quantity, amount,
         unpriced, simulated, price_version)

struct TotalView {
  std::string of;
  std::vector<Money> amounts;
};
DESCRIBE(TotalView, of, amounts)

struct StatementView {
  std::string tenant_path;
  Instant from, until;
  std::vector<LineView> lines;
  std::vector<billing::Adjustment> adjustments;
  std::vector<Money> totals;       // one per currency; SIM reaches no invoice
  std::vector<TotalView> grouped;  // with `by`
  bool complete = true;            // false: some lines have no price
  std::optional<InvoiceId> invoice;
  std::string zone;                // whose calendar the period follows
  std::vector<LineView> borne;     // by the cost accounts of shared endpoints: no part of totals
  std::vector<Money> borne_totals;
  std::vector<Money> payable;      // the invoice's total, or what it would be by now before tax
  bool folded = false;             // invoiced long ago: its lines tell no jobs and no keys apart
};
DESCRIBE(StatementView, tenant_path, from, until, lines, adjustments, totals, grouped, complete,
         invoice, zone, borne, borne_totals, payable, folded)

std::string what_of(const factory::State& state, const metering::Subject& subject) {
  if (subject.endpoint) {
    const auto* endpoint = deployment::find(state.deployment, subject.endpoint);
    return endpoint == nullptr ? to_text(subject.endpoint) : "endpoint " + endpoint->name;
  }
  if (subject.workload) {
    if (const auto* found = workload::find(state.workload, subject.workload)) {
      return "job " + found->spec.name.value_or("");
    }
    const auto* former = workload::find_former(state.workload, subject.workload);
    return former == nullptr ? to_text(subject.workload) : "job " + former->name;
  }
  return {};
}

std::map<Currency, Wide> sum_of(const std::vector<billing::StatementLine>& lines) {
  std::map<Currency, Wide> sums;
  for (const billing::StatementLine& line : lines) {
    if (!line.unpriced) sums[line.amount.currency] += line.amount.nano;
  }
  return sums;
}

// The statement of a node: its tenant's, narrowed to the project when the node is one.
Result<billing::Statement> statement_of(Call& call, OrgId& org) {
  TRY_ASSIGN(org, queried_org(call, "org"));
  const OrgId tenant = tenant::tenant_of(call.state().tenant, org);
  if (!tenant) return invalid("name a tenant or something below it").at("org");
  TRY_ASSIGN(const Instant at, queried_period(call));
  billing::Filter filter;
  const tenant::Node* const node = tenant::find(call.state().tenant, org);
  if (node->kind == tenant::Kind::project) filter.project = org;
  TRY_ASSIGN(billing::Statement statement,
             billing::statement(call.state().billing, call.state().metering, tenant, at, filter));
  if (node->kind == tenant::Kind::group) {
    std::erase_if(statement.lines, [&](const billing::StatementLine& line) {
      return !tenant::is_within(call.state().tenant, line.key.project, org);
    });
    std::erase_if(statement.borne, [&](const billing::StatementLine& line) {
      return !tenant::is_within(call.state().tenant, line.key.project, org);
    });
    statement.totals = sum_of(statement.lines);
    statement.borne_totals = sum_of(statement.borne);
  }
  if (org != tenant) statement.adjustments.clear();  // they are of the tenant as a whole
  return statement;
}

LineView view_of(const factory::State& state, const billing::StatementLine& line) {
  LineView one;
  one.id = billing::line_id(line.key);
  one.project_path = tenant::path_of(state.tenant, line.key.project);
  one.meter = line.key.meter;
  one.sku = line.key.sku;
  one.what = what_of(state, line.key.subject);
  one.key = line.key.key;
  one.subject = line.key.subject;
  one.units = line.units;
  one.unit = line.unit;
  one.quantity = line.quantity;
  one.amount = line.amount;
  one.unpriced = line.unpriced;
  one.simulated = line.simulated;
  one.price_version = line.key.version;
  return one;
}

// What is to be paid, per real currency.
std::vector<Money> payable_of(const billing::Statement& statement) {
  if (statement.invoice) return {statement.invoice->total};
  std::map<Currency, Wide> sums = statement.totals;
  sums.erase(simulated_currency);
  for (const auto& one : statement.adjustments) sums[one.amount.currency] += one.amount.nano;
  return amounts_of(sums);
}

Result<StatementView> get_statement(Call& call) {
  OrgId org;
  TRY_ASSIGN(const billing::Statement statement, statement_of(call, org));
  StatementView view;
  view.tenant_path = tenant::path_of(call.state().tenant, statement.tenant);
  view.from = statement.period.from;
  view.until = statement.period.until;
  view.adjustments = statement.adjustments;
  view.totals = amounts_of(statement.totals);
  view.complete = statement.complete;
  if (statement.invoice) view.invoice = statement.invoice->id;
  for (const billing::StatementLine& line : statement.lines) {
    view.lines.push_back(view_of(call.state(), line));
  }
  for (const billing::StatementLine& line : statement.borne) {
    view.borne.push_back(view_of(call.state(), line));
  }
  view.borne_totals = amounts_of(statement.borne_totals);
  view.zone = statement.zone;
  const metering::Account& account = *metering::find(call.state().metering, statement.tenant);
  view.folded = statement.period.from < account.folded_until;
  if (org == statement.tenant) view.payable = payable_of(statement);  // a project has no invoice
  if (const auto by = call.query("by")) {
    const auto dimension = enum_from_text<billing::Dimension>(*by);
    if (!dimension) {
      return invalid("must be one of: " + enum_choices<billing::Dimension>()).at("by");
    }
    for (const auto& [of, sums] : billing::totals_by(statement, *dimension)) {
      view.grouped.push_back({of, amounts_of(sums)});
    }
  }
  return view;
}

Result<void> export_usage(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  OrgId org;
  TRY_ASSIGN(const billing::Statement statement, statement_of(*call, org));
  server::Answer answer;
  answer.content_type = "text/csv; charset=utf-8";
  answer.body = billing::statement_csv(statement);
  responder.answer(std::move(answer));
  return {};
}

Result<void> export_prices(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  call->permit_self();
  server::Answer answer;
  answer.content_type = "text/csv; charset=utf-8";
  answer.body = billing::prices_csv(call->state().pricing);
  responder.answer(std::move(answer));
  return {};
}

// ---- the ledger

struct AccountView {
  AccountId id;
  std::string owner_path;
  ledger::AccountKind kind = ledger::AccountKind::wallet;
  Money balance;
  Money held;  // of a wallet: for work that runs, or lent to gateways
};
DESCRIBE(AccountView, id, owner_path, kind, balance, held)

std::string path_of_owner(const factory::State& state, const ledger::Account& account) {
  return account.owner ? tenant::path_of(state.tenant, account.owner) : "/";
}

// By owner, then kind, currency and endpoint: ids of endpoints rise in the order of their making.
std::string place_of(const factory::State& state, const ledger::Account& account) {
  std::string place = path_of_owner(state, account) + '!';
  place += static_cast<char>('a' + static_cast<int>(account.kind));
  return place + '!' + to_text(account.currency) + '!' + to_text(account.endpoint);
}

Result<Page<AccountView>> list_accounts(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  std::map<std::string, const ledger::Account*> all;
  for (const auto& [id, account] : call.state().ledger.accounts) {
    const OrgId owner = account.owner ? account.owner : tenant::root;
    if (!tenant::is_within(call.state().tenant, owner, org)) continue;
    all.emplace(place_of(call.state(), account), &account);
  }
  return paginate<AccountView>(
      call, all, [](const auto& one) { return one.first; },
      [&](const auto& one) {
        const ledger::Account& account = *one.second;
        const auto now = budget::counters_of(call.state().budget,
                                             factory::wallet_budget(account.id), Instant{});
        return AccountView{account.id,
                           path_of_owner(call.state(), account),
                           account.kind,
                           {account.balance, account.currency},
                           {now.held + now.leased, account.currency}};
      });
}

struct BalanceView {
  bool balanced = true;
  std::vector<Money> sums;  // of all accounts, per currency: zero, always
  std::string rating;       // empty: every line agrees with its aggregate quantity
  std::string leases;       // empty: every lease agrees with its budget's counter
};
DESCRIBE(BalanceView, balanced, sums, rating, leases)

Result<BalanceView> check_ledger(Call& call) {
  TRY(call.permit(tenant::root));
  const factory::State& state = call.state();
  BalanceView view;
  for (const auto& [currency, nano] : ledger::trial_balance(state.ledger)) {
    view.sums.push_back({nano, currency});
    view.balanced = view.balanced && nano == 0;
  }
  view.rating = metering::audit(state.metering, state.pricing);
  view.leases = lease::audit(state.lease, state.budget);
  view.balanced = view.balanced && view.rating.empty() && view.leases.empty();
  return view;
}

}  // namespace

Table statement_routes() {
  const std::vector<Parameter> which = {{"org", "path or id of a tenant, group or project"},
                                        {"period", "a month such as 2026-11; now when left out"}};
  std::vector<Parameter> grouped = which;
  grouped.push_back({"by", "also totals by project, key, model, endpoint, workload, meter, sku"});
  Table table = {
      route<&get_statement>(Method::get, "/api/v1/statement", "get_statement",
                            "What was used and what it costs", Resource::statement, Action::read,
                            grouped),
      stream_route<&export_usage>(Method::get, "/api/v1/statement/usage.csv", "export_usage",
                                  "The statement's lines as FOCUS columns", Resource::statement,
                                  Action::read, which),
      stream_route<&export_prices>(Method::get, "/api/v1/price-books/prices.csv",
                                   "export_prices", "Every price of every version",
                                   Resource::price_book, Action::list),
      route<&list_accounts>(Method::get, "/api/v1/accounts", "list_accounts", "Ledger accounts",
                            Resource::ledger, Action::list,
                            with_page({{"org", "path or id; the platform when left out"}})),
      route<&check_ledger>(Method::get, "/api/v1/ledger/balance", "check_ledger",
                           "The trial balance: every currency must come to zero",
                           Resource::ledger, Action::read),
  };
  table[1].answer_type = table[2].answer_type = "text/csv";
  table[2].entry = Entry::signed_in;
  return table;
}

}  // namespace bessemer::api
