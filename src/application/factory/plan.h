// From facts to the scheduler's snapshot and back: what may start, what must give room, and why
// the rest waits.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "application/factory/factory.h"
#include "orchestration/scheduler/scheduler.h"

namespace bessemer::factory {

// What governance said to a proposal.
struct Refusal {
  std::string said;                        // to the factory itself: names every budget
  std::vector<budget::Exhausted> budgets;  // that refused it; empty: something else did
};
Refusal refusal_of(const State& state, const Launch& launch, const Error& error, Instant now);
// As `viewer` may read it: budgets of nodes whose budgets he may not read are not named.
std::string refusal_for(const State& state, const access::Caller& viewer, const Refusal& refusal,
                        Instant now);

// Proposals that governance refused: left out of plans until a fact may have changed the answer.
using Refused = std::map<WorkloadId, Refusal>;

// The snapshot, with the maps that lead its indices back to ids.
scheduler::Snapshot snapshot_of(const State& state, const Refused& refused, Instant now);

// The placements of one proposed start, without allocation ids: the shell draws them.
std::vector<workload::Placement> placements_of(const scheduler::Snapshot& snapshot,
                                               const scheduler::Start& start);

// The name of a verdict's subject as `viewer` may see it: names inside the subtrees the viewer has
// a role on, "another tenant" outside.
std::string subject_name(const State& state, const access::Caller& viewer, OrgId subject,
                         Instant now);

}  // namespace bessemer::factory
