// Why a line is charged and why a request was refused, drilled down to what it rests on.
#include <algorithm>
#include <set>

#include "application/api/account_name.h"
#include "application/api/follow.h"
#include "application/api/lookup.h"
#include "application/api/money.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "application/factory/charge.h"
#include "application/factory/charged.h"
#include "application/factory/plan.h"
#include "governance/billing/billing.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

// ---- charges

struct ChargedLine {
  std::string tenant_path, project_path;
  metering::Bearer bearer = metering::Bearer::tenant;
  Instant period, until;
  std::string zone;
  KeyId key;
  metering::Subject subject;
  pricing::Meter meter = pricing::Meter::requests;
  std::string sku;
  Wide quantity = 0;
  std::string units, unit;
  Money amount;
};
DESCRIBE(ChargedLine, tenant_path, project_path, bearer, period, until, zone, key, subject, meter,
         sku, quantity, units, unit, amount)

struct ChargedPrice {
  PriceBookId version;
  std::string book;
  std::uint32_t number = 0;
  Instant effective_from;
  Money amount;
  Wide per = 1;  // base units of the meter
};
DESCRIBE(ChargedPrice, version, book, number, effective_from, amount, per)

struct ChargedTransfer {
  ledger::TransferKind kind = ledger::TransferKind::charge;
  std::string from, to;
  Money amount;
  TransferId original;
  std::string memo;
  std::string stream;  // what made it; empty: somebody's hand
  std::uint64_t sequence = 0;
  Instant recorded_at;
};
DESCRIBE(ChargedTransfer, kind, from, to, amount, original, memo, stream, sequence, recorded_at)

struct ChargeExplanation {
  std::string id;
  std::string sentence;
  std::string rounding;  // the exact fraction and how it was rounded
  std::optional<ChargedLine> line;
  std::optional<ChargedPrice> price;
  std::optional<ChargedTransfer> transfer;
  std::vector<ChargeRecord> records;  // the first of them, in the order in which they came
  std::uint64_t record_count = 0;
  Wide record_quantity = 0;           // of all
  Wide record_nano = 0;
  bool agrees = true;                 // the records add up to the line
};
DESCRIBE(ChargeExplanation, id, sentence, rounding, line, price, transfer, records, record_count,
         record_quantity, record_nano, agrees)

void explain_price(const factory::State& state, const metering::LineKey& key,
                   const metering::Line& line, ChargeExplanation& view) {
  const pricing::Version* const version = pricing::find(state.pricing, key.version);
  const pricing::Price* const price =
      version == nullptr ? nullptr : pricing::find_price(*version, key.meter, key.sku);
  const pricing::MeterUnit unit = pricing::unit_of(key.meter);
  const std::string units = decimal_text(line.quantity, unit.quantity);
  if (price == nullptr) {
    view.sentence = units + " x " + std::string(unit.name) + " of " + key.sku +
                    ": no price was in force, so it is charged at nothing and shown as unpriced";
    return;
  }
  view.price = ChargedPrice{version->id,   version->book, version->number, version->effective_from,
                            price->amount, price->per};
  view.sentence = units + " x " + std::string(unit.name) + " of " + key.sku + " at " +
                  to_text(price->amount) + " for each " + to_text(price->per) +
                  " base units is " + to_text(line.amount);
  view.rounding = to_text(line.quantity) + " x " + to_text(price->amount.nano) + " / " +
                  to_text(price->per) + " = " + to_text(line.amount.nano) +
                  " nano, rounded half to even once, from the whole quantity";
}

