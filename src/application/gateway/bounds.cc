// What a request is held for: its worst case, or its prompt and a first slice of its output.
#include "application/gateway/bounds.h"

#include <algorithm>

namespace bessemer::gateway {

void RecentOutputs::add(std::uint64_t tokens) { ring_[count_++ % ring_.size()] = tokens; }

std::uint64_t RecentOutputs::p90() const {
  const auto held = std::min(count_, ring_.size());
  if (held == 0) return 0;
  auto sorted = ring_;
  const auto at = (held - 1) * 9 / 10;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at),
                   sorted.begin() + static_cast<std::ptrdiff_t>(held));
  return sorted[at];
}

bool streams(Kind kind, const Asked& asked) {
  const bool can = kind == Kind::chat || kind == Kind::completions;
  return can && (asked.stream || !asked.chooses_best);
}

Bounds bounds_of(Kind kind, const Asked& asked, std::size_t text,
                 const control::EndpointEntry& endpoint, std::uint64_t p90) {
  Bounds out;
  out.first.requests = 1;
  if (kind == Kind::infer) return out;
  const auto each = kind == Kind::embeddings ? 1 : asked.choices;
  auto prompt = text + template_tokens + (asked.prompts - 1) * marker_tokens;
  // A context limits each prompt by itself. Texts to embed may be longer: some engines cut them.
  if (endpoint.context_tokens > 0 && kind != Kind::embeddings) {
    prompt = std::min<std::uint64_t>(prompt, endpoint.context_tokens * asked.prompts);
  }
  out.first.input = prompt * each;
  if (kind == Kind::embeddings) return out;
  const auto choices = each * asked.prompts;
  auto most = endpoint.max_output_tokens;
  if (most == 0) most = endpoint.context_tokens;
  if (asked.max_tokens) most = most == 0 ? *asked.max_tokens : std::min(most, *asked.max_tokens);
  const bool sliced = !asked.max_tokens && streams(kind, asked);
  if (most == 0 && !sliced) most = unstated_output;
  out.most_output = most * choices;
  out.first.output = out.most_output;
  if (!sliced) return out;
  const auto usual = std::max(p90, least_first_slice);
  if (most != 0 && most <= usual) return out;
  out.first.output = usual * choices;
  out.slice.output = slice_tokens * choices;
  return out;
}

Counts metered(Counts counts, const std::vector<pricing::Price>& prices, bool free_of_charge) {
  const auto priced = [&](pricing::Meter meter) {
    return std::any_of(prices.begin(), prices.end(),
                       [&](const pricing::Price& price) { return price.meter == meter; });
  };
  if (!priced(pricing::Meter::requests) && !free_of_charge) counts.requests = 0;
  if (!priced(pricing::Meter::cached_input_tokens)) {
    counts.input += std::exchange(counts.cached_input, 0);
  }
  if (!priced(pricing::Meter::reasoning_tokens)) {
    counts.output += std::exchange(counts.reasoning, 0);
  }
  return counts;
}

}  // namespace bessemer::gateway
