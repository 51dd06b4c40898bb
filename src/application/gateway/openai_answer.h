// Reads what an engine's JSON says about usage, errors and progress.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "application/gateway/openai_request.h"
#include "governance/metering/usage_log.h"

namespace bessemer::gateway {

// A whole answer, or one chunk of a stream.
struct Told {
  bool is_object = false;                    // false: it is no JSON object
  bool is_error = false;                     // it holds an "error": 200 or not
  std::optional<metering::Counts> usage;     // the engine's count so far, where it gave one
  bool has_choices = false;                  // a chunk that carries something
  std::uint64_t content_bytes = 0;           // of text in its choices
  Span usage_at;                             // the member "usage" with one comma beside it
};

// Reads the root of an answer. Members of the usage that contradict each other or exceed
// metering::max_request_tokens count as no usage. Requires: spare_bytes lie behind `text`.
Told read_answer(std::string_view text);

// `text` without its usage member.
std::string without_usage(std::string_view text, const Told& told);

}  // namespace bessemer::gateway
