// The lender: grants, recalls, counts and ends leases.
#include "governance/lease/lease.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace bessemer::lease {
namespace {

using Decided = Result<Decision>;

LeaseName name_of(const Lease& lease) {
  return {lease.budget, lease.window.from, lease.gateway, lease.epoch};
}

const Epoch* find_epoch(const State& state, GatewayId gateway, std::uint64_t epoch) {
  const auto found = state.epochs.find({gateway, epoch});
  return found == state.epochs.end() ? nullptr : &found->second;
}

// The epoch of a command that ends or reports it; null: it is closed, there is nothing left to do.
Result<const Epoch*> owed_epoch(const State& state, GatewayId gateway, std::uint64_t epoch) {
  if (const Epoch* found = find_epoch(state, gateway, epoch); found != nullptr) return found;
  if (epoch == 0 || epoch > newest_epoch(state, gateway)) {
    return not_found("no such epoch of this gateway").at("epoch");
  }
  return static_cast<const Epoch*>(nullptr);
}

std::int64_t live_epochs(const State& state) {
  return std::ranges::count_if(
      state.epochs, [](const auto& one) { return one.second.status == EpochStatus::live; });
}

// Leases of one window of a budget, whoever has them.
template <class Visit>
void for_each_lease(const State& state, BudgetId budget, Instant window, Visit visit) {
  auto at = state.by_name.lower_bound({budget, window, {}, 0});
  for (; at != state.by_name.end(); ++at) {
    if (at->first.budget != budget || at->first.window != window) return;
    visit(state.leases.at(at->second));
  }
}

void repay(const budget::State& budgets, std::vector<budget::Move> moves, Decision& decision) {
  // A budget is removed only when nothing is lent on it: what comes later counts nowhere.
  std::erase_if(moves, [&](const budget::Move& move) {
    const bool nothing = move.released == 0 && move.charged == 0;
    return nothing || budget::find(budgets, move.budget) == nullptr;
  });
  if (moves.empty()) return;
  std::vector<budget::Leg> charged;
  for (const auto& move : moves) charged.push_back({move.budget, move.window, move.charged});
  decision.budget_events.emplace_back(budget::BudgetRepaid{std::move(moves)});
  auto due = budget::thresholds(budgets, charged);
  decision.budget_events.insert(decision.budget_events.end(), due.begin(), due.end());
}

std::vector<budget::Move> everything_out(const State& state, const Epoch& epoch) {
  std::vector<budget::Move> moves;
  for (const LeaseId id : epoch.leases) {
    const Lease& lease = state.leases.at(id);
    moves.push_back({lease.budget, lease.window.from, outstanding(lease), 0});
  }
  return moves;
}

Decided judge_one(const State& state, const budget::State&, const OpenEpoch& command,
                  const Context&) {
  if (!command.gateway) return invalid("must not be empty").at("gateway");
  const std::uint64_t newest = newest_epoch(state, command.gateway);
  Decision decision;
  if (command.epoch == newest && newest != 0) {
    const Epoch* epoch = find_epoch(state, command.gateway, newest);
    if (epoch == nullptr || epoch->status == EpochStatus::written_off) {
      return conflict("the epoch is over").at("epoch").fix("open the next one");
    }
    if (epoch->status == EpochStatus::lost) {
      decision.events.emplace_back(EpochOpened{command.gateway, command.epoch});
    }
    return decision;
  }
  if (command.epoch != newest + 1) {
    return conflict("the next epoch of this gateway is " + std::to_string(newest + 1)).at("epoch");
  }
  if (!state.newest.contains(command.gateway) && state.newest.size() >= max_gateways) {
    return exhausted("there are 1000 gateways already");
  }
  const Epoch* before = find_epoch(state, command.gateway, newest);
  if (before != nullptr && before->status == EpochStatus::live) {
    decision.events.emplace_back(EpochLost{command.gateway, newest});
  }
  decision.events.emplace_back(EpochOpened{command.gateway, command.epoch});
  return decision;
}

// One budget of the set that a Borrow asks of.
struct Part {
  const budget::Budget* budget = nullptr;
  Period window;
  const Lease* lease = nullptr;  // the borrower's, if it has one
  Wide need = 0;                 // of the work, in the budget's unit
  Wide missing = 0;              // beyond what the borrower has free
  Wide available = 0;            // that may still be lent
};

std::vector<Part> parts_of(const State& state, const budget::State& budgets,
                           const Borrow& command, Instant now) {
  std::vector<Part> parts;
  for (const budget::Budget* budget : budget::matching(budgets, command.spender)) {
    Part part{.budget = budget, .window = budget::window_of(budgets, *budget, now)};
    const auto known = state.by_name.find(
        {budget->id, part.window.from, command.gateway, command.epoch});
    if (known != state.by_name.end()) part.lease = &state.leases.at(known->second);
    part.need = amount_of(command.need, budget->unit, budget->currency);
    part.missing = part.need;
    for (const Idle& idle : command.idle) {
      if (part.lease == nullptr || idle.lease != part.lease->id) continue;
      // Use beyond the grant that is reported already is lent on top: see grown().
      const Wide beyond = std::max(Wide{0}, part.lease->consumed - part.lease->granted);
      const Wide free = std::min(idle.amount + beyond, outstanding(*part.lease));
      part.missing = std::max(Wide{0}, part.need - free);
    }
    part.available = budget::available(budgets, *budget, part.window.from, command.workload_class,
                                       command.purpose);
    parts.push_back(part);
  }
  return parts;
}

// How much to lend: a part of what is left, growing with the lease, so that grants become rare; but
// near the end only what is needed, so that the last cent can be spent by whoever asks.
Wide slice_of(const State& state, const Part& part, std::int64_t holders) {
  const auto known = state.largest.find(part.budget->id);
  const Wide largest = std::max(part.need, known == state.largest.end() ? Wide{0} : known->second);
  if (part.available < 2 * holders * largest) return part.missing;
  const Wide grown = part.lease == nullptr ? Wide{0} : part.lease->granted;
  const Wide most = std::max(growth_in_holds * largest, std::min(grown, budget::max_limit));
  return std::max(part.missing, std::min(part.available / (4 * holders), most));
}

Lease grown(const Borrow& command, const Part& part, Wide by, std::uint64_t salt) {
  if (part.lease != nullptr) {
    Lease lease = *part.lease;
    // Use beyond the grant (an engine broke its bound) is not outstanding: lend on top of it.
    lease.granted = std::max(lease.granted, lease.consumed) + by;
    ++lease.revision;
    return lease;
  }
  return {.id = derive_id<LeaseTag>(command.seed, salt), .gateway = command.gateway,
          .epoch = command.epoch, .budget = part.budget->id, .window = part.window,
          .unit = part.budget->unit, .currency = part.budget->currency, .granted = by,
          .consumed = 0, .revision = 1};
}

// Somebody else may have what is missing: recalls it and lets the borrower wait; or it is spent.
Decided short_of(const State& state, const budget::State& budgets, const std::vector<Part>& parts,
                 const Borrow& command) {
  std::vector<budget::Exhausted> refused;
  Decision decision{.outcome = Outcome::wait};
  LeasesRecalled recall;
  for (const Part& part : parts) {
    if (part.lease != nullptr) decision.leases.push_back(*part.lease);
    if (part.missing <= part.available) continue;
    Wide out = 0;
    for_each_lease(state, part.budget->id, part.window.from, [&](const Lease& lease) {
      out += outstanding(lease);
      const bool own = lease.gateway == command.gateway && lease.epoch == command.epoch;
      if (!own && !lease.recalled && outstanding(lease) > 0) recall.leases.push_back(lease.id);
    });
    if (part.missing <= part.available + out) continue;
    refused.push_back(budget::in_the_way(budgets, *part.budget,
                                         {part.budget->id, part.window.from, part.missing},
                                         command.workload_class, command.purpose));
  }
  if (!refused.empty()) return budget::refusal(refused);
  if (!recall.leases.empty()) decision.events.emplace_back(std::move(recall));
  return decision;
}

Result<void> check_borrower(const State& state, const Borrow& command) {
  const Epoch* epoch = find_epoch(state, command.gateway, command.epoch);
  const bool newest = command.epoch == newest_epoch(state, command.gateway);
  if (epoch == nullptr || !newest || epoch->status != EpochStatus::live) {
    return conflict("the epoch is over").at("epoch").because("epoch_over").fix("open the next one");
  }
  if (!command.seed) return invalid("must not be empty").at("seed");
  if (command.spender.path.empty() || command.spender.path.size() > budget::max_path) {
    return invalid("must be the 1 to 16 nodes from the tenant to the project").at("spender.path");
  }
  if (command.idle.size() > budget::max_set) return invalid("must hold at most 32").at("idle");
  const auto bounded = [](Wide amount) { return amount >= 0 && amount <= budget::max_limit; };
  bool fits = bounded(command.need.gpu_time) && bounded(command.need.tokens);
  for (const auto& [currency, nano] : command.need.money) fits = fits && bounded(nano);
  if (!fits) return invalid("must be 0 to 10^30 of the smallest unit").at("need");
  for (const Idle& idle : command.idle) {
    const bool sound = idle.amount >= -budget::max_limit && idle.amount <= budget::max_limit;
    if (!sound) return invalid("must be within 10^30 of the smallest unit").at("idle");
  }
  if (epoch->leases.size() + budget::max_set > max_leases) {
    return exhausted("the gateway has 100000 leases already").fix("restart it");
  }
  return {};
}

Decided judge_one(const State& state, const budget::State& budgets, const Borrow& command,
                  const Context& at) {
  TRY(check_borrower(state, command));
  const std::vector<Part> parts = parts_of(state, budgets, command, at.now);
  if (parts.size() > budget::max_set) return exhausted("the work matches more than 32 budgets");
  const auto fits = [](const Part& part) { return part.missing <= part.available; };
  if (!std::ranges::all_of(parts, fits)) return short_of(state, budgets, parts, command);
  const std::int64_t holders = std::max<std::int64_t>(1, live_epochs(state));
  Decision decision;
  LeasesGranted granted;
  std::vector<budget::Leg> lent;
  std::uint64_t salt = 0;
  for (const Part& part : parts) {
    ++salt;
    if (part.missing == 0 && part.lease != nullptr) {
      decision.leases.push_back(*part.lease);
      continue;
    }
    const Wide by = std::min(slice_of(state, part, holders), part.available);
    granted.leases.push_back(grown(command, part, by, salt));
    granted.needs.push_back(part.need);
    decision.leases.push_back(granted.leases.back());
    lent.push_back({part.budget->id, part.window.from, by});
  }
  for (const Lease& lease : granted.leases) {
    const bool fresh = lease.revision == 1;
    if (fresh && find(state, lease.id) != nullptr) return conflict("was used before").at("seed");
  }
  if (granted.leases.empty()) return decision;
  decision.events.emplace_back(std::move(granted));
  decision.budget_events.emplace_back(budget::BudgetLent{std::move(lent)});
  return decision;
}

Result<void> check_use(const State& state, const Report& command, const Use& use) {
  const Lease* lease = find(state, use.lease);
  if (lease == nullptr || lease->gateway != command.gateway || lease->epoch != command.epoch) {
    return not_found("no such lease of this epoch");
  }
  if (use.consumed < lease->consumed || use.consumed > budget::max_limit) {
    return invalid("must not go back").at("consumed");
  }
  if (use.charged < 0 || use.charged > budget::max_limit) return invalid("must be 0 or more");
  return {};
}

Decided judge_one(const State& state, const budget::State& budgets, const Report& command,
                  const Context&) {
  TRY_ASSIGN(const Epoch* epoch, owed_epoch(state, command.gateway, command.epoch));
  if (epoch == nullptr || command.offset <= epoch->reported) return Decision{};
  if (epoch->status == EpochStatus::written_off) {
    return conflict("the epoch was written off").because("written_off").fix("book it as a loss");
  }
  if (command.uses.size() > max_uses) return invalid("must hold at most 100000").at("uses");
  std::vector<budget::Move> moves;
  std::set<LeaseId> seen;
  for (std::size_t i = 0; i < command.uses.size(); ++i) {
    const Use& use = command.uses[i];
    auto fits = check_use(state, command, use);
    if (fits && !seen.insert(use.lease).second) fits = invalid("names a lease twice").at("lease");
    if (!fits) return std::move(fits).error().within("uses[" + std::to_string(i) + "]");
    Lease after = state.leases.at(use.lease);
    const Wide before = outstanding(after);
    after.consumed = use.consumed;
    moves.push_back({after.budget, after.window.from, before - outstanding(after), use.charged});
  }
  Decision decision;
  decision.events.emplace_back(
      UseReported{command.gateway, command.epoch, command.offset, command.uses});
  repay(budgets, std::move(moves), decision);
  return decision;
}

Decided judge_one(const State& state, const budget::State& budgets, const Reduce& command,
                  const Context&) {
  const Lease* lease = find(state, command.lease);
  if (lease == nullptr) return Decision{};  // its epoch is closed: all of it is back
  if (lease->gateway != command.gateway) {
    return not_found("no such lease of this gateway").at("lease");
  }
  if (command.revision < lease->revision) {
    return conflict("a later grant is on its way").at("revision").retried(Retry::later);
  }
  if (command.granted < std::min(lease->consumed, lease->granted) ||
      command.granted > lease->granted) {
    return invalid("must be between what is consumed and what is granted").at("granted");
  }
  const bool nothing = command.granted == lease->granted && !lease->recalled &&
                       command.revision == lease->revision;
  if (nothing) return Decision{};
  Lease after = *lease;
  after.granted = command.granted;
  Decision decision;
  decision.events.emplace_back(LeaseReduced{command.lease, command.granted, command.revision});
  repay(budgets, {{after.budget, after.window.from, outstanding(*lease) - outstanding(after), 0}},
        decision);
  return decision;
}

Decided judge_one(const State& state, const budget::State& budgets, const Recall& command,
                  const Context& at) {
  LeasesRecalled recall;
  for (const budget::Budget* budget : budget::matching(budgets, command.spender)) {
    const Instant window = budget::window_of(budgets, *budget, at.now).from;
    for_each_lease(state, budget->id, window, [&](const Lease& lease) {
      if (!lease.recalled && outstanding(lease) > 0) recall.leases.push_back(lease.id);
    });
  }
  Decision decision;
  if (!recall.leases.empty()) decision.events.emplace_back(std::move(recall));
  return decision;
}

Decided judge_one(const State& state, [[maybe_unused]] const budget::State& budgets,
                  const Lose& command, const Context&) {
  TRY_ASSIGN(const Epoch* epoch, owed_epoch(state, command.gateway, command.epoch));
  Decision decision;
  if (epoch != nullptr && epoch->status == EpochStatus::live) {
#ifdef BESSEMER_PLANT_LEASE_RETURNED_BY_TIME  // see cmake/programs/simulate.cmake
    decision.events.emplace_back(EpochClosed{command.gateway, command.epoch});
    repay(budgets, everything_out(state, *epoch), decision);
    return decision;
#endif
    decision.events.emplace_back(EpochLost{command.gateway, command.epoch});
  }
  return decision;
}

Decided judge_one(const State& state, const budget::State& budgets, const Close& command,
                  const Context&) {
  TRY_ASSIGN(const Epoch* epoch, owed_epoch(state, command.gateway, command.epoch));
  if (epoch == nullptr) return Decision{};
  if (epoch->status != EpochStatus::written_off && command.offset != epoch->reported) {
    return conflict("the log is reported up to " + std::to_string(epoch->reported)).at("offset");
  }
  Decision decision;
  decision.events.emplace_back(EpochClosed{command.gateway, command.epoch});
  repay(budgets, everything_out(state, *epoch), decision);
  return decision;
}

Decided judge_one(const State& state, const budget::State& budgets, const WriteOff& command,
                  const Context&) {
  if (command.reason.empty() || command.reason.size() > 256) {
    return invalid("must be 1 to 256 bytes").at("reason");
  }
  TRY_ASSIGN(const Epoch* epoch, owed_epoch(state, command.gateway, command.epoch));
  if (epoch == nullptr || epoch->status == EpochStatus::written_off) return Decision{};
  if (epoch->status == EpochStatus::live) {
    return conflict("the gateway is alive").fix("stop it, and recover its log where that is left");
  }
  EpochWrittenOff loss{command.gateway, command.epoch, command.reason, {}};
  std::vector<budget::Move> moves = everything_out(state, *epoch);
  for (const auto& move : moves) {
    if (move.released > 0) loss.outstanding.push_back({move.budget, move.window, move.released});
  }
  Decision decision;
  decision.events.emplace_back(std::move(loss));
  repay(budgets, std::move(moves), decision);
  return decision;
}

Decided judge_one(const State& state, const budget::State&, const Fence& command,
                  const Context&) {
  if (command.floor == state.floor) return Decision{};
  const bool above = command.floor > state.floor &&
                     std::ranges::all_of(state.newest, [&](const auto& one) {
                       return command.floor > one.second;
                     });
  if (!above) return invalid("must be above every epoch that was opened").at("floor");
  Decision decision;
  for (const auto& [key, epoch] : state.epochs) {
    if (epoch.status == EpochStatus::live) {
      decision.events.emplace_back(EpochLost{key.first, key.second});
    }
  }
  decision.events.emplace_back(EpochsFenced{command.floor});
  return decision;
}

// ---- changes

void end_leases(State& state, Epoch& epoch) {
  for (const LeaseId id : epoch.leases) {
    state.by_name.erase(name_of(state.leases.at(id)));
    state.leases.erase(id);
  }
  epoch.leases.clear();
}

void apply_one(State& state, const EpochOpened& event) {
  state.epochs[{event.gateway, event.epoch}].status = EpochStatus::live;
  state.newest[event.gateway] = event.epoch;
}
void apply_one(State& state, const LeasesGranted& event) {
  for (std::size_t i = 0; i < event.leases.size(); ++i) {
    const Lease& lease = event.leases[i];
    const auto [at, fresh] = state.leases.insert_or_assign(lease.id, lease);
    if (fresh) {
      state.by_name.emplace(name_of(lease), lease.id);
      state.epochs.at({lease.gateway, lease.epoch}).leases.push_back(lease.id);
    }
    Wide& largest = state.largest[lease.budget];
    largest = std::max(largest, event.needs.at(i));
  }
}
void apply_one(State& state, const UseReported& event) {
  for (const Use& use : event.uses) state.leases.at(use.lease).consumed = use.consumed;
  state.epochs.at({event.gateway, event.epoch}).reported = event.offset;
}
void apply_one(State& state, const LeaseReduced& event) {
  Lease& lease = state.leases.at(event.lease);
  lease.granted = event.granted;
  lease.revision = event.revision;
  lease.recalled = false;
}
void apply_one(State& state, const LeasesRecalled& event) {
  for (const LeaseId id : event.leases) state.leases.at(id).recalled = true;
}
void apply_one(State& state, const EpochLost& event) {
  state.epochs.at({event.gateway, event.epoch}).status = EpochStatus::lost;
}
void apply_one(State& state, const EpochClosed& event) {
  const auto epoch = state.epochs.find({event.gateway, event.epoch});
  end_leases(state, epoch->second);
  state.epochs.erase(epoch);
}
void apply_one(State& state, const EpochWrittenOff& event) {
  Epoch& epoch = state.epochs.at({event.gateway, event.epoch});
  end_leases(state, epoch);
  epoch.status = EpochStatus::written_off;
}
void apply_one(State& state, const EpochsFenced& event) { state.floor = event.floor; }

}  // namespace

