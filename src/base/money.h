// Money: 10^-9 of a currency unit in 128 bits, carrying its currency.
#pragma once
#include <array>
#include <compare>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "base/wide.h"

namespace bessemer {

// Three capital letters (ISO 4217). "SIM" is the currency of simulated accelerators: it can reach
// no real invoice.
struct Currency {
  std::array<char, 3> letters{'X', 'X', 'X'};  // XXX: "no currency" in ISO 4217
  friend constexpr auto operator<=>(const Currency&, const Currency&) = default;
};
constexpr Currency simulated_currency{{'S', 'I', 'M'}};
std::string to_text(Currency currency);
Result<Currency> from_text(std::type_identity<Currency>, std::string_view text);

// An amount; negative is a credit. Within +-max_money every sum of 10^14 amounts fits.
struct Money {
  Wide nano = 0;
  Currency currency;
  friend constexpr auto operator<=>(const Money&, const Money&) = default;
};

// 10^15 units: what is refused from outside above this can never overflow inside.
constexpr Wide nano_per_unit = 1'000'000'000;
constexpr Wide max_money_nano = nano_per_unit * 1'000'000'000'000'000;

// Requires: equal currencies; no overflow (both checked).
Money operator+(Money a, Money b);
Money operator-(Money a, Money b);
Money operator-(Money a);

// "12.5 USD": a decimal string, then the currency; never rounded.
std::string to_text(Money money);
// At most nine decimals and 10^15 units. Errors: invalid.
Result<Money> from_text(std::type_identity<Money>, std::string_view text);

}  // namespace bessemer
