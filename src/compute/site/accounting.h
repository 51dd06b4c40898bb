// Where the time of a pool went: each moment of its capacity in exactly one class.
#pragma once
#include <string_view>
#include <vector>

#include "compute/site/site.h"

namespace bessemer::site {

// What a caller knows beside the facts of this module: other people's work, reservations.
enum class Claim : std::uint8_t { foreign, reserved };
struct ClaimSpan {
  Claim claim = Claim::foreign;
  NodeId node;
  Instant from, to;
  std::uint64_t gpu_milli = 0;
  std::uint64_t cpu_millis = 0;
};

// Accounts [from, to) of every node of `pool`; live allocations count up to `to`. Where claims
// exceed a node's capacity the higher class takes precedence and the lower one is cut.
// Time before State::folded_until is kept by the hour and without claims: an interval that reaches
// back there must begin and end on full hours. Errors: invalid.
Result<TimeUse> account(const State& state, std::string_view pool, Instant from, Instant to,
                        const std::vector<ClaimSpan>& claims = {});

// Folds every hour that ended at least fold_after before `now` into its sums, and forgets what is
// older than kept_past. Called by apply.
void fold(State& state, Instant now);

// The folded hours counted an allocation that ended at `to` as allocated up to folded_until:
// gives that time back as free.
void correct(State& state, const Allocation& allocation, Instant to);

constexpr Duration fold_after = minutes(10);

}  // namespace bessemer::site
