// The words that may come next on a command line, names of things among them.
#pragma once
#include "base/result.h"
#include "base/time.h"

namespace bessemer::cli {

class Session;

// How long completion waits for the factory: a person waits for the key that was pressed.
constexpr Duration completion_patience = milliseconds(700);

// `__complete -- WORDS...`: one candidate a line. What the factory does not answer in time is left
// out without a word: a shell has nobody to tell.
Result<int> complete(Session& session);

}  // namespace bessemer::cli
