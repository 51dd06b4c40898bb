// What time alone asks for: deadlines, run times, backoffs, and money for the time ahead.
#include "application/conductor/conductor.h"
#include "application/factory/means.h"
#include "application/factory/storage.h"

namespace bessemer::conductor {

void Conductor::take_time() {
  const Instant now = clock_.now();
  for (const workload::Command& command : workload::overdue(engine_.state().workload, now)) {
    decide(command);
  }
  for (const WorkloadId id : factory::payable_again(engine_.state(), now)) {
    decide(workload::Command(workload::LetGo{id}));
  }
  const auto live = engine_.state().workload.live;  // a copy: renewals change the state
  for (const WorkloadId id : live) {
    const workload::Workload* const found = workload::find(engine_.state().workload, id);
    if (found != nullptr && found->phase == workload::Phase::running) renew(*found);
  }
  accrue_storage();
  const auto moment = workload::next_moment(engine_.state().workload);
  if (moment && *moment > now) soon(*moment);
}

void Conductor::accrue_storage() {
  const Instant now = clock_.now();
  std::vector<OrgId> due;
  for (const auto& [project, holding] : engine_.state().artifact.projects) {
    const auto interval =
        engine_.state().metering.intervals.find(factory::storage_interval(project));
    if (interval == engine_.state().metering.intervals.end()) continue;
    const Instant next = interval->second.posted_until + storage_interval;
    if (next <= now) due.push_back(project);
    else soon(next);
  }
  for (const OrgId project : due) decide(factory::OwnCommand(factory::AccrueStorage{project}));
}

void Conductor::renew(const workload::Workload& workload) {
  const workload::Attempt* const attempt = workload.last();
  if (attempt == nullptr || !attempt->paid_until) return;
  const Instant now = clock_.now();
  const Instant due = *attempt->paid_until - renew_before;
  if (now < due) {
    soon(due);
    return;
  }
  // A refusal is no news of its own: the supervisors give notice when the time is up.
  const auto written = engine_.submit(
      factory::OwnCommand(factory::Renew{workload.id, workload.generation}), decided());
  if (!written) recall_for(workload, written.error());
  soon(now + seconds(10));
}

}  // namespace bessemer::conductor
