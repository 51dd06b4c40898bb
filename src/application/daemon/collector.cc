// Garbage collection of artifacts.
#include "application/daemon/collector.h"

#include <set>

namespace bessemer::daemon {

void collect_garbage(engine::Engine& engine, StoreThread& store, const world::Clock& clock) {
  Context context;
  context.now = context.occurred_at = clock.now();
  context.origin = Origin::decided;
  const Instant before = context.now - artifact_grace;
  for (const artifact::Delete& unreferenced :
       artifact::unreferenced(engine.state().artifact, before, collected_at_once)) {
    // Refused when something came to refer to it meanwhile: it stays.
    (void)engine.submit(artifact::Command(unreferenced), context).has_value();
  }
  std::map<OrgId, std::set<OrgId>> projects;
  for (const auto& [project, holding] : engine.state().artifact.projects) {
    projects[tenant::tenant_of(engine.state().tenant, project)].insert(project);
  }
  for (const auto& [owner, own] : projects) {
    auto roots = artifact::roots(engine.state().artifact, own);
    engine.when_durable(engine.applied(), [&store, tenant = owner, roots = std::move(roots),
                                           before]() mutable {
      store.post([tenant, roots = std::move(roots), before](artifact::Store& held)
                     -> StoreThread::Then {
        (void)held.collect(tenant, roots, before).has_value();
        return {};
      });
    });
  }
}

}  // namespace bessemer::daemon
