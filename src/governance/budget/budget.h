// Budgets: counters {limit, used, held, leased} over money, GPU time or tokens, moved all or
// nothing over the set that matches a piece of work.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
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

namespace bessemer::budget {

constexpr Wide max_limit = max_money_nano * 1'000'000;  // in the budget's unit
constexpr std::size_t max_budgets = 1'000'000;
constexpr std::size_t max_set = 32;            // budgets that one piece of work may match
constexpr std::size_t max_warn_percents = 8;
constexpr std::uint32_t max_warn_percent = 200;
constexpr std::size_t max_path = 16;           // depth of the organisation tree
constexpr std::size_t max_zones = 1000;
constexpr std::size_t limits_per_node = 1000;  // budgets whose scope is one node
// A hold's id is not accepted later than this after it was drawn, and remembered as long.
constexpr Duration hold_id_life = hours(24);
// "No limit applies here."
constexpr Wide unbounded = max_limit * 1000;

enum class WorkloadClass : std::uint8_t { inference, job, preemptible, service };
DESCRIBE_ENUM(WorkloadClass, inference, job, preemptible, service)

// What happens to a class of work at the limit.
enum class AtLimit : std::uint8_t {
  notice_stop,       // nothing new, nothing more: notice, checkpoint, stop. The hard limit
  warn,              // nothing is stopped
  block_new,         // nothing new; what runs goes on and is billed
  stop_preemptible,  // nothing new; preemptible work is stopped, the rest goes on
  overdraft,         // goes on inside the approved overdraft, then as notice_stop
};
DESCRIBE_ENUM(AtLimit, notice_stop, warn, block_new, stop_preemptible, overdraft)

struct LimitActions {
  AtLimit inference = AtLimit::notice_stop;
  AtLimit job = AtLimit::notice_stop;
  AtLimit preemptible = AtLimit::notice_stop;
  AtLimit service = AtLimit::notice_stop;
  friend bool operator==(const LimitActions&, const LimitActions&) = default;
};
DESCRIBE(LimitActions, inference, job, preemptible, service)

enum class Term : std::uint8_t { monthly, total };
DESCRIBE_ENUM(Term, monthly, total)

// Whose spending counts: everything below `node`, narrowed by whichever of the others is given.
struct Scope {
  OrgId node;
  KeyId key;
  ModelId model;
  EndpointId endpoint;
  PipelineId pipeline;
  friend bool operator==(const Scope&, const Scope&) = default;
};
DESCRIBE(Scope, node, key, model, endpoint, pipeline)

// Who spends: the path of organisation nodes from the tenant down to the project, and the rest.
struct Spender {
  std::vector<OrgId> path;
  KeyId key;
  ModelId model;
  EndpointId endpoint;
  PipelineId pipeline;
  bool spares_wallet = false;  // a cost account bears it: no prepaid money pays for it
  friend bool operator==(const Spender&, const Spender&) = default;
};
DESCRIBE(Spender, path, key, model, endpoint, pipeline, spares_wallet)

// used + held + leased never passes the limit through anything that could be refused.
struct Counters {
  Wide used = 0;
  Wide held = 0;    // by holds of the control plane
  Wide leased = 0;  // lent to gateways and not yet reported as used
  std::uint32_t warned = 0;  // the highest threshold already announced, in percent
  friend bool operator==(const Counters&, const Counters&) = default;
};
DESCRIBE(Counters, used, held, leased, warned)

struct Budget {
  BudgetId id;
  std::string name;
  Scope scope;
  SpendUnit unit = SpendUnit::money;
  Currency currency;  // money budgets only
  Term term = Term::monthly;
  std::string zone = "UTC";  // of the months; see DefineZone
  Wide limit = 0;            // nano, milli-GPU ns or tokens
  Wide overdraft = 0;        // beyond the limit, for classes with AtLimit::overdraft
  std::vector<std::uint32_t> warn_percents;  // ascending
  LimitActions at_limit;
  bool prepaid = false;  // a tenant's wallet, without a limit of its own: see follow_wallet
  friend bool operator==(const Budget&, const Budget&) = default;
};
DESCRIBE(Budget, id, name, scope, unit, currency, term, zone, limit, overdraft, warn_percents,
         at_limit, prepaid)

// An amount in a budget's own unit, in the window that begins at `window` (0 for Term::total).
struct Leg {
  BudgetId budget;
  Instant window;
  Wide amount = 0;
  friend bool operator==(const Leg&, const Leg&) = default;
};
DESCRIBE(Leg, budget, window, amount)

// What a hold or lease gives back and what is really used of a budget, in one step.
struct Move {
  BudgetId budget;
  Instant window;
  Wide released = 0;  // leaves held (or leased)
  Wide charged = 0;   // enters used
  friend bool operator==(const Move&, const Move&) = default;
};
DESCRIBE(Move, budget, window, released, charged)

// Open: fixes the set, the windows and the class at its opening.
struct Hold {
  Spender spender;
  WorkloadClass workload_class = WorkloadClass::job;
  Spend opened_with;
  std::vector<Leg> legs;  // what is held now
  friend bool operator==(const Hold&, const Hold&) = default;
};
DESCRIBE(Hold, spender, workload_class, opened_with, legs)

struct State {
  std::map<std::string, Zone> zones;
  std::map<BudgetId, Budget> budgets;
  std::map<OrgId, std::set<BudgetId>> by_node;
  std::map<BudgetId, std::map<Instant, Counters>> counters;  // by window
  std::map<HoldId, Hold> holds;
  std::set<HoldId> closed;  // closed within hold_id_life
  std::map<BudgetId, Instant> since;  // when it was first set: what ended by then is not counted
  std::map<BudgetId, Wide> funds;  // nano in the wallet behind a prepaid budget, as the ledger says
};
DESCRIBE(State, zones, budgets, by_node, counters, holds, closed, since, funds)

// ---- commands

// Hands in a zone's offsets. Its past may not change; its future may.
struct DefineZone {
  static constexpr std::string_view tag = "define_budget_zone";
  Zone zone;
};
DESCRIBE(DefineZone, zone)

// Creates a budget, or changes its name, limit, overdraft, thresholds or actions; scope, unit,
// currency, term and zone stay. A limit may go below what is used: nothing more is let in.
struct Set {
  static constexpr std::string_view tag = "set_budget";
  Budget budget;
};
DESCRIBE(Set, budget)

// Refused while anything is held or leased on it.
struct Remove {
  static constexpr std::string_view tag = "remove_budget";
  BudgetId id;
};
DESCRIBE(Remove, id)

// Holds `spend` on every matching budget or on none. Repeated with the same content, or closed
// since: already done. Errors: exhausted/budget_exhausted (who, how much is left) or, where nothing
// but a wallet is short, exhausted/balance_exhausted; unavailable/budget_lent when gateways hold
// what is missing: recall and ask again.
struct Reserve {
  static constexpr std::string_view tag = "reserve_budget";
  HoldId hold;
  Spender spender;
  WorkloadClass workload_class = WorkloadClass::job;
  Spend spend;
};
DESCRIBE(Reserve, hold, spender, workload_class, spend)

// Holds `more` on top, on the same budgets and windows, whatever they are now. Not idempotent:
// the factory sends it with the fact that needs it. Errors: as Reserve; conflict (closed).
struct Extend {
  static constexpr std::string_view tag = "extend_budget_hold";
  HoldId hold;
  Spend more;
};
DESCRIBE(Extend, hold, more)

// Part of the hold's work was used: `charged` enters used, `released` leaves held (at most what
// is held). Charges beyond the hold are taken whole: the work was done.
struct Draw {
  static constexpr std::string_view tag = "draw_budget_hold";
  HoldId hold;
  Spend charged;
  Spend released;
};
DESCRIBE(Draw, hold, charged, released)

// Closes: `charged` enters used and everything held is released. Again: already done.
struct Settle {
  static constexpr std::string_view tag = "settle_budget_hold";
  HoldId hold;
  Spend charged;
};
DESCRIBE(Settle, hold, charged)

struct Void {
  static constexpr std::string_view tag = "void_budget_hold";
  HoldId hold;
};
DESCRIBE(Void, hold)

// What nobody can refuse any more (storage, fees, corrections, late usage): enters used of the
// window of `at`, past the limit if it must. May be negative (a credit). The caller ensures that
// it comes once (it goes in one batch with the fact that caused it).
struct Charge {
  static constexpr std::string_view tag = "charge_budget";
  Spender spender;
  Spend spend;
  Instant at;
};
DESCRIBE(Charge, spender, spend, at)

// Looks at the set and the windows of work that runs again: gives back all of `hold` (none: it had
// none) and holds `spend` as `next` on what matches now. Errors: as Extend; then `hold` stays.
struct Rehold {
  static constexpr std::string_view tag = "rehold_budget";
  HoldId hold;
  HoldId next;
  Spender spender;
  WorkloadClass workload_class = WorkloadClass::job;
  Spend spend;
};
DESCRIBE(Rehold, hold, next, spender, workload_class, spend)

// Metered use from `at` until `until`, in one window. May be negative: what was counted too far
// comes back.
struct Piece {
  Instant at, until;
  Spend spend;
  friend bool operator==(const Piece&, const Piece&) = default;
};
DESCRIBE(Piece, at, until, spend)

// What one piece of work was metered at. `hold`: none, or closed: it runs without one.
struct Work {
  HoldId hold;
  Spender spender;
  std::vector<Piece> pieces;
  bool closes = false;  // gives back what the hold has left
};
DESCRIBE(Work, hold, spender, pieces, closes)

// Counts metered work, whatever the limits say. Each piece enters used of every budget that
// matches, and of the hold's own, in the window in which it occurred; where the hold has that
// window it leaves held. A piece that ended before a budget was set is not the budget's, nor is
// what comes back of it. Comes once, in one batch with the facts of the use. A hold is named once.
struct Count {
  static constexpr std::string_view tag = "count_budget";
  std::vector<Work> works;
};
DESCRIBE(Count, works)

using Command = std::variant<DefineZone, Set, Remove, Reserve, Extend, Draw, Settle, Void, Charge,
                             Rehold, Count>;

// ---- facts

struct BudgetZoneDefined {
  static constexpr std::uint16_t fact = 0x0401;
  static constexpr std::string_view tag = "budget_zone_defined";
  Zone zone;
  friend bool operator==(const BudgetZoneDefined&, const BudgetZoneDefined&) = default;
};
DESCRIBE(BudgetZoneDefined, zone)

struct BudgetSet {
  static constexpr std::uint16_t fact = 0x0402;
  static constexpr std::string_view tag = "budget_set";
  Budget budget;
  friend bool operator==(const BudgetSet&, const BudgetSet&) = default;
};
DESCRIBE(BudgetSet, budget)

struct BudgetRemoved {
  static constexpr std::uint16_t fact = 0x0403;
  static constexpr std::string_view tag = "budget_removed";
  BudgetId id;
  friend bool operator==(const BudgetRemoved&, const BudgetRemoved&) = default;
};
DESCRIBE(BudgetRemoved, id)

struct BudgetReserved {
  static constexpr std::uint16_t fact = 0x0404;
  static constexpr std::string_view tag = "budget_reserved";
  HoldId hold;
  Hold opened;
  friend bool operator==(const BudgetReserved&, const BudgetReserved&) = default;
};
DESCRIBE(BudgetReserved, hold, opened)

struct BudgetExtended {
  static constexpr std::uint16_t fact = 0x0405;
  static constexpr std::string_view tag = "budget_extended";
  HoldId hold;
  std::vector<Leg> more;
  friend bool operator==(const BudgetExtended&, const BudgetExtended&) = default;
};
DESCRIBE(BudgetExtended, hold, more)

struct BudgetDrawn {
  static constexpr std::uint16_t fact = 0x0406;
  static constexpr std::string_view tag = "budget_drawn";
  HoldId hold;
  std::vector<Move> moves;
  bool closes = false;
  friend bool operator==(const BudgetDrawn&, const BudgetDrawn&) = default;
};
DESCRIBE(BudgetDrawn, hold, moves, closes)

struct BudgetCharged {
  static constexpr std::uint16_t fact = 0x0407;
  static constexpr std::string_view tag = "budget_charged";
  std::vector<Leg> legs;
  friend bool operator==(const BudgetCharged&, const BudgetCharged&) = default;
};
DESCRIBE(BudgetCharged, legs)

// Decided by governance/lease, which keeps the leases; the counters are here.
struct BudgetLent {
  static constexpr std::uint16_t fact = 0x0408;
  static constexpr std::string_view tag = "budget_lent";
  std::vector<Leg> legs;
  friend bool operator==(const BudgetLent&, const BudgetLent&) = default;
};
DESCRIBE(BudgetLent, legs)

struct BudgetRepaid {
  static constexpr std::uint16_t fact = 0x0409;
  static constexpr std::string_view tag = "budget_repaid";
  std::vector<Move> moves;  // released leaves leased
  friend bool operator==(const BudgetRepaid&, const BudgetRepaid&) = default;
};
DESCRIBE(BudgetRepaid, moves)

struct BudgetThresholdReached {
  static constexpr std::uint16_t fact = 0x040a;
  static constexpr std::string_view tag = "budget_threshold_reached";
  BudgetId budget;
  Instant window;
  std::uint32_t percent = 0;
  Wide used = 0;
  friend bool operator==(const BudgetThresholdReached&, const BudgetThresholdReached&) = default;
};
DESCRIBE(BudgetThresholdReached, budget, window, percent, used)

using Event = std::variant<BudgetZoneDefined, BudgetSet, BudgetRemoved, BudgetReserved,
                           BudgetExtended, BudgetDrawn, BudgetCharged, BudgetLent, BudgetRepaid,
                           BudgetThresholdReached>;

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& at);
void apply(State& state, const Event& event, const Context& at);

