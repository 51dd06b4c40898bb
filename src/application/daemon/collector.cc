// Garbage collection of artifacts.
#include "application/daemon/collector.h"

#include <set>

#include "application/daemon/log.h"
#include "application/engine/held_bytes.h"

namespace bessemer::daemon {
namespace {

using Roots = std::map<OrgId, std::set<Digest>>;

// A tenant that owns nothing any more still has a place in the store.
void remove_unneeded(artifact::Store& store, world::Disk& home, const Roots& roots,
                     Instant before) {
  const auto held = engine::hold_bytes(home);
  if (!held) return;  // a backup reads: another round
  const auto tenants = store.tenants();
  if (!tenants) return log_line("error", "collecting", {{"error", to_text(tenants.error())}});
  for (const OrgId tenant : *tenants) {
    const auto own = roots.find(tenant);
    const auto done =
        store.collect(tenant, own == roots.end() ? std::set<Digest>() : own->second, before);
    if (!done) log_line("error", "collecting", {{"error", to_text(done.error())}});
  }
}

}  // namespace

void collect_garbage(engine::Engine& engine, api::StoreQueue& store, world::Disk& home,
                     const world::Clock& clock) {
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
  Roots roots;
  for (const auto& [owner, own] : projects) {
    roots[owner] = artifact::roots(engine.state().artifact, own);
  }
  // The store forgets the same ones.
  std::erase_if(store.uploads, [&](const auto& one) { return one.second.started_at < before; });
  engine.when_durable(engine.applied(), [&store, &home, roots = std::move(roots), before] {
    store.post([&home, roots, before](artifact::Store& held) -> api::StoreQueue::Then {
      remove_unneeded(held, home, roots, before);
      return {};
    });
  });
}

}  // namespace bessemer::daemon
