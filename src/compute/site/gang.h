// Several allocations judged as one: each sees those before it.
#pragma once
#include <vector>

#include "compute/site/site.h"

namespace bessemer::site {

// All of them or none. The facts of a batch are applied only once all of it is judged; judged one
// by one against the same state, two tasks could be given the same accelerator.
// Errors: as judge, with the element's path ("[1].accelerators[0]").
Result<std::vector<Event>> judge_gang(const State& state, const std::vector<Allocate>& gang,
                                      const Context& context);

}  // namespace bessemer::site
