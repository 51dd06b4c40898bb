// Structured logs: one JSON object a line on standard error.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace bessemer::daemon {

// Requires: no field holds a secret: a Secret has no text form.
void log_line(std::string_view level, std::string_view message,
              std::initializer_list<std::pair<std::string_view, std::string>> fields);

}  // namespace bessemer::daemon