// Everything but the records; they are read from the journal.
ChargeExplanation explain_line(const factory::State& state, const metering::LineKey& key,
                               const metering::Line& line) {
  ChargeExplanation view;
  view.id = billing::line_id(key);
  const metering::Account& account = *metering::find(state.metering, key.tenant);
  const Period period = metering::period_of(state.metering, account, key.period);
  const pricing::MeterUnit unit = pricing::unit_of(key.meter);
  view.line = ChargedLine{tenant::path_of(state.tenant, key.tenant),
                          tenant::path_of(state.tenant, key.project),
                          key.bearer,
                          period.from,
                          period.until,
                          std::string(metering::zone_at(account, key.period)),
                          key.key,
                          key.subject,
                          key.meter,
                          key.sku,
                          line.quantity,
                          decimal_text(line.quantity, unit.quantity),
                          std::string(unit.name),
                          line.amount};
  explain_price(state, key, line, view);
  return view;
}

void add_records(const Trail& trail, ChargeExplanation& view) {
  view.records = trail.records();
  view.record_count = trail.count();
  view.record_quantity = trail.quantity();
  view.record_nano = trail.nano();
}

Reply reply_of(const ChargeExplanation& view) {
  Reply reply;
  json::write(reply.body, view);
  return reply;
}

Error no_such_charge() {
  return not_found("no such charge")
      .fix("name a line (line_...) of a statement or a transfer (tr_...)");
}

// Who may not know of it is told the same as where there is none.
Result<void> permit_charge(Call& call, OrgId owner) {
  auto may = call.permit(owner);
  if (!may && may.error().code == Code::not_found) return no_such_charge();
  return may;
}

// Whose statements tell of the transfer: the payer's, or whoever's a transfer by hand is.
Result<OrgId> owner_of(const factory::State& state, TransferId id) {
  const auto by_hand = state.ledger.transfers.find(id);
  if (by_hand == state.ledger.transfers.end()) {
    const ledger::Account* const payer = factory::charged_account(state, id);
    if (payer == nullptr) return no_such_charge();
    return payer->owner ? payer->owner : tenant::root;
  }
  return api::owner_of(state, by_hand->second);
}

Result<ChargeExplanation> explain_transfer(const Call& call, const std::string& id,
                                           const Trail& trail) {
  if (!trail.transfer()) return no_such_charge();
  const ledger::Transfer& transfer = *trail.transfer();
  ChargeExplanation view;
  view.id = id;
  view.transfer = ChargedTransfer{transfer.kind,
                                  account_name(call, transfer.from),
                                  account_name(call, transfer.to),
                                  transfer.amount,
                                  transfer.original,
                                  transfer.memo,
                                  trail.source().stream,
                                  trail.sequence(),
                                  trail.recorded_at()};
  view.sentence = to_text(transfer.amount) + " from " + view.transfer->from + " to " +
                  view.transfer->to + ": " + transfer.memo;
  add_records(trail, view);
  return view;
}

// Those with something that the caller may know of: nobody else's lines are searched for him.
std::set<OrgId> tenants_seen_by(const Call& call) {
  const factory::State& state = call.state();
  std::set<OrgId> seen;
  for (const OrgId node : access::visible_roots(state.access, call.caller(), call.now())) {
    if (const OrgId tenant = tenant::tenant_of(state.tenant, node)) {
      seen.insert(tenant);
      continue;
    }
    for (const auto& [tenant, account] : state.metering.accounts) seen.insert(tenant);
  }
  return seen;
}

Result<void> explain_charge(const std::shared_ptr<Call>& call,
                            const server::Responder& responder) {
  const std::string id = call->part("charge");
  const factory::State& state = call->state();
  if (const auto transfer = from_text(std::type_identity<TransferId>{}, id);
      transfer && *transfer) {
    TRY_ASSIGN(const OrgId owner, owner_of(state, *transfer));
    TRY(permit_charge(*call, owner));
    return follow(call, responder, Trail::of_transfer(*transfer),
                  [call, id](const Trail& trail) -> Result<Reply> {
                    TRY_ASSIGN(const auto view, explain_transfer(*call, id, trail));
                    return reply_of(view);
                  });
  }
  for (const OrgId tenant : tenants_seen_by(*call)) {
    const auto* const found = billing::find_line(state.metering, tenant, id);
    if (found == nullptr) continue;
    TRY(permit_charge(*call, found->first.project));
    const auto view = std::make_shared<ChargeExplanation>(
        explain_line(state, found->first, found->second));
    return follow(call, responder, Trail::of_line(found->first),
                  [view](const Trail& trail) -> Result<Reply> {
                    add_records(trail, *view);
                    view->agrees = trail.quantity() == view->line->quantity &&
                                   trail.nano() == view->line->amount.nano;
                    return reply_of(*view);
                  });
  }
  return no_such_charge();
}

