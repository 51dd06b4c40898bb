// What calls cost: whole answers, those that break off, engines that do not count or lie.
#include <gtest/gtest.h>

#include "application/gateway/rig_for_test.h"

namespace bessemer::gateway {
namespace {

TEST(Billing, bills_a_whole_answer_exactly) {
  Factory factory;
  const auto answer = factory.chat("say 7", R"(,"max_tokens":20)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find("tok 1tok 2"), std::string::npos) << answer->body;
  EXPECT_NE(answer->find("x-request-id"), nullptr);
  ASSERT_TRUE(factory.all_billed(1));
  const auto& bill = factory.plane->billed.front();
  EXPECT_EQ(bill.counts.input, 10u);
  EXPECT_EQ(bill.counts.output, 7u);
  EXPECT_EQ(bill.money, 17'000);
  EXPECT_EQ(to_text(bill.request), *answer->find("x-request-id"));
}

TEST(Billing, estimates_and_marks_when_the_engine_does_not_count) {
  Factory factory;
  EXPECT_EQ(factory.chat("say 8 no usage", R"(,"max_tokens":20)")->status, 200);
  const auto streamed = factory.chat("say 8 no usage", R"(,"stream":true,"max_tokens":20)");
  EXPECT_EQ(events_of(streamed->body).size(), 9u);
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed[0].counts.output, 10u);  // 4 bytes each
  EXPECT_GE(factory.plane->billed[1].counts.output, 8u);
  EXPECT_GT(factory.plane->billed[1].counts.input, 0u);
  EXPECT_EQ(factory.run([&] { return factory.plane->logs.at(1).estimated; }), 2u);
}

TEST(Billing, exactly_as_many_as_the_budget_pays_are_served) {
  Factory factory({.budget = 5'000'000'000});  // a fixed price a request: what is held is charged
  factory.run([&] {
    auto& prices = factory.plane->configuration.prices.front().prices;
    for (auto& price : prices) price.amount.nano = price.meter == pricing::Meter::requests
                                                       ? Wide{100'000'000} : Wide{0};
    factory.plane->publish();
  });
  std::atomic<int> served = 0, refused = 0, other = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        auto client = factory.client();
        for (int i = 0; i < 25; ++i) {
          const auto answer =
              client.call({"POST", "/v1/chat/completions",
                           {{"authorization", "Bearer " + factory.key}},
                           Factory::chat_body("say 7", R"(,"max_tokens":20)")});
          if (!answer) ++other;
          else if (answer->status == 200) ++served;
          else if (answer->status == 429 && *answer->find("x-should-retry") == "false") ++refused;
          else ++other;
        }
      });
    }
  }
  EXPECT_EQ(served, 50);
  EXPECT_EQ(refused, 150);
  EXPECT_EQ(other, 0);
  ASSERT_TRUE(factory.all_billed(50));
  EXPECT_EQ(factory.plane->billed_money(), 5'000'000'000);
  EXPECT_TRUE(factory.wait([&] { return factory.plane->refusals.size() == 150; }));
}

// No budget: a tenant that pays in advance is stopped by its wallet, and served again once there is
// money in it.
TEST(Billing, exactly_as_many_as_the_wallet_pays_are_served) {
  Factory factory;
  EXPECT_EQ(factory.chat("say 1")->status, 200);  // it pays later, so far
  ASSERT_TRUE(factory.all_billed(1));
  const Wide before = factory.run([&] { return factory.plane->billed_money(); });
  factory.run([&] {
    auto& prices = factory.plane->configuration.prices.front().prices;
    for (auto& price : prices) price.amount.nano = price.meter == pricing::Meter::requests
                                                       ? Wide{100'000'000} : Wide{0};
    factory.plane->top_up(before + 500'000'000);
    factory.plane->publish();
  });
  ASSERT_TRUE(factory.wait_configured());
  const auto served = [&] {
    int count = 0;
    while (factory.chat("say 1", R"(,"max_tokens":20)")->status == 200) ++count;
    return count;
  };
  EXPECT_EQ(served(), 5);
  const auto refused = factory.chat("say 1");
  EXPECT_EQ(refused->status, 429) << refused->body;
  EXPECT_EQ(*refused->find("x-should-retry"), "false");
  EXPECT_NE(refused->body.find("the wallet of"), std::string::npos) << refused->body;
  EXPECT_NE(refused->body.find("bessemer wallet top-up"), std::string::npos) << refused->body;
  factory.run([&] { factory.plane->top_up(200'000'000); });
  EXPECT_EQ(served(), 2);
  ASSERT_TRUE(factory.all_billed(8));
}

TEST(Billing, cancels_the_engine_when_the_client_leaves_and_bills_what_was_produced) {
  Factory factory;
  struct Leave final : server::AnswerSink {
    std::string all;
    Result<void> on_piece(std::string_view piece) override {
      all += piece;
      if (all.find("tok 6") == std::string::npos) return {};
      return invalid("enough");
    }
  } leave;
  {
    auto client = factory.client();
    const auto left = client.call({"POST", "/v1/chat/completions",
                                   {{"authorization", "Bearer " + factory.key}},
                                   Factory::chat_body("say 6 stall", R"(,"stream":true)")},
                                  leave);
    EXPECT_FALSE(left);
  }
  EXPECT_TRUE(factory.wait([&] { return factory.engine->gone == 1; }));
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 6u);
  EXPECT_EQ(factory.plane->billed.front().counts.input, 10u);
  // Before any output: nothing to bill.
  {
    auto client = factory.client();
    client.set_patience(milliseconds(100));
    EXPECT_FALSE(client.call({"POST", "/v1/chat/completions",
                              {{"authorization", "Bearer " + factory.key}},
                              Factory::chat_body("say 0 stall", "")}));
  }
  EXPECT_TRUE(factory.wait([&] { return factory.engine->gone == 2; }));
  EXPECT_TRUE(factory.wait([&] { return factory.plane->logs[1].voided == 1; }));
}

TEST(Billing, charges_an_engine_that_breaks_its_bound_and_routes_nothing_more_to_it) {
  Factory factory({.budget = 100'000'000});
  const auto answer = factory.chat("say 7 lie", R"(,"max_tokens":20)");
  EXPECT_EQ(answer->status, 200) << answer->body;
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 5000u);
  const auto refused = factory.chat("say 7", R"(,"max_tokens":20)");
  EXPECT_EQ(refused->status, 503);
  ASSERT_TRUE(factory.wait([&] { return factory.plane->alerts.size() == 1; }));
  EXPECT_TRUE(factory.plane->alerts.front().bound_violation);
}

