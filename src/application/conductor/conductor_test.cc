// What the conductor promises: durable facts before actions, nothing observed is lost, nothing
// that waits is forgotten.
#include "application/conductor/conductor.h"

#include <gtest/gtest.h>

#include "compute/executor/simulated/simulated.h"
#include "world/simulated/clock.h"
#include "world/simulated/disk.h"
#include "world/simulated/entropy.h"

namespace bessemer::conductor {
namespace {

constexpr Currency euro{{'E', 'U', 'R'}};
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
  Result<Prepared> prepared = Prepared{};
  void prepare(Wanted, std::function<void(Result<Prepared>)> then) override { then(prepared); }
  void take_outputs(Wanted,
                    std::function<void(Result<std::vector<workload::Product>>)> then) override {
    then(left);
  }
  void measure(RunId, const executor::Metrics&, Instant) override {}
  Result<run::SeriesEnd> end_series(RunId) override { return not_found("nothing was measured"); }
  void discard(const executor::TaskKey&, bool) override {}
};

// A factory on one node with eight accelerators, and the conductor that is tested.
struct Stage {
  simulated::SimulatedClock clock;
  simulated::SimulatedDisk disk{1};
  simulated::SimulatedEntropy entropy{2};
  Script author;
  executor::SimulatedMachine machine{3, author};
  Shelf shelf;
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
    engine::Options options;
    options.segment_bytes = 128 << 10;
    auto opened = engine::Engine::open(disk, options);
    ASSERT_TRUE(opened) << to_text(opened.error());
    engine = *std::move(opened);
    conductor =
        std::make_unique<Conductor>(*engine, *executor, shelf, clock, entropy, Options{});
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

TEST(Conductor, ActsOnlyOnDurableFacts) {
  Stage stage;
  const WorkloadId job = stage.start_job();
  stage.turn();
  EXPECT_EQ(stage.phase(job), "starting");
  EXPECT_EQ(stage.machine.running(), 0u) << "the start is not durable yet";
  stage.commit();
  EXPECT_EQ(stage.machine.running(), 1u);
}

TEST(Conductor, OrdersAreOfTheFactsTheyFollowFrom) {
  Stage stage;
  const WorkloadId first = stage.start_job();
  stage.turn();
  // Before that turn's facts are durable, other facts are applied: none of them is acted on.
  const WorkloadId second = stage.start_job();
  stage.submit(workload::Command(workload::Cancel{first, {}})).value();
  stage.commit();
  EXPECT_EQ(stage.machine.running(), 0u) << "a cancelled task was started";
  stage.settle();
  EXPECT_EQ(stage.phase(first), "cancelled");
  EXPECT_EQ(stage.phase(second), "starting");
  EXPECT_EQ(stage.machine.running(), 1u);
}

TEST(Conductor, ACancelAtAnyMomentEndsTheJob) {
  // turns and commits between the request and the cancel
  for (int moment = 0; moment < 12; ++moment) {
    for (const bool restart : {false, true}) {
      Stage stage;
      const WorkloadId job = stage.start_job(8);
      for (int i = 0; i < moment; ++i) {
        if (i % 3 == 0) stage.turn();
        else if (i % 3 == 1) stage.commit();
        else stage.pass(milliseconds(2));
      }
      if (restart) {
        stage.commit();
        stage.wake();
      }
      stage.cancel(job);
      for (int i = 0; i < 10; ++i) {
        stage.settle();
        stage.pass(seconds(1));
      }
      EXPECT_EQ(stage.phase(job), "cancelled") << "moment " << moment << ", restart " << restart;
      EXPECT_TRUE(stage.engine->state().site.allocations.empty());
      EXPECT_EQ(stage.machine.running(), 0u);
      EXPECT_TRUE(stage.machine.violations().empty());
    }
  }
}

TEST(Conductor, AnEndThatCannotBeRecordedNowIsRecordedLater) {
  Stage stage;
  stage.author.next.runs_for = seconds(30);
  const WorkloadId job = stage.start_job(8);
  stage.settle();
  stage.pass(seconds(1));
  stage.settle();
  ASSERT_EQ(stage.phase(job), "running");
  stage.pass(minutes(1));
  stage.fill_the_journal();
  stage.turn();
  EXPECT_EQ(stage.phase(job), "running") << "the journal took what it could not take";
  ASSERT_TRUE(stage.conductor->next_moment().has_value());
  EXPECT_LE(*stage.conductor->next_moment(), stage.clock.now() + ask_again);
  stage.commit();
  stage.turn();
  EXPECT_EQ(stage.phase(job), "succeeded");
  EXPECT_EQ(stage.job(job).last()->tasks[0].ended_at, stage.job(job).last()->tasks[0].started_at
                                                          .value() + seconds(30));
}

TEST(Conductor, AFullDiskTakesACancel) {
  Stage stage;
  const WorkloadId job = stage.start_job();
  stage.commit();
  stage.disk.set_capacity(stage.disk.used());
  for (int i = 0; !stage.engine->journal().full(); ++i) {
    ASSERT_LT(i, 10'000);
    const WorkloadId filler{6, ++stage.drawn};
    const auto done = stage.submit(workload::Command(Stage::job_of(filler)));
    stage.commit();
    if (!done) break;
  }
  ASSERT_EQ(stage.submit(workload::Command(Stage::job_of({7, 1}))).error().reason, "disk_full");
  const auto cancelled = stage.submit(workload::Command(workload::Cancel{job, {}}));
  EXPECT_TRUE(cancelled) << to_text(cancelled.error());
}

TEST(Conductor, AClockThatStepsBackOwesNothing) {
  Stage stage;
  stage.set_budget(1000);
  stage.author.next.runs_for = minutes(5);
  const WorkloadId job = stage.start_job(8);
  for (int i = 0; i < 8; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  ASSERT_EQ(stage.phase(job), "running");
  const auto charged = [&] {
    Wide sum = 0;
    for (const auto& [key, line] : stage.engine->state().metering.lines) sum += line.amount.nano;
    return sum;
  };
  const Wide before = charged();
  ASSERT_GT(before, 0);
  stage.clock.step(minutes(-4));  // the end comes before what is charged
  stage.pass(minutes(2));
  stage.settle();
  EXPECT_EQ(stage.phase(job), "succeeded");
  EXPECT_LT(charged(), before);
  EXPECT_TRUE(stage.engine->state().budget.holds.empty());
  for (const auto& [currency, sum] : ledger::trial_balance(stage.engine->state().ledger)) {
    EXPECT_EQ(sum, 0);
  }
  const auto& counters = stage.engine->state().budget.counters.at(budget_id).begin()->second;
  EXPECT_EQ(counters.held, 0);
  EXPECT_EQ(counters.used, charged());
}

TEST(Conductor, TransfersOfOneBatchHaveIdsOfTheirOwn) {
  Stage stage;
  // Something stored, so that the end of the task charges storage and time in one batch.
  artifact::Publish publish;
  publish.project = project_id;
  publish.digest = sha256("first");
  publish.kind = artifact::Kind::output;
  publish.bytes = 100ull << 30;
  publish.files = 1;
  stage.ask(artifact::Command(publish));
  stage.author.next.runs_for = minutes(30);
  const WorkloadId id{5, 99};
  workload::Submit submit = Stage::job_of(id);
  submit.spec.outputs = {"model"};
  stage.ask(workload::Command(submit));
  stage.shelf.left = {{"model", sha256("second"), 50ull << 30, 1}};
  stage.settle();
  stage.pass(seconds(1));
  stage.settle();
  stage.pass(minutes(45));
  std::set<TransferId> ids;
  std::size_t transfers = 0;
  stage.engine->watch([&](const factory::Fact& fact) {
    const auto* booked = std::get_if<ledger::Event>(&fact.event);
    const auto* moved =
        booked == nullptr ? nullptr : std::get_if<ledger::TransferredFrom>(booked);
    if (moved == nullptr) return;
    for (const ledger::Transfer& transfer : moved->transfers) {
      ids.insert(transfer.id);
      ++transfers;
    }
  });
  stage.settle();
  EXPECT_EQ(stage.phase(id), "succeeded") << workload::sentence(stage.job(id));
  EXPECT_EQ(stage.job(id).last()->tasks[0].outputs.size(), 1u);
  EXPECT_GE(transfers, 2u) << "of storage and of time";
  EXPECT_EQ(ids.size(), transfers);
}

TEST(Conductor, WhatEndedForWantOfMoneyGoesOnOnceThereIsSome) {
  Stage stage;
  stage.set_budget(2);  // one quantum of eight accelerators costs 1.67: a second is not paid
  const WorkloadId job = stage.start_job(8);
  for (int i = 0; i < 80; ++i) {
    stage.settle();
    stage.pass(seconds(10));
  }
  ASSERT_EQ(stage.phase(job), "queued");
  EXPECT_EQ(stage.job(job).reason, workload::Reason::unpaid);
  EXPECT_TRUE(stage.job(job).held.has_value());
  stage.set_budget(1000);
  stage.settle();
  EXPECT_EQ(stage.phase(job), "starting") << workload::sentence(stage.job(job));
}

TEST(Conductor, WhatABudgetRefusedIsProposedAgainInItsNextWindow) {
  Stage stage;
  stage.set_budget(1, budget::Term::monthly);
  const WorkloadId job = stage.start_job(8);
  stage.settle();
  ASSERT_EQ(stage.phase(job), "queued");
  ASSERT_NE(stage.conductor->why_waits(job), nullptr);
  EXPECT_NE(stage.conductor->why_waits(job)->refusal, "");
  stage.set_budget(2, budget::Term::monthly);
  const WorkloadId first = stage.start_job(8);
  stage.cancel(job);
  stage.settle();
  ASSERT_EQ(stage.phase(first), "starting") << workload::sentence(stage.job(first));
  stage.author.next.runs_for = minutes(9);
  stage.pass(minutes(9));
  stage.settle();
  const WorkloadId second = stage.start_job(8);
  stage.cancel(first);
  for (int i = 0; i < 5; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  ASSERT_EQ(stage.phase(first), "cancelled");
  ASSERT_EQ(stage.phase(second), "queued");
  stage.pass(days(31));  // no fact says that a month has begun
  stage.settle();
  EXPECT_EQ(stage.phase(second), "starting");
}

TEST(Conductor, ARefusalForNowFailsNoStep) {
  Stage stage;
  pipeline::Definition line;
  line.name = "line";
  pipeline::Step step;
  step.name = "train";
  step.job.emplace().command = {"/bin/train"};
  line.steps.push_back(step);
  stage.ask(pipeline::Command(pipeline::Define{{7, 1}, project_id, line}));
  stage.ask(pipeline::Command(
      pipeline::Start{{8, 1}, {7, 1}, {}, {{"host", sha256("host")}}, true}));
  stage.commit();
  stage.fill_the_journal();
  stage.turn();
  const auto status = [&] {
    return pipeline::find(stage.engine->state().pipeline, PipelineRunId{8, 1})
        ->steps.at("train")
        .status;
  };
  EXPECT_EQ(status(), pipeline::StepStatus::waiting);
  stage.commit();
  stage.pass(ask_again);
  stage.turn();
  EXPECT_EQ(status(), pipeline::StepStatus::running);
}

TEST(Conductor, WhatNeverStartsIsNotTriedForEver) {
  Stage stage;
  stage.author.next.starts = false;
  const WorkloadId job = stage.start_job();
  for (int i = 0; i < 100; ++i) {
    stage.settle();
    stage.pass(seconds(30));
  }
  EXPECT_EQ(stage.phase(job), "failed");
  EXPECT_EQ(stage.job(job).reason, workload::Reason::start_failed);
  EXPECT_EQ(stage.job(job).generation, 1 + workload::defaults::retries);
}

// What is made while the clock stands before the book takes effect is charged too.
TEST(Conductor, WhatIsMadeBeforeTheBookTakesEffectIsCharged) {
  Stage stage;
  stage.clock.step(hours(-1));
  const OrgId tenant{1, 10}, project{1, 11};
  stage.ask(tenant::Command(tenant::CreateTenant{tenant, "early", {}}));
  stage.ask(tenant::Command(tenant::CreateProject{project, tenant, "project"}));
  deployment::Create create;
  create.endpoint = {12, 1};
  create.project = project;
  create.name = "early";
  create.billing = deployment::Billing::shared;
  create.runs.workload = json::Raw{R"({"command": ["serve"], "service": {"port": 8080}})"};
  stage.ask(deployment::Command(create));
  stage.clock.step(hours(1));
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(minutes(2));
  }
  stage.ask(deployment::Command(deployment::Delete{create.endpoint}));
  for (int i = 0; i < 4; ++i) {
    stage.settle();
    stage.pass(minutes(1));
  }
  EXPECT_TRUE(stage.engine->state().workload.live.empty());
  Wide owed = 0;
  for (const auto& [key, line] : stage.engine->state().metering.lines) {
    if (key.tenant == tenant) owed += line.amount.nano;
  }
  EXPECT_GT(owed, 0);
}

TEST(Conductor, MoneyThatGatewaysHoldIsAskedBackForAJob) {
  Stage stage;
  stage.set_budget(3);
  const GatewayId gateway{9, 1};
  stage.ask(lease::Command(lease::OpenEpoch{gateway, 1}));
  lease::Borrow borrow;
  borrow.gateway = gateway;
  borrow.epoch = 1;
  borrow.seed = {10, 1};
  borrow.spender.path = {tenant_id, project_id};
  borrow.need.money[euro] = Wide{2} * unit;
  stage.ask(lease::Command(borrow));
  ASSERT_TRUE(lease::recalled(stage.engine->state().lease, gateway).empty());
  const WorkloadId job = stage.start_job(8);
  stage.settle();
  EXPECT_EQ(stage.phase(job), "queued");
  const auto recalled = lease::recalled(stage.engine->state().lease, gateway);
  ASSERT_EQ(recalled.size(), 1u);
  stage.ask(lease::Command(lease::Reduce{recalled[0].id, 0, recalled[0].revision + 1}));
  stage.settle();
  EXPECT_EQ(stage.phase(job), "starting") << stage.conductor->why_waits(job)->refusal;
}

}  // namespace
}  // namespace bessemer::conductor
