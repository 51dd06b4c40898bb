// What may be limited: money, GPU time and tokens, counted side by side.
#pragma once
#include <cstdint>
#include <map>

#include "base/describe.h"
#include "base/money.h"
#include "base/wide.h"

namespace bessemer {

// What a budget or a lease is counted in.
enum class SpendUnit : std::uint8_t {
  money,     // nano of one currency
  gpu_time,  // milli-GPU nanoseconds
  tokens,    // tokens of every kind
};
DESCRIBE_ENUM(SpendUnit, money, gpu_time, tokens)

// What one piece of work takes or may take, in every unit at once.
struct Spend {
  std::map<Currency, Wide> money;  // nano; simulated accelerators count in SIM beside the real one
  Wide gpu_time = 0;
  Wide tokens = 0;
  friend bool operator==(const Spend&, const Spend&) = default;
};
DESCRIBE(Spend, money, gpu_time, tokens)

// The component that is counted in `unit` (and, for money, in `currency`); 0 when there is none.
inline Wide amount_of(const Spend& spend, SpendUnit unit, Currency currency) {
  if (unit == SpendUnit::gpu_time) return spend.gpu_time;
  if (unit == SpendUnit::tokens) return spend.tokens;
  const auto found = spend.money.find(currency);
  return found == spend.money.end() ? Wide{0} : found->second;
}

inline Spend spend_money(Money money) { return {.money = {{money.currency, money.nano}}}; }

}  // namespace bessemer
