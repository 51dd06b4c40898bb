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

// Proposals that governance refused, each with the fact after which it may be asked again: a
// refused one is left out until then.
using Refused = std::map<WorkloadId, std::string>;

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
