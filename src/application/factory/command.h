// Everything that can be asked of a factory: each module's commands, and those that take several
// modules to carry out in one atomic batch.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "application/factory/fact.h"
#include "orchestration/pipeline/advance.h"

namespace bessemer::factory {

// How long a start or renewal pays ahead, and what is held beyond it so that the kill at its end
// is paid for too.
constexpr Duration paid_quantum = minutes(10);
constexpr Duration paid_margin = seconds(2);
// An Idempotency-Key is remembered for a day, unless its principal uses very many; the answer to
// its request as long as there is room for it.
constexpr Duration noted_life = hours(24);
constexpr std::size_t noted_per_principal = 10'000;
constexpr std::size_t noted_answer_bytes = 64 * 1024;         // larger answers are not kept
constexpr std::uint64_t noted_answers_bytes = 16 * 1024 * 1024;  // of all that are kept
constexpr std::string_view default_book = "standard";

// A proposal of the scheduler, taken: allocations, money for the first quantum, a new attempt.
// One placement per task, in order; their allocation ids are drawn by the shell.
struct Launch {
  WorkloadId workload;
  std::vector<workload::Placement> placements;
  HoldId hold;
};
// Observed: the task's process runs, since Context::occurred_at. Charges begin here.
struct TaskStarted {
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
};
// Observed: the task has ended, at Context::occurred_at. Charges end here.
struct TaskExited {
  workload::ReportExited report;
  std::optional<run::Finish> run;  // the experiment run's summary, when the workload has one
};
// Observed: the task is known to have run until Context::occurred_at (a durable heartbeat).
struct Accrue {
  WorkloadId workload;
  TaskId task;
  std::uint32_t generation = 0;
};
// Stored bytes of a project are charged up to now.
struct AccrueStorage {
  OrgId project;
};
// Pays the attempt on: the hold is extended to a quantum from now or, when another month has begun
// or other budgets match by now, settled and taken anew as `hold` (drawn by the shell). Refused
// when a budget or the wallet is used up; the supervisors then give notice by themselves.
struct Renew {
  WorkloadId workload;
  std::uint32_t generation = 0;
  HoldId hold;
};
// One replica of an endpoint, as deployment::reconcile asks for it.
struct BeginReplica {
  EndpointId endpoint;
  std::uint32_t revision = 0;
  std::uint64_t ordinal = 0;
};
struct EndReplica {
  EndpointId endpoint;
  WorkloadId workload;
  bool failed = false;  // it did not become, or stay, ready
  std::string why;
};
// A step of a pipeline becomes a job with an experiment run of its own.
struct BeginJobStep {
  pipeline::SubmitJob job;
  WorkloadId workload;
  RunId run;
};
// A deploy step creates or rolls its endpoint; `endpoint` is drawn for a new one.
struct BeginDeployStep {
  pipeline::DeployModel deploy;
  EndpointId endpoint;
};
// Closes a tenant's period: late usage goes to the next one, and the invoice is the statement and
// the adjustments, exactly. What the adjustments come to is booked.
struct CloseInvoice {
  billing::CloseInvoice close;
};
// A tenant with the offsets of its time zone, where they are not known yet: both or neither.
struct CreateTenant {
  tenant::CreateTenant create;
  std::optional<Zone> zone;
};
// Billing periods follow this zone from the end of the present one on; budgets made from now on do
// at once. The zones of budgets that are there stay.
struct SetTimeZone {
  OrgId tenant;
  Zone zone;
};
// Money for a tenant's wallet, which comes into being with the first: paid from outside, or granted
// by the platform as a loss of its own. The transfer's id makes it happen once.
enum class TopUpKind : std::uint8_t { payment, grant };
DESCRIBE_ENUM(TopUpKind, payment, grant)
struct TopUp {
  OrgId tenant;
  TransferId id;
  Money amount;
  TopUpKind kind = TopUpKind::payment;
  std::string memo;
};
// A dataset with all its versions, a model with its aliases and versions.
struct DeleteDataset {
  DatasetId dataset;
};
struct DeleteModel {
  ModelId model;
};
// Both or none.
struct ChangeEndpoint {
  std::optional<deployment::Roll> roll;
  std::optional<deployment::Configure> configure;
};
// The answer to a request whose Idempotency-Key is noted.
struct KeepAnswer {
  PrincipalId principal;
  std::string key;
  std::string answer;
};
// A range of a gateway's usage log, folded: rated, charged, and counted against its leases.
struct ReportUsage {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t offset = 0;                     // of the last record in the range
  const metering::Log* log = nullptr;           // as of `offset`; borrowed during the call
  const metering::UsageSums* sums = nullptr;    // of the range
};

// The first thing that happens to a restored state: nothing of the life that the backup was taken
// of is obeyed any more. `floor` lies above every generation and epoch that it may have reached.
struct BeginLife {
  std::uint64_t sequence = 0;  // of the last fact of the backup
  std::uint32_t floor = 0;
};

using OwnCommand =
    std::variant<Launch, TaskStarted, TaskExited, Accrue, AccrueStorage, Renew, BeginReplica,
                 EndReplica, BeginJobStep, BeginDeployStep, CloseInvoice, ReportUsage,
                 DeleteDataset, DeleteModel, ChangeEndpoint, KeepAnswer, CreateTenant, SetTimeZone,
                 TopUp, BeginLife>;

using Command =
    std::variant<tenant::Command, access::Command, quota::Command, secret::Command,
                 pricing::Command, ledger::Command, budget::Command, metering::Command,
                 lease::Command, billing::Command, audit::Command, queue::Command,
                 workload::Command, pipeline::Command, deployment::Command, artifact::Command,
                 dataset::Command, run::Command, registry::Command, site::Command, OwnCommand>;

}  // namespace bessemer::factory
