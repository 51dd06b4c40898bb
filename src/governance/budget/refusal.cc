// What a budget that refuses has to say for itself.
#include "governance/budget/budget.h"

#include "base/check.h"
#include "base/text.h"

namespace bessemer::budget {

Exhausted in_the_way(const State& state, const Budget& budget, const Leg& leg, WorkloadClass of,
                     Purpose purpose) {
  const Counters now = counters_of(state, budget.id, leg.window);
  return {.budget = budget.id, .name = budget.name, .scope = budget.scope, .unit = budget.unit,
          .currency = budget.currency,
          .limit = budget.prepaid ? state.funds.at(budget.id) : budget.limit,
          .used = budget.prepaid ? Wide{0} : now.used, .held = now.held, .leased = now.leased,
          .asked = leg.amount,
          .available = available(state, budget, leg.window, of, purpose),
          .prepaid = budget.prepaid};
}

Error refusal(const std::vector<Exhausted>& found) {
  check(!found.empty(), "budget: a refusal without a reason");
  bool lent = true;  // every misfit would fit if gateways gave back what they were lent
  bool wallets = true;
  std::string what;
  for (const Exhausted& one : found) {
    lent = lent && one.asked <= one.available + one.leased;
    wallets = wallets && one.prepaid;
    if (!what.empty()) what += "; ";
    what += one.prepaid ? "the wallet of \"" : "budget \"";
    what += one.name + "\" has " + to_text(one.unit, one.currency, one.available) + " left of " +
            to_text(one.unit, one.currency, one.limit) + ", " +
            to_text(one.unit, one.currency, one.asked) + " are needed";
  }
  if (lent) {
    return unavailable(what + "; the rest is lent to gateways")
        .because(std::string(budget_lent))
        .retried(Retry::later, seconds(1).ns);
  }
  if (wallets) {
    return exhausted(what)
        .because(std::string(balance_exhausted))
        .fix("top the wallet up: bessemer wallet top-up");
  }
  return exhausted(what)
      .because(std::string(budget_exhausted))
      .fix("raise the limit, or wait for its window");
}

bool is_of_money(std::string_view reason) {
  return reason == budget_exhausted || reason == balance_exhausted || reason == budget_lent;
}

std::string to_text(SpendUnit unit, Currency currency, Wide amount) {
  switch (unit) {
    case SpendUnit::money: return bessemer::to_text(Money{amount, currency});
    case SpendUnit::gpu_time:
      return decimal_text(amount, Wide{1000} * hours(1).ns) + " GPU-hours";
    case SpendUnit::tokens: return bessemer::to_text(amount) + " tokens";
  }
  return bessemer::to_text(amount);
}

}  // namespace bessemer::budget
