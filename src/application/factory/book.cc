// Which price book speaks for a moment.
#include "application/factory/book.h"

namespace bessemer::factory {

const pricing::Version* version_or_first(const State& state, std::string_view book, Instant at) {
  if (const auto* version = pricing::in_force(state.pricing, book, at)) return version;
  const auto versions = state.pricing.books.find(std::string(book));
  if (versions == state.pricing.books.end() || versions->second.empty()) return nullptr;
  return &versions->second.front();
}

}  // namespace bessemer::factory
