// Applies one fact to the module it belongs to.
#include "application/factory/factory.h"
#include "application/factory/ladder.h"
#include "governance/metering/usage_log.h"

namespace bessemer::factory {
namespace {

struct Apply {
  State& state;
  const Context& context;

  void operator()(const tenant::Event& e) {
    tenant::apply(state.tenant, e, context);
    const auto* created = std::get_if<tenant::NodeCreated>(&e);
    if (created == nullptr || created->kind != tenant::Kind::project) return;
    const auto number = static_cast<std::uint32_t>(state.project_number.size());
    state.project_number.emplace(created->id, number);
  }
  void operator()(const access::Event& e) { access::apply(state.access, e, context); }
  void operator()(const quota::Event& e) { quota::apply(state.quota, e, context); }
  void operator()(const secret::Event& e) { secret::apply(state.secret, e, context); }
  void operator()(const pricing::Event& e) { pricing::apply(state.pricing, e, context); }
  void operator()(const ledger::Event& e) {
    ledger::apply(state.ledger, e, context);
    follow_wallets(state, e);
  }
  void operator()(const budget::Event& e) { budget::apply(state.budget, e, context); }
  void operator()(const metering::Event& e) { metering::apply(state.metering, e, context); }
  void operator()(const lease::Event& e) {
    lease::apply(state.lease, e, context);
    // Nothing of a closed epoch is counted any more: see judge_usage.
    const auto* closed = std::get_if<lease::EpochClosed>(&e);
    if (closed == nullptr) return;
    state.metering.streams.erase(metering::stream_of(closed->gateway, closed->epoch));
  }
  void operator()(const billing::Event& e) { billing::apply(state.billing, e, context); }
  void operator()(const audit::Event& e) { audit::apply(state.audit, e, context); }
  void operator()(const queue::Event& e) { queue::apply(state.queue, e, context); }
  void operator()(const workload::Event& e) { workload::apply(state.workload, e, context); }
  void operator()(const pipeline::Event& e) { pipeline::apply(state.pipeline, e, context); }
  void operator()(const deployment::Event& e) { deployment::apply(state.deployment, e, context); }
  void operator()(const artifact::Event& e) { artifact::apply(state.artifact, e, context); }
  void operator()(const dataset::Event& e) { dataset::apply(state.dataset, e, context); }
  void operator()(const run::Event& e) { run::apply(state.run, e, context); }
  void operator()(const registry::Event& e) { registry::apply(state.registry, e, context); }
  void operator()(const site::Event& e) { site::apply(state.site, e, context); }
  void operator()(const OwnEvent& e) {
    std::visit([&](const auto& own) { apply_own(state, own, context); }, e);
  }
};

}  // namespace

void apply(State& state, const Event& event, const Context& context) {
  std::visit(Apply{state, context}, event);
}

}  // namespace bessemer::factory
