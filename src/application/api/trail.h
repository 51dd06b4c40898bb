// What is behind a charge: gathers, from facts in their order, what was posted to a line, or the
// transfer of an id and what it was made of.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "application/factory/fact.h"

namespace bessemer::api {

constexpr std::size_t shown_records = 500;  // of one explanation; the sums are of all

// One usage record, or one piece of an interval, and what it added.
struct ChargeRecord {
  std::uint64_t sequence = 0;  // of the fact in the journal
  Instant recorded_at;
  std::string source;  // an interval, or the usage log of a gateway and the record it counts to
  Instant from, until;
  Wide quantity = 0;   // in the meter's base unit
  Money amount;        // round(after) - round(before)
  PriceBookId price_version;
  friend bool operator==(const ChargeRecord&, const ChargeRecord&) = default;
};
DESCRIBE(ChargeRecord, sequence, recorded_at, source, from, until, quantity, amount,
         price_version)

class Trail {
 public:
  static Trail of_line(metering::LineKey line);
  static Trail of_transfer(TransferId transfer);

  // Whether a fact of this number can matter: the others need not be decoded.
  static bool concerns(std::uint16_t fact);
  // Requires: in order of the journal.
  void take(const factory::Fact& fact);

  const std::vector<ChargeRecord>& records() const { return records_; }  // the first of them
  std::uint64_t count() const { return count_; }                         // of all
  Wide quantity() const { return quantity_; }
  Wide nano() const { return nano_; }
  // True when nothing that comes after can matter: a transfer is found. A line goes on to the end.
  bool is_complete() const { return transfer_.has_value(); }
  // The transfer, once found, with the stream that made it (empty: by hand) and its fact.
  const std::optional<ledger::Transfer>& transfer() const { return transfer_; }
  const ledger::Source& source() const { return source_; }
  std::uint64_t sequence() const { return sequence_; }
  // Facts that are kept until it is known whether they matter: never more than one moment's.
  std::size_t pending() const { return step_.size(); }
  Instant recorded_at() const { return recorded_at_; }

 private:
  void add(const factory::Fact& fact, const metering::Posting& posting, std::string source);

  std::optional<metering::LineKey> line_;
  TransferId wanted_;
  // Metered at one moment and not paid for yet: what the next transfers may be of.
  std::vector<std::pair<factory::Fact, std::string>> step_;
  std::vector<ChargeRecord> records_;
  std::uint64_t count_ = 0;
  Wide quantity_ = 0, nano_ = 0;
  std::optional<ledger::Transfer> transfer_;
  ledger::Source source_;
  std::uint64_t sequence_ = 0;
  Instant recorded_at_;
};

}  // namespace bessemer::api
