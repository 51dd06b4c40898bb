// Folds a gateway's usage log and adds its settlements up.
#include "governance/metering/usage_log.h"

#include <algorithm>
#include <utility>

namespace bessemer::metering {
namespace {

constexpr std::int64_t quarter_ns = minutes(15).ns;
constexpr Meter count_meters[] = {Meter::input_tokens, Meter::cached_input_tokens,
                                  Meter::output_tokens, Meter::reasoning_tokens, Meter::requests};
using Folded = Result<std::optional<Settlement>>;

Error misfit(std::string what) { return internal("usage log: " + std::move(what)); }

// What a hold of these terms takes from one lease, in its unit.
Wide share(const LeaseUse& lease, const Terms& terms, Wide money, std::uint64_t tokens) {
  switch (lease.taken.unit) {
    case SpendUnit::money: return lease.taken.currency == currency_of(terms) ? money : Wide{0};
    case SpendUnit::tokens: return static_cast<Wide>(tokens);
    case SpendUnit::gpu_time: return 0;
  }
  return 0;
}

// Adds to (or takes from) what the hold's leases keep for it.
void hold(Log& log, const OpenHold& of, int sign) {
  const Terms& terms = log.terms.at(of.terms);
  for (const LeaseId id : terms.leases) {
    LeaseUse& lease = log.leases.at(id);
    lease.held += share(lease, terms, of.money, of.tokens) * sign;
    lease.sliced += share(lease, terms, of.slice_money, of.slice_tokens) * sign;
  }
}

void consume(Log& log, const Terms& terms, Wide money, std::uint64_t tokens) {
  for (const LeaseId id : terms.leases) {
    LeaseUse& lease = log.leases.at(id);
    lease.consumed += share(lease, terms, money, tokens);
  }
}

// What a log says is bounded, so that no sum over it can overflow.
constexpr Wide max_lease = pricing::max_amount_nano * 1'000'000'000;
constexpr std::uint64_t max_held_tokens = max_request_tokens * 8;
bool held_in_range(const auto& record) {
  return record.money >= 0 && record.money <= pricing::max_amount_nano * 8 &&
         record.slice_money >= 0 && record.slice_money <= pricing::max_amount_nano * 8 &&
         record.tokens <= max_held_tokens && record.slice_tokens <= max_held_tokens;
}

Folded fold_one(Log& log, const LogOpened& record) {
  if (log.gateway || !record.gateway || record.epoch == 0) return misfit("opened twice");
  log.gateway = record.gateway;
  log.epoch = record.epoch;
  return std::nullopt;
}

Folded fold_one(Log& log, const LeaseTaken& record) {
  if (!record.lease || record.granted < 0 || record.granted > max_lease) {
    return misfit("a lease without id or amount");
  }
  const auto known = log.leases.find(record.lease);
  if (known == log.leases.end()) {
    log.leases[record.lease].taken = record;
    return std::nullopt;
  }
  LeaseTaken before = known->second.taken;
  const Wide was = std::exchange(before.granted, record.granted);
  const std::uint64_t revision = std::exchange(before.revision, record.revision);
  if (before != record || record.granted < was || record.revision <= revision) {
    return misfit("a lease that did not grow");
  }
  known->second.taken = record;
  return std::nullopt;
}

Folded fold_one(Log& log, const LeaseReduced& record) {
  const auto known = log.leases.find(record.lease);
  if (known == log.leases.end()) return misfit("an unknown lease is reduced");
  LeaseUse& lease = known->second;
  if (record.granted >= lease.taken.granted || record.granted < lease.consumed + lease.held) {
    return misfit("a lease is reduced below what it holds");
  }
  lease.taken.granted = record.granted;
  ++lease.taken.revision;
  return std::nullopt;
}

Folded fold_one(Log& log, const TermsDefined& record) {
  if (record.number != log.next_terms) return misfit("terms out of order");
  if (log.terms.size() >= max_terms) return misfit("more than 100000 terms");
  for (const LeaseId lease : record.terms.leases) {
    if (!log.leases.contains(lease)) return misfit("terms name an unknown lease");
  }
  log.terms.emplace(record.number, record.terms);
  ++log.next_terms;
  return std::nullopt;
}

Folded fold_one(Log& log, const HoldOpened& record) {
  if (record.hold != log.next_hold) return misfit("holds out of order");
  if (!log.terms.contains(record.terms)) return misfit("a hold names unknown terms");
  if (!held_in_range(record)) return misfit("a hold out of range");
  if (log.holds.size() >= max_open_holds) return misfit("more than 100000 open holds");
  const OpenHold opened{.request = record.request, .terms = record.terms, .money = record.money,
                        .tokens = record.tokens, .slice_money = record.slice_money,
                        .slice_tokens = record.slice_tokens, .delivered = std::nullopt,
                        .opened_at = record.at};
  hold(log, opened, 1);
  log.holds.emplace(record.hold, opened);
  ++log.next_hold;
  return std::nullopt;
}

Folded fold_one(Log& log, const HoldExtended& record) {
  const auto open = log.holds.find(record.hold);
  if (open == log.holds.end()) return misfit("an unknown hold is extended");
  if (!held_in_range(record)) return misfit("a hold out of range");
  if (record.money < open->second.money || record.tokens < open->second.tokens) {
    return misfit("a hold is extended to less");
  }
  TRY(cost_of(log.terms.at(open->second.terms), record.delivered));
  hold(log, open->second, -1);
  open->second.money = record.money;
  open->second.tokens = record.tokens;
  open->second.slice_money = record.slice_money;
  open->second.slice_tokens = record.slice_tokens;
  open->second.delivered = record.delivered;
  hold(log, open->second, 1);
  return std::nullopt;
}

Folded fold_one(Log& log, const HoldSettled& record) {
  const auto open = log.holds.find(record.hold);
  if (open == log.holds.end()) return misfit("an unknown hold is settled");
  const Terms& terms = log.terms.at(open->second.terms);
  TRY_ASSIGN(const Wide cost, cost_of(terms, record.counts));
  if (cost != record.money) return misfit("a settlement of a wrong sum");
  const Settlement settlement{open->second.terms, open->second.request, record.counts, cost,
                              open->second.opened_at};
  hold(log, open->second, -1);
  consume(log, terms, cost, tokens_of(record.counts));
  log.holds.erase(open);
  ++(record.resolution == Resolution::settled ? log.settled : log.partial);
  if (record.estimated) ++log.estimated;
  if (record.bound_violation) ++log.violations;
  return settlement;
}

Folded fold_one(Log& log, const HoldVoided& record) {
  const auto open = log.holds.find(record.hold);
  if (open == log.holds.end()) return misfit("an unknown hold is voided");
  hold(log, open->second, -1);
  log.holds.erase(open);
  ++log.voided;
  return std::nullopt;
}

Folded fold_one(Log& log, const LogClosed&) {
  if (!log.holds.empty()) return misfit("closed over open holds");
  log.closed = true;
  return std::nullopt;
}

}  // namespace

std::uint64_t tokens_of(const Counts& counts) {
  return counts.input + counts.cached_input + counts.output + counts.reasoning;
}

std::uint64_t count_of(const Counts& counts, Meter meter) {
  switch (meter) {
    case Meter::input_tokens: return counts.input;
    case Meter::cached_input_tokens: return counts.cached_input;
    case Meter::output_tokens: return counts.output;
    case Meter::reasoning_tokens: return counts.reasoning;
    case Meter::requests: return counts.requests;
    case Meter::gpu_time:
    case Meter::cpu_time:
    case Meter::memory_time:
    case Meter::storage_time: return 0;
  }
  return 0;
}

Currency currency_of(const Terms& terms) {
  return terms.prices.empty() ? Currency{} : terms.prices.front().amount.currency;
}

Result<Wide> cost_of(const Terms& terms, const Counts& counts) {
  for (const Meter meter : count_meters) {
    if (count_of(counts, meter) > max_request_tokens) {
      return invalid("must be at most 10^12").at(std::string(enum_text(meter)));
    }
  }
  Wide sum = 0;
  for (const pricing::Price& price : terms.prices) {
    TRY_ASSIGN(const Money part,
               pricing::hold_amount(price, static_cast<Wide>(count_of(counts, price.meter))));
    sum += part.nano;  // at most max_prices of 10^24: fits
  }
  return sum;
}

Result<std::optional<Settlement>> fold(Log& log, const LogRecord& record) {
  if (log.closed) return misfit("a record after the close");
  const bool opens = std::holds_alternative<LogOpened>(record);
  if (!log.gateway && !opens) return misfit("does not begin with its opening");
  return std::visit([&](const auto& one) { return fold_one(log, one); }, record);
}

void UsageSums::add(const Settlement& settlement) {
  const std::int64_t quarter = settlement.opened_at.ns / quarter_ns;
  const auto [at, fresh] = sums_.try_emplace({settlement.terms, quarter});
  Sum& sum = at->second;
  sum.counts.input += settlement.counts.input;
  sum.counts.cached_input += settlement.counts.cached_input;
  sum.counts.output += settlement.counts.output;
  sum.counts.reasoning += settlement.counts.reasoning;
  sum.counts.requests += settlement.counts.requests;
  sum.first = fresh ? settlement.opened_at : std::min(sum.first, settlement.opened_at);
}

UsageSums::Usages UsageSums::usages(const Log& log) const {
  Usages out;
  for (const auto& [key, sum] : sums_) {
    const Terms& terms = log.terms.at(key.first);
    for (const Meter meter : count_meters) {
      const std::uint64_t count = count_of(sum.counts, meter);
      if (count == 0) continue;
      out.usages.push_back({.payer = terms.payer, .subject = terms.subject, .meter = meter,
                            .sku = terms.sku, .amount = static_cast<Wide>(count),
                            .from = sum.first, .until = sum.first, .version = terms.version});
      out.terms_of.push_back(key.first);
    }
  }
  return out;
}

std::string stream_of(GatewayId gateway, std::uint64_t epoch) {
  return "gateway/" + to_text(gateway) + "/" + std::to_string(epoch);
}

}  // namespace bessemer::metering
