// Money as text, and its checked sums.
#include "base/money.h"

#include <cstddef>

#include "base/check.h"

namespace bessemer {

std::string to_text(Currency currency) {
  return {currency.letters.data(), currency.letters.size()};
}

Result<Currency> from_text(std::type_identity<Currency>, std::string_view text) {
  Currency currency;
  if (text.size() != currency.letters.size()) return invalid("must be a three-letter currency");
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] < 'A' || text[i] > 'Z') return invalid("must be three capital letters, like USD");
    currency.letters[i] = text[i];
  }
  return currency;
}

Money operator+(Money a, Money b) {
  check(a.currency == b.currency, "money of two currencies");
  Money sum{0, a.currency};
  check(!__builtin_add_overflow(a.nano, b.nano, &sum.nano), "money overflow");
  return sum;
}

Money operator-(Money a) {
  Money negated{0, a.currency};
  check(!__builtin_sub_overflow(Wide{0}, a.nano, &negated.nano), "money overflow");
  return negated;
}

Money operator-(Money a, Money b) { return a + -b; }

std::string to_text(Money money) {
  const bool negative = money.nano < 0;
  std::string digits = to_text(money.nano);
  if (negative) digits.erase(0, 1);
  if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
  std::string fraction = digits.substr(digits.size() - 9);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  std::string out = (negative ? "-" : "") + digits.substr(0, digits.size() - 9);
  if (!fraction.empty()) out += "." + fraction;
  return out + " " + to_text(money.currency);
}

Result<Money> from_text(std::type_identity<Money>, std::string_view text) {
  const auto bad = [] {
    return invalid("must be an amount and a currency such as \"12.50 USD\", with at most nine "
                   "decimals and 10^15 units");
  };
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return bad();
  TRY_ASSIGN(const Currency currency,
             from_text(std::type_identity<Currency>{}, text.substr(space + 1)));
  std::string_view number = text.substr(0, space);
  const bool negative = number.starts_with('-');
  if (negative) number.remove_prefix(1);
  const std::size_t point = number.find('.');
  const std::string_view whole = number.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view{} : number.substr(point + 1);
  if (whole.empty() || whole.size() > 16 || fraction.size() > 9) return bad();
  if (point != std::string_view::npos && fraction.empty()) return bad();
  std::string digits = std::string(whole) + std::string(fraction);
  digits.append(9 - fraction.size(), '0');
  TRY_ASSIGN(const Wide nano, from_text(std::type_identity<Wide>{}, digits));
  if (nano < 0 || nano > max_money_nano) return bad();
  return Money{negative ? -nano : nano, currency};
}

}  // namespace bessemer
