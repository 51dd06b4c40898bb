// Metering: usage becomes rated lines. A line's amount is a function of its aggregate quantity, and
// every posting is the difference that its usage makes, so postings always add up to the line.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/spend.h"
#include "base/time.h"
#include "base/wide.h"
#include "base/zone.h"
#include "governance/pricing/pricing.h"

namespace bessemer::metering {

using pricing::Meter;

constexpr std::size_t max_stream_name = 96;
constexpr std::size_t max_usages = 100'000;      // of one Record: more than a shipped range makes
constexpr std::size_t max_levels = 16;           // meters of one interval
constexpr std::size_t max_interval_name = 96;
constexpr Wide max_level = Wide{1} << 62;        // milli-GPUs, milli-cores, MiB, bytes
constexpr Wide max_count = Wide{1} << 62;        // tokens or requests of one usage
constexpr std::size_t max_cuts = 1000;           // pieces one usage is cut into
constexpr std::size_t max_account_zones = 1000;
constexpr std::size_t max_zone_choices = 100;    // of one tenant, ever
constexpr Duration half_month = days(15);
// Lines of an invoiced period stay one by one for 14 months; then they are folded: see fold_key.
constexpr Duration lines_kept = days(428);
constexpr std::size_t max_sealed_sums = 50'000;  // of one segment

// What the usage was for; whichever ids apply.
struct Subject {
  WorkloadId workload;
  EndpointId endpoint;
  ModelId model;
  friend auto operator<=>(const Subject&, const Subject&) = default;
};
DESCRIBE(Subject, workload, endpoint, model)

// Whose account bears it: the tenant's, by its statement, or the cost account of the endpoint that
// the subject names, whose callers pay by the token. Never both.
enum class Bearer : std::uint8_t { tenant, endpoint };
DESCRIBE_ENUM(Bearer, tenant, endpoint)

// Who pays: exactly one project of one tenant, and the key that asked, if any.
struct Payer {
  OrgId tenant;
  OrgId project;
  KeyId key;
  Bearer bearer = Bearer::tenant;
  friend auto operator<=>(const Payer&, const Payer&) = default;
};
DESCRIBE(Payer, tenant, project, key, bearer)

// One fact of use. Time meters: `amount` is the level held over [from, until). Counts: `amount`
// is the count and until == from.
struct Usage {
  Payer payer;
  Subject subject;
  Meter meter = Meter::requests;
  std::string sku;
  Wide amount = 0;
  Instant from, until;
  PriceBookId version;  // fixed by the hold of a request; none: the one in force when it occurred
  friend bool operator==(const Usage&, const Usage&) = default;
};
DESCRIBE(Usage, payer, subject, meter, sku, amount, from, until, version)

// What is added up: one line of a statement.
struct LineKey {
  OrgId tenant;
  Instant period;       // start of the billing period
  OrgId project;
  KeyId key;
  Subject subject;
  Meter meter = Meter::requests;
  std::string sku;
  PriceBookId version;  // none: no price was in force
  Bearer bearer = Bearer::tenant;
  friend auto operator<=>(const LineKey&, const LineKey&) = default;
};
DESCRIBE(LineKey, tenant, period, project, key, subject, meter, sku, version, bearer)

// `amount` is pricing::rate(price, quantity); `unpriced` when no price is known: shown as such.
struct Line {
  Wide quantity = 0;
  Money amount;
  bool unpriced = false;
  Instant first, last;  // what occurred first and last in it
  friend bool operator==(const Line&, const Line&) = default;
};
DESCRIBE(Line, quantity, amount, unpriced, first, last)

// What one piece of one usage adds to a line: round(after) - round(before).
struct Posting {
  std::uint32_t usage = 0;  // index in the command
  LineKey line;
  Wide quantity = 0;
  Money amount;
  bool unpriced = false;
  Instant from, until;
  friend bool operator==(const Posting&, const Posting&) = default;
};
DESCRIBE(Posting, usage, line, quantity, amount, unpriced, from, until)

// From this moment on the tenant is charged by this book.
struct BookChoice {
  Instant from;
  std::string book;
  friend bool operator==(const BookChoice&, const BookChoice&) = default;
};
DESCRIBE(BookChoice, from, book)

// From this end of a period on, periods are months of this zone.
struct ZoneChoice {
  Instant from;
  std::string zone;
  friend bool operator==(const ZoneChoice&, const ZoneChoice&) = default;
};
DESCRIBE(ZoneChoice, from, zone)

// A period was invoiced.
struct Closing {
  Instant until;  // its end
  Instant at;
  friend bool operator==(const Closing&, const Closing&) = default;
};
DESCRIBE(Closing, until, at)

struct Account {
  std::string zone = "UTC";       // at first; see later_zones
  std::vector<BookChoice> books;  // ascending; an empty name: none yet, all use is unpriced
  Instant closed_until;           // periods before this are invoiced; late usage goes after it
  std::vector<ZoneChoice> later_zones;  // ascending
  std::vector<Closing> closings;  // of periods whose lines are kept one by one, ascending
  Instant folded_until;           // lines of periods before this are folded
  friend bool operator==(const Account&, const Account&) = default;
};
DESCRIBE(Account, zone, books, closed_until, later_zones, closings, folded_until)

struct Level {
  Meter meter = Meter::gpu_time;
  std::string sku;
  Wide level = 0;
  friend bool operator==(const Level&, const Level&) = default;
};
DESCRIBE(Level, meter, sku, level)

// An allocation or stored bytes: levels held since `since`, posted up to `posted_until`.
struct Interval {
  Payer payer;
  Subject subject;
  std::vector<Level> levels;
  Instant since, posted_until;
  friend bool operator==(const Interval&, const Interval&) = default;
};
DESCRIBE(Interval, payer, subject, levels, since, posted_until)

// What the settlements of a sealed stretch come to for one payer.
struct SealedSum {
  OrgId tenant;
  OrgId project;
  Meter meter = Meter::requests;
  Wide quantity = 0;
  friend bool operator==(const SealedSum&, const SealedSum&) = default;
};
DESCRIBE(SealedSum, tenant, project, meter, quantity)

// A stretch of a gateway's usage log as it was written for good: which records, in which file, and
// what they come to.
struct SealedSegment {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::uint64_t first = 0, last = 0;  // records
  std::string name;                   // of the file, in the log's directory
  Digest sha256;                      // of the file
  std::uint64_t settled = 0;          // requests
  std::vector<SealedSum> sums;        // by payer and meter, ascending
  friend bool operator==(const SealedSegment&, const SealedSegment&) = default;
};
DESCRIBE(SealedSegment, gateway, epoch, first, last, name, sha256, settled, sums)

struct State {
  std::map<std::string, Zone> zones;
  std::map<OrgId, Account> accounts;
  std::map<LineKey, Line> lines;
  std::map<std::string, Interval> intervals;
  std::map<std::string, std::uint64_t> streams;  // high-water mark of each source
  std::map<std::string, std::uint64_t> sealed;   // last record of a usage log's sealed segments
};
DESCRIBE(State, zones, accounts, lines, intervals, streams, sealed)

// ---- commands

struct DefineZone {
  static constexpr std::string_view tag = "define_metering_zone";
  Zone zone;
};
DESCRIBE(DefineZone, zone)

// Opens a tenant's account, or chooses another book from `from` on (notice.h says how soon, unless
// there was none; the same currency). The zone stays: see ChooseZone. An empty book: none yet, and
// what is used meanwhile is visibly unpriced.
struct OpenAccount {
  static constexpr std::string_view tag = "open_metering_account";
  OrgId tenant;
  std::string book;
  std::string zone = "UTC";
  std::optional<Instant> from;  // left out: always for a new account, else as soon as allowed
};
DESCRIBE(OpenAccount, tenant, book, zone, from)

// Periods follow this zone after the present one has ended in the present zone. The first of them
// ends with the month of the new zone that is nearest to a whole one.
struct ChooseZone {
  static constexpr std::string_view tag = "choose_metering_zone";
  OrgId tenant;
  std::string zone;
};
DESCRIBE(ChooseZone, tenant, zone)

// Usage from a source, all or nothing: a usage that cannot be counted refuses the record. A
// sequence at or below the stream's mark is already done.
struct Record {
  static constexpr std::string_view tag = "record_usage";
  std::string stream;
  std::uint64_t sequence = 0;
  std::vector<Usage> usages;
};
DESCRIBE(Record, stream, sequence, usages)

// Levels are held from `at` on. `interval` names it: "alc_...", "storage/org_...".
struct Begin {
  static constexpr std::string_view tag = "begin_interval";
  std::string interval;
  Payer payer;
  Subject subject;
  std::vector<Level> levels;
  Instant at;
};
DESCRIBE(Begin, interval, payer, subject, levels, at)

// Posts up to `at`, then goes on with other levels, or at another payer's cost (a tree change).
// An `at` before what is posted posts the difference back, at most to the change before.
struct Change {
  static constexpr std::string_view tag = "change_interval";
  std::string interval;
  std::vector<Level> levels;
  Instant at;
  std::optional<Payer> payer;
};
DESCRIBE(Change, interval, levels, at, payer)

// Posts up to `at`. Post only what is known to have happened (the last durable heartbeat).
struct Accrue {
  static constexpr std::string_view tag = "accrue_interval";
  std::string interval;
  Instant at;
};
DESCRIBE(Accrue, interval, at)

// Posts all open intervals of a tenant up to `at`, as Accrue does for one.
struct AccrueTenant {
  static constexpr std::string_view tag = "accrue_tenant";
  OrgId tenant;
  Instant at;
};
DESCRIBE(AccrueTenant, tenant, at)

// From `at` on another bears what these intervals come to (the billing mode of their endpoint has
// changed). Those that are not open are passed over.
struct Reassign {
  static constexpr std::string_view tag = "reassign_intervals";
  std::vector<std::string> intervals;
  Bearer bearer = Bearer::tenant;
  Instant at;
};
DESCRIBE(Reassign, intervals, bearer, at)

// Posts up to `at` and closes. When `at` lies before what is posted, the difference is posted
// back. Again, or never begun: already done.
struct End {
  static constexpr std::string_view tag = "end_interval";
  std::string interval;
  Instant at;
};
DESCRIBE(End, interval, at)

// Usage that occurred before `until` and is recorded later goes to the next period, at the price
// of its own time. Requires the end of a period of the tenant's zone, in the past.
struct ClosePeriod {
  static constexpr std::string_view tag = "close_metering_period";
  OrgId tenant;
  Instant until;
};
DESCRIBE(ClosePeriod, tenant, until)

// States a sealed segment. One that is stated already: already done. Errors: invalid (nothing in
// it), conflict (it does not follow the one before).
struct SealUsage {
  static constexpr std::string_view tag = "seal_usage";
  SealedSegment segment;
};
DESCRIBE(SealUsage, segment)

using Command = std::variant<DefineZone, OpenAccount, ChooseZone, Record, Begin, Change, Accrue,
                             AccrueTenant, Reassign, End, ClosePeriod, SealUsage>;

// ---- facts

struct MeteringZoneDefined {
  static constexpr std::uint16_t fact = 0x0701;
  static constexpr std::string_view tag = "metering_zone_defined";
  Zone zone;
  friend bool operator==(const MeteringZoneDefined&, const MeteringZoneDefined&) = default;
};
DESCRIBE(MeteringZoneDefined, zone)

struct MeteringAccountSet {
  static constexpr std::uint16_t fact = 0x0702;
  static constexpr std::string_view tag = "metering_account_set";
  OrgId tenant;
  std::string zone;
  BookChoice choice;
  friend bool operator==(const MeteringAccountSet&, const MeteringAccountSet&) = default;
};
DESCRIBE(MeteringAccountSet, tenant, zone, choice)

struct UsageRecorded {
  static constexpr std::uint16_t fact = 0x0703;
  static constexpr std::string_view tag = "usage_recorded";
  std::string stream;
  std::uint64_t sequence = 0;
  std::vector<Posting> postings;
  friend bool operator==(const UsageRecorded&, const UsageRecorded&) = default;
};
DESCRIBE(UsageRecorded, stream, sequence, postings)

struct IntervalBegan {
  static constexpr std::uint16_t fact = 0x0704;
  static constexpr std::string_view tag = "interval_began";
  std::string interval;
  Interval began;
  friend bool operator==(const IntervalBegan&, const IntervalBegan&) = default;
};
DESCRIBE(IntervalBegan, interval, began)

struct IntervalAccrued {
  static constexpr std::uint16_t fact = 0x0705;
  static constexpr std::string_view tag = "interval_accrued";
  std::string interval;
  Instant until;
  std::vector<Posting> postings;
  friend bool operator==(const IntervalAccrued&, const IntervalAccrued&) = default;
};
DESCRIBE(IntervalAccrued, interval, until, postings)

struct IntervalChanged {
  static constexpr std::uint16_t fact = 0x0706;
  static constexpr std::string_view tag = "interval_changed";
  std::string interval;
  Payer payer;
  std::vector<Level> levels;
  friend bool operator==(const IntervalChanged&, const IntervalChanged&) = default;
};
DESCRIBE(IntervalChanged, interval, payer, levels)

struct IntervalEnded {
  static constexpr std::uint16_t fact = 0x0707;
  static constexpr std::string_view tag = "interval_ended";
  std::string interval;
  Instant at;
  friend bool operator==(const IntervalEnded&, const IntervalEnded&) = default;
};
DESCRIBE(IntervalEnded, interval, at)

struct MeteringPeriodClosed {
  static constexpr std::uint16_t fact = 0x0708;
  static constexpr std::string_view tag = "metering_period_closed";
  OrgId tenant;
  Instant until;
  friend bool operator==(const MeteringPeriodClosed&, const MeteringPeriodClosed&) = default;
};
DESCRIBE(MeteringPeriodClosed, tenant, until)

struct MeteringZoneChosen {
  static constexpr std::uint16_t fact = 0x0709;
  static constexpr std::string_view tag = "metering_zone_chosen";
  OrgId tenant;
  ZoneChoice choice;
  friend bool operator==(const MeteringZoneChosen&, const MeteringZoneChosen&) = default;
};
DESCRIBE(MeteringZoneChosen, tenant, choice)

struct UsageSegmentSealed {
  static constexpr std::uint16_t fact = 0x070a;
  static constexpr std::string_view tag = "usage_segment_sealed";
  SealedSegment segment;
  friend bool operator==(const UsageSegmentSealed&, const UsageSegmentSealed&) = default;
};
DESCRIBE(UsageSegmentSealed, segment)

using Event = std::variant<MeteringZoneDefined, MeteringAccountSet, UsageRecorded, IntervalBegan,
                           IntervalAccrued, IntervalChanged, IntervalEnded, MeteringPeriodClosed,
                           MeteringZoneChosen, UsageSegmentSealed>;

// The price books say what each quantity costs.
Result<std::vector<Event>> judge(const State& state, const pricing::State& prices,
                                 const Command& command, const Context& at);
void apply(State& state, const Event& event, const Context& at);

// ---- asking

const Account* find(const State& state, OrgId tenant);
// The book that a tenant is charged by at a moment; empty: none yet.
std::string_view book_at(const Account& account, Instant at);
// The version in force for a tenant; null: none. What admission and the gateways rate with.
const pricing::Version* version_for(const State& state, const pricing::State& prices, OrgId tenant,
                                    Instant at);
// The billing period of a tenant that holds `at`.
Period period_of(const State& state, const Account& account, Instant at);
// The zone of the period that holds `at`.
std::string_view zone_at(const Account& account, Instant at);
// What concerns one tenant: enough to judge its commands and statements on a copy.
State part_of(const State& state, OrgId tenant);
// The lines of a tenant's period, in order of their keys.
std::vector<std::pair<LineKey, Line>> lines_of(const State& state, OrgId tenant, Instant period);

// The line that `key` is folded into: no job and no key of a caller are told apart any more.
LineKey fold_key(LineKey key);

// The postings of an event: empty for events that post nothing.
const std::vector<Posting>& postings_of(const Event& event);
// What postings take from budgets: money by currency, GPU time, tokens. Unpriced money is 0.
Spend spend_of(const std::vector<Posting>& postings);

// Rates every line again from its aggregate quantity, but for folded ones, which are sums of rated
// lines. Empty: all agree; else what does not.
std::string audit(const State& state, const pricing::State& prices);

}  // namespace bessemer::metering
