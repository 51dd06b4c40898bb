// From what there is to what is wanted: which replicas start and stop, and where the route goes.
#include <algorithm>

#include "base/check.h"
#include "orchestration/deployment/deployment.h"

namespace bessemer::deployment {
namespace {

Duration backoff(std::uint32_t failures) {
  Duration wait = first_backoff;
  for (std::uint32_t i = 1; i < failures && wait < max_backoff; ++i) wait = wait * 2;
  return std::min(wait, max_backoff);
}

// One pass over an endpoint: decides on a copy of what there is, so that later decisions see the
// earlier ones.
class Pass {
 public:
  Pass(const Desired& desired, const Observed& observed) : desired_(desired), seen_(observed) {}

  Actions run() {
    if (desired_.revision == 0 || desired_.replicas == 0) {
      for (Replica& replica : seen_.replicas) stop(replica, false, "it is no longer wanted");
      return std::move(actions_);
    }
    keep(desired_.revision);
    move_route();
    const bool rolling = seen_.routed != 0 && seen_.routed != desired_.revision;
    if (rolling) keep(seen_.routed);
    for (Replica& replica : seen_.replicas) {
      const bool wanted = replica.revision == desired_.revision ||
                          (rolling && replica.revision == seen_.routed);
      if (!wanted) stop(replica, false, "a newer revision serves");
    }
    return std::move(actions_);
  }

 private:
  void look_again(Instant at) {
    if (!actions_.again_at || at < *actions_.again_at) actions_.again_at = at;
  }

  void stop(Replica& replica, bool failed, std::string why) {
    if (replica.phase == ReplicaPhase::stopping) return;
    replica.phase = ReplicaPhase::stopping;
    actions_.list.push_back(
        StopReplica{desired_.endpoint, replica.workload, failed, std::move(why)});
    if (!failed) return;
    Trouble& trouble = seen_.trouble[replica.revision];
    ++trouble.failures;
    trouble.failed_at = seen_.now;
  }

  std::uint32_t count(std::uint32_t revision, bool only_ready) const {
    const auto counts = [&](const Replica& replica) {
      return replica.revision == revision && replica.phase != ReplicaPhase::stopping &&
             (!only_ready || replica.phase == ReplicaPhase::ready);
    };
    return static_cast<std::uint32_t>(
        std::count_if(seen_.replicas.begin(), seen_.replicas.end(), counts));
  }

  // As many replicas of `revision` as are wanted, each ready within its time.
  void keep(std::uint32_t revision) {
    for (Replica& replica : seen_.replicas) {
      const bool waits = replica.phase == ReplicaPhase::starting ||
                         replica.phase == ReplicaPhase::unready;
      if (replica.revision != revision || !waits) continue;
      const Instant due = replica.since + desired_.startup;
      if (due > seen_.now) look_again(due);
      else stop(replica, true, "not ready within " + to_text(desired_.startup));
    }
    const std::uint32_t there = count(revision, false);
    if (there < desired_.replicas) start(revision, desired_.replicas - there);
    for (std::uint32_t surplus = there; surplus > desired_.replicas; --surplus) {
      stop(least_useful(revision), false, "fewer replicas are wanted");
    }
  }

  // After a failure only one is tried at a time, and only after the backoff.
  void start(std::uint32_t revision, std::uint32_t missing) {
    const Trouble trouble = seen_.trouble[revision];
    if (trouble.failures > 0 && trouble.failed_at) {
      const Instant at = *trouble.failed_at + backoff(trouble.failures);
      if (at > seen_.now) return look_again(at);
      const bool trying = count(revision, false) > count(revision, true);
      missing = trying ? 0 : 1;
    }
    for (; missing > 0; --missing) {
      const std::uint64_t ordinal = seen_.next_ordinal++;
      actions_.list.push_back(StartReplica{desired_.endpoint, revision, ordinal});
      seen_.replicas.push_back({replica_workload(desired_.endpoint, ordinal), revision,
                                ReplicaPhase::starting, seen_.now, ordinal});
    }
  }

  // Not ready before ready, then the youngest.
  Replica& least_useful(std::uint32_t revision) {
    Replica* found = nullptr;
    for (Replica& replica : seen_.replicas) {
      if (replica.revision != revision || replica.phase == ReplicaPhase::stopping) continue;
      const auto use = [](const Replica& each) {
        return std::pair(each.phase == ReplicaPhase::ready, ~each.ordinal);
      };
      if (found == nullptr || use(replica) < use(*found)) found = &replica;
    }
    check(found != nullptr, "deployment: no replica to stop");
    return *found;
  }

  // The route moves once callers lose nothing by it.
  void move_route() {
    if (seen_.routed == desired_.revision) return;
    const std::uint32_t ready = count(desired_.revision, true);
    const std::uint32_t serving = seen_.routed == 0 ? 0 : count(seen_.routed, true);
    if (ready < std::max(1u, std::min(desired_.replicas, serving))) return;
    seen_.routed = desired_.revision;
    actions_.list.push_back(SwitchRoute{desired_.endpoint, desired_.revision});
  }

  const Desired& desired_;
  Observed seen_;
  Actions actions_;
};

}  // namespace

Actions reconcile(const Desired& desired, const Observed& observed) {
  return Pass(desired, observed).run();
}

Desired desired_of(const Endpoint& endpoint) {
  Desired desired;
  desired.endpoint = endpoint.id;
  const Revision* wanted = newest(endpoint);
  if (!endpoint.deleted && wanted != nullptr) desired.revision = wanted->number;
  desired.replicas = endpoint.replicas;
  desired.startup = endpoint.health.startup.value_or(minutes(10));
  return desired;
}

Observed observed_of(const Endpoint& endpoint, Instant now) {
  Observed observed;
  observed.now = now;
  for (const auto& [workload, replica] : endpoint.running) observed.replicas.push_back(replica);
  observed.routed = endpoint.routed;
  observed.next_ordinal = endpoint.next_ordinal;
  for (const Revision& revision : endpoint.revisions) {
    observed.trouble[revision.number] = {revision.failures, revision.failed_at};
  }
  return observed;
}

}  // namespace bessemer::deployment
