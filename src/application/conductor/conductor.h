// Plans, reconciles and acts: what the facts order is brought about, what happens is reported back.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "application/conductor/bytes.h"
#include "application/conductor/inspections.h"
#include "application/engine/engine.h"
#include "application/factory/plan.h"
#include "compute/executor/executor.h"
#include "world/world.h"

namespace bessemer::conductor {

// Charges are posted this often while work runs, and money is renewed when less than this is left.
constexpr Duration accrue_interval = seconds(60);
constexpr Duration storage_interval = hours(1);
constexpr Duration renew_before = minutes(5);
constexpr Duration ask_again = seconds(1);        // after a refusal that is only for now
// What governance refused is proposed again at the latest then: windows and prices change without
// a fact.
constexpr Duration refusal_life = minutes(1);
constexpr std::uint32_t first_uid = 200'000;  // of tasks: one uid per project from here
constexpr std::uint32_t uid_count = 1'000'000;

struct Options {
  workload::Isolation least_isolation = workload::Isolation::strict;
  // Told when the end of a task is refused for good, which is a bug; it is offered again all the
  // same.
  std::function<void(const std::string&)> complain;
  // Told when turn() has something to do although nothing was written.
  std::function<void()> wake;
};

// Why something does not start: the scheduler's verdict, or what governance said to the proposal.
struct Wait {
  std::optional<scheduler::Verdict> verdict;
  std::optional<factory::Refusal> refusal;
};

class Conductor {
 public:
  // Everything must outlive the conductor.
  Conductor(engine::Engine& engine, executor::Executor& executor, Bytes& bytes,
            const world::Clock& clock, world::Entropy& entropy, Options options);

  // After recovery, once: finds the tasks that live on.
  void adopt();
  // Does everything that is due. Cheap when nothing is.
  void turn();
  // When turn() has something to do although nothing happens; none: never.
  std::optional<Instant> next_moment() const { return next_moment_; }

  // Why a queued workload waits, as of the last plan.
  const Wait* why_waits(WorkloadId workload) const;
  const scheduler::Snapshot& last_snapshot() const { return snapshot_; }
  std::uint64_t plans() const { return plans_; }

 private:
  Context observed_at(Instant occurred_at) const;
  Context decided() const;
  // Submits what the factory itself wants; true when facts were written. What is refused only for
  // now is asked again by a later turn.
  bool submit(const factory::Command& command, const Context& context);
  bool decide(const factory::Command& command) { return submit(command, decided()); }
  void soon(Instant moment);
  // Endpoints, pipelines and the plan are looked at again then, although nothing has changed.
  void again_at(Instant moment);

  // reports.cc
  void take_reports();
  // False: it could not be recorded now; the report is to be taken again.
  bool take(const executor::Report& report);
  bool record(const factory::Command& command, Instant occurred_at);
  void take_exit(const executor::Report& report, const executor::Exited& exited);
  void record_exit(const workload::Workload& workload, const executor::Report& report,
                   const executor::Exited& exited,
                   Result<std::vector<workload::Product>> products);
  void submit_exit(const executor::Report& report, factory::TaskExited command);
  void take_health(const workload::Workload& workload, const executor::Health& health);
  const workload::Workload* workload_of(const executor::TaskKey& key);
  // The end of `key` is recorded, or nobody waits for it: nothing of it is kept.
  void forget(const executor::TaskKey& key, bool whole_workload);

  // time.cc
  void take_time();
  void renew(const workload::Workload& workload, bool budgets_moved);
  void accrue_storage();

  // inspecting.cc
  void await_inspection(DatasetId id, std::uint32_t version);
  void inspect_datasets();
  void take_finding(const Inspecting& read, Result<dataset::Validation> found);
  // False: the journal takes nothing now.
  bool record_findings();

  // serving.cc, pipelines.cc
  void move_endpoints();
  void move_pipelines();
  bool take_action(const pipeline::Action& action);
  bool ingest(const pipeline::IngestDataset& action);
  bool register_model(const pipeline::RegisterModel& action);
  void finish_steps(const pipeline::Run& run);
  bool deploy_is_over(const pipeline::Run& run, const pipeline::Deploy& deploy,
                      pipeline::FinishStep& over) const;
  // A refusal that is only for now fails nothing: the step is tried again.
  bool fail_step(PipelineRunId run, const std::string& step, std::uint32_t attempt,
                 const Error& error);

  // planning.cc
  void plan();
  void launch(const scheduler::Start& start);
  void refuse(const workload::Workload& workload, const factory::Launch& launch,
              const Error& error);
  // When only gateways hold the money that is missing, they are asked to give it back.
  void recall_for(const workload::Workload& workload, const Error& error);

  // orders.cc
  // Until when a task is paid for, and what happens then.
  struct Paid {
    Instant until;
    executor::AtUnpaid then = executor::AtUnpaid::stop;
  };
  // What executors should be doing as of the facts applied now.
  struct Orders {
    std::vector<workload::TaskOrder> tasks;
    std::vector<std::pair<executor::TaskKey, Paid>> paid;
  };
  Orders orders_now();
  executor::AtUnpaid at_unpaid(const workload::Workload& workload);
  void carry_out(const Orders& orders);
  void stop_task(const workload::TaskOrder& order);
  void begin_task(const workload::TaskOrder& order);
  void end_unstarted(const workload::TaskOrder& order, const Error& why);
  void start_prepared(const workload::TaskOrder& order, Result<Prepared> prepared);
  executor::TaskSpec spec_of(const workload::Workload& workload, const workload::TaskOrder& order,
                             Prepared& prepared) const;
  Wanted wanted_of(const workload::Workload& workload, const executor::TaskKey& key,
                   std::uint32_t rank) const;

  engine::Engine& engine_;
  executor::Executor& executor_;
  Bytes& bytes_;
  const world::Clock& clock_;
  world::Entropy& entropy_;
  Options options_;

  std::set<executor::TaskKey> handed_;                 // started or being prepared, by this process
  std::map<executor::TaskKey, Instant> stopping_;      // told to stop, with the kill they know
  std::vector<executor::Report> untaken_;              // reports the journal did not take yet
  std::set<executor::TaskKey> ending_;                 // exits whose outputs are being taken
  std::set<executor::TaskKey> complained_;             // of exits that were refused for good
  std::map<executor::TaskKey, Paid> paid_;               // as the executor was last told
  std::map<WorkloadId, executor::AtUnpaid> at_unpaid_;   // by the budgets that there are now
  std::map<TaskId, WorkloadId> task_owner_;
  Inspections inspections_;                            // versions whose bytes are to be read
  std::deque<factory::Command> findings_;              // which the journal did not take yet
  factory::Refused refused_;
  std::optional<Instant> refused_until_;               // then all of them are proposed again
  bool budgets_moved_ = true;  // running work is to be held against budgets made since
  std::map<WorkloadId, Wait> waits_;
  scheduler::Snapshot snapshot_;
  std::vector<scheduler::Reservation> reservations_;   // of the last plan, for the next
  engine::Sequence planned_at_ = 0;     // applied() as of the last plan
  engine::Sequence moved_at_ = 0;       // applied() as of the last round of the rest
  std::optional<Instant> next_moment_;
  std::optional<Instant> round_at_;     // kept until it is due: see again_at
  std::uint64_t plans_ = 0;
};

}  // namespace bessemer::conductor
