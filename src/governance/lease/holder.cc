// The holder: decides records against the fold of its own log.
#include "governance/lease/holder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace bessemer::lease {
namespace {

using metering::LeaseUse;
using metering::OpenHold;

// Money in nano and tokens, as a hold counts them.
struct Amount {
  Wide money = 0;
  std::uint64_t tokens = 0;
};

Result<Amount> amount_for(const Terms& terms, const Counts& counts) {
  TRY_ASSIGN(const Wide money, metering::cost_of(terms, counts));
  return Amount{money, metering::tokens_of(counts)};
}

// What an amount under these terms takes from a lease.
Wide share(const LeaseUse& lease, const Terms& terms, const Amount& amount) {
  Spend spend{.money = {}, .gpu_time = 0, .tokens = static_cast<Wide>(amount.tokens)};
  spend.money[metering::currency_of(terms)] = amount.money;
  return amount_of(spend, lease.taken.unit, lease.taken.currency);
}

Counts plus(Counts a, const Counts& b) {
  a.input += b.input;
  a.cached_input += b.cached_input;
  a.output += b.output;
  a.reasoning += b.reasoning;
  a.requests += b.requests;
  return a;
}

Amount minus(const Amount& a, const Amount& b) {
  return {std::max(Wide{0}, a.money - b.money), a.tokens > b.tokens ? a.tokens - b.tokens : 0};
}

// What a hold takes now, and what its next extension will take.
struct Claim {
  Amount now, slice;
};

Result<Claim> claim_for(const Terms& terms, const Counts& first, const Counts& slice) {
  TRY_ASSIGN(const Amount now, amount_for(terms, first));
  if (slice == Counts{}) return Claim{now, {}};
  for (const std::uint64_t count : {slice.input, slice.cached_input, slice.output,
                                    slice.reasoning, slice.requests}) {
    if (count > metering::max_request_tokens) return invalid("must be at most 10^12").at("slice");
  }
  TRY_ASSIGN(const Amount then, amount_for(terms, plus(first, slice)));
  return Claim{now, minus(then, now)};
}

// Free for admissions (the slices of open streams are kept), or for extensions (they are not).
Wide free_of(const LeaseUse& lease, budget::Purpose purpose) {
  const Wide free = lease.taken.granted - lease.consumed - lease.held;
  return purpose == budget::Purpose::admission ? free - lease.sliced : free;
}

Error short_of() {
  return unavailable("the gateway must borrow first")
      .because("lease_short")
      .retried(Retry::now);
}

Result<void> check_time(const Holder& holder, Duration since_boot) {
  if (may_spend(holder, since_boot)) return {};
  return unavailable("the gateway has had no contact with the control plane for too long")
      .because("lease_expired")
      .retried(Retry::later, seconds(1).ns);
}

Result<const Terms*> terms_of(const Holder& holder, std::uint32_t number) {
  const auto found = holder.log.terms.find(number);
  if (found == holder.log.terms.end()) return invalid("are not defined").at("terms");
  return &found->second;
}

Result<const OpenHold*> open_hold(const Holder& holder, std::uint64_t number) {
  const auto found = holder.log.holds.find(number);
  if (found == holder.log.holds.end()) return not_found("no such open hold").at("hold");
  return &found->second;
}

Ask ask_of(const Holder& holder, const Terms& terms, const Amount& amount,
           budget::Purpose purpose) {
  Ask ask;
  const Currency currency = metering::currency_of(terms);
  if (currency != Currency{}) ask.need.money[currency] = amount.money;
  ask.need.tokens = static_cast<Wide>(amount.tokens);
  for (const LeaseId id : terms.leases) {
    const auto known = holder.log.leases.find(id);
    if (known == holder.log.leases.end()) continue;
    ask.idle.push_back({id, free_of(known->second, purpose)});
  }
  return ask;
}

}  // namespace

LogRecord open_log(GatewayId gateway, std::uint64_t epoch, Instant now) {
  return metering::LogOpened{gateway, epoch, now};
}

