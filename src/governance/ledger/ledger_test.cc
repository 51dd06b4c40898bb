// Transfers and credit notes; and every history sums to zero.
#include "governance/ledger/ledger.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/random.h"

namespace bessemer::ledger {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr Currency eur{{'E', 'U', 'R'}};
constexpr Instant start{1'800'000'000'000'000'000};
constexpr OrgId tenant{1, 1};
constexpr AccountId payments{2, 1}, wallet{2, 2}, revenue{2, 3};

Context at(Instant now = start) { return {.now = now, .occurred_at = now}; }

struct Books {
  State state;
  Instant now = start;

  Result<std::vector<Event>> give(const Command& command) {
    auto events = judge(state, command, at(now));
    if (events) {
      for (const auto& event : *events) apply(state, event, at(now));
    }
    for (const auto& [currency, sum] : trial_balance(state)) EXPECT_EQ(sum, 0);
    return events;
  }
  std::string said(const Command& command) {
    const auto events = give(command);
    if (!events) return to_text(events.error());
    return events->empty() ? "already done" : "done";
  }
  Wide balance(AccountId id) { return state.accounts.at(id).balance; }
};

OpenAccount account(AccountId id, OrgId owner, AccountKind kind, Currency currency = usd,
                    bool negative = true) {
  return {{.id = id, .owner = owner, .kind = kind, .currency = currency,
           .may_be_negative = negative}};
}

Transfer transfer(std::uint64_t id, AccountId from, AccountId to, std::int64_t nano,
                  TransferKind kind = TransferKind::charge) {
  return {.id = {3, id}, .from = from, .to = to, .amount = {nano, usd}, .kind = kind};
}

Books opened() {
  Books books;
  EXPECT_EQ(books.said(account(payments, {}, AccountKind::payments)), "done");
  EXPECT_EQ(books.said(account(wallet, tenant, AccountKind::wallet, usd, false)), "done");
  EXPECT_EQ(books.said(account(revenue, {}, AccountKind::revenue)), "done");
  EXPECT_EQ(books.said(Move{transfer(1, payments, wallet, 100, TransferKind::payment)}), "done");
  return books;
}

TEST(Ledger, OpensEachAccountOnce) {
  Books books = opened();
  EXPECT_EQ(books.said(account(wallet, tenant, AccountKind::wallet, usd, false)), "already done");
  EXPECT_NE(books.said(account(wallet, tenant, AccountKind::wallet, eur)).find("other content"),
            std::string::npos);
  EXPECT_NE(books.said(account({2, 9}, tenant, AccountKind::wallet)).find("already"),
            std::string::npos);
  EXPECT_NE(books.said(account({2, 9}, {}, AccountKind::wallet)).find("tenant"),
            std::string::npos);
  EXPECT_NE(books.said(account({2, 9}, {}, AccountKind::endpoint_cost)).find("endpoint"),
            std::string::npos);
  OpenAccount rich = account({2, 9}, {}, AccountKind::tax);
  rich.account.balance = 5;
  EXPECT_NE(books.said(rich).find("open at 0"), std::string::npos);
}

TEST(Ledger, RefusesStepByStep) {
  Books books = opened();
  Transfer one;
  const auto refused = [&](std::string_view why) {
    const std::string said = books.said(Move{one});
    EXPECT_NE(said.find(why), std::string::npos) << said;
  };
  refused("id: must not be empty");
  one.id = {3, 2};
  refused("amount: must be more than 0");
  one.amount = {max_money_nano + 1, eur};
  refused("amount: must be more than 0");
  one.amount.nano = 101;
  refused("another account");
  one.from = wallet;
  one.memo = std::string(max_text + 1, 'x');
  refused("memo");
  one.memo = "gpu";
  refused("to: no such account");
  one.to = revenue;
  refused("currency of both");
  one.amount.currency = usd;
  refused("are needed");
}

TEST(Ledger, TransfersOnceAndNeverBelowZero) {
  Books books = opened();
  EXPECT_EQ(books.said(Move{transfer(2, wallet, revenue, 60)}), "done");
  EXPECT_EQ(books.said(Move{transfer(2, wallet, revenue, 60)}), "already done");
  EXPECT_NE(books.said(Move{transfer(2, wallet, revenue, 61)}).find("other content"),
            std::string::npos);
  const auto refused = books.give(Move{transfer(3, wallet, revenue, 41)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "balance_exhausted");
  Transfer storage = transfer(4, wallet, revenue, 41);
  storage.cannot_be_refused = true;
  const auto events = books.give(Move{storage});
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(std::get<WalletOverdrawn>((*events)[1]).balance.nano, -1);
  EXPECT_EQ(overdrawn(books.state), std::vector<AccountId>{wallet});
  EXPECT_EQ(books.balance(wallet), -1);
}

TEST(Ledger, CreditsNoMoreThanWasMoved) {
  Books books = opened();
  EXPECT_EQ(books.said(Move{transfer(2, wallet, revenue, 60)}), "done");
  Transfer note = transfer(3, revenue, wallet, 40, TransferKind::credit_note);
  note.original = {3, 2};
  EXPECT_EQ(books.said(IssueCreditNote{note}), "done");
  EXPECT_EQ(books.said(IssueCreditNote{note}), "already done");
  note.id = {3, 4};
  EXPECT_NE(books.said(IssueCreditNote{note}).find("not credited yet"), std::string::npos);
  note.amount.nano = 20;
  EXPECT_EQ(books.said(IssueCreditNote{note}), "done");
  EXPECT_EQ(books.balance(wallet), 100);
  note.id = {3, 5};
  std::swap(note.from, note.to);
  EXPECT_NE(books.said(IssueCreditNote{note}).find("go back"), std::string::npos);
  note.original = {3, 77};
  EXPECT_NE(books.said(IssueCreditNote{note}).find("no such transfer"), std::string::npos);
}

TEST(Ledger, StreamsAreAllOrNothingAndCountedOnce) {
  Books books = opened();
  const auto step = [](std::uint64_t sequence, std::int64_t a, std::int64_t b) {
    return MoveFrom{{"usage", sequence},
                    {transfer(100 + sequence, wallet, revenue, a),
                     transfer(200 + sequence, wallet, revenue, b)}};
  };
  EXPECT_EQ(books.said(step(1, 10, 20)), "done");
  EXPECT_EQ(books.said(step(1, 10, 20)), "already done");
  const std::string said = books.said(step(2, 60, 20));
  EXPECT_NE(said.find("transfers[1].from"), std::string::npos) << said;
  EXPECT_EQ(books.balance(wallet), 70);
  EXPECT_EQ(books.said(step(2, 60, 10)), "done");
  EXPECT_EQ(books.balance(wallet), 0);
}

TEST(Ledger, BillsATenantInOneCurrency) {
  Books books = opened();
  EXPECT_EQ(books.said(account({2, 4}, tenant, AccountKind::receivable, eur)), "done");
  EXPECT_EQ(books.said(account({2, 5}, {}, AccountKind::revenue, eur)), "done");
  EXPECT_EQ(books.said(account({2, 6}, tenant, AccountKind::receivable, simulated_currency)),
            "done");
  EXPECT_EQ(books.said(account({2, 7}, {}, AccountKind::revenue, simulated_currency)), "done");
  EXPECT_EQ(books.said(Move{transfer(2, wallet, revenue, 1)}), "done");
  Transfer other = transfer(3, {2, 4}, {2, 5}, 1);
  other.amount.currency = eur;
  EXPECT_NE(books.said(Move{other}).find("billed in USD"), std::string::npos);
  Transfer simulated = transfer(3, {2, 6}, {2, 7}, 1);
  simulated.amount.currency = simulated_currency;
  EXPECT_EQ(books.said(Move{simulated}), "done");
}

// Any commands at all: zero stays zero, no bounded wallet is overdrawn by what could be refused,
// and a snapshot is the state.
TEST(Ledger, SumsToZeroForEverySeed) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Books books = opened();
    for (int step = 0; step < 60; ++step) {
      const AccountId ids[] = {payments, wallet, revenue};
      Transfer one = transfer(random.between(2, 30), ids[random.below(3)], ids[random.below(3)],
                              random.between(-1, 120));
      if (random.chance(1, 4)) one.original = {3, 1 + random.below(30)};
      if (random.chance(1, 2)) {
        (void)books.give(Move{one});
      } else {
        one.kind = TransferKind::credit_note;
        (void)books.give(IssueCreditNote{one});
      }
      books.now = books.now + seconds(random.between(0, 3));
      ASSERT_GE(books.balance(wallet), 0) << seed;
    }
    const std::string bytes = codec::encode(books.state);
    const auto copy = codec::decode<State>(bytes);
    ASSERT_TRUE(copy);
    ASSERT_EQ(codec::encode(*copy), bytes);
  }
}

}  // namespace
}  // namespace bessemer::ledger