// ---- refusals

struct BudgetNow {
  std::string name, path;
  std::string limit, used, held, leased;
};
DESCRIBE(BudgetNow, name, path, limit, used, held, leased)

struct RefusalExplanation {
  std::string sentence;  // what was answered
  std::string rule;      // what it follows from
  std::string next;      // what would let it pass
  std::string reason;
  Instant at;
  PrincipalId actor;
  KeyId key;
  std::string resource, action, target, org;
  RequestId request;
  std::vector<BudgetNow> budgets;  // those it counts against, as they are now
};
DESCRIBE(RefusalExplanation, sentence, rule, next, reason, at, actor, key, resource, action,
         target, org, request, budgets)

std::string rule_of(const std::string& reason, const std::string& resource,
                    const std::string& action) {
  if (reason == budget::budget_exhausted) {
    return "every budget that matches must have room for the whole: those of the nodes above, of "
           "the key, the model, the endpoint and the pipeline";
  }
  if (reason == budget::budget_lent) {
    return "what is left of a budget is lent to gateways, which give back what they do not need";
  }
  if (reason == budget::balance_exhausted) {
    return "a tenant that pays in advance is served from its wallet alone: the most that a request "
           "or the next minutes of work may cost must be in it";
  }
  if (reason == "quota_exhausted") return "a counted limit of a node above is reached";
  if (reason == "unpriced") return "what has no price in the tenant's price book is not let in";
  if (reason == "forbidden" || reason == "not_found") {
    return "a role that may '" + action + "' a " + resource + " is needed there, and a key whose "
           "scope lets it";
  }
  return {};
}

// The budgets of a spender as they are now, as far as the caller may read them.
std::vector<BudgetNow> budgets_now(Call& call, const budget::Spender& spender) {
  const factory::State& state = call.state();
  std::vector<BudgetNow> shown;
  if (spender.path.empty()) return shown;
  for (const budget::Budget* one : budget::matching(state.budget, spender)) {
    const Resource resource = one->prepaid ? Resource::ledger : Resource::budget;
    if (!call.may(one->scope.node, resource, Action::read)) continue;
    const Instant window = budget::window_of(state.budget, *one, call.now()).from;
    const budget::Counters now = budget::counters_of(state.budget, one->id, window);
    const auto text = [&](Wide amount) {
      return budget::to_text(one->unit, one->currency, amount);
    };
    const Wide funds = one->prepaid ? state.budget.funds.at(one->id) : Wide{0};
    shown.push_back({one->prepaid ? "wallet" : one->name,
                     tenant::path_of(state.tenant, one->scope.node),
                     text(one->prepaid ? funds : one->limit),
                     text(one->prepaid ? Wide{0} : now.used), text(now.held), text(now.leased)});
  }
  return shown;
}

// Where it was, for whoever may know of that place: who had an id of somebody else's thing does not
// learn whose it is.
std::string place_of(const Call& call, OrgId node) {
  const factory::State& state = call.state();
  const auto path = tenant::ancestors(state.tenant, node);
  if (path.empty()) return {};
  const auto decision = access::decide(state.access, call.caller(), path, Resource::org,
                                       Action::read, call.now());
  if (decision.verdict == access::Verdict::not_found) return {};
  return tenant::path_of(state.tenant, node);
}

