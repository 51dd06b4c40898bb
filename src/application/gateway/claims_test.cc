// Idempotency-Keys: one charge a key, whichever call comes first.
#include "application/gateway/claims.h"

#include <gtest/gtest.h>

#include "application/gateway/rig_for_test.h"

namespace bessemer::gateway {
namespace {

Result<server::ClientAnswer> call(Factory& factory, const std::string& key,
                                  const std::string& text) {
  auto client = factory.client();
  return client.call({"POST", "/v1/chat/completions",
                      {{"authorization", "Bearer " + factory.key}, {"idempotency-key", key}},
                      Factory::chat_body(text, R"(,"max_tokens":20)")});
}

TEST(Claims, charge_once_and_name_the_request_that_was_charged) {
  Factory factory;
  const auto first = call(factory, "k1", "say 7");
  ASSERT_TRUE(first) << to_text(first.error());
  EXPECT_EQ(first->status, 200) << first->body;
  const auto again = call(factory, "k1", "say 7");
  EXPECT_EQ(again->status, 409) << again->body;
  EXPECT_NE(again->body.find(*first->find("x-request-id")), std::string::npos) << again->body;
  EXPECT_NE(again->body.find("idempotency_key_used"), std::string::npos) << again->body;
  EXPECT_EQ(*again->find("x-should-retry"), "false");
  const auto other = call(factory, "k1", "say 8");
  EXPECT_EQ(other->status, 409);
  EXPECT_NE(other->body.find("another body"), std::string::npos) << other->body;
  EXPECT_EQ(call(factory, "k2", "say 7")->status, 200);
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.engine->asked, 2);
}

TEST(Claims, are_given_up_by_a_call_that_cost_nothing) {
  Factory factory;
  EXPECT_EQ(call(factory, "k1", "server trouble")->status, 503);
  EXPECT_TRUE(factory.wait([&] { return factory.plane->claims.empty(); }));
  EXPECT_EQ(call(factory, "k1", "say 7")->status, 200);
  ASSERT_TRUE(factory.all_billed(1));
}

TEST(Claims, are_given_up_by_a_call_that_is_refused_for_money) {
  Factory factory({.budget = 1000});
  EXPECT_EQ(call(factory, "k1", "say 7")->status, 429);
  EXPECT_TRUE(factory.wait([&] { return factory.plane->claims.empty(); }));
}

TEST(Claims, are_given_up_by_a_call_whose_client_left_before_it_was_refused) {
  Factory factory({.budget = 100'000'000});
  factory.run([&] { factory.plane->lends = false; });
  auto client = factory.client();
  client.set_patience(milliseconds(100));
  EXPECT_FALSE(client.call({"POST", "/v1/chat/completions",
                            {{"authorization", "Bearer " + factory.key}, {"idempotency-key", "k1"}},
                            Factory::chat_body("say 7", "")}));
  ASSERT_TRUE(factory.wait([&] { return factory.plane->questions > 0; }));
  ASSERT_EQ(factory.run([&] { return factory.plane->claims.size(); }), 1u);
  EXPECT_TRUE(factory.wait([&] { return factory.plane->claims.empty(); }));
  factory.run([&] { factory.plane->lends = true; });
  EXPECT_EQ(call(factory, "k1", "say 7")->status, 200);
}

TEST(Claims, wait_for_a_control_plane_that_comes_back) {
  Factory factory;
  EXPECT_EQ(call(factory, "k0", "say 7")->status, 200);
  factory.run([&] { factory.plane->vanish(); });
  factory.wait([&] { return !factory.gateway->connected(); });
  std::jthread back([&] {
    factory.wait([&] { return factory.gateway->counts().running == 1; });
    factory.run([&] { factory.plane->listen(); });
  });
  EXPECT_EQ(call(factory, "k1", "say 7")->status, 200);
}

TEST(Claims, are_unavailable_while_nobody_can_be_asked) {
  Factory factory;
  factory.run([&] { factory.plane->vanish(); });
  factory.wait([&] { return !factory.gateway->connected(); });
  const auto refused = call(factory, "k1", "say 7");
  EXPECT_EQ(refused->status, 503);
  EXPECT_NE(refused->body.find("control_plane_away"), std::string::npos) << refused->body;
  EXPECT_EQ(factory.engine->asked, 0);
}

TEST(Claims, refuse_a_key_that_is_too_long) {
  Factory factory;
  EXPECT_EQ(call(factory, std::string(256, 'x'), "say 7")->status, 400);
}

}  // namespace
}  // namespace bessemer::gateway
