// Cuts usage into pieces and rates each as the difference it makes to its line.
// Private to metering.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "governance/metering/metering.h"

namespace bessemer::metering {

// Collects the postings of one command, so that each sees the ones before it.
class Poster {
 public:
  Poster(const State& state, const pricing::State& prices) : state_(state), prices_(prices) {}

  // Adds a usage. Errors: invalid (naming the field), not_found (no account).
  Result<void> add(std::uint32_t index, const Usage& usage);
  // Adds levels held over [from, until), or takes them back with sign -1.
  Result<void> add_levels(const Interval& interval, Instant from, Instant until, int sign);

  std::vector<Posting> take() { return std::move(postings_); }

 private:
  struct Piece {
    Instant from, until;
    const pricing::Version* version = nullptr;
  };
  Result<void> add_time(std::uint32_t index, const Account& account, const Usage& usage, int sign);
  Result<void> post(std::uint32_t index, const Account& account, const Usage& usage,
                    const Piece& piece, Wide quantity);
  Piece piece_at(const Account& account, Instant from, Instant until) const;

  const State& state_;
  const pricing::State& prices_;
  std::map<LineKey, Wide> added_;  // quantity, on top of the state's lines
  std::vector<Posting> postings_;
};

// Errors: invalid, naming the field.
Result<void> check_usage(const Usage& usage);
Result<void> check_levels(const std::vector<Level>& levels);

}  // namespace bessemer::metering