Error no_such_refusal() {
  return not_found("no such refusal is kept")
      .fix("name a number of 'bessemer audit list', a request (req_...) or a job (wl_...)");
}

// A job that waits because governance refused to let it start.
Result<RefusalExplanation> explain_waiting(Call& call, WorkloadId id) {
  const workload::Workload* const found = workload::find(call.state().workload, id);
  if (found == nullptr) return no_such_refusal();
  auto may = call.permit(found->spec.project, Resource::job, Action::read);
  if (!may) return may.error().code == Code::not_found ? no_such_refusal() : may.error();
  call.permit_self();
  const conductor::Wait* const wait = call.services().conductor.why_waits(id);
  RefusalExplanation view;
  view.at = found->queued_at;
  view.actor = found->submitted_by;
  view.resource = "job";
  view.action = "start";
  view.target = to_text(id);
  view.org = tenant::path_of(call.state().tenant, found->spec.project);
  if (wait == nullptr || !wait->refusal) {
    view.sentence = found->held ? "it is held back: " + *found->held
                                : "governance has refused it nothing";
    view.next = "see why it waits: bessemer explain job " + to_text(id);
  } else {
    view.sentence =
        factory::refusal_for(call.state(), call.caller(), *wait->refusal, call.now());
    view.next = "raise the limit named above, wait for its window, or top the wallet up; it is "
                "tried again then";
  }
  view.budgets = budgets_now(call, factory::spender_of(call.state(), *found));
  return view;
}

Result<RefusalExplanation> explain_refusal(Call& call) {
  const std::string& id = call.part("refusal");
  if (const auto job = from_text(std::type_identity<WorkloadId>{}, id); job && *job) {
    return explain_waiting(call, *job);
  }
  const audit::State& audit = call.state().audit;
  const audit::AuditEntry* entry = nullptr;
  if (const auto request = from_text(std::type_identity<RequestId>{}, id); request && *request) {
    entry = audit::find(audit, *request);
  } else if (const auto number = parse_unsigned(id)) {
    entry = audit::find(audit, *number);
  }
  if (entry == nullptr || entry->outcome != audit::Outcome::refused) return no_such_refusal();
  if (entry->actor && entry->actor == call.caller().principal) {
    call.permit_self();  // everybody may know why he himself was refused
  } else if (auto may = call.permit(entry->node ? entry->node : tenant::root); !may) {
    return may.error().code == Code::not_found ? no_such_refusal() : may.error();
  }
  RefusalExplanation view{entry->what.empty() ? entry->reason : entry->what,
                          rule_of(entry->reason, entry->resource, entry->action),
                          entry->remedy,
                          entry->reason,
                          entry->at,
                          entry->actor,
                          entry->key,
                          entry->resource,
                          entry->action,
                          entry->target,
                          place_of(call, entry->node),
                          entry->request,
                          {}};
  if (budget::is_of_money(entry->reason)) {
    budget::Spender spender;
    spender.path = factory::spender_path(call.state(), entry->node);
    spender.key = entry->key;
    view.budgets = budgets_now(call, spender);
    if (view.next.empty()) {
      view.next = entry->reason == budget::balance_exhausted
                      ? "top the wallet up: bessemer wallet top-up"
                      : "raise the limit of a budget, or wait for its next month";
    }
  }
  return view;
}

}  // namespace

Table explain_routes() {
  Route charge = stream_route<&explain_charge>(
      Method::get, "/api/v1/charges/{charge}/explanation", "explain_charge",
      "The usage records, price and rounding behind a statement's line or a transfer",
      Resource::statement, Action::read);
  charge.answer_schema = &json::schema<ChargeExplanation>;
  return {
      std::move(charge),
      route<&explain_refusal>(Method::get, "/api/v1/refusals/{refusal}/explanation",
                              "explain_refusal",
                              "The rule behind a refusal, and what would let it pass",
                              Resource::audit, Action::read),
  };
}

}  // namespace bessemer::api