// A tenant's prepaid money in one currency: a hard limit on everything that the tenant pays for.
struct Wallet {
  BudgetId id;       // the same for the same wallet, always
  OrgId tenant;
  std::string name;  // of the tenant, for people
  Currency currency;
  Wide balance = 0;  // nano, as the ledger has it; may be below 0
};
// Tells what is in a wallet; the first time, its budget comes into being. What may still be taken
// is the balance less what is held and lent: what was used has left the balance already. No fact of
// its own: whoever applies a fact of the ledger that moves a wallet calls this.
void follow_wallet(State& state, const Wallet& wallet);

// ---- asking

const Budget* find(const State& state, BudgetId id);
// The window of a budget that holds `at`; {0, the end of time} for Term::total.
Period window_of(const State& state, const Budget& budget, Instant at);
Counters counters_of(const State& state, BudgetId id, Instant window);
// Every budget whose scope the spender falls into, ordered by id.
std::vector<const Budget*> matching(const State& state, const Spender& spender);

// Whether a hold is on what matches its spender now, in the windows of now. False when it is not
// open; none: whether nothing matches.
bool is_current(const State& state, HoldId hold, const Spender& spender, Instant now);

// Whether the amount opens new work or continues work that runs.
enum class Purpose : std::uint8_t { admission, continuation };
DESCRIBE_ENUM(Purpose, admission, continuation)

