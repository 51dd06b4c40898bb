// The judges of a simulated factory.
#include "sim/judge.h"

#include <algorithm>
#include <map>

#include "application/factory/charge.h"
#include "base/codec.h"
#include "journal/file_journal.h"
#include "journal/usage_log.h"

namespace bessemer::sim {

namespace {

constexpr std::uint64_t usage_segment = 16384;

// No part of a node belongs to two, and each node's sum is that of its allocations.
std::string judge_allocations(const site::State& sites) {
  std::map<NodeId, site::Use> sums;
  for (const auto& [id, allocation] : sites.allocations) {
    site::Use& sum = sums[allocation.node];
    sum.cpu_millis += allocation.cpu_millis;
    sum.memory_bytes += allocation.memory_bytes;
    for (const site::Share& share : allocation.accelerators) {
      if (sum.accelerators.size() <= share.index) sum.accelerators.resize(share.index + 1);
      sum.accelerators[share.index] += share.milli;
      if (sum.accelerators[share.index] > 1000) {
        return "accelerator " + std::to_string(share.index) + " of " + to_text(allocation.node) +
               " is allocated twice";
      }
    }
  }
  for (const auto& [id, node] : sites.nodes) {
    site::Use expected = node.use;
    expected.accelerators.resize(std::max(expected.accelerators.size(),
                                          node.inventory.accelerators.size()));
    site::Use& sum = sums[id];
    sum.accelerators.resize(expected.accelerators.size());
    if (sum != expected) return "the use of " + to_text(id) + " is not the sum of its allocations";
    if (sum.cpu_millis > node.inventory.cpu_millis ||
        sum.memory_bytes > node.inventory.memory_bytes) {
      return to_text(id) + " is given away beyond what it has";
    }
  }
  return {};
}

// Money is held for attempts that run, and for nothing else.
std::string judge_holds(const factory::State& state) {
  std::set<HoldId> owned;
  std::set<AllocationId> placed;
  for (const WorkloadId id : state.workload.live) {
    const workload::Workload* const found = workload::find(state.workload, id);
    if (found->phase == workload::Phase::queued || found->last() == nullptr) continue;
    if (found->last()->hold) owned.insert(found->last()->hold);
    for (const workload::Task& task : found->last()->tasks) {
      if (task.phase == workload::TaskPhase::ended) continue;
      placed.insert(task.placement.allocation);
      if (site::find_allocation(state.site, task.placement.allocation) == nullptr) {
        return "a task of " + to_text(id) + " runs on no allocation";
      }
    }
  }
  for (const auto& [hold, opened] : state.budget.holds) {
    if (!owned.contains(hold)) return "hold " + to_text(hold) + " belongs to no attempt";
  }
  for (const auto& [id, allocation] : state.site.allocations) {
    if (!placed.contains(id)) return "allocation " + to_text(id) + " belongs to no task";
  }
  for (const auto& [name, interval] : state.metering.intervals) {
    const auto id = from_text(std::type_identity<AllocationId>{}, name);
    if (id && !placed.contains(*id)) return "interval " + name + " is charged for nothing";
  }
  return {};
}

// Held is the sum of the open holds' legs, in every window of every budget.
std::string judge_counters(const budget::State& budgets) {
  std::map<std::pair<BudgetId, Instant>, Wide> held;
  for (const auto& [id, hold] : budgets.holds) {
    for (const budget::Leg& leg : hold.legs) held[{leg.budget, leg.window}] += leg.amount;
  }
  for (const auto& [id, windows] : budgets.counters) {
    for (const auto& [window, counters] : windows) {
      if (counters.held != held[{id, window}]) {
        return "held of budget " + to_text(id) + " is " + to_text(counters.held) + ", its holds " +
               to_text(held[{id, window}]);
      }
      if (counters.held < 0 || counters.leased < 0) {
        return "a counter of budget " + to_text(id) + " is below zero";
      }
    }
  }
  return {};
}

// What cannot be paid is refused before it is used: a wallet has what is set aside of it. Time that
// was used while nobody could refuse it, and what is stored, may drive one below zero.
std::string judge_wallets(const factory::State& state) {
  std::set<OrgId> timed;
  for (const auto& [key, line] : state.metering.lines) {
    if (pricing::is_time(key.meter)) timed.insert(key.tenant);
  }
  for (const auto& [id, account] : state.ledger.accounts) {
    if (account.kind != ledger::AccountKind::wallet || timed.contains(account.owner)) continue;
    const auto now = budget::counters_of(state.budget, factory::wallet_budget(id), Instant{});
    if (account.balance >= now.held + now.leased) continue;
    return "a wallet has " + to_text(account.balance) + " nano, of which " +
           to_text(now.held + now.leased) + " are set aside";
  }
  return {};
}

// What the lines say was charged has moved in the ledger: receivables owe exactly that, and wallets
// have so much less than was paid into them.
std::string judge_charges(const factory::State& state) {
  std::map<Currency, Wide> lines, moved;
  for (const auto& [key, line] : state.metering.lines) {
    lines[line.amount.currency] += line.amount.nano;
  }
  for (const auto& [id, account] : state.ledger.accounts) {
    switch (account.kind) {
      case ledger::AccountKind::receivable:
      case ledger::AccountKind::endpoint_cost:
      case ledger::AccountKind::wallet:
      case ledger::AccountKind::payments: moved[account.currency] -= account.balance; break;
      default: break;
    }
  }
  for (const auto& [currency, nano] : lines) {
    if (moved[currency] != nano) {
      return "lines of " + to_text(nano) + " and transfers of " + to_text(moved[currency]) +
             " nano " + to_text(currency);
    }
  }
  return {};
}

}  // namespace

std::string judge_state(const factory::State& state, Instant) {
  for (const auto& [currency, sum] : ledger::trial_balance(state.ledger)) {
    if (sum != 0) return "the ledger's sum of " + to_text(currency) + " is " + to_text(sum);
  }
  if (auto fault = judge_allocations(state.site); !fault.empty()) return fault;
  if (auto fault = judge_holds(state); !fault.empty()) return fault;
  if (auto fault = judge_counters(state.budget); !fault.empty()) return fault;
  if (auto fault = judge_charges(state); !fault.empty()) return fault;
  if (auto fault = judge_wallets(state); !fault.empty()) return fault;
  if (auto fault = lease::audit(state.lease, state.budget); !fault.empty()) return fault;
  return metering::audit(state.metering, state.pricing);
}

std::string judge_rest(const factory::State& state) {
  if (!state.workload.live.empty()) {
    const workload::Workload& one = state.workload.workloads.at(*state.workload.live.begin());
    return "workload " + to_text(one.id) + " never ends: " + workload::sentence(one);
  }
  if (!state.site.allocations.empty()) return "an allocation is left";
  if (!state.budget.holds.empty()) return "a hold on a budget is left";
  for (const auto& [name, interval] : state.metering.intervals) {
    // What is stored is charged on.
    if (from_text(std::type_identity<AllocationId>{}, name)) return "an interval is left";
  }
  if (!state.pipeline.active.empty()) {
    const pipeline::Run& run = state.pipeline.runs.at(*state.pipeline.active.begin());
    return "pipeline run " + to_text(run.id) + " never ends: " + pipeline::summarise(run);
  }
  for (const auto& [id, endpoint] : state.deployment.endpoints) {
    if (!endpoint.running.empty()) return "a replica of " + to_text(id) + " is left";
  }
  for (const auto& [id, windows] : state.budget.counters) {
    for (const auto& [window, counters] : windows) {
      if (counters.held != 0 || counters.leased != 0) {
        return "budget " + to_text(id) + " has held " + to_text(counters.held) + ", leased " +
               to_text(counters.leased);
      }
    }
  }
  if (!state.lease.leases.empty()) return "a lease is left";
  return {};
}

std::string judge_replay(simulated::SimulatedDisk& disk, const factory::State& state,
                         engine::Sequence applied) {
  factory::State folded;
  engine::Sequence sequence = 0;
  auto cursor = journal::read_journal(disk, "journal", 1, journal::Extent::whole);
  if (!cursor) return "the journal cannot be read: " + to_text(cursor.error());
  journal::Batch batch;
  while (sequence < applied) {
    const auto more = (*cursor)->next(batch);
    if (!more) return "the journal cannot be read: " + to_text(more.error());
    if (!*more) return "the journal ends before what is applied";
    journal::Record record;
    for (journal::Records each(batch.body); sequence < applied && each.next(record);) {
      const auto fact = factory::decode_fact(++sequence, record.type, record.bytes);
      if (!fact) return "a fact cannot be read: " + to_text(fact.error());
      factory::apply(folded, fact->event, fact->context);
    }
  }
  const std::string bytes = factory::encode_state(state);
  if (factory::encode_state(folded) != bytes) return "the state is not the fold of its journal";
  const auto back = factory::decode_state(bytes);
  if (!back) return "the state cannot be read back: " + to_text(back.error());
  if (factory::encode_state(*back) != bytes) return "the state changes when it is read back";
  return {};
}

std::string judge_gateways(const std::vector<std::unique_ptr<SimulatedGateway>>& gateways,
                           const factory::State& state, const std::vector<RequestKind>& kinds) {
  std::map<metering::LineKey, Wide> settled;  // tokens and requests, as the factory should count
  for (const auto& gateway : gateways) {
    std::map<RequestId, metering::Counts> charged;
    const auto epochs = journal::list_usage_epochs(gateway->disk(), gateway->id());
    for (const std::uint64_t epoch : *epochs) {
      metering::Log log;
      std::string fault;
      const auto replay = [&](const journal::Batch& batch) -> Result<void> {
        journal::Record record;
        for (journal::Records each(batch.body); each.next(record);) {
          TRY_ASSIGN(const auto decoded, codec::decode<metering::LogRecord>(record.bytes));
          TRY_ASSIGN(const auto settlement, metering::fold(log, decoded));
          if (!settlement) continue;
          if (!charged.try_emplace(settlement->request, settlement->counts).second) {
            fault = "request " + to_text(settlement->request) + " is billed twice";
          }
        }
        return {};
      };
      const auto opened = journal::recover_usage_log(gateway->disk(), gateway->id(), epoch, replay,
                                                     usage_segment);
      if (!opened && opened.error().code == Code::not_found) continue;
      if (!opened) return "a usage log cannot be read: " + to_text(opened.error());
      if (!fault.empty()) return fault;
      if (!log.holds.empty()) return "a hold of a usage log is never resolved";
      if (!log.closed) return "a usage log is never closed";
    }
    for (const auto& [request, seen] : gateway->seen()) {
      const auto found = charged.find(request);
      if (seen.answered && found == charged.end()) {
        return "request " + to_text(request) + " was answered and never billed";
      }
      if (seen.answered && found->second != *seen.answered) {
        return "request " + to_text(request) + " is billed by something else than its answer";
      }
      if (found != charged.end() && found->second.output > seen.delivered.output) {
        return "request " + to_text(request) + " is billed beyond what was delivered";
      }
    }
    for (const auto& [request, counts] : charged) {
      const auto seen = gateway->seen().find(request);
      if (seen == gateway->seen().end()) return "a request is billed that nobody made";
      const RequestKind& kind = kinds.at(seen->second.kind);
      for (const auto& price : kind.prices) {
        metering::LineKey key;
        key.tenant = kind.payer.tenant;
        key.meter = price.meter;
        settled[key] += metering::count_of(counts, price.meter);
      }
    }
  }
  std::map<metering::LineKey, Wide> counted;
  for (const auto& [line, sums] : state.metering.lines) {
    if (pricing::is_time(line.meter)) continue;
    metering::LineKey key;
    key.tenant = line.tenant;
    key.meter = line.meter;
    counted[key] += sums.quantity;
  }
  std::erase_if(settled, [](const auto& entry) { return entry.second == 0; });
  std::erase_if(counted, [](const auto& entry) { return entry.second == 0; });
  return settled == counted ? "" : "the factory has not counted what the usage logs settle";
}

}  // namespace bessemer::sim
