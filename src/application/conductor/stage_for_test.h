// A factory on one simulated machine, and the conductor that its tests drive.
#pragma once
#include <optional>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "application/conductor/conductor.h"
#include "compute/executor/simulated/simulated.h"
#include "world/simulated/clock.h"
#include "world/simulated/disk.h"
#include "world/simulated/entropy.h"

namespace bessemer::conductor {

inline constexpr Currency euro{{'E', 'U', 'R'}};
constexpr OrgId tenant_id{1, 1}, project_id{1, 2};
constexpr NodeId node_id{2, 1};
constexpr BudgetId budget_id{3, 1};
constexpr std::int64_t unit = 1'000'000'000;

// Tasks do what the test says.
struct Script final : executor::Author {
  executor::Behaviour next;
  executor::Behaviour behaviour(const executor::TaskSpec&, Random&) override { return next; }
};

// Nothing to prepare; tasks leave what the test says.
struct Shelf final : Bytes {
  std::vector<workload::Product> left;
  std::optional<Error> unreadable;  // instead of what was left
  Result<Prepared> prepared = Prepared{};
  // With `late`: those who wait for the test to answer.
  bool late = false;
  std::vector<std::function<void(Result<Prepared>)>> preparing;
  void prepare(Wanted, std::function<void(Result<Prepared>)> then) override {
    if (late) preparing.push_back(std::move(then));
    else then(prepared);
  }
  void take_outputs(Wanted,
                    std::function<void(Result<std::vector<workload::Product>>)> then) override {
    if (unreadable) return then(*unreadable);
    then(left);
  }
  void measure(RunId, const executor::Metrics&, Instant) override {}
  void end_series(RunId, std::function<void(Result<run::SeriesEnd>)> then) override {
    then(not_found("nothing was measured"));
  }
  void discard(const executor::TaskKey&, bool, std::function<void()> then) override { then(); }
  // Inspections that wait for the test to answer.
  std::vector<std::function<void(Result<dataset::Validation>)>> reading;
  void inspect(OrgId, const Digest&, const dataset::Schema&,
               std::function<void(Result<dataset::Validation>)> then) override {
    reading.push_back(std::move(then));
  }
};

// A factory on one node with eight accelerators, and the conductor that is tested.
struct Stage {
  simulated::SimulatedClock clock;
  simulated::SimulatedDisk disk{1};
  simulated::SimulatedEntropy entropy{2};
  Script author;
  executor::SimulatedMachine machine{3, author};
  Shelf shelf;
  Options options;  // of the daemons that wake() starts
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<executor::SimulatedExecutor> executor;
  std::unique_ptr<Conductor> conductor;
  std::uint64_t drawn = 0;

  Stage() {
    author.next.runs_for = hours(10);
    machine.advance(clock.now());
    wake();
    pricing::Publish book;
    book.id = {4, 1};
    book.name = std::string(factory::default_book);
    book.currency = euro;
    book.effective_from = clock.now();
    for (const pricing::Meter meter : {pricing::Meter::gpu_time, pricing::Meter::cpu_time,
                                       pricing::Meter::memory_time, pricing::Meter::storage_time}) {
      book.prices.push_back({meter, std::string(pricing::any_sku), Money{Wide{unit}, euro}, {}});
    }
    ask(pricing::Command(book));
    ask(tenant::Command(tenant::CreateTenant{tenant_id, "acme", {}}));
    ask(tenant::Command(tenant::CreateProject{project_id, tenant_id, "project"}));
    ask(site::Command(site::RegisterSite{"local", site::Engine::local}));
    ask(site::Command(site::RegisterNode{node_id, inventory()}));
    settle();
  }

  static site::Inventory inventory() {
    site::Inventory out;
    out.name = "node";
    out.site = "local";
    out.pool = "standard";
    out.cpu_millis = 16'000;
    out.memory_bytes = 64ull << 30;
    out.boot = "1";
    for (std::uint32_t i = 0; i < 8; ++i) {
      site::Accelerator one;
      one.index = i;
      one.model = "H100";
      one.uuid = "gpu-" + std::to_string(i);
      one.memory_bytes = 80ull << 30;
      out.accelerators.push_back(one);
    }
    return out;
  }

  // A daemon starts: recovers and adopts.
  void wake() {
    conductor.reset();
    engine.reset();
    executor = std::make_unique<executor::SimulatedExecutor>(machine);
    engine::Options journal;
    journal.segment_bytes = 128 << 10;
    auto opened = engine::Engine::open(disk, journal);
    ASSERT_TRUE(opened) << to_text(opened.error());
    engine = *std::move(opened);
    conductor =
        std::make_unique<Conductor>(*engine, *executor, shelf, clock, entropy, options);
    conductor->adopt();
  }
  void pass(Duration span) {
    clock.advance(span);
    machine.advance(machine.now() + span);
  }
  void turn() { conductor->turn(); }
  void commit() { ASSERT_TRUE(engine->commit_now()); }
  // Turns until nothing more follows at this moment.
  void settle() {
    for (int i = 0; i < 6; ++i) {
      turn();
      commit();
    }
  }
  Result<engine::Written> submit(const factory::Command& command) {
    Context context;
    context.now = context.occurred_at = clock.now();
    return engine->submit(command, context);
  }
  void ask(const factory::Command& command) {
    const auto done = submit(command);
    ASSERT_TRUE(done) << to_text(done.error());
  }
  static workload::Submit job_of(WorkloadId id, std::uint32_t gpus = 1) {
    workload::Submit job;
    job.workload = id;
    job.spec.project = project_id;
    job.spec.command = {"/bin/sleep", "30"};
    workload::Resources resources;
    resources.gpus = gpus;
    job.spec.resources = resources;
    job.spec.grace = seconds(5);
    return job;
  }
  WorkloadId start_job(std::uint32_t gpus = 1) {
    const WorkloadId id{5, ++drawn};
    ask(workload::Command(job_of(id, gpus)));
    return id;
  }
  void cancel(WorkloadId id) { ask(workload::Command(workload::Cancel{id, "not wanted"})); }
  void set_budget(std::int64_t euros, budget::Term term = budget::Term::total) {
    budget::Budget cap;
    cap.id = budget_id;
    cap.name = "cap";
    cap.scope.node = tenant_id;
    cap.currency = euro;
    cap.limit = Wide{euros} * unit;
    cap.term = term;
    ask(budget::Command(budget::Set{cap}));
  }
  const workload::Workload& job(WorkloadId id) {
    return *workload::find(engine->state().workload, id);
  }
  std::string phase(WorkloadId id) { return std::string(enum_text(job(id).phase)); }
  static constexpr PipelineRunId run_id{8, 1};
  void run_line(const pipeline::Definition& line) {
    ask(pipeline::Command(pipeline::Define{{7, 1}, project_id, line}));
    ask(pipeline::Command(
        pipeline::Start{run_id, {7, 1}, {}, {{"host", sha256("host")}}, true}));
  }
  const pipeline::Run& run() { return *pipeline::find(engine->state().pipeline, run_id); }
  // Stages until the journal takes no more before a commit.
  void fill_the_journal() {
    for (;;) {
      const auto done = submit(workload::Command(job_of(WorkloadId{6, ++drawn}, 8)));
      if (done) continue;
      EXPECT_EQ(done.error().reason, "journal_backlog");
      return;
    }
  }
};

}  // namespace bessemer::conductor
