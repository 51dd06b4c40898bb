// What a batch makes and ends, counted against the quotas of its nodes.
#include <algorithm>
#include <map>

#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

using quota::Counted;

// What changes at each node, gathered over the events of a batch as the state was before them.
class Tally {
 public:
  explicit Tally(const State& state) : state_(state) {}

  void add(const Event& event) {
    std::visit([&](const auto& of_module) {
      std::visit([&](const auto& one) { count(one); }, of_module);
    }, event);
  }
  const std::map<OrgId, std::map<Counted, std::int64_t>>& changes() const { return changes_; }
  const std::vector<OrgId>& closed() const { return closed_; }

 private:
  void note(OrgId node, Counted counted, std::int64_t by) { changes_[node][counted] += by; }
  template <class Found>
  void gone(const Found* found, Counted counted) {
    if (found != nullptr) note(found->project, counted, -1);
  }
  static Counted kind_of(const workload::Spec& spec) {
    return spec.kind == workload::Kind::service ? Counted::services : Counted::jobs;
  }

  template <class Other>
  void count(const Other&) {}  // makes and ends nothing that is counted

  void count(const tenant::NodeCreated& e) { note(e.parent, Counted::orgs, 1); }
  void count(const tenant::NodeClosed& e) {
    closed_.push_back(e.node);
    const tenant::Node* const node = tenant::find(state_.tenant, e.node);
    if (node != nullptr) note(node->parent, Counted::orgs, -1);
  }
  void count(const access::PrincipalCreated& e) { note(e.home, Counted::principals, 1); }
  void count(const access::PrincipalErased& e) {
    if (const auto* found = access::find(state_.access, e.principal)) {
      note(found->home, Counted::principals, -1);
    }
  }
  void count(const access::KeyIssued& e) {
    if (!e.path.empty()) note(e.path.front(), Counted::keys, 1);
  }
  void count(const access::KeyRevoked& e) {
    const access::Key* const found = access::find(state_.access, e.id);
    if (found != nullptr && !found->path.empty()) note(found->path.front(), Counted::keys, -1);
  }
  void count(const secret::SecretPut& e) {
    if (secret::find(state_.secret, e.project, e.name) == nullptr) {
      note(e.project, Counted::secrets, 1);
    }
  }
  void count(const secret::SecretRemoved& e) {
    const auto found = state_.secret.entries.find(e.id);
    if (found != state_.secret.entries.end()) note(found->second.project, Counted::secrets, -1);
  }
  void count(const dataset::DatasetCreated& e) { note(e.project, Counted::datasets, 1); }
  void count(const dataset::DatasetDeleted& e) {
    gone(dataset::find(state_.dataset, e.dataset), Counted::datasets);
  }
  void count(const registry::ModelCreated& e) { note(e.project, Counted::models, 1); }
  void count(const registry::ModelDeleted& e) {
    gone(registry::find(state_.registry, e.model), Counted::models);
  }
  void count(const artifact::ArtifactPublished& e) { note(e.project, Counted::artifacts, 1); }
  void count(const artifact::ArtifactDeleted& e) { note(e.project, Counted::artifacts, -1); }
  void count(const run::RunStarted& e) { note(e.project, Counted::runs, 1); }
  void count(const run::RunDeleted& e) { gone(run::find(state_.run, e.run), Counted::runs); }
  void count(const pipeline::PipelineDefined& e) {
    if (pipeline::find(state_.pipeline, e.project, e.definition.name) == nullptr) {
      note(e.project, Counted::pipelines, 1);
    }
  }
  void count(const pipeline::PipelineRemoved& e) {
    gone(pipeline::find(state_.pipeline, e.pipeline), Counted::pipelines);
  }
  void count(const deployment::EndpointCreated& e) { note(e.project, Counted::endpoints, 1); }
  void count(const deployment::EndpointDeleted& e) {
    gone(deployment::find(state_.deployment, e.endpoint), Counted::endpoints);
  }
  void count(const workload::Submitted& e) { note(e.spec.project, kind_of(e.spec), 1); }
  void count(const workload::Finished& e) {
    const workload::Workload* const found = workload::find(state_.workload, e.workload);
    if (found != nullptr) note(found->spec.project, kind_of(found->spec), -1);
  }

  const State& state_;
  std::map<OrgId, std::map<Counted, std::int64_t>> changes_;
  std::vector<OrgId> closed_;
};

// No more than what was counted: things of before there were counters are not given back.
quota::Amounts counted_so_far(const State& state, const quota::Path& path,
                              quota::Amounts amounts) {
  for (auto& [counted, amount] : amounts) {
    for (const OrgId node : path) {
      amount = std::min(amount, quota::used(state.quota, node, counted));
    }
  }
  std::erase_if(amounts, [](const auto& one) { return one.second == 0; });
  return amounts;
}

// Everything that is still counted at a node that closes.
Result<void> give_all(const State& state, OrgId node, Batch& batch, const Context& context) {
  const auto used = state.quota.used.find(node);
  if (used == state.quota.used.end()) return {};
  const auto path = tenant::ancestors(state.tenant, node);
  ADD(batch, quota::judge(state.quota,
                          quota::Command(quota::Give{path, counted_so_far(state, path,
                                                                          used->second)}),
                          context));
  return {};
}

Error refusal_with_path(const State& state, Error refusal, const quota::Path& path) {
  const auto counted = enum_from_text<Counted>(refusal.field);
  if (refusal.reason != "quota_exhausted" || !counted) return refusal;
  const OrgId node = quota::headroom(state.quota, path, *counted).node;
  refusal.remedy = "remove some, or ask for a higher limit on " +
                   tenant::path_of(state.tenant, node) + ": bessemer quota set " + refusal.field;
  return refusal;
}

}  // namespace

Result<void> count_things(const State& state, Batch& batch, const Context& context) {
  Tally tally(state);
  for (const Event& event : batch.events) tally.add(event);
  for (const OrgId node : tally.closed()) TRY(give_all(state, node, batch, context));
  for (const auto& [node, changes] : tally.changes()) {
    if (std::ranges::find(tally.closed(), node) != tally.closed().end()) continue;
    const quota::Path path = tenant::ancestors(state.tenant, node);
    if (path.empty()) continue;
    quota::Amounts taken, given;
    for (const auto& [counted, by] : changes) {
      if (by > 0) taken[counted] = static_cast<std::uint64_t>(by);
      if (by < 0) given[counted] = static_cast<std::uint64_t>(-by);
    }
    if (!taken.empty()) {
      const bool happened = batch.purpose == journal::Purpose::closing;
      auto took = quota::judge(state.quota, quota::Command(quota::Take{path, taken, happened}),
                               context);
      if (!took) return refusal_with_path(state, std::move(took).error(), path);
      add(batch, *std::move(took));
    }
    given = counted_so_far(state, path, std::move(given));
    if (given.empty()) continue;
    ADD(batch, quota::judge(state.quota, quota::Command(quota::Give{path, given}), context));
  }
  return {};
}

}  // namespace bessemer::factory
