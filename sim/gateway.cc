// A gateway process of a simulation: what money.md asks of one, step by step.
#include "sim/gateway.h"

#include <algorithm>

#include "base/check.h"
#include "base/codec.h"

namespace bessemer::sim {

using journal::Purpose;
using journal::Record;
using lease::LogRecord;
using metering::Counts;

namespace {

constexpr std::size_t range_bytes = 4096;
constexpr std::uint64_t segment_bytes = 16384;

Counts used(std::uint64_t input, std::uint64_t output) {
  Counts out;
  out.input = input;
  out.output = output;
  out.requests = 1;
  return out;
}

Purpose purpose_of(const LogRecord& record) {
  const bool begins = std::holds_alternative<metering::HoldOpened>(record) ||
                      std::holds_alternative<metering::HoldExtended>(record) ||
                      std::holds_alternative<metering::TermsDefined>(record);
  return begins ? Purpose::ordinary : Purpose::closing;
}

metering::Terms terms_of(const RequestKind& kind) {
  return {kind.payer, kind.subject, kind.sku, kind.version, kind.prices, {}};
}

}  // namespace

SimulatedGateway::SimulatedGateway(GatewayId id, const simulated::SimulatedClock& clock,
                                   std::uint64_t seed)
    : id_(id), clock_(clock), random_(seed), disk_(seed + 1) {}

void SimulatedGateway::die() {
  ++counts_.deaths;
  process_.reset();
  stopped_ = false;
}

void SimulatedGateway::kill(simulated::Unsynced unsynced) {
  if (process_) die();
  disk_.crash(unsynced);
}

// Stages and applies. False: the log takes no more of this now, and nothing has changed.
bool SimulatedGateway::write(const std::vector<LogRecord>& records) {
  if (records.empty()) return true;
  std::vector<std::string> bytes;
  for (const auto& record : records) bytes.push_back(codec::encode(record));
  std::vector<Record> group;
  for (const auto& each : bytes) group.push_back({1, each});
  Purpose purpose = Purpose::closing;
  for (const auto& record : records) purpose = std::min(purpose, purpose_of(record));
  if (!process_->log.journal->append(group, purpose)) return false;
  for (const auto& record : records) lease::apply(process_->holder, record);
  return true;
}

// Makes everything staged durable and lets out what waited for it. False: the process is dead.
bool SimulatedGateway::commit(ControlPlane& control) {
  auto& journal = *process_->log.journal;
  if (!journal.commit(journal.take_staged())) {
    die();
    return false;
  }
  while (!process_->waiting.empty() &&
         process_->waiting.front().sequence <= journal.durable()) {
    const Waiting next = process_->waiting.front();
    process_->waiting.pop_front();
    release(next, control);
  }
  return true;
}

void SimulatedGateway::release(const Waiting& waiting, ControlPlane& control) {
  if (waiting.what == Waiting::What::reduced) {
    // A lost answer is given again: the control plane asks until it has it.
    (void)control.reduce(lease::reduced(process_->holder, waiting.lease));
    return;
  }
  const auto found = process_->requests.find(waiting.request);
  check(found != process_->requests.end(), "an effect without a request");
  Request& request = found->second;
  request.busy = false;
  Seen& seen = seen_[waiting.request];
  seen.kind = request.kind;
  switch (waiting.what) {
    case Waiting::What::opened:
      request.open = true;
      ++counts_.opened;
      seen.delivered = request.produced;
      break;
    case Waiting::What::extended:
      request.covered = waiting.covered;
      ++counts_.extended;
      break;
    case Waiting::What::answered:
      seen.answered = request.produced;
      ++counts_.answered;
      process_->requests.erase(found);
      break;
    case Waiting::What::gone:
      process_->requests.erase(found);
      break;
    case Waiting::What::reduced: break;
  }
}

// Asks for more and takes what is lent. Nothing: not now, or not at all.
std::optional<std::vector<LeaseId>> SimulatedGateway::borrow(ControlPlane& control,
                                                             const RequestKind& kind,
                                                             budget::Purpose purpose,
                                                             const Result<lease::Ask>& ask) {
  if (!ask) return std::nullopt;
  const Duration asked = clock_.since_boot();
  const auto answer =
      control.borrow(id_, process_->holder.log.epoch, kind.spender, purpose, *ask);
  if (!answer) return std::nullopt;
  lease::renew(process_->holder, asked);
  if (!answer->refused.empty()) {
    ++counts_.refused;
    return std::nullopt;
  }
  if (answer->outcome == lease::Outcome::wait) {
    ++counts_.unavailable;
    return std::nullopt;
  }
  if (!write(lease::take(process_->holder, answer->leases))) return std::nullopt;
  std::vector<LeaseId> leases;
  for (const auto& each : answer->leases) leases.push_back(each.id);
  return leases;
}

bool SimulatedGateway::prepare_terms(ControlPlane& control, const RequestKind& kind,
                                     std::size_t index, const lease::Opening& opening) {
  if (process_->terms.contains(index)) return true;
  metering::Terms terms = terms_of(kind);
  auto leases = borrow(control, kind, budget::Purpose::admission,
                       lease::ask_for(process_->holder, terms, opening));
  if (!leases) return false;
  terms.leases = std::move(*leases);
  const std::uint32_t number = process_->holder.log.next_terms;
  const auto record = lease::define_terms(process_->holder, terms);
  if (!record || !write({*record})) return false;
  process_->terms[index] = number;
  return true;
}

void SimulatedGateway::arrive(ControlPlane& control, const std::vector<RequestKind>& kinds) {
  if (kinds.empty() || process_->requests.size() > 20) return;
  const std::size_t index = random_.below(kinds.size());
  const RequestKind& kind = kinds[index];
  Request request;
  const std::uint64_t high = random_.next(), low = random_.next();
  request.id = make_id<RequestTag>(clock_.now(), high, low);
  request.kind = index;
  const std::uint64_t prompt = 1 + random_.below(2000);
  request.output_in_all = random_.below(3000);
  request.slice = random_.chance(1, 2) ? 256 : 0;
  request.produced = used(prompt, 0);
  request.covered = used(prompt, request.slice > 0 ? request.slice : request.output_in_all);
  lease::Opening opening;
  opening.request = request.id;
  opening.first = request.covered;
  if (request.slice > 0) opening.slice.output = request.slice;
  if (!prepare_terms(control, kind, index, opening)) return;
  opening.terms = process_->terms.at(index);
  for (int attempt = 0; attempt < 3; ++attempt) {
    request.hold = process_->holder.log.next_hold;
    const auto record = lease::open(process_->holder, opening, clock_.now(), clock_.since_boot());
    if (record) {
      if (!write({*record})) return;
      request.busy = true;
      process_->waiting.push_back({process_->log.journal->appended(), request.id,
                                   Waiting::What::opened, {}, {}});
      process_->requests[request.id] = request;
      return;
    }
    const std::string& reason = record.error().reason;
    if (reason == "lease_window_over") {
      process_->terms.erase(index);
      return;
    }
    if (reason == "lease_expired") {
      const Duration asked = clock_.since_boot();
      if (!control.ping()) return;
      lease::renew(process_->holder, asked);
      continue;
    }
    if (reason != "lease_short") return;
    const metering::Terms& terms = process_->holder.log.terms.at(opening.terms);
    if (!borrow(control, kind, budget::Purpose::admission,
                lease::ask_for(process_->holder, terms, opening))) {
      return;
    }
  }
}

// The engine makes more tokens, as many as the hold covers.
void SimulatedGateway::produce(Request& request) {
  const std::uint64_t most = std::min(request.covered.output, request.output_in_all);
  if (request.produced.output < most) {
    request.produced.output += 1 + random_.below(most - request.produced.output);
  }
  Seen& seen = seen_[request.id];
  seen.began = true;
  seen.delivered = request.produced;
}

void SimulatedGateway::extend(Request& request, ControlPlane& control,
                              const std::vector<RequestKind>& kinds) {
  Counts total = request.covered;
  total.output += request.slice;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Counts slice;
    if (total.output < request.output_in_all) slice.output = request.slice;
    const auto record = lease::extend(process_->holder, request.hold, request.produced, total,
                                      slice, clock_.since_boot());
    if (record) {
      if (!write({*record})) return;
      request.busy = true;
      process_->waiting.push_back({process_->log.journal->appended(), request.id,
                                   Waiting::What::extended, {}, total});
      return;
    }
    if (record.error().reason != "lease_short") break;
    if (!borrow(control, kinds[request.kind], budget::Purpose::continuation,
                lease::ask_for(process_->holder, request.hold, total))) {
      break;
    }
  }
  settle(request);  // the last resort: the stream is cut, and what was produced is billed
}

