// Gathers what is behind a charge.
#include "application/api/trail.h"

#include <algorithm>

#include "application/factory/charge.h"

namespace bessemer::api {
namespace {

std::string source_of(const metering::Event& event) {
  if (const auto* used = std::get_if<metering::UsageRecorded>(&event)) {
    return used->stream + " up to record " + std::to_string(used->sequence);
  }
  if (const auto* accrued = std::get_if<metering::IntervalAccrued>(&event)) {
    return accrued->interval;
  }
  return {};
}

}  // namespace

Trail Trail::of_line(metering::LineKey line) {
  Trail trail;
  trail.line_ = std::move(line);
  return trail;
}

Trail Trail::of_transfer(TransferId transfer) {
  Trail trail;
  trail.wanted_ = transfer;
  return trail;
}

bool Trail::concerns(std::uint16_t fact) {
  return fact == metering::UsageRecorded::fact || fact == metering::IntervalAccrued::fact ||
         fact == ledger::Transferred::fact || fact == ledger::TransferredFrom::fact;
}

void Trail::add(const factory::Fact& fact, const metering::Posting& posting,
                std::string source) {
  ++count_;
  quantity_ += posting.quantity;
  nano_ += posting.amount.nano;
  if (records_.size() == shown_records) return;
  records_.push_back({fact.sequence, fact.context.now, std::move(source), posting.from,
                      posting.until, posting.quantity, posting.amount, posting.line.version});
}

// Whether a posting is part of what a transfer moved: one step may hold those of many tenants.
bool pays(const metering::Posting& posting, const ledger::Transfer& transfer) {
  using ledger::AccountKind;
  const metering::LineKey& line = posting.line;
  const Currency currency = posting.amount.currency;
  const auto is_side = [&](AccountKind kind, EndpointId endpoint) {
    const AccountId account = factory::account_id(line.tenant, kind, currency, endpoint);
    return account == transfer.from || account == transfer.to;
  };
  if (line.bearer == metering::Bearer::endpoint) {
    return is_side(AccountKind::endpoint_cost, line.subject.endpoint);
  }
  return is_side(AccountKind::wallet, {}) || is_side(AccountKind::receivable, {});
}

// The transfers of metered usage follow the facts of the use in the same step.
void Trail::take(const factory::Fact& fact) {
  if (const auto* used = std::get_if<metering::Event>(&fact.event)) {
    const std::string source = source_of(*used);
    if (!line_) {
      if (transfer_) return;
      // What was metered at another moment is of another command, and was free of cost.
      if (!step_.empty() && step_.back().first.context.now != fact.context.now) step_.clear();
      step_.emplace_back(fact, source);
      return;
    }
    for (const metering::Posting& posting : metering::postings_of(*used)) {
      if (posting.line == *line_) add(fact, posting, source);
    }
    return;
  }
  const auto* moved = std::get_if<ledger::Event>(&fact.event);
  if (moved == nullptr || line_ || transfer_) return;
  const auto found = [&](const ledger::Transfer& transfer) {
    transfer_ = transfer;
    sequence_ = fact.sequence;
    recorded_at_ = fact.context.now;
  };
  if (const auto* one = std::get_if<ledger::Transferred>(moved)) {
    if (one->transfer.id == wanted_) found(one->transfer);
  } else if (const auto* step = std::get_if<ledger::TransferredFrom>(moved)) {
    const auto wanted = std::ranges::find(step->transfers, wanted_, &ledger::Transfer::id);
    if (wanted != step->transfers.end()) {
      found(*wanted);
      source_ = step->source;
      for (const auto& [before, source] : step_) {
        if (before.context.now != fact.context.now) continue;  // another command's, free of cost
        for (const auto& posting : metering::postings_of(std::get<metering::Event>(before.event))) {
          if (pays(posting, *wanted)) add(before, posting, source);
        }
      }
    }
  }
  step_.clear();
}

}  // namespace bessemer::api
