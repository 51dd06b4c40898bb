// From the id of a charge back to who pays it.
#include "application/factory/charged.h"

namespace bessemer::factory {
namespace {

constexpr std::uint64_t stride = 1'000'003;  // between the salts of two steps
static_assert(ledger::max_stream_transfers < stride);

// The salt that derive_id() was given: each of its steps is taken back.
std::uint64_t salt_of(AccountId from, TransferId derived) {
  std::uint64_t z = derived.low;
  z ^= z >> 31 ^ z >> 62;
  z *= 0x319642b2d24d8ec3u;  // 1 / 0x94d049bb133111eb modulo 2^64
  z ^= z >> 27 ^ z >> 54;
  z *= 0x96de1b173f119089u;  // 1 / 0xbf58476d1ce4e5b9
  z ^= z >> 30 ^ z >> 60;
  return (z - from.low) * 0xf1de83e19937733du - 1;  // 1 / 0x9e3779b97f4a7c15
}

}  // namespace

TransferId charge_id(AccountId payer, std::uint64_t sequence, std::size_t index) {
  return derive_id<TransferTag>(payer, sequence * stride + index);
}

const ledger::Account* charged_account(const State& state, TransferId id) {
  const auto mark = state.ledger.streams.find(std::string(metering_stream));
  if (mark == state.ledger.streams.end()) return nullptr;
  const auto& accounts = state.ledger.accounts;
  for (auto at = accounts.lower_bound({id.high, 0});
       at != accounts.end() && at->first.high == id.high; ++at) {
    const std::uint64_t salt = salt_of(at->first, id);
    const std::uint64_t sequence = salt / stride;
    const bool given = sequence >= 1 && sequence <= mark->second &&
                       salt % stride < ledger::max_stream_transfers;
    if (given) return &at->second;
  }
  return nullptr;
}

}  // namespace bessemer::factory
