// 128-bit integers: money in 10^-9 units and quantities such as milli-GPU-nanoseconds need them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace bessemer {

__extension__ using Wide = __int128;
__extension__ using UWide = unsigned __int128;

std::string to_text(Wide value);
// Decimal digits with an optional leading '-'; at most 38 digits. Errors: invalid.
Result<Wide> from_text(std::type_identity<Wide>, std::string_view text);

// value / per as a decimal with at most nine places, the rest cut: "12.5". Requires: per > 0, and
// per below 10^37.
std::string decimal_text(Wide value, Wide per);

// value * times / per, exact in 256 bits, rounded half to even.
// Requires: per > 0; the rounded result fits a Wide (checked).
Wide scale(Wide value, Wide times, Wide per);
// The same, rounded up (toward positive).
Wide scale_up(Wide value, Wide times, Wide per);

}  // namespace bessemer
