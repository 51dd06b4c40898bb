// YAML that a person wrote, as JSON.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bessemer::yaml {

constexpr std::size_t max_bytes = 1 << 20;

// The one document in `text`, as JSON. Errors: invalid, with line and column.
Result<std::string> to_json(std::string_view text);

// Each document of a stream parted by "---"; empty documents are left out.
Result<std::vector<std::string>> documents(std::string_view text);

// The line, from 1, on which a field such as "steps[0].job.command" of the document with this
// number stands, or of the nearest thing around it that is there. 0: nothing of it is.
std::size_t line_of(std::string_view text, std::string_view field, std::size_t document = 0);

}  // namespace bessemer::yaml
