// Streams: relayed event by event, extended by slices, cut, broken off.
#include <gtest/gtest.h>

#include "application/gateway/rig_for_test.h"

namespace bessemer::gateway {
namespace {

TEST(Streaming, streams_and_hides_the_usage_that_was_not_asked_for) {
  Factory factory;
  for (const std::string engine : {"", "only at end"}) {
    const auto answer = factory.chat("say 5 " + engine, R"(,"stream":true,"max_tokens":20)");
    ASSERT_TRUE(answer) << to_text(answer.error());
    EXPECT_EQ(answer->status, 200) << answer->body;
    const auto events = events_of(answer->body);
    ASSERT_EQ(events.size(), 6u) << answer->body;
    EXPECT_EQ(events[0], R"({"choices":[{"delta":{"content":"tok 1"}}]})");
    EXPECT_EQ(events[5], "[DONE]");
    EXPECT_EQ(answer->body.find("usage"), std::string::npos) << answer->body;
  }
  const auto asked = factory.chat(
      "say 5", R"(,"stream":true,"max_tokens":20,"stream_options":{"include_usage":true})");
  const auto events = events_of(asked->body);
  ASSERT_EQ(events.size(), 7u) << asked->body;
  EXPECT_NE(events[5].find(R"("completion_tokens":5)"), std::string::npos);
  EXPECT_EQ(events[4].find("usage"), std::string::npos);
  ASSERT_TRUE(factory.all_billed(3));
  for (const auto& bill : factory.plane->billed) {
    EXPECT_EQ(bill.counts.input, 10u);
    EXPECT_EQ(bill.counts.output, 5u);
  }
}

TEST(Streaming, extends_long_streams_slice_by_slice) {
  Factory factory({.budget = 10'000'000});
  const auto answer = factory.chat("say 1500", R"(,"stream":true)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(events_of(answer->body).size(), 1501u);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 1500u);
  const auto& log = factory.run([&] { return factory.plane->logs.at(1); });
  EXPECT_EQ(log.violations, 0u);
  EXPECT_EQ(log.estimated, 0u);
}

TEST(Streaming, cuts_a_stream_whose_budget_ends_and_bills_what_was_delivered) {
  Factory factory({.budget = 1'500'000});  // about 1500 tokens
  const auto answer = factory.chat("say 5000", R"(,"stream":true)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  const auto events = events_of(answer->body);
  EXPECT_NE(events.back().find("budget"), std::string::npos) << events.back();
  ASSERT_TRUE(factory.all_billed(1));
  const auto money = factory.plane->billed_money();
  EXPECT_LE(money, 1'500'000);
  EXPECT_GT(money, 500'000);
  EXPECT_GE(factory.plane->billed.front().counts.output, events.size() - 1);
}

TEST(Streaming, bills_a_stream_that_the_engine_breaks_off_and_says_so) {
  Factory factory;
  for (const std::string how : {"say 9 break after 4", "say 4 error event"}) {
    const auto answer = factory.chat(how, R"(,"stream":true,"max_tokens":20)");
    ASSERT_TRUE(answer) << to_text(answer.error());
    const auto events = events_of(answer->body);
    ASSERT_EQ(events.size(), 5u) << answer->body;
    EXPECT_NE(events[4].find(R"({"error":{"message":)"), std::string::npos) << events[4];
  }
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed[0].counts.output, 4u);
  EXPECT_EQ(factory.plane->billed[1].counts.output, 4u);
}

TEST(Streaming, ends_a_stream_without_done) {
  Factory factory;
  const auto answer = factory.chat("say 3 no done", R"(,"stream":true,"max_tokens":20)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(events_of(answer->body).size(), 3u);
  EXPECT_TRUE(factory.all_billed(1));
}

TEST(Streaming, ends_streams_of_a_revoked_key_at_the_next_slice) {
  Factory factory;
  struct Revoke final : server::AnswerSink {
    Factory* factory = nullptr;
    std::string all;
    bool done = false;
    Result<void> on_piece(std::string_view piece) override {
      all += piece;
      if (std::exchange(done, true)) return {};
      factory->run([this] {
        factory->plane->configuration.keys.front().revoked = true;
        factory->plane->publish();
      });
      return {};
    }
  } revoke;
  revoke.factory = &factory;
  auto client = factory.client();
  // Long enough that the gateway waits for this client long before its end.
  const auto answer = client.call({"POST", "/v1/chat/completions",
                                   {{"authorization", "Bearer " + factory.key}},
                                   Factory::chat_body("say 200000", R"(,"stream":true)")},
                                  revoke);
  ASSERT_TRUE(answer) << to_text(answer.error());
  const auto events = events_of(revoke.all);
  EXPECT_NE(events.back().find("revoked"), std::string::npos) << events.back();
  EXPECT_LT(events.size(), 200'000u);
  EXPECT_TRUE(factory.all_billed(1));
}

}  // namespace
}  // namespace bessemer::gateway
