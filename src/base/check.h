// Assertions that stay on in every build.
#pragma once
#include <source_location>

namespace bessemer {

[[noreturn]] void check_failed(const char* what, const std::source_location& at);

// Stops the program at once when `holds` is false: a wrong program must not write a wrong number.
// For bugs only; what comes from outside is answered with a Result.
constexpr void check(bool holds, const char* what = "",
                     std::source_location at = std::source_location::current()) {
  if (!holds) [[unlikely]] check_failed(what, at);
}

}  // namespace bessemer