void renew(Holder& holder, Duration asked) {
  holder.spend_until = std::max(holder.spend_until, asked + lifetime - margin);
}

bool may_spend(const Holder& holder, Duration since_boot) {
  return since_boot < holder.spend_until;
}

std::vector<LogRecord> take(const Holder& holder, const std::vector<Lease>& leases) {
  std::vector<LogRecord> records;
  for (const Lease& lease : leases) {
    if (lease.gateway != holder.log.gateway || lease.epoch != holder.log.epoch) continue;
    const auto known = holder.log.leases.find(lease.id);
    if (known != holder.log.leases.end()) {
      const metering::LeaseTaken& taken = known->second.taken;
      if (lease.revision <= taken.revision || lease.granted < taken.granted) continue;
    }
    records.emplace_back(metering::LeaseTaken{
        .lease = lease.id, .budget = lease.budget, .window = lease.window, .unit = lease.unit,
        .currency = lease.currency, .granted = lease.granted, .revision = lease.revision});
  }
  return records;
}

std::vector<LogRecord> give_back(const Holder& holder, LeaseId id) {
  const auto known = holder.log.leases.find(id);
  if (known == holder.log.leases.end()) return {};
  const LeaseUse& lease = known->second;
  const Wide keep = lease.consumed + lease.held + lease.sliced;
  if (keep >= lease.taken.granted) return {};
  return {metering::LeaseReduced{id, keep}};
}

Reduce reduced(const Holder& holder, LeaseId id) {
  const metering::LeaseTaken& taken = holder.log.leases.at(id).taken;
  return {id, taken.granted, taken.revision, holder.log.gateway};
}

Result<LogRecord> define_terms(const Holder& holder, const Terms& terms) {
  if (holder.log.terms.size() >= metering::max_terms) {
    return exhausted("the log has 100000 terms already").fix("start a new epoch");
  }
  if (terms.leases.size() > metering::max_terms_leases) {
    return invalid("must hold at most 32 leases").at("leases");
  }
  for (const LeaseId lease : terms.leases) {
    if (!holder.log.leases.contains(lease)) return invalid("names an unknown lease").at("leases");
  }
  for (const pricing::Price& price : terms.prices) {
    if (pricing::is_time(price.meter)) return invalid("must be of tokens or requests").at("prices");
    if (price.amount.currency != metering::currency_of(terms)) {
      return invalid("must be in one currency").at("prices");
    }
  }
  return metering::TermsDefined{holder.log.next_terms, terms};
}

Result<LogRecord> open(const Holder& holder, const Opening& opening, Instant now,
                       Duration since_boot) {
  TRY_ASSIGN(const Terms* terms, terms_of(holder, opening.terms));
  TRY_ASSIGN(const Claim claim, claim_for(*terms, opening.first, opening.slice));
  TRY(check_time(holder, since_boot));
  if (holder.log.holds.size() >= metering::max_open_holds) {
    return exhausted("the gateway has 100000 open requests").retried(Retry::later, seconds(1).ns);
  }
  for (const LeaseId id : terms->leases) {
    if (!holds(holder.log.leases.at(id).taken.window, now)) {
      return unavailable("a budget's window has ended").because("lease_window_over")
          .retried(Retry::now);
    }
  }
  for (const LeaseId id : terms->leases) {
    const LeaseUse& lease = holder.log.leases.at(id);
    const Wide wanted = share(lease, *terms, claim.now) + share(lease, *terms, claim.slice);
    if (wanted > free_of(lease, budget::Purpose::admission)) return short_of();
  }
  return metering::HoldOpened{.hold = holder.log.next_hold, .request = opening.request,
                              .terms = opening.terms, .money = claim.now.money,
                              .tokens = claim.now.tokens, .slice_money = claim.slice.money,
                              .slice_tokens = claim.slice.tokens, .at = now};
}

