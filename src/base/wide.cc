// 128-bit integers as text, and one exact product-and-quotient.
#include "base/wide.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer {
namespace {

constexpr int max_digits = 38;

UWide magnitude(Wide value) {
  return value < 0 ? UWide{0} - static_cast<UWide>(value) : static_cast<UWide>(value);
}

struct Product { UWide high = 0, low = 0; };

// Schoolbook 128 x 128 -> 256 bits in 64-bit limbs.
Product multiply(UWide a, UWide b) {
  constexpr UWide mask = ~std::uint64_t{0};
  const UWide al = a & mask, ah = a >> 64, bl = b & mask, bh = b >> 64;
  const UWide ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
  const UWide middle = (ll >> 64) + (lh & mask) + (hl & mask);
  return {hh + (lh >> 64) + (hl >> 64) + (middle >> 64), (middle << 64) | (ll & mask)};
}

struct Quotient { UWide whole = 0, rest = 0; };

// Long division, one bit at a time from the top of `low`: exact and short.
Quotient divide(const Product& left, Wide per) {
  check(per > 0, "scale: divisor must be positive");
  const auto divisor = static_cast<UWide>(per);
  check(left.high < divisor, "scale: result does not fit");
  if (left.high == 0) return {left.low / divisor, left.low % divisor};
  Quotient q{0, left.high};
  for (int bit = 127; bit >= 0; --bit) {
    const bool carry = (q.rest >> 127) != 0;
    q.rest = (q.rest << 1) | ((left.low >> bit) & 1);
    q.whole <<= 1;
    if (carry || q.rest >= divisor) {
      q.rest -= divisor;
      q.whole |= 1;
    }
  }
  return q;
}

Wide signed_value(UWide value, bool negative) {
  check(value <= ~UWide{0} >> 1, "scale: result does not fit");
  return negative ? -static_cast<Wide>(value) : static_cast<Wide>(value);
}

}  // namespace

std::string to_text(Wide value) {
  UWide left = magnitude(value);
  std::string out;
  do {
    out += static_cast<char>('0' + static_cast<int>(left % 10));
    left /= 10;
  } while (left != 0);
  if (value < 0) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

Result<Wide> from_text(std::type_identity<Wide>, std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > max_digits) {
    return invalid("must be a whole number of at most 38 digits");
  }
  Wide value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return invalid("must be a whole number: digits only");
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

std::string decimal_text(Wide value, Wide per) {
  check(per > 0, "decimal_text: divisor must be positive");
  const UWide size = magnitude(value), divisor = static_cast<UWide>(per);
  std::string out = to_text(static_cast<Wide>(size / divisor));
  std::string places;
  UWide rest = size % divisor;
  for (int i = 0; i < 9 && rest != 0; ++i) {
    rest *= 10;
    places += static_cast<char>('0' + static_cast<int>(rest / divisor));
    rest %= divisor;
  }
  places.erase(places.find_last_not_of('0') + 1);
  if (!places.empty()) out += "." + places;
  return value < 0 && out != "0" ? "-" + out : out;
}

Wide scale(Wide value, Wide times, Wide per) {
  const bool negative = (value < 0) != (times < 0);
  const auto divisor = static_cast<UWide>(per);
  Quotient q = divide(multiply(magnitude(value), magnitude(times)), per);
  const UWide other = divisor - q.rest;  // half to even, without overflow
  if (q.rest > other || (q.rest == other && (q.whole & 1) != 0)) ++q.whole;
  return signed_value(q.whole, negative);
}

Wide scale_up(Wide value, Wide times, Wide per) {
  const bool negative = (value < 0) != (times < 0);
  Quotient q = divide(multiply(magnitude(value), magnitude(times)), per);
  if (q.rest != 0 && !negative) ++q.whole;
  return signed_value(q.whole, negative);
}

}  // namespace bessemer