Result<Decision> judge(const State& state, const budget::State& budgets, const Command& command,
                       const Context& at) {
  return std::visit([&](const auto& one) { return judge_one(state, budgets, one, at); }, command);
}

void apply(State& state, const Event& event, const Context&) {
  std::visit([&](const auto& one) { apply_one(state, one); }, event);
}

bool is_over(const State& state, GatewayId gateway, std::uint64_t epoch) {
  return epoch != 0 && epoch <= newest_epoch(state, gateway) &&
         find_epoch(state, gateway, epoch) == nullptr;
}

std::uint64_t newest_epoch(const State& state, GatewayId gateway) {
  const auto found = state.newest.find(gateway);
  return std::max(state.floor, found == state.newest.end() ? 0 : found->second);
}

const Lease* find(const State& state, LeaseId id) {
  const auto found = state.leases.find(id);
  return found == state.leases.end() ? nullptr : &found->second;
}

Wide outstanding(const Lease& lease) { return std::max(Wide{0}, lease.granted - lease.consumed); }

std::vector<Lease> recalled(const State& state, GatewayId gateway) {
  std::vector<Lease> found;
  const Epoch* epoch = find_epoch(state, gateway, newest_epoch(state, gateway));
  if (epoch == nullptr) return found;
  for (const LeaseId id : epoch->leases) {
    if (const Lease& lease = state.leases.at(id); lease.recalled) found.push_back(lease);
  }
  return found;
}

