// A charge's id says who pays it, and no other id does.
#include "application/factory/charged.h"

#include <gtest/gtest.h>

namespace bessemer::factory {
namespace {

constexpr AccountId one{7, 11}, other{7, 0xfffffffffffffff0}, elsewhere{8, 11}, closed{7, 12};

State with_accounts(std::uint64_t mark) {
  State state;
  for (const AccountId id : {one, other, elsewhere}) {
    ledger::Account account;
    account.id = id;
    account.owner = {id.high, id.low};
    state.ledger.accounts.emplace(id, account);
  }
  if (mark > 0) state.ledger.streams[std::string(metering_stream)] = mark;
  return state;
}

TEST(Charged, ByItsIdAlone) {
  constexpr std::uint64_t mark = 4'000'000'000'000;
  const State state = with_accounts(mark);
  for (const AccountId payer : {one, other, elsewhere}) {
    for (const std::uint64_t sequence : {std::uint64_t{1}, std::uint64_t{77}, mark}) {
      for (const std::size_t index : {std::size_t{0}, ledger::max_stream_transfers - 1}) {
        const TransferId id = charge_id(payer, sequence, index);
        const ledger::Account* const found = charged_account(state, id);
        ASSERT_NE(found, nullptr) << to_text(id);
        EXPECT_EQ(found->id, payer);
      }
    }
  }
}

TEST(Charged, WhatWasNeverGiven) {
  const State state = with_accounts(9);
  EXPECT_EQ(charged_account(state, {}), nullptr);
  EXPECT_EQ(charged_account(state, {7, 12345}), nullptr) << "drawn, not derived";
  EXPECT_EQ(charged_account(state, charge_id(one, 10, 0)), nullptr) << "not given yet";
  EXPECT_EQ(charged_account(state, charge_id(one, 0, 0)), nullptr) << "streams begin with 1";
  EXPECT_EQ(charged_account(state, charge_id(one, 3, ledger::max_stream_transfers)), nullptr);
  EXPECT_EQ(charged_account(state, charge_id(closed, 3, 0)), nullptr) << "no such account";
  EXPECT_EQ(charged_account(with_accounts(0), charge_id(one, 1, 0)), nullptr);
}

}  // namespace
}  // namespace bessemer::factory
