// What endpoints are, and the questions about them.
#include "orchestration/deployment/deployment.h"

#include <algorithm>

#include "base/check.h"

namespace bessemer::deployment {
namespace {

Endpoint& known(State& state, EndpointId id) {
  const auto at = state.endpoints.find(id);
  check(at != state.endpoints.end(), "deployment: a fact about an unknown endpoint");
  return at->second;
}

Replica& known_replica(Endpoint& endpoint, WorkloadId workload) {
  const auto at = endpoint.running.find(workload);
  check(at != endpoint.running.end(), "deployment: a fact about an unknown replica");
  return at->second;
}

Revision* revision_of(Endpoint& endpoint, std::uint32_t number) {
  const auto at = std::find_if(endpoint.revisions.begin(), endpoint.revisions.end(),
                               [&](const Revision& each) { return each.number == number; });
  return at == endpoint.revisions.end() ? nullptr : &*at;
}

void take_names(State& state, const Endpoint& endpoint) {
  state.by_name[{endpoint.project, endpoint.name}] = endpoint.id;
  for (const std::string& alias : endpoint.aliases) {
    state.by_name[{endpoint.project, alias}] = endpoint.id;
  }
}

void free_names(State& state, const Endpoint& endpoint) {
  state.by_name.erase({endpoint.project, endpoint.name});
  for (const std::string& alias : endpoint.aliases) {
    state.by_name.erase({endpoint.project, alias});
  }
}

void forget_if_over(State& state, EndpointId id) {
  const Endpoint& endpoint = known(state, id);
  if (endpoint.deleted && endpoint.running.empty()) state.endpoints.erase(id);
}

// Old revisions that nothing runs or reaches any more.
void forget_revisions(Endpoint& endpoint) {
  const auto in_use = [&](std::uint32_t number) {
    return number == endpoint.routed ||
           std::any_of(endpoint.running.begin(), endpoint.running.end(), [&](const auto& entry) {
             return entry.second.revision == number;
           });
  };
  for (auto at = endpoint.revisions.begin();
       endpoint.revisions.size() > kept_revisions && at != endpoint.revisions.end();) {
    at = in_use(at->number) ? at + 1 : endpoint.revisions.erase(at);
  }
}

// A replica failed; one that was ready for long enough starts the count again.
void note_failure(Endpoint& endpoint, const Replica& replica, const std::string& why,
                  Instant now) {
  Revision* revision = revision_of(endpoint, replica.revision);
  if (revision == nullptr) return;
  const bool was_stable =
      replica.phase == ReplicaPhase::ready && now - replica.since >= stable_after;
  revision->failures = was_stable ? 1 : revision->failures + 1;
  revision->failed_at = now;
  revision->why = why;
}

void enter(Replica& replica, ReplicaPhase phase, Instant now) {
  replica.phase = phase;
  replica.since = now;
}

void change(State& state, const EndpointCreated& event, const Context& context) {
  Endpoint endpoint;
  endpoint.id = event.endpoint;
  endpoint.project = event.project;
  endpoint.name = event.name;
  endpoint.aliases = event.aliases;
  endpoint.protocol = event.protocol;
  endpoint.billing = event.billing;
  endpoint.health = event.health;
  endpoint.replicas = event.replicas;
  endpoint.created_at = context.now;
  take_names(state, endpoint);
  check(state.endpoints.emplace(event.endpoint, std::move(endpoint)).second,
        "deployment: created twice");
}

void change(State& state, const RevisionAdded& event, const Context& context) {
  Endpoint& endpoint = known(state, event.endpoint);
  Revision revision;
  revision.number = event.number;
  revision.runs = event.runs;
  revision.created_at = context.now;
  revision.created_by = context.actor;
  endpoint.revisions.push_back(std::move(revision));
  forget_revisions(endpoint);
}

void change(State& state, const EndpointConfigured& event, const Context&) {
  Endpoint& endpoint = known(state, event.endpoint);
  free_names(state, endpoint);
  endpoint.replicas = event.replicas;
  endpoint.health = event.health;
  endpoint.billing = event.billing;
  endpoint.aliases = event.aliases;
  take_names(state, endpoint);
}

void change(State& state, const EndpointDeleted& event, const Context&) {
  Endpoint& endpoint = known(state, event.endpoint);
  endpoint.deleted = true;
  endpoint.routed = 0;
  free_names(state, endpoint);
  forget_if_over(state, event.endpoint);
}

void change(State& state, const ReplicaStarted& event, const Context& context) {
  Endpoint& endpoint = known(state, event.endpoint);
  endpoint.running[event.workload] = {event.workload, event.revision, ReplicaPhase::starting,
                                      context.now, event.ordinal};
  endpoint.next_ordinal = std::max(endpoint.next_ordinal, event.ordinal + 1);
  state.by_workload[event.workload] = event.endpoint;
}

void change(State& state, const ReplicaStopping& event, const Context& context) {
  Endpoint& endpoint = known(state, event.endpoint);
  Replica& replica = known_replica(endpoint, event.workload);
  if (event.failed) note_failure(endpoint, replica, event.why, context.now);
  enter(replica, ReplicaPhase::stopping, context.now);
}

void change(State& state, const ReplicaReady& event, const Context& context) {
  Endpoint& endpoint = known(state, event.endpoint);
  Replica& replica = known_replica(endpoint, event.workload);
  enter(replica, ReplicaPhase::ready, context.now);
  if (Revision* revision = revision_of(endpoint, replica.revision)) revision->was_ready = true;
}

void change(State& state, const ReplicaUnready& event, const Context& context) {
  Endpoint& endpoint = known(state, event.endpoint);
  Replica& replica = known_replica(endpoint, event.workload);
  enter(replica, ReplicaPhase::unready, context.now);
  if (Revision* revision = revision_of(endpoint, replica.revision)) revision->why = event.why;
}

void change(State& state, const ReplicaGone& event, const Context& context) {
  Endpoint& endpoint = known(state, event.endpoint);
  const Replica replica = known_replica(endpoint, event.workload);
  endpoint.running.erase(event.workload);
  state.by_workload.erase(event.workload);
  if (event.failed) note_failure(endpoint, replica, event.why, context.now);
  forget_if_over(state, event.endpoint);
}

void change(State& state, const RouteSwitched& event, const Context&) {
  known(state, event.endpoint).routed = event.revision;
}

std::uint32_t count_ready(const Endpoint& endpoint, std::uint32_t revision) {
  std::uint32_t ready = 0;
  for (const auto& [workload, replica] : endpoint.running) {
    if (replica.revision == revision && replica.phase == ReplicaPhase::ready) ++ready;
  }
  return ready;
}

}  // namespace

void apply(State& state, const Event& event, const Context& context) {
  std::visit([&](const auto& happened) { change(state, happened, context); }, event);
}

const Endpoint* find(const State& state, EndpointId id) {
  const auto at = state.endpoints.find(id);
  return at == state.endpoints.end() ? nullptr : &at->second;
}

const Endpoint* find_by_name(const State& state, OrgId project, std::string_view name) {
  const auto at = state.by_name.find({project, std::string(name)});
  return at == state.by_name.end() ? nullptr : find(state, at->second);
}

const Endpoint* of_workload(const State& state, WorkloadId workload) {
  const auto at = state.by_workload.find(workload);
  return at == state.by_workload.end() ? nullptr : find(state, at->second);
}

const Revision* find_revision(const Endpoint& endpoint, std::uint32_t number) {
  const auto at = std::find_if(endpoint.revisions.begin(), endpoint.revisions.end(),
                               [&](const Revision& each) { return each.number == number; });
  return at == endpoint.revisions.end() ? nullptr : &*at;
}

const Revision* newest(const Endpoint& endpoint) {
  return endpoint.revisions.empty() ? nullptr : &endpoint.revisions.back();
}

std::vector<WorkloadId> targets(const Endpoint& endpoint) {
  std::vector<WorkloadId> list;
  for (const auto& [workload, replica] : endpoint.running) {
    if (replica.revision == endpoint.routed && replica.phase == ReplicaPhase::ready) {
      list.push_back(workload);
    }
  }
  return list;
}

Standing standing(const Endpoint& endpoint) {
  const Revision* wanted = newest(endpoint);
  if (endpoint.deleted || endpoint.replicas == 0 || wanted == nullptr) return Standing::stopped;
  const std::uint32_t ready = count_ready(endpoint, wanted->number);
  if (wanted->failures >= crash_loop_after && ready < endpoint.replicas) {
    return Standing::crash_loop;
  }
  if (endpoint.routed != wanted->number) return Standing::rolling;
  return ready >= endpoint.replicas ? Standing::ready : Standing::degraded;
}

std::string sentence(const Endpoint& endpoint, Instant now) {
  std::string text(enum_text(standing(endpoint)));
  std::replace(text.begin(), text.end(), '_', ' ');
  const Revision* wanted = newest(endpoint);
  if (wanted == nullptr) return text;
  text += ": revision " + std::to_string(wanted->number) + ", " +
          std::to_string(count_ready(endpoint, wanted->number)) + " of " +
          std::to_string(endpoint.replicas) + " replicas ready";
  if (endpoint.routed != 0 && endpoint.routed != wanted->number) {
    text += ", revision " + std::to_string(endpoint.routed) + " serves";
  }
  if (wanted->failures > 0 && standing(endpoint) != Standing::ready) {
    text += ", failed " + std::to_string(wanted->failures) + " times in a row";
    if (!wanted->why.empty()) text += " (" + wanted->why + ")";
    const auto again = reconcile(endpoint, now).again_at;
    if (again) text += ", looked at again at " + to_text(*again);
  }
  return text;
}

}  // namespace bessemer::deployment
