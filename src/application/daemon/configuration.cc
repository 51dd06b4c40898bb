// What gateways must know: keys, endpoints with their replicas, books and prices.
#include "application/daemon/configuration.h"

#include <algorithm>
#include <cstring>

#include "base/codec.h"
#include "base/digest.h"
#include "base/text.h"
#include "governance/metering/usage_log.h"

namespace bessemer::daemon {
namespace {

// The path of a node, the tenant first; empty for the platform.
std::vector<OrgId> path_from_tenant(const factory::State& state, OrgId node) {
  auto path = tenant::ancestors(state.tenant, node);
  std::ranges::reverse(path);
  if (!path.empty()) path.erase(path.begin());
  return path;
}

control::KeyEntry entry_of(const factory::State& state, const access::Key& key, Instant now) {
  control::KeyEntry entry;
  entry.id = key.id;
  entry.hash = key.hash;
  entry.owner = key.owner;
  entry.models = key.models;
  entry.expires_at = key.expires_at;
  entry.revoked = key.revoked_at.has_value();
  if (key.path.empty()) return entry;
  const OrgId node = key.path.front();
  entry.path = path_from_tenant(state, node);
  const tenant::Node* const found = tenant::find(state.tenant, node);
  if (found != nullptr && found->kind == tenant::Kind::project) entry.project = node;
  const auto decision =
      access::decide(state.access, {key.owner, key.id}, tenant::ancestors(state.tenant, node),
                     access::Resource::endpoint, access::Action::use, now);
  entry.may_call = decision.verdict == access::Verdict::allowed &&
                   !tenant::is_suspended(state.tenant, node);
  return entry;
}

// What a replica's engine can take, as the labels of its workload say; 0: they do not. Callers'
// holds are bounded by it.
std::uint64_t told(const workload::Spec& spec, const std::string& label) {
  const auto found = spec.labels.find(label);
  const auto number =
      found == spec.labels.end() ? std::nullopt : parse_unsigned(found->second);
  return std::min(number.value_or(0), metering::max_request_tokens);
}

control::EndpointEntry entry_of(const factory::State& state, const deployment::Endpoint& endpoint,
                                const executor::LocalExecutor& executor) {
  control::EndpointEntry entry;
  entry.id = endpoint.id;
  entry.names.push_back(endpoint.name);
  entry.names.insert(entry.names.end(), endpoint.aliases.begin(), endpoint.aliases.end());
  // The owner alone, everybody in his tenant, or everybody.
  switch (endpoint.billing) {
    case deployment::Billing::dedicated: entry.visible_to = endpoint.project; break;
    case deployment::Billing::shared:
      entry.visible_to = tenant::tenant_of(state.tenant, endpoint.project);
      break;
    case deployment::Billing::published: break;
  }
  entry.protocol = endpoint.protocol == deployment::Protocol::v2 ? control::Protocol::v2
                                                                 : control::Protocol::openai;
  entry.free_of_charge = endpoint.billing == deployment::Billing::dedicated;
  entry.sku = entry.free_of_charge ? std::string(pricing::included_sku) : endpoint.name;
  if (const auto* revision = deployment::find_revision(endpoint, endpoint.routed)) {
    if (revision->runs.model_id) entry.model = *revision->runs.model_id;
  }
  for (const auto& [id, replica] : endpoint.running) {
    const workload::Workload* const found = workload::find(state.workload, id);
    if (found == nullptr || found->generation == 0) continue;
    if (replica.revision != endpoint.routed) continue;
    const executor::TaskKey key{workload::task_id(id, 0), found->generation};
    control::ReplicaEntry one;
    one.name = to_text(key.task) + "/" + std::to_string(key.generation);
    one.connect = "service:" + executor.directory_of(key) + "/service";
    one.ready = replica.phase == deployment::ReplicaPhase::ready;
    entry.context_tokens = told(found->spec, "context-tokens");
    entry.max_output_tokens = told(found->spec, "max-output-tokens");
    entry.replicas.push_back(std::move(one));
  }
  return entry;
}

}  // namespace

control::Configuration configuration_of(const factory::State& state,
                                        const executor::LocalExecutor& executor, Instant now) {
  control::Configuration made;
  for (const auto& [id, key] : state.access.keys) made.keys.push_back(entry_of(state, key, now));
  for (const auto& [id, endpoint] : state.deployment.endpoints) {
    if (!endpoint.deleted) made.endpoints.push_back(entry_of(state, endpoint, executor));
  }
  for (const auto& [tenant, account] : state.metering.accounts) {
    made.tenants.push_back({tenant, account.books});
  }
  for (const auto& [name, versions] : state.pricing.books) {
    made.prices.insert(made.prices.end(), versions.begin(), versions.end());
  }
  // Another number whenever a budget is made, changed or removed, or a tenant gets its wallet.
  const Digest budgets = sha256(codec::encode(state.budget.budgets));
  std::memcpy(&made.budgets, budgets.bytes.data(), sizeof made.budgets);
  return made;
}

bool concerns_gateways(const factory::Event& event) {
  if (const auto* money = std::get_if<budget::Event>(&event)) {
    return std::holds_alternative<budget::BudgetSet>(*money) ||
           std::holds_alternative<budget::BudgetRemoved>(*money);
  }
  if (const auto* booked = std::get_if<ledger::Event>(&event)) {
    const auto* opened = std::get_if<ledger::AccountOpened>(booked);
    return opened != nullptr && opened->account.kind == ledger::AccountKind::wallet;
  }
  if (const auto* usage = std::get_if<metering::Event>(&event)) {
    return std::holds_alternative<metering::MeteringAccountSet>(*usage);
  }
  return std::holds_alternative<access::Event>(event) ||
         std::holds_alternative<tenant::Event>(event) ||
         std::holds_alternative<pricing::Event>(event) ||
         std::holds_alternative<deployment::Event>(event);
}

}  // namespace bessemer::daemon
