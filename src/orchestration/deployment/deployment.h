// Endpoints: a name that serves a model through replicas, and how it gets from one revision to the
// next without an unhealthy route.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/fact.h"
#include "base/json.h"

namespace bessemer::deployment {

// Who pays: see money.md. dedicated: the owner pays replica time, tokens cost nothing; shared:
// callers pay tokens; published: shared, and the revenue is the owner's.
enum class Billing : std::uint8_t { dedicated, shared, published };
DESCRIBE_ENUM(Billing, dedicated, shared, published)

enum class Protocol : std::uint8_t { openai, v2 };
DESCRIBE_ENUM(Protocol, openai, v2)

struct HealthCheck {
  std::optional<std::string> path;             // default "/health"
  std::optional<Duration> interval;            // default 2 s
  std::optional<Duration> timeout;             // default 2 s, of one probe
  std::optional<std::uint32_t> healthy_after;  // successes in a row; default 1
  std::optional<std::uint32_t> unhealthy_after;  // failures in a row; default 3
  std::optional<Duration> startup;             // ready by then or it counts as failed; 10 min
  friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};
DESCRIBE(HealthCheck, path, interval, timeout, healthy_after, unhealthy_after, startup)

// What a revision runs.
struct Template {
  std::optional<std::string> model;  // "digits@2": the factory resolves it and keeps `version`
  std::optional<ModelId> model_id;
  std::optional<std::uint32_t> version;
  json::Raw workload{"{}"};          // a workload specification (kind service) as JSON
  friend bool operator==(const Template&, const Template&) = default;
};
DESCRIBE(Template, model, model_id, version, workload)

struct Revision {
  std::uint32_t number = 0;          // from 1
  Template runs;
  Instant created_at;
  PrincipalId created_by;
  std::uint32_t failures = 0;        // of its replicas, in a row: see stable_after
  std::optional<Instant> failed_at;  // the last one
  std::string why;                   // of the last failure
  bool was_ready = false;
  friend bool operator==(const Revision&, const Revision&) = default;
};
DESCRIBE(Revision, number, runs, created_at, created_by, failures, failed_at, why, was_ready)

enum class ReplicaPhase : std::uint8_t { starting, ready, unready, stopping };
DESCRIBE_ENUM(ReplicaPhase, starting, ready, unready, stopping)

struct Replica {
  WorkloadId workload;
  std::uint32_t revision = 0;
  ReplicaPhase phase = ReplicaPhase::starting;
  Instant since;                     // of the phase
  std::uint64_t ordinal = 0;         // its workload is replica_workload(endpoint, ordinal)
  friend bool operator==(const Replica&, const Replica&) = default;
};
DESCRIBE(Replica, workload, revision, phase, since, ordinal)

struct Endpoint {
  EndpointId id;
  OrgId project;
  std::string name;                  // unique in its project
  std::set<std::string> aliases;     // further model names under which it is called
  Protocol protocol = Protocol::openai;
  Billing billing = Billing::dedicated;
  HealthCheck health;                // complete
  std::uint32_t replicas = 1;        // desired
  std::vector<Revision> revisions;   // the last kept_revisions; the highest number is wanted
  std::uint32_t routed = 0;          // the revision that callers reach; 0: none yet
  std::map<WorkloadId, Replica> running;  // every replica that is not gone
  std::uint64_t next_ordinal = 0;    // of the next replica
  Instant created_at;
  bool deleted = false;              // wanted gone; kept until its last replica is
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};
DESCRIBE(Endpoint, id, project, name, aliases, protocol, billing, health, replicas, revisions,
         routed, running, next_ordinal, created_at, deleted)

constexpr std::uint32_t max_replicas = 1'000;
constexpr std::size_t max_aliases = 32;
constexpr std::size_t max_template_bytes = 256 * 1'024;
constexpr std::size_t kept_revisions = 16;
constexpr std::uint32_t crash_loop_after = 5;      // failures in a row
constexpr Duration stable_after = minutes(5);      // of being ready: the next failure is the first
constexpr Duration first_backoff = seconds(1);     // doubles with each failure
constexpr Duration max_backoff = minutes(5);

struct State {
  std::map<EndpointId, Endpoint> endpoints;
  std::map<std::pair<OrgId, std::string>, EndpointId> by_name;  // names and aliases
  std::map<WorkloadId, EndpointId> by_workload;
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, endpoints, by_name, by_workload)

// ---- commands

struct Create {
  EndpointId endpoint;
  OrgId project;
  std::string name;
  std::set<std::string> aliases;
  std::optional<Protocol> protocol;      // default openai
  std::optional<Billing> billing;        // default dedicated
  std::optional<HealthCheck> health;
  std::optional<std::uint32_t> replicas; // default 1
  Template runs;
};
DESCRIBE(Create, endpoint, project, name, aliases, protocol, billing, health, replicas, runs)

// Rolls to what `runs` says; the same as the newest revision: nothing.
struct Roll { EndpointId endpoint; Template runs; };
DESCRIBE(Roll, endpoint, runs)

// Only what is given changes.
struct Configure {
  EndpointId endpoint;
  std::optional<std::uint32_t> replicas;
  std::optional<HealthCheck> health;
  std::optional<Billing> billing;
  std::optional<std::set<std::string>> aliases;
};
DESCRIBE(Configure, endpoint, replicas, health, billing, aliases)

struct Delete { EndpointId endpoint; };
DESCRIBE(Delete, endpoint)

// The factory's answers to reconcile(), in one batch with what they stand for.
struct StartReplica {
  EndpointId endpoint;
  std::uint32_t revision = 0;
  std::uint64_t ordinal = 0;
};
DESCRIBE(StartReplica, endpoint, revision, ordinal)
struct StopReplica {
  EndpointId endpoint;
  WorkloadId workload;
  bool failed = false;               // it did not become, or stay, ready
  std::string why;
};
DESCRIBE(StopReplica, endpoint, workload, failed, why)
struct SwitchRoute { EndpointId endpoint; std::uint32_t revision = 0; };
DESCRIBE(SwitchRoute, endpoint, revision)

// Observed: health thresholds were crossed, or the workload is final.
struct ReportReady { WorkloadId workload; };
DESCRIBE(ReportReady, workload)
struct ReportUnready { WorkloadId workload; std::string why; };
DESCRIBE(ReportUnready, workload, why)
struct ReportGone { WorkloadId workload; std::string why; };
DESCRIBE(ReportGone, workload, why)

using Command = std::variant<Create, Roll, Configure, Delete, StartReplica, StopReplica,
                             SwitchRoute, ReportReady, ReportUnready, ReportGone>;

// ---- facts

struct EndpointCreated {
  static constexpr std::uint16_t fact = 0x3401;
  static constexpr std::string_view tag = "endpoint_created";
  EndpointId endpoint;
  OrgId project;
  std::string name;
  std::set<std::string> aliases;
  Protocol protocol = Protocol::openai;
  Billing billing = Billing::dedicated;
  HealthCheck health;
  std::uint32_t replicas = 1;
};
DESCRIBE(EndpointCreated, endpoint, project, name, aliases, protocol, billing, health, replicas)

struct RevisionAdded {
  static constexpr std::uint16_t fact = 0x3402;
  static constexpr std::string_view tag = "endpoint_revision_added";
  EndpointId endpoint;
  std::uint32_t number = 0;
  Template runs;
};
DESCRIBE(RevisionAdded, endpoint, number, runs)

struct EndpointConfigured {
  static constexpr std::uint16_t fact = 0x3403;
  static constexpr std::string_view tag = "endpoint_configured";
  EndpointId endpoint;
  std::uint32_t replicas = 1;
  HealthCheck health;
  Billing billing = Billing::dedicated;
  std::set<std::string> aliases;
  friend bool operator==(const EndpointConfigured&, const EndpointConfigured&) = default;
};
DESCRIBE(EndpointConfigured, endpoint, replicas, health, billing, aliases)

struct EndpointDeleted {
  static constexpr std::uint16_t fact = 0x3404;
  static constexpr std::string_view tag = "endpoint_deleted";
  EndpointId endpoint;
};
DESCRIBE(EndpointDeleted, endpoint)

struct ReplicaStarted {
  static constexpr std::uint16_t fact = 0x3405;
  static constexpr std::string_view tag = "replica_started";
  EndpointId endpoint;
  std::uint32_t revision = 0;
  WorkloadId workload;
  std::uint64_t ordinal = 0;
};
DESCRIBE(ReplicaStarted, endpoint, revision, workload, ordinal)

struct ReplicaStopping {
  static constexpr std::uint16_t fact = 0x3406;
  static constexpr std::string_view tag = "replica_stopping";
  EndpointId endpoint;
  WorkloadId workload;
  bool failed = false;
  std::string why;
};
DESCRIBE(ReplicaStopping, endpoint, workload, failed, why)

struct ReplicaReady {
  static constexpr std::uint16_t fact = 0x3407;
  static constexpr std::string_view tag = "replica_ready";
  EndpointId endpoint;
  WorkloadId workload;
};
DESCRIBE(ReplicaReady, endpoint, workload)

struct ReplicaUnready {
  static constexpr std::uint16_t fact = 0x3408;
  static constexpr std::string_view tag = "replica_unready";
  EndpointId endpoint;
  WorkloadId workload;
  std::string why;
};
DESCRIBE(ReplicaUnready, endpoint, workload, why)

struct ReplicaGone {
  static constexpr std::uint16_t fact = 0x3409;
  static constexpr std::string_view tag = "replica_gone";
  EndpointId endpoint;
  WorkloadId workload;
  bool failed = false;               // it was not asked to stop
  std::string why;
};
DESCRIBE(ReplicaGone, endpoint, workload, failed, why)

struct RouteSwitched {
  static constexpr std::uint16_t fact = 0x340a;
  static constexpr std::string_view tag = "route_switched";
  EndpointId endpoint;
  std::uint32_t revision = 0;
};
DESCRIBE(RouteSwitched, endpoint, revision)

using Event = std::variant<EndpointCreated, RevisionAdded, EndpointConfigured, EndpointDeleted,
                           ReplicaStarted, ReplicaStopping, ReplicaReady, ReplicaUnready,
                           ReplicaGone, RouteSwitched>;

// Errors: invalid, not_found, conflict. A report about a replica that is gone gives no events.
Result<std::vector<Event>> judge(const State& state, const Command& command,
                                 const Context& context);
void apply(State& state, const Event& event, const Context& context);

// ---- reconciliation

// What is wanted of an endpoint.
struct Desired {
  EndpointId endpoint;
  std::uint32_t revision = 0;        // 0: nothing is to run
  std::uint32_t replicas = 0;
  Duration startup;
};
// How a revision has fared.
struct Trouble {
  std::uint32_t failures = 0;        // in a row
  std::optional<Instant> failed_at;
};
// What there is.
struct Observed {
  Instant now;
  std::vector<Replica> replicas;
  std::uint32_t routed = 0;
  std::uint64_t next_ordinal = 0;
  std::map<std::uint32_t, Trouble> trouble;  // by revision
};

// Each is carried out by the command of the same fields: StartReplica with the submission of
// replica_workload(endpoint, ordinal); StopReplica with its cancellation; SwitchRoute.
using Action = std::variant<StartReplica, StopReplica, SwitchRoute>;

struct Actions {
  std::vector<Action> list;
  std::optional<Instant> again_at;   // nothing changes before that by time alone
};

// Idempotent: once its actions are carried out it asks for nothing more. A new revision gets all
// its replicas beside the old one's, which are kept up; the route moves when as many of the new
// are ready as of the old, and then the old ones stop. What is not ready within `startup` is
// replaced, after a backoff that doubles with each failure.
Actions reconcile(const Desired& desired, const Observed& observed);
Desired desired_of(const Endpoint& endpoint);
Observed observed_of(const Endpoint& endpoint, Instant now);
inline Actions reconcile(const Endpoint& endpoint, Instant now) {
  return reconcile(desired_of(endpoint), observed_of(endpoint, now));
}

// The same for the same replica, so that a repeated action is the same workload.
inline WorkloadId replica_workload(EndpointId endpoint, std::uint64_t ordinal) {
  return derive_id<WorkloadTag>(endpoint, ordinal);
}

// ---- questions

const Endpoint* find(const State& state, EndpointId id);
// By name or alias.
const Endpoint* find_by_name(const State& state, OrgId project, std::string_view name);
const Endpoint* of_workload(const State& state, WorkloadId workload);
const Revision* find_revision(const Endpoint& endpoint, std::uint32_t number);
// The newest revision: what is wanted.
const Revision* newest(const Endpoint& endpoint);
// The replicas that a gateway may send to: of the routed revision, ready.
std::vector<WorkloadId> targets(const Endpoint& endpoint);

// How it stands, for people and for `until ready`.
enum class Standing : std::uint8_t { rolling, ready, degraded, crash_loop, stopped };
DESCRIBE_ENUM(Standing, rolling, ready, degraded, crash_loop, stopped)
Standing standing(const Endpoint& endpoint);
std::string sentence(const Endpoint& endpoint, Instant now);

}  // namespace bessemer::deployment
