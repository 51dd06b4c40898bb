// Budgets: limits of spending, and what is used of them.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr Wide milli_per_gpu = 1'000;

struct BudgetView {
  BudgetId id;
  std::string name;
  std::string path;
  budget::Scope scope;
  SpendUnit unit = SpendUnit::money;
  budget::Term term = budget::Term::monthly;
  std::string limit, overdraft, used, held, leased;  // amounts for people: "12.5 USD"
  Wide limit_exact = 0, overdraft_exact = 0, used_exact = 0, held_exact = 0, leased_exact = 0;
  budget::LimitActions at_limit;
  std::vector<std::uint32_t> warn_percents;
  std::uint32_t warned = 0;  // the highest of them that was reached in this window
  Instant window;
};
DESCRIBE(BudgetView, id, name, path, scope, unit, term, limit, overdraft, used, held, leased,
         limit_exact, overdraft_exact, used_exact, held_exact, leased_exact, at_limit,
         warn_percents, warned, window)

BudgetView view_of(Call& call, const budget::Budget& found) {
  const auto& state = call.state();
  BudgetView view;
  view.id = found.id;
  view.name = found.name;
  view.path = tenant::path_of(state.tenant, found.scope.node);
  view.scope = found.scope;
  view.unit = found.unit;
  view.term = found.term;
  view.at_limit = found.at_limit;
  view.warn_percents = found.warn_percents;
  view.window = budget::window_of(state.budget, found, call.now()).from;
  const budget::Counters counters = budget::counters_of(state.budget, found.id, view.window);
  const auto text = [&](Wide amount) {
    return budget::to_text(found.unit, found.currency, amount);
  };
  view.warned = counters.warned;
  view.limit = text(view.limit_exact = found.limit);
  view.overdraft_exact = found.overdraft;
  if (found.overdraft != 0) view.overdraft = text(found.overdraft);
  view.used = text(view.used_exact = counters.used);
  view.held = text(view.held_exact = counters.held);
  view.leased = text(view.leased_exact = counters.leased);
  return view;
}

// Those that are named change.
struct Actions {
  std::optional<budget::AtLimit> inference, job, preemptible, service;
};
DESCRIBE(Actions, inference, job, preemptible, service)

struct SetBudget {
  std::string name;
  std::string limit;  // "100 USD", "40h" of GPU time, "1000000" tokens
  std::optional<std::string> overdraft;  // how far beyond it, for who goes on in an overdraft
  std::optional<budget::Term> term;
  std::optional<KeyId> key;
  std::optional<ModelId> model;
  std::optional<EndpointId> endpoint;
  std::optional<PipelineId> pipeline;
  std::optional<Actions> at_limit;
  std::vector<std::uint32_t> warn_percents;
};
DESCRIBE(SetBudget, name, limit, overdraft, term, key, model, endpoint, pipeline, at_limit,
         warn_percents)

struct Amount {
  SpendUnit unit = SpendUnit::tokens;
  Currency currency;
  Wide size = 0;
};

// Money has a currency, GPU time a unit of time, tokens are a bare number.
Result<Amount> read_amount(std::string_view text) {
  if (const auto money = from_text(std::type_identity<Money>{}, text)) {
    return Amount{SpendUnit::money, money->currency, money->nano};
  }
  if (const auto tokens = parse_unsigned(text)) return Amount{SpendUnit::tokens, {}, Wide{*tokens}};
  if (const auto span = from_text(std::type_identity<Duration>{}, text)) {
    return Amount{SpendUnit::gpu_time, {}, Wide{span->ns} * milli_per_gpu};
  }
  return invalid("must be money ('100 USD'), GPU time ('40h') or tokens ('1000000')");
}

void change_actions(const Actions& asked, budget::LimitActions& into) {
  into.inference = asked.inference.value_or(into.inference);
  into.job = asked.job.value_or(into.job);
  into.preemptible = asked.preemptible.value_or(into.preemptible);
  into.service = asked.service.value_or(into.service);
}

bool has_overdraft(const budget::LimitActions& actions) {
  using enum budget::AtLimit;
  return actions.inference == overdraft || actions.job == overdraft ||
         actions.preemptible == overdraft || actions.service == overdraft;
}

Result<void> read_amounts(const SetBudget& asked, budget::Budget& into) {
  const auto limit = read_amount(asked.limit);
  if (!limit) return Error(limit.error()).at("limit");
  into.unit = limit->unit;
  into.currency = limit->currency;
  into.limit = limit->size;
  if (asked.overdraft) {
    const auto overdraft = read_amount(*asked.overdraft);
    if (!overdraft) return Error(overdraft.error()).at("overdraft");
    if (overdraft->unit != limit->unit || overdraft->currency != limit->currency) {
      return invalid("must be in what the limit is in").at("overdraft");
    }
    into.overdraft = overdraft->size;
  }
  if ((into.overdraft != 0) == has_overdraft(into.at_limit)) return {};
  if (into.overdraft == 0) {
    return invalid("lets work go on in an overdraft, and there is none").at("at_limit")
        .fix("say how far with 'overdraft'");
  }
  return invalid("is for nobody: no class of work goes on in it").at("overdraft")
      .fix("name those that do in 'at_limit', as {\"service\":\"overdraft\"}");
}