Result<LogRecord> extend(const Holder& holder, std::uint64_t number, const Counts& delivered,
                         const Counts& total, const Counts& slice, Duration since_boot) {
  TRY_ASSIGN(const OpenHold* hold, open_hold(holder, number));
  TRY_ASSIGN(const Terms* terms, terms_of(holder, hold->terms));
  TRY_ASSIGN(const Claim claim, claim_for(*terms, total, slice));
  TRY_ASSIGN(const Wide cost_delivered, metering::cost_of(*terms, delivered));
  if (claim.now.money < hold->money || claim.now.tokens < hold->tokens) {
    return invalid("must not be less than what is held").at("total");
  }
  if (cost_delivered > claim.now.money || metering::tokens_of(delivered) > claim.now.tokens) {
    return invalid("must be within the total").at("delivered");
  }
  TRY(check_time(holder, since_boot));
  const Amount more = minus(claim.now, {hold->money, hold->tokens});
  for (const LeaseId id : terms->leases) {
    const LeaseUse& lease = holder.log.leases.at(id);
    const Wide wanted = share(lease, *terms, more);
    if (wanted > 0 && wanted > free_of(lease, budget::Purpose::continuation)) return short_of();
  }
  return metering::HoldExtended{.hold = number, .delivered = delivered, .money = claim.now.money,
                                .tokens = claim.now.tokens, .slice_money = claim.slice.money,
                                .slice_tokens = claim.slice.tokens};
}

Result<LogRecord> settle(const Holder& holder, std::uint64_t number, const Counts& used,
                         bool estimated, Instant now) {
  TRY_ASSIGN(const OpenHold* hold, open_hold(holder, number));
  TRY_ASSIGN(const Terms* terms, terms_of(holder, hold->terms));
  TRY_ASSIGN(const Amount amount, amount_for(*terms, used));
  const bool violation = amount.money > hold->money || amount.tokens > hold->tokens;
  return metering::HoldSettled{.hold = number, .counts = used, .money = amount.money,
                               .resolution = metering::Resolution::settled,
                               .estimated = estimated, .bound_violation = violation, .at = now};
}

Result<LogRecord> void_hold(const Holder& holder, std::uint64_t number,
                            metering::VoidReason reason) {
  TRY(open_hold(holder, number));
  return metering::HoldVoided{number, reason};
}

Result<Ask> ask_for(const Holder& holder, const Terms& terms, const Opening& opening) {
  TRY_ASSIGN(const Claim claim, claim_for(terms, opening.first, opening.slice));
  const Amount whole{claim.now.money + claim.slice.money, claim.now.tokens + claim.slice.tokens};
  return ask_of(holder, terms, whole, budget::Purpose::admission);
}

Result<Ask> ask_for(const Holder& holder, std::uint64_t number, const Counts& total) {
  TRY_ASSIGN(const OpenHold* hold, open_hold(holder, number));
  TRY_ASSIGN(const Terms* terms, terms_of(holder, hold->terms));
  TRY_ASSIGN(const Amount amount, amount_for(*terms, total));
  return ask_of(holder, *terms, minus(amount, {hold->money, hold->tokens}),
                budget::Purpose::continuation);
}

void apply(Holder& holder, const LogRecord& record) {
  check(metering::fold(holder.log, record).has_value(), "lease: a record that does not fit");
}

std::vector<LogRecord> recover(const metering::Log& log, Instant now) {
  std::vector<LogRecord> records;
  if (log.closed) return records;
  for (const auto& [number, hold] : log.holds) {
    if (!hold.delivered) {
      records.emplace_back(metering::HoldVoided{number, metering::VoidReason::crashed});
      continue;
    }
    const auto cost = metering::cost_of(log.terms.at(hold.terms), *hold.delivered);
    check(cost.has_value(), "lease: an extension out of bounds");  // the fold lets none through
    records.emplace_back(metering::HoldSettled{.hold = number, .counts = *hold.delivered,
                                               .money = *cost,
                                               .resolution = metering::Resolution::partial,
                                               .estimated = true, .bound_violation = false,
                                               .at = now});
  }
  records.push_back(close_log(now));
  return records;
}

LogRecord close_log(Instant now) { return metering::LogClosed{now}; }

}  // namespace bessemer::lease