std::vector<EpochKey> owed(const State& state) {
  std::vector<EpochKey> found;
  for (const auto& [key, epoch] : state.epochs) {
    const bool old = key.second != newest_epoch(state, key.first);
    if (epoch.status == EpochStatus::lost || (old && epoch.status == EpochStatus::live)) {
      found.push_back(key);
    }
  }
  return found;
}

std::string audit(const State& state, const budget::State& budgets) {
  std::map<std::pair<BudgetId, Instant>, Wide> out;
  for (const auto& [id, lease] : state.leases) {
    out[{lease.budget, lease.window.from}] += outstanding(lease);
  }
  for (const auto& [id, windows] : budgets.counters) {
    for (const auto& [window, counters] : windows) {
      const auto lent = out.extract({id, window});
      if (counters.leased != (lent.empty() ? Wide{0} : lent.mapped())) {
        return "budget " + to_text(id) + " has other amounts leased than its leases say";
      }
    }
  }
  for (const auto& [key, amount] : out) {
    if (amount != 0) return "a lease of a budget that counts nothing: " + to_text(key.first);
  }
  return {};
}

std::vector<Use> metered_charges(const metering::Log& log, const metering::UsageSums::Usages& sums,
                                 const std::vector<metering::Posting>& postings) {
  std::map<LeaseId, Wide> charged;
  for (const std::uint32_t terms : sums.terms_of) {
    for (const LeaseId lease : log.terms.at(terms).leases) charged.try_emplace(lease, 0);
  }
  for (const metering::Posting& posting : postings) {
    const metering::Terms& terms = log.terms.at(sums.terms_of.at(posting.usage));
    for (const LeaseId id : terms.leases) {
      const metering::LeaseTaken& lease = log.leases.at(id).taken;
      charged[id] += amount_of(metering::spend_of({posting}), lease.unit, lease.currency);
    }
  }
  std::vector<Use> uses;
  for (const auto& [id, amount] : charged) uses.push_back({id, log.leases.at(id).consumed, amount});
  return uses;
}

}  // namespace bessemer::lease