void SimulatedGateway::settle(Request& request) {
  const auto record = lease::settle(process_->holder, request.hold, request.produced,
                                    random_.chance(1, 50), clock_.now());
  check(record.has_value(), "settling is never refused");
  if (!write({*record})) return;
  request.busy = true;
  process_->waiting.push_back({process_->log.journal->appended(), request.id,
                               Waiting::What::answered, {}, {}});
}

void SimulatedGateway::progress(ControlPlane& control, const std::vector<RequestKind>& kinds) {
  if (process_->requests.empty()) return;
  auto at = process_->requests.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random_.below(process_->requests.size())));
  Request& request = at->second;
  if (!request.open || request.busy) return;
  if (!seen_[request.id].began && random_.chance(1, 10)) {  // the upstream failed
    const auto record = lease::void_hold(process_->holder, request.hold,
                                         metering::VoidReason::upstream_failed);
    if (!record || !write({*record})) return;
    request.busy = true;
    ++counts_.voided;
    process_->waiting.push_back({process_->log.journal->appended(), request.id,
                                 Waiting::What::gone, {}, {}});
    return;
  }
  produce(request);
  if (request.produced.output >= request.output_in_all || random_.chance(1, 20)) {
    settle(request);  // done, or the client has left
  } else if (request.produced.output >= request.covered.output) {
    extend(request, control, kinds);
  }
}

