// Limits that several modules share. A limit used by one module lives with that module.
#pragma once
#include <cstddef>

namespace bessemer::limits {

constexpr std::size_t name = 63;                      // characters of a name
constexpr std::size_t text = 4096;                    // characters of a free-text field
constexpr std::size_t request_body = 1 << 20;         // bytes of a JSON request to the API
constexpr std::size_t json_depth = 32;                // nesting of a JSON document
constexpr std::size_t list = 10'000;                  // elements of a list in a request
constexpr std::size_t page = 500;                     // things in one page of a list

}  // namespace bessemer::limits
