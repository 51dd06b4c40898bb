// Applies one fact to the module it belongs to.
#include "application/factory/factory.h"

namespace bessemer::factory {
namespace {

void apply_own(State& state, const OwnEvent& event, const Context& context) {
  const RequestNoted& noted = std::get<RequestNoted>(event);
  const Instant oldest = context.now - noted_life;
  while (!state.noted_at.empty() && state.noted_at.begin()->first < oldest) {
    state.noted.erase(state.noted_at.begin()->second);
    state.noted_at.erase(state.noted_at.begin());
  }
  const auto key = std::pair(noted.principal, noted.key);
  Instant at = context.now;
  while (state.noted_at.contains(at)) at.ns += 1;  // the index needs a moment for each
  state.noted_at.emplace(at, key);
  state.noted.insert_or_assign(key, Noted{noted.body, noted.location, context.now});
}

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
  void operator()(const ledger::Event& e) { ledger::apply(state.ledger, e, context); }
  void operator()(const budget::Event& e) { budget::apply(state.budget, e, context); }
  void operator()(const metering::Event& e) { metering::apply(state.metering, e, context); }
  void operator()(const lease::Event& e) { lease::apply(state.lease, e, context); }
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
  void operator()(const OwnEvent& e) { apply_own(state, e, context); }
};

}  // namespace

void apply(State& state, const Event& event, const Context& context) {
  std::visit(Apply{state, context}, event);
}

Event note_event(const IdempotencyNote& note) {
  return OwnEvent(RequestNoted{note.principal, note.key, note.body, note.location});
}

const Noted* find_note(const State& state, PrincipalId principal, std::string_view key,
                       Instant now) {
  const auto found = state.noted.find(std::pair(principal, std::string(key)));
  if (found == state.noted.end() || found->second.at < now - noted_life) return nullptr;
  return &found->second;
}

}  // namespace bessemer::factory
