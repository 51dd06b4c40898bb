// The plan, and its proposals taken one by one: governance may refuse each.
#include <algorithm>

#include "application/conductor/conductor.h"
#include "application/factory/charge.h"

namespace bessemer::conductor {

void Conductor::plan() {
  ++plans_;
  const Instant now = clock_.now();
  planned_at_ = engine_.applied();
  snapshot_ = factory::snapshot_of(engine_.state(), refused_, now);
  snapshot_.reservations = std::move(reservations_);
  const scheduler::Plan plan = scheduler::plan(snapshot_);
  reservations_ = plan.reservations;
  waits_.clear();
  for (const scheduler::Verdict& verdict : plan.waits) {
    Wait wait;
    wait.verdict = verdict;
    if (const auto refused = refused_.find(verdict.workload); refused != refused_.end()) {
      wait.refusal = refused->second;
    }
    waits_.emplace(verdict.workload, std::move(wait));
    if (verdict.until && *verdict.until > now) again_at(*verdict.until);
  }
  for (const scheduler::Start& start : plan.starts) launch(start);
  for (const scheduler::Notice& notice : plan.notices) {
    workload::RequestStop stop;
    stop.workload = notice.victim;
    stop.generation = notice.generation;
    stop.reason = workload::Reason::preempted;
    stop.notice = notice.notice;
    stop.claimant = notice.claimant;
    stop.detail = "its room is another queue's by quota";
    decide(workload::Command(std::move(stop)));
  }
}

void Conductor::launch(const scheduler::Start& start) {
  const workload::Workload* const found =
      workload::find(engine_.state().workload, start.workload);
  if (found == nullptr) return;
  factory::Launch launch;
  launch.workload = start.workload;
  launch.placements = factory::placements_of(snapshot_, start);
  for (workload::Placement& placement : launch.placements) {
    placement.allocation = world::draw_id<AllocationId>(clock_, entropy_);
  }
  launch.hold = world::draw_id<HoldId>(clock_, entropy_);
  const auto written = engine_.submit(factory::OwnCommand(launch), decided());
  if (!written) refuse(*found, launch, written.error());
}

void Conductor::recall_for(const workload::Workload& workload, const Error& error) {
  if (error.reason != "budget_lent") return;
  lease::Recall recall;
  recall.spender = factory::spender_of(engine_.state(), workload);
  decide(lease::Command(std::move(recall)));
}

// Left out until something that may change the answer is a fact, or until its time is over.
void Conductor::refuse(const workload::Workload& workload, const factory::Launch& launch,
                       const Error& error) {
  recall_for(workload, error);
  const Duration life = error.retry == Retry::never ? refusal_life : ask_again;
  const Instant until = clock_.now() + life;
  refused_until_ = refused_until_ ? std::min(*refused_until_, until) : until;
  factory::Refusal refusal = factory::refusal_of(engine_.state(), launch, error, clock_.now());
  waits_[workload.id].refusal = refusal;
  refused_[workload.id] = std::move(refusal);
}

}  // namespace bessemer::conductor