TEST(Billing, charges_what_was_produced_for_a_caller_who_did_not_wait_for_the_whole) {
  Factory factory;
  for (const std::string more : {"", R"(,"max_tokens":20)"}) {
    auto client = factory.client();
    client.set_patience(milliseconds(100));
    EXPECT_FALSE(client.call({"POST", "/v1/chat/completions",
                              {{"authorization", "Bearer " + factory.key}},
                              Factory::chat_body("say 6 stall", more)}));
  }
  EXPECT_TRUE(factory.wait([&] { return factory.engine->gone == 2; }));
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed[0].counts.output, 6u);
  EXPECT_EQ(factory.plane->billed[1].counts.output, 6u);
}

// 2,000 tokens of budget: less than the bound of an answer that could not grow in slices.
TEST(Billing, holds_a_whole_answer_without_a_limit_in_slices) {
  Factory factory({.budget = 2'000'000});
  const auto answer = factory.chat("say 700");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find(R"("content":"tok 1tok 2tok 3)"), std::string::npos) << answer->body;
  EXPECT_NE(answer->body.find(R"("completion_tokens":700)"), std::string::npos);
  EXPECT_EQ(*answer->find("content-type"), "application/json");
  EXPECT_NE(factory.engine->last_body.find(R"("stream":true)"), std::string::npos);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed_money(), 710'000);
}

TEST(Billing, a_whole_answer_ends_where_its_budget_does) {
  Factory factory({.budget = 1'500'000});
  const auto answer = factory.chat("say 5000");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find(R"("finish_reason":"length")"), std::string::npos);
  ASSERT_NE(answer->find("bessemer-cut"), nullptr);
  EXPECT_EQ(*answer->find("bessemer-cut"), "budget_lent");
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_GT(factory.plane->billed_money(), 500'000);
  EXPECT_LE(factory.plane->billed_money(), 1'500'000);
  EXPECT_EQ(factory.audit(), "");
}

TEST(Billing, a_whole_answer_that_breaks_off_costs_nothing) {
  Factory factory;
  for (const std::string how : {"say 9 break after 4", "say 4 error event"}) {
    const auto answer = factory.chat(how);
    ASSERT_TRUE(answer) << to_text(answer.error());
    EXPECT_EQ(answer->status, 503) << answer->body;
  }
  EXPECT_TRUE(factory.wait([&] { return factory.plane->logs[1].voided == 2; }));
  EXPECT_EQ(factory.run([&] { return factory.plane->billed.size(); }), 0u);
}

// No engine streams best_of: its bound is held whole.
TEST(Billing, does_not_ask_for_a_stream_where_the_best_is_chosen) {
  Factory factory;
  const auto answer = factory.post("/v1/completions",
                                   R"({"model":"small","prompt":"say 3","best_of":2})");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(factory.engine->last_body.find(R"("stream":true)"), std::string::npos);
}

}  // namespace
}  // namespace bessemer::gateway
