// What a request is held for: its worst case, or its prompt and a first slice of its output.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "application/control/configuration.h"
#include "application/gateway/openai_request.h"
#include "governance/metering/usage_log.h"

namespace bessemer::gateway {

using metering::Counts;

// Tokens that a chat template may add to what the body holds.
constexpr std::uint64_t template_tokens = 512;
// Tokens that mark the ends of each further text of a list: no chat template is applied to those.
constexpr std::uint64_t marker_tokens = 8;
constexpr std::uint64_t least_first_slice = 256;
constexpr std::uint64_t slice_tokens = 256;
// Output bound where neither the caller nor the model states one and no stream is possible.
constexpr std::uint64_t unstated_output = 4096;

// The last outputs of a model: how long an answer usually is.
class RecentOutputs {
 public:
  void add(std::uint64_t tokens);
  // 9 of 10 were no longer; 0 without any.
  std::uint64_t p90() const;

 private:
  std::array<std::uint64_t, 64> ring_{};
  std::size_t count_ = 0;
};

enum class Kind : std::uint8_t { chat, completions, embeddings, infer };

// True when the engine is asked for a stream: so that the hold can grow with the answer, and one
// that nobody waits for any more is charged for what was produced. A caller who asked for none gets
// it put together.
bool streams(Kind kind, const Asked& asked);

struct Bounds {
  Counts first;               // held when the request is admitted
  Counts slice;               // of each extension; all 0: `first` is the whole bound
  std::uint64_t most_output = 0;  // of all choices together; 0: not known
};

// `text`: bytes of the request's body, each at most one token.
Bounds bounds_of(Kind kind, const Asked& asked, std::size_t text,
                 const control::EndpointEntry& endpoint, std::uint64_t p90);

// Counts as the tariff's meters take them: cached input and reasoning without a price of their own
// are input and output; requests count where they have a price.
Counts metered(Counts counts, const std::vector<pricing::Price>& prices, bool free_of_charge);

}  // namespace bessemer::gateway
