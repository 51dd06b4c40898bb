// Decides what an endpoint may become.
#include <algorithm>

#include "base/text.h"
#include "orchestration/deployment/deployment.h"

namespace bessemer::deployment {
namespace {

using Events = std::vector<Event>;

constexpr std::size_t max_why = 1'024;

Error unknown(EndpointId id) { return not_found("no endpoint " + to_text(id)).at("endpoint"); }

// An endpoint that is there and not on its way out.
Result<const Endpoint*> existing(const State& state, EndpointId id) {
  const Endpoint* endpoint = find(state, id);
  if (endpoint == nullptr) return unknown(id);
  if (endpoint->deleted) return conflict("is being deleted").at("endpoint");
  return endpoint;
}

Result<void> check_names(const State& state, EndpointId id, OrgId project,
                         const std::string& name, const std::set<std::string>& aliases) {
  const auto taken = [&](const std::string& text) {
    const auto at = state.by_name.find({project, text});
    return at != state.by_name.end() && at->second != id;
  };
  if (auto fit = check_name(name); !fit) return std::move(fit).error().at("name");
  if (taken(name)) return conflict("is taken by another endpoint of the project").at("name");
  if (aliases.size() > max_aliases) {
    return invalid("must have at most " + std::to_string(max_aliases) + " elements")
        .at("aliases");
  }
  for (const std::string& alias : aliases) {
    if (auto fit = check_name(alias); !fit) return std::move(fit).error().at("aliases");
    if (alias == name) return invalid("must differ from the name").at("aliases");
    if (taken(alias)) {
      return conflict(alias + " is taken by another endpoint of the project").at("aliases");
    }
  }
  return {};
}

Result<void> check_span(const Duration& value, Duration least, Duration most,
                        std::string_view field) {
  if (value >= least && value <= most) return {};
  return invalid("must be between " + to_text(least) + " and " + to_text(most))
      .at(std::string(field));
}

Result<HealthCheck> complete(HealthCheck check) {
  if (!check.path) check.path = "/health";
  const bool printable = std::all_of(check.path->begin(), check.path->end(),
                                     [](char c) { return c > ' ' && c < '\x7f'; });
  if (!check.path->starts_with('/') || check.path->size() > 256 || !printable) {
    return invalid("must start with / and be at most 256 printable characters")
        .at("health.path");
  }
  if (!check.interval) check.interval = seconds(2);
  if (!check.timeout) check.timeout = seconds(2);
  if (!check.healthy_after) check.healthy_after = 1;
  if (!check.unhealthy_after) check.unhealthy_after = 3;
  if (!check.startup) check.startup = minutes(10);
  TRY(check_span(*check.interval, milliseconds(100), hours(1), "health.interval"));
  TRY(check_span(*check.timeout, milliseconds(10), hours(1), "health.timeout"));
  TRY(check_span(*check.startup, seconds(1), days(1), "health.startup"));
  for (const std::uint32_t count : {*check.healthy_after, *check.unhealthy_after}) {
    if (count == 0 || count > 1'000) return invalid("thresholds are 1 to 1000").at("health");
  }
  return check;
}

Result<void> check_template(const Template& runs) {
  if (runs.model && (runs.model->empty() || runs.model->size() > 128)) {
    return invalid("must be a model, or model@version").at("runs.model");
  }
  if (runs.workload.text.size() > max_template_bytes) {
    return invalid("must be at most " + std::to_string(max_template_bytes) + " bytes")
        .at("runs.workload");
  }
  auto object = json::parse(runs.workload.text, [](json::Value& root) -> Result<void> {
    return root.object([](std::string_view, json::Value& value) -> Result<void> {
      TRY(value.raw());
      return {};
    });
  });
  if (!object) return std::move(object).error().within("workload").within("runs");
  return {};
}

Result<void> check_replicas(std::uint32_t replicas) {
  if (replicas <= max_replicas) return {};
  return invalid("must be at most " + std::to_string(max_replicas)).at("replicas");
}

// The configuration that a command asks for.
EndpointConfigured configuration_of(const Endpoint& endpoint) {
  return {endpoint.id, endpoint.replicas, endpoint.health, endpoint.billing, endpoint.aliases};
}

bool is_same(const Endpoint& known, const EndpointCreated& asked, const Template& runs) {
  const Revision* first = find_revision(known, 1);
  return known.project == asked.project && known.name == asked.name &&
         known.aliases == asked.aliases && known.protocol == asked.protocol &&
         known.billing == asked.billing && known.health == asked.health &&
         known.replicas == asked.replicas && first != nullptr && first->runs == runs;
}

Result<Events> decide(const State& state, const Create& command) {
  if (!command.endpoint) return invalid("is required").at("endpoint");
  if (!command.project) return invalid("is required").at("project");
  EndpointCreated created{command.endpoint, command.project, command.name, command.aliases,
                          command.protocol.value_or(Protocol::openai),
                          command.billing.value_or(Billing::dedicated), {},
                          command.replicas.value_or(1)};
  TRY(check_names(state, command.endpoint, command.project, command.name, command.aliases));
  TRY(check_replicas(created.replicas));
  TRY_ASSIGN(created.health, complete(command.health.value_or(HealthCheck{})));
  TRY(check_template(command.runs));
  if (const Endpoint* known = find(state, command.endpoint)) {
    if (is_same(*known, created, command.runs)) return Events{};
    return conflict("this id names another endpoint").at("endpoint");
  }
  return Events{std::move(created), RevisionAdded{command.endpoint, 1, command.runs}};
}

Result<Events> decide(const State& state, const Roll& command) {
  TRY_ASSIGN(const Endpoint* endpoint, existing(state, command.endpoint));
  TRY(check_template(command.runs));
  const Revision& last = *newest(*endpoint);
  if (last.runs == command.runs) return Events{};
  return Events{RevisionAdded{command.endpoint, last.number + 1, command.runs}};
}

Result<Events> decide(const State& state, const Configure& command) {
  TRY_ASSIGN(const Endpoint* endpoint, existing(state, command.endpoint));
  const EndpointConfigured before = configuration_of(*endpoint);
  EndpointConfigured after = before;
  if (command.replicas) after.replicas = *command.replicas;
  if (command.billing) after.billing = *command.billing;
  if (command.aliases) after.aliases = *command.aliases;
  if (command.health) {
    TRY_ASSIGN(after.health, complete(*command.health));
  }
  TRY(check_replicas(after.replicas));
  TRY(check_names(state, endpoint->id, endpoint->project, endpoint->name, after.aliases));
  if (after == before) return Events{};
  return Events{std::move(after)};
}

Result<Events> decide(const State& state, const Delete& command) {
  const Endpoint* endpoint = find(state, command.endpoint);
  if (endpoint == nullptr) return unknown(command.endpoint);
  if (endpoint->deleted) return Events{};
  return Events{EndpointDeleted{command.endpoint}};
}

Result<Events> decide(const State& state, const StartReplica& command) {
  TRY_ASSIGN(const Endpoint* endpoint, existing(state, command.endpoint));
  if (find_revision(*endpoint, command.revision) == nullptr) {
    return not_found("no revision " + std::to_string(command.revision)).at("revision");
  }
  const WorkloadId workload = replica_workload(command.endpoint, command.ordinal);
  if (endpoint->running.contains(workload)) return Events{};
  if (command.ordinal < endpoint->next_ordinal) {
    return conflict("must be at least " + std::to_string(endpoint->next_ordinal)).at("ordinal");
  }
  return Events{ReplicaStarted{command.endpoint, command.revision, workload, command.ordinal}};
}

Result<Events> decide(const State& state, const StopReplica& command) {
  const Endpoint* endpoint = find(state, command.endpoint);
  if (endpoint == nullptr) return unknown(command.endpoint);
  const auto at = endpoint->running.find(command.workload);
  if (at == endpoint->running.end() || at->second.phase == ReplicaPhase::stopping) return Events{};
  return Events{ReplicaStopping{command.endpoint, command.workload, command.failed,
                                command.why.substr(0, max_why)}};
}

Result<Events> decide(const State& state, const SwitchRoute& command) {
  TRY_ASSIGN(const Endpoint* endpoint, existing(state, command.endpoint));
  if (find_revision(*endpoint, command.revision) == nullptr) {
    return not_found("no revision " + std::to_string(command.revision)).at("revision");
  }
  if (endpoint->routed == command.revision) return Events{};
  const bool ready = std::any_of(
      endpoint->running.begin(), endpoint->running.end(), [&](const auto& entry) {
        return entry.second.revision == command.revision &&
               entry.second.phase == ReplicaPhase::ready;
      });
  if (!ready) return conflict("none of its replicas is ready").at("revision");
  return Events{RouteSwitched{command.endpoint, command.revision}};
}

// The replica that a report is about; null when it is gone.
const Replica* reported(const State& state, WorkloadId workload) {
  const Endpoint* endpoint = of_workload(state, workload);
  return endpoint == nullptr ? nullptr : &endpoint->running.at(workload);
}

Result<Events> decide(const State& state, const ReportReady& command) {
  const Replica* replica = reported(state, command.workload);
  if (replica == nullptr) return Events{};
  const bool waits = replica->phase == ReplicaPhase::starting ||
                     replica->phase == ReplicaPhase::unready;
  if (!waits) return Events{};
  return Events{ReplicaReady{of_workload(state, command.workload)->id, command.workload}};
}

Result<Events> decide(const State& state, const ReportUnready& command) {
  const Replica* replica = reported(state, command.workload);
  if (replica == nullptr || replica->phase != ReplicaPhase::ready) return Events{};
  return Events{ReplicaUnready{of_workload(state, command.workload)->id, command.workload,
                               command.why.substr(0, max_why)}};
}

Result<Events> decide(const State& state, const ReportGone& command) {
  const Replica* replica = reported(state, command.workload);
  if (replica == nullptr) return Events{};
  const bool failed = replica->phase != ReplicaPhase::stopping;
  return Events{ReplicaGone{of_workload(state, command.workload)->id, command.workload, failed,
                            command.why.substr(0, max_why)}};
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context&) {
  return std::visit([&](const auto& asked) { return decide(state, asked); }, command);
}

}  // namespace bessemer::deployment
