// Gives a factory at rest a long past: jobs that were submitted, placed, run, charged and ended, each
// decided by the same factory that a daemon runs.
//
// Usage: bench_history HOME PROJECT COUNT. HOME is the state directory of a factory that was started
// once and has ended; PROJECT a path in it.
#include <algorithm>
#include <cstdio>
#include <string>

#include "application/engine/engine.h"
#include "base/text.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/entropy.h"

namespace {

using namespace bessemer;

constexpr Duration apart{200'000};  // ns, from one to the next at least: one machine, one at a time
constexpr Duration long_as{100'000};
constexpr std::size_t at_once = 500;          // jobs between two commits

class Past {
 public:
  Past(engine::Engine& engine, const world::Clock& clock, world::Entropy& entropy, OrgId project)
      : engine_(engine), clock_(clock), entropy_(entropy), project_(project) {
    node_ = engine.state().site.nodes.begin()->first;
  }

  Result<void> make(std::size_t count) {
    Instant at = clock_.now();
    for (std::size_t i = 0; i < count; ++i) {
      at = std::max(at + apart, clock_.now());
      TRY(live(i, at));
      if (i % at_once == at_once - 1) TRY(engine_.commit_now());
    }
    return engine_.commit_now();
  }

 private:
  static Context at(Instant moment, Origin origin) {
    Context context;
    context.now = context.occurred_at = moment;
    context.origin = origin;
    return context;
  }

  Result<void> live(std::size_t number, Instant begun) {
    workload::Submit submit;
    submit.workload = world::draw_id<WorkloadId>(clock_, entropy_);
    submit.spec.project = project_;
    submit.spec.name = "job-" + std::to_string(number);
    submit.spec.command = {"python3", "train.py", "--seed", std::to_string(number)};
    submit.spec.labels = {{"team", "history"}};
    const WorkloadId id = submit.workload;
    TRY(engine_.submit(workload::Command(std::move(submit)), at(begun, Origin::external)));
    factory::Launch launch;
    launch.workload = id;
    launch.placements.push_back({node_, world::draw_id<AllocationId>(clock_, entropy_), {}});
    launch.hold = world::draw_id<HoldId>(clock_, entropy_);
    TRY(engine_.submit(factory::OwnCommand(std::move(launch)), at(begun, Origin::decided)));
    const TaskId task = workload::task_id(id, 0);
    TRY(engine_.submit(factory::OwnCommand(factory::TaskStarted{id, task, 1}),
                       at(begun, Origin::observed)));
    factory::TaskExited exited;
    exited.report.workload = id;
    exited.report.task = task;
    exited.report.generation = 1;
    TRY(engine_.submit(factory::OwnCommand(std::move(exited)),
                       at(begun + long_as, Origin::observed)));
    return {};
  }

  engine::Engine& engine_;
  const world::Clock& clock_;
  world::Entropy& entropy_;
  OrgId project_;
  NodeId node_;
};

Result<void> give_past(const std::string& home, const std::string& project, std::size_t count) {
  const real::RealClock clock;
  real::RealEntropy entropy;
  TRY_ASSIGN(const auto disk, real::RealDisk::open_root(home));
  TRY_ASSIGN(const auto lock, disk->lock(""));
  TRY_ASSIGN(const auto engine, engine::Engine::open(*disk, {}));
  TRY_ASSIGN(const OrgId node, tenant::resolve(engine->state().tenant, project));
  if (engine->state().site.nodes.empty()) return not_found("the factory has no machine yet");
  TRY(Past(*engine, clock, entropy, node).make(count));
  std::printf("%llu facts\n", static_cast<unsigned long long>(engine->applied()));
  return {};
}

}  // namespace

int main(int count, char** words) {
  const auto jobs = count == 4 ? parse_unsigned(words[3]) : std::nullopt;
  if (!jobs) {
    std::fputs("usage: bench_history HOME PROJECT COUNT\n", stderr);
    return 2;
  }
  const auto done = give_past(words[1], words[2], *jobs);
  if (!done) std::fprintf(stderr, "%s\n", to_text(done.error()).c_str());
  return done ? 0 : 1;
}
