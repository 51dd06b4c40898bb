// What time alone asks for: deadlines, run times, backoffs, and money for the time ahead.
#include "application/conductor/conductor.h"

#include <algorithm>
#include <utility>

#include "application/factory/charge.h"
#include "application/factory/means.h"
#include "application/factory/storage.h"
#include "orchestration/workload/unstarted.h"

namespace bessemer::conductor {
namespace {

Error late_start() {
  return unavailable("it did not start within " + to_text(workload::start_limit))
      .fix("see the daemon's log and the state of its machine, then run it again");
}

}  // namespace

void Conductor::take_time() {
  const Instant now = clock_.now();
  for (const workload::Command& command : workload::overdue(engine_.state().workload, now)) {
    decide(command);
  }
  for (const WorkloadId id : factory::payable_again(engine_.state(), now)) {
    decide(workload::Command(workload::LetGo{id}));
  }
  const auto live = engine_.state().workload.live;  // a copy: renewals change the state
  const bool budgets_moved = std::exchange(budgets_moved_, false);
  for (const WorkloadId id : live) {
    const workload::Workload* const found = workload::find(engine_.state().workload, id);
    if (found != nullptr && found->phase == workload::Phase::running) renew(*found, budgets_moved);
  }
  // A supervisor or launcher that hangs reports neither a start nor an end: a task is over when its
  // time to start is, and what may still come of it is stopped.
  const workload::Unstarted unstarted = workload::unstarted(engine_.state().workload, now);
  for (const workload::TaskOrder& order : unstarted.late) {
    const Error why = late_start();
    const executor::TaskKey key{order.task, order.generation};
    if (std::ranges::find(untaken_, key, &executor::Report::key) != untaken_.end() ||
        !ending_.insert(key).second) {
      continue;  // it was heard of, and that waits for the journal or the disk
    }
    (void)executor_.stop(key, why.what, Duration{}).has_value();
    end_unstarted(order, why);
  }
  if (unstarted.next) soon(*unstarted.next);
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

// Due: what was paid for nears its end, or (`budgets_moved`) its hold misses a budget that was made
// since. A new month is met when the time is up.
void Conductor::renew(const workload::Workload& workload, bool budgets_moved) {
  const workload::Attempt* const attempt = workload.last();
  if (attempt == nullptr) return;
  const Instant now = clock_.now();
  const bool stale = budgets_moved && factory::hold_is_stale(engine_.state(), workload, now);
  if (!stale && !attempt->paid_until) return;
  if (!stale && now < *attempt->paid_until - renew_before) {
    soon(*attempt->paid_until - renew_before);
    return;
  }
  at_unpaid_.erase(workload.id);  // who pays for it may have changed otherwise
  // A refusal is no news of its own: the supervisors give notice when the time is up.
  const factory::Renew renew{workload.id, workload.generation,
                             world::draw_id<HoldId>(clock_, entropy_)};
  const auto written = engine_.submit(factory::OwnCommand(renew), decided());
  if (!written) recall_for(workload, written.error());
  if (!written && !attempt->paid_until) budgets_moved_ = true;  // nothing else would ask again
  soon(now + seconds(10));
}

}  // namespace bessemer::conductor