void SimulatedGateway::ship(ControlPlane& control) {
  if (!process_->shipper) {
    auto shipper = journal::Shipper::from(process_->log, process_->acknowledged + 1);
    if (!shipper) return;
    process_->shipper.emplace(std::move(*shipper));
  }
  const auto range = process_->shipper->take(range_bytes);
  if (!range || range->empty()) return;
  const auto acknowledged = control.ship(id_, process_->holder.log.epoch, *range);
  if (acknowledged) process_->acknowledged = std::max(process_->acknowledged, *acknowledged);
  if (!acknowledged || random_.chance(1, 20)) process_->shipper.reset();  // the connection broke
}

void SimulatedGateway::answer_recalls(ControlPlane& control) {
  for (const lease::Lease& each : control.recalled(id_)) {
    if (each.epoch != process_->holder.log.epoch) continue;
    if (!write(lease::take(process_->holder, {each}))) continue;
    if (!write(lease::give_back(process_->holder, each.id))) continue;
    ++counts_.recalls;
    process_->waiting.push_back({process_->log.journal->appended(), {}, Waiting::What::reduced,
                                 each.id, {}});
  }
}

void SimulatedGateway::step(ControlPlane& control, const std::vector<RequestKind>& kinds) {
  if (!alive() || stopped_) return;
  switch (random_.below(8)) {
    case 0: case 1: arrive(control, kinds); break;
    case 2: case 3: case 4: progress(control, kinds); break;
    case 5: ship(control); break;
    case 6: answer_recalls(control); break;
    case 7: (void)process_->log.journal->maintain().has_value(); break;
  }
  if (alive() && random_.chance(1, 2)) commit(control);
}

bool SimulatedGateway::drain(ControlPlane& control) {
  if (!alive() || !commit(control)) return false;
  for (auto& [id, request] : process_->requests) {
    if (request.open && !request.busy) settle(request);
  }
  if (!commit(control) || !process_->requests.empty()) return false;
  const std::uint64_t epoch = process_->holder.log.epoch;
  if (!process_->holder.log.closed) {
    if (!write({lease::close_log(clock_.now())}) || !commit(control)) return false;
  }
  const auto end = process_->log.journal->durable();
  for (int in_vain = 0; in_vain < 10 && process_->acknowledged < end;) {
    const auto before = process_->acknowledged;
    ship(control);
    in_vain = process_->acknowledged == before ? in_vain + 1 : 0;
  }
  if (process_->acknowledged < end || !control.close(id_, epoch, end)) return false;
  process_.reset();
  return true;
}

bool SimulatedGateway::recover_epoch(ControlPlane& control, std::uint64_t epoch,
                                     journal::Sequence acknowledged) {
  metering::Log folded;
  auto log = journal::recover_usage_log(
      disk_, id_, epoch, [&](const journal::Batch& batch) -> Result<void> {
        Record record;
        for (journal::Records each(batch.body); each.next(record);) {
          TRY_ASSIGN(const auto decoded, codec::decode<LogRecord>(record.bytes));
          TRY(metering::fold(folded, decoded));
        }
        return {};
      }, segment_bytes);
  // An epoch that was opened and never written to has nothing to say.
  if (!log && log.error().code == Code::not_found) return control.close(id_, epoch, 0);
  if (!log) return false;
  if (!folded.closed) {
    for (const auto& record : lease::recover(folded, clock_.now())) {
      const std::string bytes = codec::encode(record);
      const Record one{1, bytes};
      if (!journal::append_now(*log->journal, {&one, 1}, Purpose::closing)) return false;
    }
  }
  const auto end = log->journal->durable();
  auto shipper = journal::Shipper::from(*log, acknowledged + 1);
  while (shipper) {
    const auto range = shipper->take(range_bytes);
    if (!range) return false;
    if (range->empty()) break;
    if (!control.ship(id_, epoch, *range)) return false;
  }
  ++counts_.recovered;
  return control.close(id_, epoch, end);
}

void SimulatedGateway::start(ControlPlane& control) {
  if (alive()) return;
  disk_.crash(simulated::Unsynced::kept);  // nothing of the dead process holds on to it
  const auto welcome = control.hello(id_);
  if (!welcome) return;
  for (const auto& [epoch, acknowledged] : welcome->owed) {
    if (!recover_epoch(control, epoch, acknowledged)) return;
  }
  journal::Mark mark;
  for (auto& byte : mark) byte = static_cast<std::uint8_t>(random_.next() >> 56);
  auto log = journal::begin_usage_log(disk_, id_, welcome->epoch, mark, segment_bytes);
  if (!log) return;
  auto process = std::make_unique<Process>();
  process->log = std::move(*log);
  process_ = std::move(process);
  lease::renew(process_->holder, clock_.since_boot());
  if (!write({lease::open_log(id_, welcome->epoch, clock_.now())}) || !commit(control)) {
    if (process_) die();
  }
}

}  // namespace bessemer::sim
