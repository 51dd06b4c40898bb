// Decides and applies what happens to accounts, lines and intervals.
#include "governance/metering/metering.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "governance/metering/posting.h"
#include "governance/metering/usage_log.h"
#include "governance/pricing/notice.h"

namespace bessemer::metering {
namespace {

using Events = std::vector<Event>;

Result<Events> judge_one(const State& state, const pricing::State&, const DefineZone& command,
                         const Context& at) {
  TRY(check_zone(command.zone));
  const auto known = state.zones.find(command.zone.name);
  if (known == state.zones.end()) {
    if (state.zones.size() >= max_account_zones) return exhausted("there are 1000 zones already");
    return Events{MeteringZoneDefined{command.zone}};
  }
  if (known->second == command.zone) return Events{};
  const auto past = [&](const Zone& zone) {
    auto offsets = zone.offsets;
    std::erase_if(offsets, [&](const ZoneOffset& one) { return one.from > at.now; });
    return offsets;
  };
  if (past(known->second) != past(command.zone)) {
    return conflict("the zone's past must stay as it was").at("zone.offsets");
  }
  return Events{MeteringZoneDefined{command.zone}};
}

Result<Events> judge_one(const State& state, const pricing::State& prices,
                         const OpenAccount& command, const Context& at) {
  if (!command.tenant) return invalid("must not be empty").at("tenant");
  if (command.zone != "UTC" && !state.zones.contains(command.zone)) {
    return not_found("no such time zone is defined").at("zone");
  }
  const auto book = prices.books.find(command.book);
  if (book == prices.books.end() && !command.book.empty()) {
    return not_found("no such price book").at("book");
  }
  const Account* known = find(state, command.tenant);
  if (known == nullptr) {
    return Events{MeteringAccountSet{command.tenant, command.zone,
                                     {command.from.value_or(Instant{}), command.book}}};
  }
  if (known->zone != command.zone) return conflict("the tenant's zone stays as it is").at("zone");
  const BookChoice& last = known->books.back();
  if (last.book == command.book && command.from.value_or(last.from) == last.from) return Events{};
  if (command.book.empty()) return conflict("the tenant has a price book").at("book");
  if (last.book.empty()) {
    const Instant from = command.from.value_or(at.now);
    if (from < at.now) return invalid("must not be in the past").at("from");
    return Events{MeteringAccountSet{command.tenant, command.zone, {from, command.book}}};
  }
  if (prices.books.at(last.book).front().currency != book->second.front().currency) {
    return conflict("the tenant is billed in another currency").at("book");
  }
  const Instant earliest =
      std::max(at.now + pricing::time_price_notice, last.from + nanoseconds(1));
  const Instant from = command.from.value_or(earliest);
  if (from < earliest) return invalid("must be at least 11 minutes ahead").at("from");
  return Events{MeteringAccountSet{command.tenant, command.zone, {from, command.book}}};
}

Result<Events> judge_one(const State& state, const pricing::State&, const ChooseZone& command,
                         const Context& at) {
  const Account* account = find(state, command.tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("tenant");
  if (command.zone != "UTC" && !state.zones.contains(command.zone)) {
    return not_found("no such time zone is defined").at("zone");
  }
  const auto& last = account->later_zones.empty() ? account->zone
                                                  : account->later_zones.back().zone;
  if (last == command.zone) return Events{};
  if (account->later_zones.size() >= max_zone_choices) {
    return exhausted("the tenant has changed its time zone 100 times already");
  }
  const Instant from = period_of(state, *account, at.now).until;
  return Events{MeteringZoneChosen{command.tenant, {from, command.zone}}};
}

Result<Events> judge_one(const State& state, const pricing::State& prices, const Record& command,
                         const Context&) {
  if (command.stream.empty() || command.stream.size() > max_stream_name) {
    return invalid("must be 1 to 96 bytes").at("stream");
  }
  if (command.sequence == 0) return invalid("must be at least 1").at("sequence");
  const auto mark = state.streams.find(command.stream);
  if (mark != state.streams.end() && command.sequence <= mark->second) return Events{};
  if (command.usages.size() > max_usages) {
    return invalid("must hold at most 100000 usages").at("usages");
  }
  Poster poster(state, prices);
  for (std::size_t i = 0; i < command.usages.size(); ++i) {
    auto added = poster.add(static_cast<std::uint32_t>(i), command.usages[i]);
    if (!added) return std::move(added).error().within("usages[" + std::to_string(i) + "]");
  }
  return Events{UsageRecorded{command.stream, command.sequence, poster.take()}};
}

Result<Events> judge_one(const State& state, const pricing::State&, const Begin& command,
                         const Context&) {
  if (command.interval.empty() || command.interval.size() > max_interval_name) {
    return invalid("must be 1 to 96 bytes").at("interval");
  }
  if (!command.payer.project) return invalid("must not be empty").at("payer.project");
  if (find(state, command.payer.tenant) == nullptr) {
    return not_found("the tenant has no account").at("payer.tenant");
  }
  TRY(check_levels(command.levels));
  if (command.at.ns < 0) return invalid("must be after 1970").at("at");
  const Interval began{command.payer, command.subject, command.levels, command.at, command.at};
  if (const auto known = state.intervals.find(command.interval); known != state.intervals.end()) {
    const Interval& open = known->second;
    const bool same = open.payer == began.payer && open.subject == began.subject &&
                      open.levels == began.levels && open.since == began.since;
    if (same) return Events{};
    return conflict("an interval of this name is open").at("interval");
  }
  return Events{IntervalBegan{command.interval, began}};
}

// Posts the interval forward, or back to `at` (but never before its levels began).
Result<Events> posted(const State& state, const pricing::State& prices, const std::string& name,
                      const Interval& interval, Instant at) {
  at = std::max(at, interval.since);
  if (at == interval.posted_until) return Events{};
  const bool forward = at > interval.posted_until;
  Poster poster(state, prices);
  TRY(forward ? poster.add_levels(interval, interval.posted_until, at, 1)
              : poster.add_levels(interval, at, interval.posted_until, -1));
  return Events{IntervalAccrued{name, at, poster.take()}};
}

Result<Events> judge_one(const State& state, const pricing::State& prices, const Change& command,
                         const Context&) {
  const auto open = state.intervals.find(command.interval);
  if (open == state.intervals.end()) return not_found("no such interval").at("interval");
  TRY(check_levels(command.levels));
  const Payer payer = command.payer.value_or(open->second.payer);
  if (!payer.project) return invalid("must not be empty").at("payer.project");
  if (find(state, payer.tenant) == nullptr) {
    return not_found("the tenant has no account").at("payer.tenant");
  }
  if (payer == open->second.payer && command.levels == open->second.levels) return Events{};
  TRY_ASSIGN(Events events, posted(state, prices, command.interval, open->second, command.at));
  events.emplace_back(IntervalChanged{command.interval, payer, command.levels});
  return events;
}

Result<Events> judge_one(const State& state, const pricing::State& prices, const Accrue& command,
                         const Context&) {
  const auto open = state.intervals.find(command.interval);
  if (open == state.intervals.end()) return not_found("no such interval").at("interval");
  if (command.at <= open->second.posted_until) return Events{};
  return posted(state, prices, command.interval, open->second, command.at);
}

Result<Events> judge_one(const State& state, const pricing::State& prices,
                         const AccrueTenant& command, const Context&) {
  Poster poster(state, prices);  // one for all: intervals may share a line
  Events events;
  for (const auto& [name, interval] : state.intervals) {
    if (interval.payer.tenant != command.tenant || interval.posted_until >= command.at) continue;
    TRY(poster.add_levels(interval, interval.posted_until, command.at, 1));
    events.emplace_back(IntervalAccrued{name, command.at, poster.take()});
  }
  return events;
}

Result<Events> judge_one(const State& state, const pricing::State& prices, const Reassign& command,
                         const Context&) {
  Poster poster(state, prices);
  Events events;
  std::set<std::string_view> seen;
  for (const std::string& name : command.intervals) {
    const auto open = state.intervals.find(name);
    if (open == state.intervals.end() || !seen.insert(name).second) continue;
    const Interval& interval = open->second;
    if (interval.payer.bearer == command.bearer) continue;
    if (interval.posted_until < command.at) {
      TRY(poster.add_levels(interval, interval.posted_until, command.at, 1));
      events.emplace_back(IntervalAccrued{name, command.at, poster.take()});
    }
    Payer payer = interval.payer;
    payer.bearer = command.bearer;
    events.emplace_back(IntervalChanged{name, payer, interval.levels});
  }
  return events;
}

Result<Events> judge_one(const State& state, const pricing::State& prices, const End& command,
                         const Context&) {
  const auto open = state.intervals.find(command.interval);
  if (open == state.intervals.end()) return Events{};
  TRY_ASSIGN(Events events, posted(state, prices, command.interval, open->second, command.at));
  events.emplace_back(IntervalEnded{command.interval, std::max(command.at, open->second.since)});
  return events;
}

Result<Events> judge_one(const State& state, const pricing::State&, const ClosePeriod& command,
                         const Context& at) {
  const Account* account = find(state, command.tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("tenant");
  if (command.until == account->closed_until) return Events{};
  if (command.until < account->closed_until) return conflict("is closed further").at("until");
  if (command.until > at.now) return conflict("the period is not over").at("until");
  if (period_of(state, *account, command.until).from != command.until) {
    return invalid("must be the end of a month of the tenant's zone").at("until");
  }
  return Events{MeteringPeriodClosed{command.tenant, command.until}};
}

Result<Events> judge_one(const State& state, const pricing::State&, const SealUsage& command,
                         const Context&) {
  const SealedSegment& segment = command.segment;
  if (!segment.gateway || segment.epoch == 0) return invalid("must name a log").at("gateway");
  if (segment.first == 0 || segment.last < segment.first) {
    return invalid("must be records from 1 on").at("first");
  }
  if (!segment.sha256) return invalid("must not be empty").at("sha256");
  if (segment.name.empty() || segment.name.size() > max_stream_name) {
    return invalid("must be 1 to 96 bytes").at("name");
  }
  if (segment.sums.size() > max_sealed_sums) return invalid("must hold at most 50000").at("sums");
  const auto found = state.sealed.find(stream_of(segment.gateway, segment.epoch));
  const std::uint64_t sealed = found == state.sealed.end() ? 0 : found->second;
  if (segment.last <= sealed) return Events{};
  if (segment.first != sealed + 1) {
    return conflict("the next record to be sealed is " + std::to_string(sealed + 1)).at("first");
  }
  return Events{UsageSegmentSealed{segment}};
}

// ---- changes

void post(State& state, const std::vector<Posting>& postings) {
  for (const Posting& posting : postings) {
    const auto [at, fresh] = state.lines.try_emplace(posting.line);
    Line& line = at->second;
    if (fresh) {
      line.amount.currency = posting.amount.currency;
      line.first = posting.from;
      line.last = posting.until;
    }
    line.quantity += posting.quantity;
    line.amount = line.amount + posting.amount;
    line.unpriced = posting.unpriced;
    line.first = std::min(line.first, posting.from);
    line.last = std::max(line.last, posting.until);
  }
}

void apply_one(State& state, const MeteringZoneDefined& event) {
  state.zones[event.zone.name] = event.zone;
}
void apply_one(State& state, const MeteringAccountSet& event) {
  Account& account = state.accounts[event.tenant];
  account.zone = event.zone;
  account.books.push_back(event.choice);
}
void apply_one(State& state, const UsageRecorded& event) {
  post(state, event.postings);
  state.streams[event.stream] = event.sequence;
}
void apply_one(State& state, const IntervalBegan& event) {
  state.intervals.emplace(event.interval, event.began);
}
void apply_one(State& state, const IntervalAccrued& event) {
  post(state, event.postings);
  state.intervals.at(event.interval).posted_until = event.until;
}
void apply_one(State& state, const IntervalChanged& event) {
  Interval& interval = state.intervals.at(event.interval);
  interval.payer = event.payer;
  interval.levels = event.levels;
  interval.since = interval.posted_until;
}
void apply_one(State& state, const IntervalEnded& event) { state.intervals.erase(event.interval); }
// Quantities and amounts are added as they are: sums stay what was invoiced, to the nano.
void fold_lines(State& state, OrgId tenant, Instant until) {
  std::map<LineKey, Line> folded;
  auto at = state.lines.lower_bound(LineKey{.tenant = tenant, .sku = {}});
  while (at != state.lines.end() && at->first.tenant == tenant && at->first.period < until) {
    const Line& line = at->second;
    const auto [into, fresh] = folded.try_emplace(fold_key(at->first), line);
    if (!fresh) {
      Line& sum = into->second;
      sum.quantity += line.quantity;
      sum.amount = sum.amount + line.amount;
      sum.first = std::min(sum.first, line.first);
      sum.last = std::max(sum.last, line.last);
    }
    at = state.lines.erase(at);
  }
  state.lines.merge(folded);
}

// What was invoiced long ago is folded by the same fact everywhere: a replay comes to the same.
void apply_one(State& state, const MeteringPeriodClosed& event, const Context& at) {
  Account& account = state.accounts.at(event.tenant);
  account.closed_until = event.until;
  account.closings.push_back({event.until, at.now});
  auto& closings = account.closings;
  const auto due = std::ranges::find_if(
      closings, [&](const Closing& one) { return one.at > at.now - lines_kept; });
  if (due == closings.begin()) return;
  account.folded_until = std::prev(due)->until;
  closings.erase(closings.begin(), due);
  fold_lines(state, event.tenant, account.folded_until);
}
void apply_one(State& state, const MeteringZoneChosen& event) {
  auto& later = state.accounts.at(event.tenant).later_zones;
  // Chosen again before it took effect: the last word counts.
  if (!later.empty() && later.back().from == event.choice.from) later.pop_back();
  later.push_back(event.choice);
}
void apply_one(State& state, const UsageSegmentSealed& event) {
  const SealedSegment& segment = event.segment;
  state.sealed[stream_of(segment.gateway, segment.epoch)] = segment.last;
}

}  // namespace

Result<std::vector<Event>> judge(const State& state, const pricing::State& prices,
                                 const Command& command, const Context& at) {
  return std::visit([&](const auto& one) { return judge_one(state, prices, one, at); }, command);
}

void apply(State& state, const Event& event, const Context& at) {
  std::visit(
      [&](const auto& one) {
        if constexpr (requires { apply_one(state, one, at); }) apply_one(state, one, at);
        else apply_one(state, one);
      },
      event);
}

const Account* find(const State& state, OrgId tenant) {
  const auto found = state.accounts.find(tenant);
  return found == state.accounts.end() ? nullptr : &found->second;
}

std::string_view book_at(const Account& account, Instant at) {
  const auto after = std::ranges::upper_bound(account.books, at, {}, &BookChoice::from);
  if (after == account.books.begin()) return {};
  return std::prev(after)->book;
}

const pricing::Version* version_for(const State& state, const pricing::State& prices, OrgId tenant,
                                    Instant at) {
  const Account* account = find(state, tenant);
  return account == nullptr ? nullptr : pricing::in_force(prices, book_at(*account, at), at);
}

std::string_view zone_at(const Account& account, Instant at) {
  const auto after = std::ranges::upper_bound(account.later_zones, at, {}, &ZoneChoice::from);
  return after == account.later_zones.begin() ? std::string_view(account.zone)
                                              : std::string_view(std::prev(after)->zone);
}

Period period_of(const State& state, const Account& account, Instant at) {
  static const Zone utc;
  const auto named = [&](const std::string& name) -> const Zone& {
    const auto zone = state.zones.find(name);
    return zone == state.zones.end() ? utc : zone->second;
  };
  const auto& later = account.later_zones;
  const auto after = std::ranges::upper_bound(later, at, {}, &ZoneChoice::from);
  if (after == later.begin()) {
    Period month = month_of(named(account.zone), at);
    // A change takes effect where a period ends; tzdata may have moved that end since.
    if (after != later.end()) month.until = std::min(month.until, after->from);
    return month;
  }
  const ZoneChoice& choice = *std::prev(after);
  const Zone& zone = named(choice.zone);
  Period month = month_of(zone, at);
  const Instant first_until = month_of(zone, choice.from + half_month).until;
  if (at < first_until) month = {choice.from, first_until};
  if (after != later.end()) month.until = std::min(month.until, after->from);
  return month;
}

State part_of(const State& state, OrgId tenant) {
  State part;
  part.zones = state.zones;
  if (const Account* account = find(state, tenant)) part.accounts.emplace(tenant, *account);
  auto line = state.lines.lower_bound(LineKey{.tenant = tenant, .sku = {}});
  for (; line != state.lines.end() && line->first.tenant == tenant; ++line) {
    part.lines.insert(*line);
  }
  for (const auto& one : state.intervals) {
    if (one.second.payer.tenant == tenant) part.intervals.insert(one);
  }
  return part;
}

std::vector<std::pair<LineKey, Line>> lines_of(const State& state, OrgId tenant, Instant period) {
  std::vector<std::pair<LineKey, Line>> found;
  auto at = state.lines.lower_bound(LineKey{.tenant = tenant, .period = period, .sku = {}});
  for (; at != state.lines.end(); ++at) {
    if (at->first.tenant != tenant || at->first.period != period) break;
    found.emplace_back(*at);
  }
  return found;
}

LineKey fold_key(LineKey key) {
  key.key = {};
  key.subject.workload = {};
  return key;
}

const std::vector<Posting>& postings_of(const Event& event) {
  static const std::vector<Posting> none;
  if (const auto* one = std::get_if<UsageRecorded>(&event)) return one->postings;
  if (const auto* one = std::get_if<IntervalAccrued>(&event)) return one->postings;
  return none;
}

Spend spend_of(const std::vector<Posting>& postings) {
  Spend spend;
  for (const Posting& posting : postings) {
    if (!posting.unpriced) spend.money[posting.amount.currency] += posting.amount.nano;
    if (posting.line.meter == Meter::gpu_time) spend.gpu_time += posting.quantity;
    if (pricing::is_tokens(posting.line.meter)) spend.tokens += posting.quantity;
  }
  return spend;
}

std::string audit(const State& state, const pricing::State& prices) {
  for (const auto& [key, line] : state.lines) {
    const Account* const account = find(state, key.tenant);
    if (account != nullptr && key.period < account->folded_until) continue;
    const pricing::Version* version = pricing::find(prices, key.version);
    const pricing::Price* price =
        version == nullptr ? nullptr : pricing::find_price(*version, key.meter, key.sku);
    if ((price == nullptr) != line.unpriced) return "a line is priced that has no price";
    if (price == nullptr) {
      if (line.amount != Money{}) return "an unpriced line has an amount";
      continue;
    }
    const auto rated = pricing::rate(*price, line.quantity);
    if (!rated || *rated != line.amount) {
      return "the line of " + to_text(key.tenant) + " for " + std::string(enum_text(key.meter)) +
             " of " + key.sku + " says " + to_text(line.amount) + ", its quantity is worth " +
             (rated ? to_text(*rated) : to_text(rated.error()));
    }
  }
  return {};
}

}  // namespace bessemer::metering
