// Decides and applies what happens to budgets.
#include "governance/budget/budget.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::budget {
namespace {

Result<void> check_amount(Wide amount, std::string_view field) {
  if (amount < 0 || amount > max_limit) {
    return invalid("must be 0 to 10^30 of the smallest unit").at(std::string(field));
  }
  return {};
}

Result<void> check_spend(const Spend& spend, std::string_view field) {
  const auto checked = [&]() -> Result<void> {
    TRY(check_amount(spend.gpu_time, "gpu_time"));
    TRY(check_amount(spend.tokens, "tokens"));
    if (spend.money.size() > 8) return invalid("must be in at most 8 currencies").at("money");
    for (const auto& [currency, nano] : spend.money) TRY(check_amount(nano, "money"));
    return {};
  };
  auto done = checked();
  if (!done) return std::move(done).error().within(field);
  return {};
}

// A correction may be below zero; its size is bounded all the same.
Spend magnitude(Spend spend) {
  const auto size = [](Wide value) { return value < 0 ? -std::max(value, -unbounded) : value; };
  for (auto& [currency, nano] : spend.money) nano = size(nano);
  spend.gpu_time = size(spend.gpu_time);
  spend.tokens = size(spend.tokens);
  return spend;
}

Result<void> check_spender(const Spender& spender) {
  if (spender.path.empty() || spender.path.size() > max_path) {
    return invalid("must be the 1 to 16 nodes from the tenant to the project").at("spender.path");
  }
  return {};
}

AtLimit action_of(const Budget& budget, WorkloadClass of) {
  switch (of) {
    case WorkloadClass::inference: return budget.at_limit.inference;
    case WorkloadClass::job: return budget.at_limit.job;
    case WorkloadClass::preemptible: return budget.at_limit.preemptible;
    case WorkloadClass::service: return budget.at_limit.service;
  }
  return AtLimit::notice_stop;
}

// What is in the wallet behind a prepaid budget.
Wide funds_of(const State& state, const Budget& budget) {
  const auto found = state.funds.find(budget.id);
  return found == state.funds.end() ? Wide{0} : found->second;
}

// How far the class may go in all; `unbounded` where it is not stopped. What was used of a wallet
// has left it already, so it may be used beside what is in it.
Wide ceiling(const State& state, const Budget& budget, Instant window, WorkloadClass of,
             Purpose purpose) {
  if (budget.prepaid) {
    return funds_of(state, budget) + counters_of(state, budget.id, window).used;
  }
  const bool goes_on = purpose == Purpose::continuation;
  switch (action_of(budget, of)) {
    case AtLimit::notice_stop: return budget.limit;
    case AtLimit::warn: return unbounded;
    case AtLimit::block_new: return goes_on ? unbounded : budget.limit;
    case AtLimit::stop_preemptible:
      return goes_on && of != WorkloadClass::preemptible ? unbounded : budget.limit;
    case AtLimit::overdraft: return budget.limit + budget.overdraft;
  }
  return budget.limit;
}

// What `hold` would give back of a window.
Wide given_back(const Hold* hold, const Leg& leg) {
  if (hold == nullptr) return 0;
  const auto same = std::ranges::find_if(hold->legs, [&](const Leg& one) {
    return one.budget == leg.budget && one.window == leg.window;
  });
  return same == hold->legs.end() ? Wide{0} : same->amount;
}

// Which of the legs do not fit when `instead_of` is given back (null: nothing is).
std::vector<Exhausted> misfits(const State& state, const std::vector<Leg>& legs, WorkloadClass of,
                               Purpose purpose, const Hold* instead_of = nullptr) {
  std::vector<Exhausted> found;
  for (const Leg& leg : legs) {
    const Budget& budget = state.budgets.at(leg.budget);
    const Wide most = ceiling(state, budget, leg.window, of, purpose);
    if (most == unbounded) continue;
    const Counters now = counters_of(state, leg.budget, leg.window);
    const Wide others = now.held - given_back(instead_of, leg);
    if (leg.amount > std::max(Wide{0}, most - now.used - others - now.leased)) {
      found.push_back(in_the_way(state, budget, leg, of, purpose));
    }
  }
  return found;
}

std::vector<Leg> legs_for(const State& state, const Spender& spender, const Spend& spend,
                          Instant at) {
  std::vector<Leg> legs;
  for (const Budget* budget : matching(state, spender)) {
    legs.push_back({budget->id, window_of(state, *budget, at).from,
                    amount_of(spend, budget->unit, budget->currency)});
  }
  return legs;
}

Result<std::vector<Event>> judge_one(const State& state, const DefineZone& command,
                                     const Context& at) {
  TRY(check_zone(command.zone));
  const auto known = state.zones.find(command.zone.name);
  if (known == state.zones.end()) {
    if (state.zones.size() >= max_zones) return exhausted("there are 1000 zones already");
    return std::vector<Event>{BudgetZoneDefined{command.zone}};
  }
  if (known->second == command.zone) return std::vector<Event>{};
  const auto past = [&](const Zone& zone) {
    auto offsets = zone.offsets;
    std::erase_if(offsets, [&](const ZoneOffset& one) { return one.from > at.now; });
    return offsets;
  };
  if (past(known->second) != past(command.zone)) {
    return conflict("the zone's past must stay as it was").at("zone.offsets");
  }
  return std::vector<Event>{BudgetZoneDefined{command.zone}};
}

Result<void> check_budget(const State& state, const Budget& budget) {
  if (!budget.id) return invalid("must not be empty").at("id");
  const Budget* const known = find(state, budget.id);
  if (budget.prepaid || (known != nullptr && known->prepaid)) {
    return conflict("a wallet has no limit but what is in it").fix("top it up");
  }
  if (auto named = check_name(budget.name); !named) return std::move(named).error().at("name");
  if (!budget.scope.node) return invalid("must name an organisation node").at("scope.node");
  if ((budget.unit == SpendUnit::money) != (budget.currency != Currency{})) {
    return invalid("belongs to money budgets, and to these only").at("currency");
  }
  const bool known_zone = budget.zone == "UTC" || state.zones.contains(budget.zone);
  if (!known_zone) return not_found("no such time zone is defined").at("zone");
  TRY(check_amount(budget.limit, "limit"));
  TRY(check_amount(budget.overdraft, "overdraft"));
  if (budget.warn_percents.size() > max_warn_percents) {
    return invalid("must hold at most 8 thresholds").at("warn_percents");
  }
  for (std::size_t i = 0; i < budget.warn_percents.size(); ++i) {
    const std::uint32_t percent = budget.warn_percents[i];
    if (percent < 1 || percent > max_warn_percent ||
        (i > 0 && percent <= budget.warn_percents[i - 1])) {
      return invalid("must ascend from 1 to 200").at("warn_percents");
    }
  }
  return {};
}

Result<std::vector<Event>> judge_one(const State& state, const Set& command, const Context&) {
  const Budget& budget = command.budget;
  TRY(check_budget(state, budget));
  if (const Budget* known = find(state, budget.id); known != nullptr) {
    if (*known == budget) return std::vector<Event>{};
    if (known->scope != budget.scope || known->unit != budget.unit || known->zone != budget.zone ||
        known->currency != budget.currency || known->term != budget.term) {
      return conflict("scope, unit, currency, term and zone of a budget stay as they are")
          .fix("make another budget and remove this one");
    }
    return std::vector<Event>{BudgetSet{budget}};
  }
  if (state.budgets.size() >= max_budgets) return exhausted("there are 1000000 budgets already");
  const auto beside = state.by_node.find(budget.scope.node);
  if (beside != state.by_node.end() && beside->second.size() >= limits_per_node) {
    return exhausted("the node has 1000 budgets already").at("scope.node");
  }
  return std::vector<Event>{BudgetSet{budget}};
}

Result<std::vector<Event>> judge_one(const State& state, const Remove& command, const Context&) {
  const Budget* const found = find(state, command.id);
  if (found == nullptr || found->prepaid) return not_found("no such budget").at("id");
  const auto windows = state.counters.find(command.id);
  if (windows != state.counters.end()) {
    for (const auto& [from, counters] : windows->second) {
      if (counters.held != 0 || counters.leased != 0) {
        return conflict("work holds money on this budget")
            .fix("wait for it, stop it, or set another limit");
      }
    }
  }
  for (const auto& [id, hold] : state.holds) {
    if (std::ranges::find(hold.legs, command.id, &Leg::budget) != hold.legs.end()) {
      return conflict("work is open on this budget").fix("wait for it or stop it");
    }
  }
  return std::vector<Event>{BudgetRemoved{command.id}};
}

Instant drawn_at(HoldId id) {
  return Instant{} + milliseconds(static_cast<std::int64_t>(id.high >> 16));
}

Result<std::vector<Event>> judge_one(const State& state, const Reserve& command,
                                     const Context& at) {
  if (!command.hold) return invalid("must not be empty").at("hold");
  TRY(check_spender(command.spender));
  TRY(check_spend(command.spend, "spend"));
  if (state.closed.contains(command.hold)) return std::vector<Event>{};
  if (const auto known = state.holds.find(command.hold); known != state.holds.end()) {
    const Hold& hold = known->second;
    const bool same = hold.spender == command.spender && hold.opened_with == command.spend &&
                      hold.workload_class == command.workload_class;
    if (same) return std::vector<Event>{};
    return conflict("a hold with this id has other content").at("hold");
  }
  if (drawn_at(command.hold) + hold_id_life < at.now) {
    return invalid("was drawn more than a day ago").at("hold");
  }
  auto legs = legs_for(state, command.spender, command.spend, at.now);
  if (legs.size() > max_set) return exhausted("the work matches more than 32 budgets");
  const auto refused = misfits(state, legs, command.workload_class, Purpose::admission);
  if (!refused.empty()) return refusal(refused);
  return std::vector<Event>{BudgetReserved{
      command.hold, {command.spender, command.workload_class, command.spend, std::move(legs)}}};
}

// The open hold; null with `done` when it is closed already.
Result<const Hold*> open_hold(const State& state, HoldId id) {
  const auto found = state.holds.find(id);
  if (found != state.holds.end()) return &found->second;
  if (state.closed.contains(id)) return static_cast<const Hold*>(nullptr);
  return not_found("no such hold").at("hold");
}

Result<std::vector<Event>> judge_one(const State& state, const Extend& command, const Context&) {
  TRY(check_spend(command.more, "more"));
  TRY_ASSIGN(const Hold* hold, open_hold(state, command.hold));
  if (hold == nullptr) return conflict("the hold is closed").at("hold");
  std::vector<Leg> more = hold->legs;
  for (Leg& leg : more) {
    const Budget& budget = state.budgets.at(leg.budget);
    leg.amount = amount_of(command.more, budget.unit, budget.currency);
  }
  const auto refused = misfits(state, more, hold->workload_class, Purpose::continuation);
  if (!refused.empty()) return refusal(refused);
  return std::vector<Event>{BudgetExtended{command.hold, std::move(more)}};
}

void add_thresholds(const State& state, const std::vector<Leg>& charged,
                    std::vector<Event>& events) {
  auto due = thresholds(state, charged);
  events.insert(events.end(), due.begin(), due.end());
}

std::vector<Leg> charged_legs(const std::vector<Move>& moves) {
  std::vector<Leg> legs;
  for (const Move& move : moves) legs.push_back({move.budget, move.window, move.charged});
  return legs;
}

std::vector<Event> drawn(const State& state, HoldId id, const Hold& hold, const Spend& charged,
                         const Spend* released) {
  std::vector<Move> moves;
  for (const Leg& leg : hold.legs) {
    const Budget& budget = state.budgets.at(leg.budget);
    const Wide back = released == nullptr
                          ? leg.amount
                          : std::min(leg.amount, amount_of(*released, budget.unit,
                                                           budget.currency));
    moves.push_back({leg.budget, leg.window, back,
                     amount_of(charged, budget.unit, budget.currency)});
  }
  const auto charges = charged_legs(moves);
  std::vector<Event> events{BudgetDrawn{id, std::move(moves), released == nullptr}};
  add_thresholds(state, charges, events);
  return events;
}

Result<std::vector<Event>> judge_one(const State& state, const Draw& command, const Context&) {
  TRY(check_spend(command.charged, "charged"));
  TRY(check_spend(command.released, "released"));
  TRY_ASSIGN(const Hold* hold, open_hold(state, command.hold));
  if (hold == nullptr) return conflict("the hold is closed").at("hold");
  return drawn(state, command.hold, *hold, command.charged, &command.released);
}

Result<std::vector<Event>> judge_one(const State& state, const Settle& command, const Context&) {
  TRY(check_spend(command.charged, "charged"));
  TRY_ASSIGN(const Hold* hold, open_hold(state, command.hold));
  if (hold == nullptr) return std::vector<Event>{};
  return drawn(state, command.hold, *hold, command.charged, nullptr);
}

Result<std::vector<Event>> judge_one(const State& state, const Void& command, const Context&) {
  TRY_ASSIGN(const Hold* hold, open_hold(state, command.hold));
  if (hold == nullptr) return std::vector<Event>{};
  return drawn(state, command.hold, *hold, {}, nullptr);
}

Result<std::vector<Event>> judge_one(const State& state, const Charge& command, const Context&) {
  TRY(check_spender(command.spender));
  TRY(check_spend(magnitude(command.spend), "spend"));
  auto legs = legs_for(state, command.spender, command.spend, command.at);
  std::erase_if(legs, [](const Leg& leg) { return leg.amount == 0; });
  if (legs.empty()) return std::vector<Event>{};
  std::vector<Event> events{BudgetCharged{legs}};
  add_thresholds(state, legs, events);
  return events;
}

Result<std::vector<Event>> judge_one(const State& state, const Rehold& command,
                                     const Context& at) {
  if (!command.next) return invalid("must not be empty").at("next");
  TRY(check_spender(command.spender));
  TRY(check_spend(command.spend, "spend"));
  if (state.holds.contains(command.next) || state.closed.contains(command.next)) {
    return conflict("a hold with this id is there already").at("next");
  }
  const Hold* former = nullptr;
  if (command.hold) {
    TRY_ASSIGN(former, open_hold(state, command.hold));
  }
  auto legs = legs_for(state, command.spender, command.spend, at.now);
  if (legs.size() > max_set) return exhausted("the work matches more than 32 budgets");
  const auto refused =
      misfits(state, legs, command.workload_class, Purpose::continuation, former);
  if (!refused.empty()) return refusal(refused);
  std::vector<Event> events;
  if (former != nullptr) events = drawn(state, command.hold, *former, {}, nullptr);
  events.emplace_back(BudgetReserved{
      command.next, {command.spender, command.workload_class, command.spend, std::move(legs)}});
  return events;
}

using Sums = std::map<std::pair<BudgetId, Instant>, Wide>;

bool ended_before(const State& state, const Piece& piece, BudgetId budget) {
  const auto set = state.since.find(budget);
  return set != state.since.end() && piece.until <= set->second;
}

// What a piece of work comes to in each window of each budget.
Sums sums_of(const State& state, const Work& work, const Hold* hold) {
  std::set<BudgetId> budgets;
  for (const Budget* budget : matching(state, work.spender)) budgets.insert(budget->id);
  if (hold != nullptr) {
    for (const Leg& leg : hold->legs) budgets.insert(leg.budget);
  }
  Sums sums;
  for (const Piece& piece : work.pieces) {
    for (const BudgetId id : budgets) {
      if (ended_before(state, piece, id)) continue;
      const Budget& budget = state.budgets.at(id);
      const Wide amount = amount_of(piece.spend, budget.unit, budget.currency);
      if (amount != 0) sums[{id, window_of(state, budget, piece.at).from}] += amount;
    }
  }
  return sums;
}

// Takes what the hold's own windows have of `sums` out of them.
std::optional<Event> drawn_by(const Work& work, const Hold& hold, Sums& sums) {
  BudgetDrawn event{work.hold, {}, work.closes};
  bool moves = work.closes;
  for (const Leg& leg : hold.legs) {
    const auto own = sums.extract({leg.budget, leg.window});
    const Wide charged = own.empty() ? Wide{0} : own.mapped();
    const Wide back = work.closes ? leg.amount : std::clamp(charged, Wide{0}, leg.amount);
    event.moves.push_back({leg.budget, leg.window, back, charged});
    moves = moves || charged != 0;
  }
  if (!moves) return std::nullopt;
  return event;
}

Result<std::vector<Event>> judge_one(const State& state, const Count& command, const Context&) {
  std::vector<Event> events;
  std::vector<Leg> beside, all;
  std::set<HoldId> seen;
  for (const Work& work : command.works) {
    TRY(check_spender(work.spender));
    for (const Piece& piece : work.pieces) TRY(check_spend(magnitude(piece.spend), "spend"));
    if (work.hold && !seen.insert(work.hold).second) {
      return invalid("names a hold twice").at("works");
    }
    const auto open = state.holds.find(work.hold);
    const Hold* hold = open == state.holds.end() ? nullptr : &open->second;
    Sums sums = sums_of(state, work, hold);
    for (const auto& [key, sum] : sums) all.push_back({key.first, key.second, sum});
    if (hold != nullptr) {
      if (auto drawn = drawn_by(work, *hold, sums)) events.push_back(*std::move(drawn));
    }
    for (const auto& [key, sum] : sums) {
      if (sum != 0) beside.push_back({key.first, key.second, sum});
    }
  }
  if (!beside.empty()) events.emplace_back(BudgetCharged{std::move(beside)});
  add_thresholds(state, all, events);
  return events;
}

// ---- changes

Counters& counters(State& state, BudgetId id, Instant window) {
  return state.counters[id][window];
}

void apply_one(State& state, const BudgetZoneDefined& event, const Context&) {
  state.zones[event.zone.name] = event.zone;
}
void apply_one(State& state, const BudgetSet& event, const Context& at) {
  state.budgets[event.budget.id] = event.budget;
  state.since.try_emplace(event.budget.id, at.now);
  state.by_node[event.budget.scope.node].insert(event.budget.id);
}
void apply_one(State& state, const BudgetRemoved& event, const Context&) {
  const auto found = state.budgets.find(event.id);
  const auto node = state.by_node.find(found->second.scope.node);
  node->second.erase(event.id);
  if (node->second.empty()) state.by_node.erase(node);
  state.counters.erase(event.id);
  state.since.erase(event.id);
  state.budgets.erase(found);
}
void apply_one(State& state, const BudgetReserved& event, const Context&) {
  for (const Leg& leg : event.opened.legs) {
    counters(state, leg.budget, leg.window).held += leg.amount;
  }
  state.holds.emplace(event.hold, event.opened);
}
void apply_one(State& state, const BudgetExtended& event, const Context&) {
  Hold& hold = state.holds.at(event.hold);
  check(hold.legs.size() == event.more.size(), "budget: another set");
  for (std::size_t i = 0; i < event.more.size(); ++i) {
    const Leg& leg = event.more[i];
    hold.legs[i].amount += leg.amount;
    counters(state, leg.budget, leg.window).held += leg.amount;
  }
}
void apply_one(State& state, const BudgetDrawn& event, const Context& at) {
  Hold& hold = state.holds.at(event.hold);
  check(hold.legs.size() == event.moves.size(), "budget: another set");
  for (std::size_t i = 0; i < event.moves.size(); ++i) {
    const Move& move = event.moves[i];
    Counters& now = counters(state, move.budget, move.window);
    now.held -= move.released;
    now.used += move.charged;
    hold.legs[i].amount -= move.released;
    check(hold.legs[i].amount >= 0 && now.held >= 0, "budget: more released than held");
  }
  if (!event.closes) return;
  state.holds.erase(event.hold);
  state.closed.insert(event.hold);
  while (!state.closed.empty() && drawn_at(*state.closed.begin()) + hold_id_life < at.now) {
    state.closed.erase(state.closed.begin());
  }
}
void apply_one(State& state, const BudgetCharged& event, const Context&) {
  for (const Leg& leg : event.legs) counters(state, leg.budget, leg.window).used += leg.amount;
}
void apply_one(State& state, const BudgetLent& event, const Context&) {
  for (const Leg& leg : event.legs) counters(state, leg.budget, leg.window).leased += leg.amount;
}
void apply_one(State& state, const BudgetRepaid& event, const Context&) {
  for (const Move& move : event.moves) {
    Counters& now = counters(state, move.budget, move.window);
    now.leased -= move.released;
    now.used += move.charged;
    check(now.leased >= 0, "budget: more repaid than lent");
  }
}
void apply_one(State& state, const BudgetThresholdReached& event, const Context&) {
  counters(state, event.budget, event.window).warned = event.percent;
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& at) {
  return std::visit([&](const auto& one) { return judge_one(state, one, at); }, command);
}

void apply(State& state, const Event& event, const Context& at) {
  std::visit([&](const auto& one) { apply_one(state, one, at); }, event);
}

void follow_wallet(State& state, const Wallet& wallet) {
  if (find(state, wallet.id) == nullptr) {
    Budget budget;
    budget.id = wallet.id;
    budget.name = wallet.name;
    budget.scope.node = wallet.tenant;
    budget.currency = wallet.currency;
    budget.term = Term::total;
    budget.prepaid = true;
    state.by_node[wallet.tenant].insert(wallet.id);
    state.budgets.emplace(wallet.id, std::move(budget));
  }
  state.funds[wallet.id] = wallet.balance;
}

const Budget* find(const State& state, BudgetId id) {
  const auto found = state.budgets.find(id);
  return found == state.budgets.end() ? nullptr : &found->second;
}

Period window_of(const State& state, const Budget& budget, Instant at) {
  if (budget.term == Term::total) {
    return {Instant{}, Instant{std::numeric_limits<std::int64_t>::max()}};
  }
  const auto zone = state.zones.find(budget.zone);
  return month_of(zone == state.zones.end() ? Zone{} : zone->second, at);
}

Counters counters_of(const State& state, BudgetId id, Instant window) {
  const auto windows = state.counters.find(id);
  if (windows == state.counters.end()) return {};
  const auto found = windows->second.find(window);
  return found == windows->second.end() ? Counters{} : found->second;
}

std::vector<const Budget*> matching(const State& state, const Spender& spender) {
  std::vector<const Budget*> found;
  for (const OrgId node : spender.path) {
    const auto here = state.by_node.find(node);
    if (here == state.by_node.end()) continue;
    for (const BudgetId id : here->second) {
      const Budget& budget = state.budgets.at(id);
      const Scope& scope = budget.scope;
      const bool matches = (!scope.key || scope.key == spender.key) &&
                           (!scope.model || scope.model == spender.model) &&
                           (!scope.endpoint || scope.endpoint == spender.endpoint) &&
                           (!scope.pipeline || scope.pipeline == spender.pipeline) &&
                           !(budget.prepaid && spender.spares_wallet);
      if (matches) found.push_back(&budget);
    }
  }
  std::ranges::sort(found, {}, &Budget::id);
  return found;
}

bool is_current(const State& state, HoldId hold, const Spender& spender, Instant now) {
  const auto found = matching(state, spender);
  if (!hold) return found.empty();
  const auto open = state.holds.find(hold);
  if (open == state.holds.end() || open->second.legs.size() != found.size()) return false;
  return std::ranges::equal(open->second.legs, found, [&](const Leg& leg, const Budget* budget) {
    return leg.budget == budget->id && leg.window == window_of(state, *budget, now).from;
  });
}

Wide available(const State& state, const Budget& budget, Instant window, WorkloadClass of,
               Purpose purpose) {
  const Wide most = ceiling(state, budget, window, of, purpose);
  if (most == unbounded) return unbounded;
  const Counters now = counters_of(state, budget.id, window);
  return std::max(Wide{0}, most - now.used - now.held - now.leased);
}

std::vector<Exhausted> explain(const State& state, const Spender& spender, WorkloadClass of,
                               const Spend& spend, Instant now) {
  return misfits(state, legs_for(state, spender, spend, now), of, Purpose::admission);
}

std::vector<Event> thresholds(const State& state, const std::vector<Leg>& charged) {
  std::map<std::pair<BudgetId, Instant>, Wide> sums;
  for (const Leg& leg : charged) sums[{leg.budget, leg.window}] += leg.amount;
  std::vector<Event> due;
  for (const auto& [key, sum] : sums) {
    const auto& [id, window] = key;
    const Budget& budget = state.budgets.at(id);
    const Counters now = counters_of(state, id, window);
    const Wide used = now.used + sum;
    std::uint32_t reached = now.warned;
    for (const std::uint32_t percent : budget.warn_percents) {
      // used / limit >= percent / 100, without a division; limits are at most 10^30
      if (percent > reached && used > 0 && used >= scale_up(budget.limit, percent, 100)) {
        reached = percent;
      }
    }
    if (reached > now.warned) due.emplace_back(BudgetThresholdReached{id, window, reached, used});
  }
  return due;
}

}  // namespace bessemer::budget