// What a budget is about stays as it was made.
Result<void> check_scope(const budget::Scope& scope, const SetBudget& asked) {
  const auto same = [](const auto& wanted, const auto& there, std::string_view field)
      -> Result<void> {
    if (!wanted || *wanted == there) return {};
    return conflict("what a budget is about cannot be changed")
        .at(std::string(field))
        .fix("remove it and make another");
  };
  TRY(same(asked.key, scope.key, "key"));
  TRY(same(asked.model, scope.model, "model"));
  TRY(same(asked.endpoint, scope.endpoint, "endpoint"));
  return same(asked.pipeline, scope.pipeline, "pipeline");
}

Result<BudgetView> set_budget(Call& call, const InOrg<SetBudget>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  const SetBudget& asked = body.rest;
  budget::Set set;
  for (const auto& [id, one] : call.state().budget.budgets) {
    if (!one.prepaid && one.scope.node == org && one.name == asked.name) set.budget = one;
  }
  const bool fresh = !set.budget.id;
  if (fresh) {
    set.budget.id = call.draw<BudgetId>();
    set.budget.name = asked.name;
    set.budget.scope.node = org;
    set.budget.scope.key = asked.key.value_or(KeyId{});
    set.budget.scope.model = asked.model.value_or(ModelId{});
    set.budget.scope.endpoint = asked.endpoint.value_or(EndpointId{});
    set.budget.scope.pipeline = asked.pipeline.value_or(PipelineId{});
    const OrgId tenant = tenant::tenant_of(call.state().tenant, org);
    if (const tenant::Node* node = tenant::find(call.state().tenant, tenant)) {
      if (call.state().budget.zones.contains(node->time_zone)) set.budget.zone = node->time_zone;
    }
  }
  TRY(check_scope(set.budget.scope, asked));
  if (asked.term) set.budget.term = *asked.term;
  if (asked.at_limit) change_actions(*asked.at_limit, set.budget.at_limit);
  if (!asked.warn_percents.empty()) set.budget.warn_percents = asked.warn_percents;
  TRY(read_amounts(asked, set.budget));
  const BudgetId id = set.budget.id;
  call.makes("/api/v1/budgets/" + to_text(id));
  TRY(call.submit(budget::Command(std::move(set))));
  return view_of(call, *budget::find(call.state().budget, id));
}

// A wallet is none: see routes_ledger.cc.
Result<const budget::Budget*> named_budget(Call& call) {
  return named_thing<BudgetId>(
      call, "budget", "budget",
      [&](BudgetId id) -> const budget::Budget* {
        const budget::Budget* const found = budget::find(call.state().budget, id);
        return found == nullptr || found->prepaid ? nullptr : found;
      },
      [](const budget::Budget& found) { return found.scope.node; });
}

Result<BudgetView> get_budget(Call& call) {
  TRY_ASSIGN(const budget::Budget* const found, named_budget(call));
  return view_of(call, *found);
}

Result<Page<BudgetView>> list_budgets(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  std::vector<const budget::Budget*> all;
  for (const auto& [id, one] : call.state().budget.budgets) {
    if (one.prepaid) continue;
    if (tenant::is_within(call.state().tenant, one.scope.node, org)) all.push_back(&one);
  }
  return paginate<BudgetView>(
      call, all, [](const budget::Budget* one) { return to_text(one->id); },
      [&](const budget::Budget* one) { return view_of(call, *one); });
}

Result<Nothing> remove_budget(Call& call) {
  TRY_ASSIGN(const budget::Budget* const found, named_budget(call));
  TRY(call.submit(budget::Command(budget::Remove{found->id})));
  return Nothing{};
}

}  // namespace

Table budget_routes() {
  return {
      route<&set_budget>(Method::put, "/api/v1/budgets", "set_budget",
                         "Make or change the budget of that name on a node", Resource::budget,
                         Action::update),
      route<&list_budgets>(Method::get, "/api/v1/budgets", "list_budgets",
                           "Budgets at and below a node", Resource::budget, Action::list,
                           with_page({{"org", "path or id; the platform when left out"}})),
      route<&get_budget>(Method::get, "/api/v1/budgets/{budget}", "get_budget", "One budget",
                         Resource::budget, Action::read),
      route<&remove_budget>(Method::del, "/api/v1/budgets/{budget}", "remove_budget",
                            "Remove a budget", Resource::budget, Action::remove),
  };
}

}  // namespace bessemer::api
