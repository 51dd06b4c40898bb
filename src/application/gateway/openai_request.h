// Reads what a request's JSON body asks for, and makes the body that goes to the engine.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace bessemer::gateway {

constexpr std::uint64_t max_stated_tokens = 100'000'000;  // of a request's max_tokens
constexpr std::uint64_t max_choices = 128;                // of n and best_of
constexpr std::uint64_t max_prompts = 2048;               // of a list of prompts or of inputs
constexpr std::size_t max_model_name = 255;
constexpr std::size_t spare_bytes = 64;  // that must lie behind a text given to read_*

// Where a member's value stands in the body; empty when the member is absent.
struct Span {
  std::size_t from = 0, to = 0;
  explicit operator bool() const { return to > from; }
};

// The members that decide routing and money. Everything else is passed on unread.
struct Asked {
  std::string model;
  bool stream = false;
  bool include_usage = false;                // the caller wants the usage at the end of a stream
  std::optional<std::uint64_t> max_tokens;   // stated; the larger of its two spellings
  std::uint64_t choices = 1;                 // of each prompt: the larger of n and best_of
  std::uint64_t prompts = 1;                 // each is answered: `prompt` or `input` may be a list
  bool chooses_best = false;                 // best_of is more than 1: no engine streams that
  Span model_at, stream_at, options_at;
};

// Reads the root of a body of /v1/chat/completions, /v1/completions or /v1/embeddings.
// A member that one server reads first and another last would be billed as one thing and served as
// another: repeated members of those above are refused, and so are engines' own names for them.
// Requires: spare_bytes lie behind `body`.
// Errors: invalid, with the field.
Result<Asked> read_request(std::string_view body);

// What is changed on the way to the engine.
struct Patch {
  std::string_view model;              // empty: as the caller said
  bool stream = false;                 // asks for a stream, though the caller may not have
  bool usage = false;                  // with stream: asks for the usage at its end
  bool continuous_usage = false;       // with usage: in every chunk
};
// The body as the engine gets it. Requires: `asked` was read from `body`.
std::string patched_body(std::string_view body, const Asked& asked, const Patch& patch);

}  // namespace bessemer::gateway
