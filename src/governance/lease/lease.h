// The lender's half of leases: the control plane lends each gateway a part of each budget.
//
// Time never returns money. It comes back by the holder's own word (Report, Reduce, Close), by the
// recovery of its log (also Close), or by an operator's write-off. The holder's half is holder.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/spend.h"
#include "base/time.h"
#include "base/wide.h"
#include "base/zone.h"
#include "governance/budget/budget.h"
#include "governance/metering/usage_log.h"

namespace bessemer::lease {

// A holder spends for so long after the control plane last answered; by its own clock.
constexpr Duration lifetime = seconds(60);
constexpr Duration margin = seconds(5);  // kept by the holder
// How long a gateway waits for recalls before it answers "unavailable, retry".
constexpr Duration budget_wait = seconds(2);
constexpr std::size_t max_gateways = 1000;
constexpr std::size_t max_uses = 100'000;    // leases of one report
constexpr std::size_t max_leases = 100'000;  // of one epoch
// What a lease grows by at most, in largest holds, until it has grown larger by itself.
constexpr std::int64_t growth_in_holds = 256;

// What one gateway process may spend of one window of one budget. Outstanding = granted -
// consumed (not below 0): exactly what stands as `leased` in the budget's counters for it.
struct Lease {
  LeaseId id;
  GatewayId gateway;
  std::uint64_t epoch = 0;
  BudgetId budget;
  Period window;
  SpendUnit unit = SpendUnit::money;
  Currency currency;
  Wide granted = 0;
  Wide consumed = 0;  // as reported
  std::uint64_t revision = 0;  // rises with every grant and every reduction
  bool recalled = false;
  friend bool operator==(const Lease&, const Lease&) = default;
};
DESCRIBE(Lease, id, gateway, epoch, budget, window, unit, currency, granted, consumed, revision,
         recalled)

enum class EpochStatus : std::uint8_t { live, lost, written_off };
DESCRIBE_ENUM(EpochStatus, live, lost, written_off)

// One life of a gateway process that is not closed yet.
struct Epoch {
  EpochStatus status = EpochStatus::live;
  std::uint64_t reported = 0;  // log offset up to which usage is counted
  std::vector<LeaseId> leases;
  friend bool operator==(const Epoch&, const Epoch&) = default;
};
DESCRIBE(Epoch, status, reported, leases)

// A gateway epoch has one lease of each window of a budget.
struct LeaseName {
  BudgetId budget;
  Instant window;
  GatewayId gateway;
  std::uint64_t epoch = 0;
  friend auto operator<=>(const LeaseName&, const LeaseName&) = default;
};
DESCRIBE(LeaseName, budget, window, gateway, epoch)

using EpochKey = std::pair<GatewayId, std::uint64_t>;

struct State {
  std::map<LeaseId, Lease> leases;  // of epochs that are not closed
  std::map<LeaseName, LeaseId> by_name;
  std::map<EpochKey, Epoch> epochs;           // closed ones are forgotten
  std::map<GatewayId, std::uint64_t> newest;  // epoch of each gateway
  std::map<BudgetId, Wide> largest;           // largest single need asked of a budget
  std::uint64_t floor = 0;  // epochs up to here are over, also those that no fact speaks of: Fence
};
DESCRIBE(State, leases, by_name, epochs, newest, largest, floor)

// ---- commands

// A gateway process starts: the next epoch of its identity. Earlier epochs stay owed until closed.
// The newest one again: the process is back after its connection broke.
struct OpenEpoch {
  static constexpr std::string_view tag = "open_epoch";
  GatewayId gateway;
  std::uint64_t epoch = 0;  // newest_epoch + 1
};
DESCRIBE(OpenEpoch, gateway, epoch)

// What a holder has free of a lease for the work it asks for; below 0 after a broken bound.
struct Idle {
  LeaseId lease;
  Wide amount = 0;
  friend bool operator==(const Idle&, const Idle&) = default;
};
DESCRIBE(Idle, lease, amount)

// Asks that every budget that matches lends what is missing of `need` beyond `idle`, or none does.
// New leases get ids derived from `seed`. Outcome wait: enough may be out with other gateways, or
// in this one's own holds; other leases are recalled (send them), ask again until budget_wait is
// over, then answer "unavailable". Errors: exhausted/budget_exhausted; conflict (not the newest
// epoch, or closed).
struct Borrow {
  static constexpr std::string_view tag = "borrow";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  LeaseId seed;
  budget::Spender spender;
  budget::WorkloadClass workload_class = budget::WorkloadClass::inference;
  budget::Purpose purpose = budget::Purpose::admission;
  Spend need;
  std::vector<Idle> idle;
};
DESCRIBE(Borrow, gateway, epoch, seed, spender, workload_class, purpose, need, idle)

// What a lease has consumed in all (cumulative, in its unit, by the holder's rule), and what its
// newly counted usage was rated at (see metered_charges): the budget counts the rated amount.
struct Use {
  LeaseId lease;
  Wide consumed = 0;
  Wide charged = 0;
  friend bool operator==(const Use&, const Use&) = default;
};
DESCRIBE(Use, lease, consumed, charged)

// The usage log up to `offset` has been counted. An offset at or below the reported one is already
// done. Requires the metering::Record of the same range in the same batch.
struct Report {
  static constexpr std::string_view tag = "report_use";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t offset = 0;
  std::vector<Use> uses;
};
DESCRIBE(Report, gateway, epoch, offset, uses)

// The answer to a recall: the lease as the holder has made it durable. What it gave up is back.
// Refused (conflict) while a later grant is on its way to the holder: send the recall again; and
// (not_found) from anybody but the holder, as whom the connection speaks.
struct Reduce {
  static constexpr std::string_view tag = "reduce_lease";
  LeaseId lease;
  Wide granted = 0;
  std::uint64_t revision = 0;
  GatewayId gateway;
  friend bool operator==(const Reduce&, const Reduce&) = default;
};
DESCRIBE(Reduce, lease, granted, revision, gateway)

// Recalls every live lease on the budgets that match (a control-plane hold needs the money).
struct Recall {
  static constexpr std::string_view tag = "recall_leases";
  budget::Spender spender;
};
DESCRIBE(Recall, spender)

// The process is gone (its connection broke). Its leases wait for recovery of its log.
struct Lose {
  static constexpr std::string_view tag = "lose_epoch";
  GatewayId gateway;
  std::uint64_t epoch = 0;
};
DESCRIBE(Lose, gateway, epoch)

// The closing report, by the holder itself or by whoever recovered its log under the directory's
// lock: everything up to `offset` is reported, all holds are resolved. All its leases end.
struct Close {
  static constexpr std::string_view tag = "close_epoch";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t offset = 0;  // must have been reported
};
DESCRIBE(Close, gateway, epoch, offset)

// An operator gives a lost log up: what is outstanding returns to the budgets, and what it may
// have paid for is the platform's loss.
struct WriteOff {
  static constexpr std::string_view tag = "write_off_epoch";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::string reason;
};
DESCRIBE(WriteOff, gateway, epoch, reason)

// The state comes from a backup: another life may have opened epochs that it does not know. None up
// to `floor` may spend or be continued any more; what the known ones owe waits for their logs.
struct Fence {
  static constexpr std::string_view tag = "fence_epochs";
  std::uint64_t floor = 0;  // above every epoch that was ever opened
};
DESCRIBE(Fence, floor)

using Command =
    std::variant<OpenEpoch, Borrow, Report, Reduce, Recall, Lose, Close, WriteOff, Fence>;

// ---- facts

struct EpochOpened {
  static constexpr std::uint16_t fact = 0x0801;
  static constexpr std::string_view tag = "lease_epoch_opened";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  friend bool operator==(const EpochOpened&, const EpochOpened&) = default;
};
DESCRIBE(EpochOpened, gateway, epoch)

// New leases and grown ones, each with its new whole, as one batch over the set.
struct LeasesGranted {
  static constexpr std::uint16_t fact = 0x0802;
  static constexpr std::string_view tag = "leases_granted";
  std::vector<Lease> leases;
  std::vector<Wide> needs;  // of the borrower, per lease
  friend bool operator==(const LeasesGranted&, const LeasesGranted&) = default;
};
DESCRIBE(LeasesGranted, leases, needs)

struct UseReported {
  static constexpr std::uint16_t fact = 0x0803;
  static constexpr std::string_view tag = "lease_use_reported";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t offset = 0;
  std::vector<Use> uses;
  friend bool operator==(const UseReported&, const UseReported&) = default;
};
DESCRIBE(UseReported, gateway, epoch, offset, uses)

struct LeaseReduced {
  static constexpr std::uint16_t fact = 0x0804;
  static constexpr std::string_view tag = "lease_reduced";
  LeaseId lease;
  Wide granted = 0;
  std::uint64_t revision = 0;
  friend bool operator==(const LeaseReduced&, const LeaseReduced&) = default;
};
DESCRIBE(LeaseReduced, lease, granted, revision)

struct LeasesRecalled {
  static constexpr std::uint16_t fact = 0x0805;
  static constexpr std::string_view tag = "leases_recalled";
  std::vector<LeaseId> leases;
  friend bool operator==(const LeasesRecalled&, const LeasesRecalled&) = default;
};
DESCRIBE(LeasesRecalled, leases)

struct EpochLost {
  static constexpr std::uint16_t fact = 0x0806;
  static constexpr std::string_view tag = "lease_epoch_lost";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  friend bool operator==(const EpochLost&, const EpochLost&) = default;
};
DESCRIBE(EpochLost, gateway, epoch)

struct EpochClosed {
  static constexpr std::uint16_t fact = 0x0807;
  static constexpr std::string_view tag = "lease_epoch_closed";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  friend bool operator==(const EpochClosed&, const EpochClosed&) = default;
};
DESCRIBE(EpochClosed, gateway, epoch)

struct EpochWrittenOff {
  static constexpr std::uint16_t fact = 0x0808;
  static constexpr std::string_view tag = "lease_epoch_written_off";
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::string reason;
  std::vector<budget::Leg> outstanding;  // what is returned unexplained
  friend bool operator==(const EpochWrittenOff&, const EpochWrittenOff&) = default;
};
DESCRIBE(EpochWrittenOff, gateway, epoch, reason, outstanding)

struct EpochsFenced {
  static constexpr std::uint16_t fact = 0x0809;
  static constexpr std::string_view tag = "lease_epochs_fenced";
  std::uint64_t floor = 0;
  friend bool operator==(const EpochsFenced&, const EpochsFenced&) = default;
};
DESCRIBE(EpochsFenced, floor)

using Event = std::variant<EpochOpened, LeasesGranted, UseReported, LeaseReduced, LeasesRecalled,
                           EpochLost, EpochClosed, EpochWrittenOff, EpochsFenced>;

enum class Outcome : std::uint8_t {
  done,
  wait,  // Borrow: recalls are under way; ask again
};
DESCRIBE_ENUM(Outcome, done, wait)

// One atomic batch: both lists are appended and applied together, lease facts first.
struct Decision {
  std::vector<Event> events;
  std::vector<budget::Event> budget_events;
  Outcome outcome = Outcome::done;
  std::vector<Lease> leases;  // Borrow: the holder's leases of the set as they now are
};

Result<Decision> judge(const State& state, const budget::State& budgets, const Command& command,
                       const Context& at);
void apply(State& state, const Event& event, const Context& at);

// ---- asking

const Lease* find(const State& state, LeaseId id);
// True for an epoch that was opened and is closed: nothing is owed, and no report of it counts.
bool is_over(const State& state, GatewayId gateway, std::uint64_t epoch);
// The highest epoch of a gateway that may have been opened; its next one follows. 0: none.
std::uint64_t newest_epoch(const State& state, GatewayId gateway);
Wide outstanding(const Lease& lease);
// Leases that this gateway is asked to make smaller, as they are; send them until they are reduced.
std::vector<Lease> recalled(const State& state, GatewayId gateway);
// Epochs that are neither closed nor the newest, or are lost: whose logs wait for recovery.
std::vector<EpochKey> owed(const State& state);
// Σ outstanding of a budget's window equals its `leased` counter: empty, or what does not agree.
std::string audit(const State& state, const budget::State& budgets);

// The uses of a Report: consumption from the fold of the log, charges from what metering rated.
// `postings` index into `sums.usages`.
std::vector<Use> metered_charges(const metering::Log& log, const metering::UsageSums::Usages& sums,
                                 const std::vector<metering::Posting>& postings);

}  // namespace bessemer::lease
