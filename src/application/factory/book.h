// Which price book speaks for a moment.
#pragma once
#include <string_view>

#include "application/factory/state.h"

namespace bessemer::factory {

// The version in force at `at`; before the first takes effect, the first: a clock that was set back
// must not make something that is never charged. Null: there is no such book.
const pricing::Version* version_or_first(const State& state, std::string_view book, Instant at);

}  // namespace bessemer::factory