// What this class of work may still take from the budget in the window, in its unit; not below 0,
// `unbounded` where the class is not stopped.
Wide available(const State& state, const Budget& budget, Instant window, WorkloadClass of,
               Purpose purpose);

// One budget that stands in the way, in words that a person needs.
struct Exhausted {
  BudgetId budget;
  std::string name;
  Scope scope;
  SpendUnit unit = SpendUnit::money;
  Currency currency;
  Wide limit = 0, used = 0, held = 0, leased = 0;
  Wide asked = 0;
  Wide available = 0;
  bool prepaid = false;  // a wallet
  friend bool operator==(const Exhausted&, const Exhausted&) = default;
};
DESCRIBE(Exhausted, budget, name, scope, unit, currency, limit, used, held, leased, asked,
         available, prepaid)
// Which matching budgets refuse this spend now; empty when it would be let in.
std::vector<Exhausted> explain(const State& state, const Spender& spender, WorkloadClass of,
                               const Spend& spend, Instant now);
// What there is to be said of a budget that does not let a leg in.
Exhausted in_the_way(const State& state, const Budget& budget, const Leg& leg, WorkloadClass of,
                     Purpose purpose);
// The refusal that Reserve, Extend and the lender give for these.
Error refusal(const std::vector<Exhausted>& in_the_way);
// Whether a refusal is one of budgets and wallets, and names them.
bool is_of_money(std::string_view reason);
constexpr std::string_view budget_exhausted = "budget_exhausted";
constexpr std::string_view balance_exhausted = "balance_exhausted";
constexpr std::string_view budget_lent = "budget_lent";

// An amount for people: "12.5 USD", "3.25 GPU-hours", "1000 tokens".
std::string to_text(SpendUnit unit, Currency currency, Wide amount);

// The threshold facts that `charged` more on the budget makes due. For modules that decide
// budget facts themselves (governance/lease).
std::vector<Event> thresholds(const State& state, const std::vector<Leg>& charged);

}  // namespace bessemer::budget
