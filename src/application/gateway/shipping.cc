// Usage logs on their way to the daemon: the living one, and those that dead processes left.
#include "application/gateway/shipping.h"

#include "base/codec.h"

namespace bessemer::gateway {
namespace {

// Folds the records of a batch.
Result<void> fold_batch(const journal::Batch& batch, metering::Log& log) {
  journal::Records records(batch.body);
  journal::Record record;
  while (records.next(record)) {
    TRY_ASSIGN(const auto read, codec::decode<metering::LogRecord>(record.bytes));
    TRY(metering::fold(log, read));
  }
  return {};
}

}  // namespace

void Shipping::add_own(std::uint64_t epoch, LogWriter& writer) {
  own_ = epoch;
  logs_[epoch].log = &writer.log();
}

void Shipping::progressed() {
  if (timer_ == 0) timer_ = loop_.after(shipping_delay, [this] {
    timer_ = 0;
    ship_all();
  });
}

// A process that died before its first record was durable left no log, or an empty one. It never
// spent anything if it was never lent anything.
Result<journal::UsageLog> Shipping::open_dead(GatewayId gateway, const control::OwedLog& owed,
                                              metering::Log& folded) {
  auto log = journal::recover_usage_log(
      disk_, gateway, owed.epoch,
      [&](const journal::Batch& batch) { return fold_batch(batch, folded); });
  const bool never_begun = !log && log.error().code == Code::not_found && !owed.lent &&
                           owed.acknowledged == 0;
  if (!never_begun) return log;
  journal::Mark mark{};
  entropy_.fill(std::as_writable_bytes(std::span(mark)));
  return journal::begin_usage_log(disk_, gateway, owed.epoch, mark);
}

Result<void> Shipping::recover(GatewayId gateway, const control::OwedLog& owed, Log& into) {
  metering::Log folded;
  TRY_ASSIGN(auto log, open_dead(gateway, owed, folded));
  std::vector<std::string> bodies;
  if (log.journal->appended() == 0) {
    bodies.push_back(codec::encode(lease::open_log(gateway, owed.epoch, clock_.now())));
  }
  for (const auto& record : lease::recover(folded, clock_.now())) {
    bodies.push_back(codec::encode(record));
  }
  std::vector<journal::Record> group;
  for (const auto& body : bodies) group.push_back({usage_record_type, body});
  if (!group.empty()) TRY(journal::append_now(*log.journal, group, journal::Purpose::closing));
  into.last = log.journal->durable();
  into.recovered = std::move(log);
  into.log = &*into.recovered;
  return {};
}

std::vector<std::string> Shipping::owe(GatewayId gateway,
                                       const std::vector<control::OwedLog>& owed) {
  std::vector<std::string> lost;
  for (const auto& one : owed) {
    auto& log = logs_[one.epoch];
    if (log.log == nullptr) {
      auto recovered = recover(gateway, one, log);
      if (!recovered) {
        lost.push_back("the usage log of epoch " + std::to_string(one.epoch) +
                       " cannot be recovered: " + recovered.error().what);
        logs_.erase(one.epoch);
        continue;
      }
    }
    log.acknowledged = one.acknowledged;
    log.shipper.reset();
  }
  ship_all();
  return lost;
}

void Shipping::end_own(journal::Sequence last) {
  if (const auto found = logs_.find(own_); found != logs_.end()) found->second.last = last;
  ship_all();
}

void Shipping::ship_all() {
  if (!sender_.connected()) return;
  for (auto& [epoch, log] : logs_) ship(epoch, log);
}

void Shipping::ship(std::uint64_t epoch, Log& log) {
  if (log.in_flight || log.ended || !sender_.connected()) return;
  if (log.last != 0 && log.acknowledged >= log.last) {
    log.ended = true;
    return sender_.send(control::FromGateway(control::EpochEnded{epoch, log.last}));
  }
  if (!log.shipper) {
    auto shipper = journal::Shipper::from(*log.log, log.acknowledged + 1);
    if (!shipper) return;  // the first record is not durable yet
    log.shipper.emplace(*std::move(shipper));
  }
  auto batches = log.shipper->take(control::max_shipped_bytes);
  if (!batches) {
    log.shipper.reset();
    return sender_.send(control::FromGateway(control::Alert{
        {}, "reading the usage log of epoch " + std::to_string(epoch) + ": " +
                batches.error().what, false}));
  }
  if (batches->empty()) return;
  log.in_flight = true;
  sender_.send(control::FromGateway(control::UsageShipped{epoch, *std::move(batches)}));
}

void Shipping::acknowledged(const control::UsageAcknowledged& message) {
  const auto found = logs_.find(message.epoch);
  if (found == logs_.end()) return;
  found->second.acknowledged = message.offset;
  found->second.in_flight = false;
  ship(message.epoch, found->second);
}

void Shipping::settled(std::uint64_t epoch) { logs_.erase(epoch); }

void Shipping::disconnected() {
  for (auto& [epoch, log] : logs_) {
    log.in_flight = log.ended = false;
    log.shipper.reset();
  }
}

}  // namespace bessemer::gateway
