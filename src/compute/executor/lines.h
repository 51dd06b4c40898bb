// One line of JSON that a task says: on its socket or in its metrics file.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// A line of the socket: {"metrics": {...}}, {"checkpoint": {...}} or {"progress": {...}}.
// Errors: invalid, in words for the author of the task.
Result<wire::Mark> parse_said(std::string_view line);

// A line of metrics.jsonl: {"step": 10, "loss": 2.31}. Errors: invalid.
Result<Metrics> parse_metrics(std::string_view line);

}  // namespace bessemer::executor
