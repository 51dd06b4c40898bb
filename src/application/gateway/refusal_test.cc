// What is refused, and what an engine may say to a caller.
#include <gtest/gtest.h>

#include "application/gateway/rig_for_test.h"

namespace bessemer::gateway {
namespace {

TEST(Refusal, passes_on_what_is_the_callers_and_hides_what_is_not) {
  Factory factory;
  const struct { const char* text; int status; const char* says; } table[] = {
      {"bad request", 400, "too long"},
      {"server trouble", 503, "the engine answered 500"},
      {"error in 200", 503, "the engine answered with an error"},
      {"not json", 503, "the engine answered with an error"},
      {"break at once", 503, "closed the connection"},
      {"refuse in text", 503, "the engine answered 400"},
      {"nothing at all", 503, "the engine"},
  };
  for (const auto& [text, status, says] : table) {
    for (const std::string more : {"", R"(,"stream":true)"}) {
      const auto answer = factory.chat(text, more);
      ASSERT_TRUE(answer) << text << to_text(answer.error());
      EXPECT_EQ(answer->status, status) << text << more << answer->body;
      EXPECT_NE(answer->body.find(says), std::string::npos) << text << more << answer->body;
    }
  }
  EXPECT_TRUE(factory.wait([&] { return factory.plane->logs[1].voided == 14; }));
  EXPECT_EQ(factory.run([&] { return factory.plane->billed.size(); }), 0u);
  EXPECT_EQ(factory.run([&] { return factory.gateway->till().holder().log.holds.size(); }), 0u);
}

TEST(Refusal, times_out_an_engine_that_stalls) {
  Factory factory({.timeouts = {.first_byte = milliseconds(80), .stall = milliseconds(80)}});
  const auto whole = factory.chat("say 6 stall", R"(,"max_tokens":20)");
  EXPECT_EQ(whole->status, 503);
  const auto streamed = factory.chat("say 6 stall", R"(,"stream":true,"max_tokens":20)");
  EXPECT_EQ(events_of(streamed->body).size(), 7u);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 6u);
}

TEST(Refusal, refuses_by_key_model_and_price) {
  Factory factory;
  auto client = factory.client();
  const auto call = [&](const std::string& key, const std::string& model) {
    return client.call({"POST", "/v1/chat/completions", {{"authorization", key}},
                        R"({"model":")" + model + R"(","max_tokens":5,"x":"say 1"})"});
  };
  std::string wrong = factory.key;
  wrong[10] = wrong[10] == 'x' ? 'y' : 'x';
  EXPECT_EQ(call("", "small")->status, 401);
  EXPECT_EQ(call("Basic abc", "small")->status, 401);
  EXPECT_EQ(call("Bearer " + wrong, "small")->status, 401);
  EXPECT_EQ(call("Bearer " + factory.key, "large")->status, 404);
  EXPECT_EQ(call("bearer " + factory.key, "champion")->status, 200);
  EXPECT_EQ(call("Bearer " + factory.key, "digits")->status, 404);
  const auto with_key = [&](const std::function<void(control::KeyEntry&)>& change) {
    factory.run([&] {
      change(factory.plane->configuration.keys.front());
      factory.plane->publish();
    });
    factory.wait_configured();
    return call("Bearer " + factory.key, "small");
  };
  EXPECT_EQ(with_key([](auto& key) { key.models = {"big*", "other"}; })->status, 403);
  EXPECT_EQ(with_key([](auto& key) { key.models = {"sm*"}; })->status, 200);
  EXPECT_EQ(with_key([](auto& key) { key.may_call = false; })->status, 403);
  EXPECT_EQ(with_key([](auto& key) {
              key.may_call = true;
              key.project = {};
            })->status, 403);
  EXPECT_EQ(with_key([](auto& key) {
              key.project = project;
              key.expires_at = Instant{1};
            })->status, 401);
  EXPECT_EQ(with_key([](auto& key) {
              key.expires_at.reset();
              key.revoked = true;
            })->status, 401);
  const auto unpriced = with_key([&](auto& key) {
    key.revoked = false;
    factory.plane->configuration.prices.front().prices.clear();
  });
  EXPECT_EQ(unpriced->status, 503);
  EXPECT_NE(unpriced->body.find("unpriced"), std::string::npos) << unpriced->body;
  EXPECT_TRUE(factory.wait([&] { return factory.plane->refusals.size() >= 3; }));
}

TEST(Refusal, of_a_body_names_the_field) {
  Factory factory;
  const struct { const char* body; const char* field; } table[] = {
      {"", "must be a JSON object"},
      {"[]", "must be a JSON object"},
      {R"({"model":"small")", "must be a JSON object"},
      {R"({"model":"small"} x)", "must be a JSON object"},
      {"{\"model\":\"sm\xff\"}", "must be a JSON object"},
      {R"({})", R"("param":"model")"},
      {R"({"model":5})", R"("param":"model")"},
      {R"({"model":""})", R"("param":"model")"},
      {R"({"model":"small","model":"large"})", R"("param":"model")"},
      {R"({"model":"small","stream":"yes"})", R"("param":"stream")"},
      {R"({"model":"small","stream_options":[]})", R"("param":"stream_options")"},
      {R"({"model":"small","stream_options":{"include_usage":1}})",
       R"("param":"stream_options.include_usage")"},
      {R"({"model":"small","max_tokens":0})", R"("param":"max_tokens")"},
      {R"({"model":"small","max_tokens":-1})", R"("param":"max_tokens")"},
      {R"({"model":"small","max_tokens":1.5})", R"("param":"max_tokens")"},
      {R"({"model":"small","max_tokens":"9"})", R"("param":"max_tokens")"},
      {R"({"model":"small","max_completion_tokens":1e9})", R"("param":"max_completion_tokens")"},
      {R"({"model":"small","n":129})", R"("param":"n")"},
      {R"({"model":"small","best_of":0})", R"("param":"best_of")"},
  };
  for (const auto& [body, says] : table) {
    const auto answer = factory.post("/v1/chat/completions", body);
    ASSERT_TRUE(answer) << body << to_text(answer.error());
    EXPECT_EQ(answer->status, 400) << body << answer->body;
    EXPECT_NE(answer->body.find(says), std::string::npos) << body << answer->body;
    EXPECT_NE(answer->body.find(R"("type":"invalid_request_error")"), std::string::npos)
        << answer->body;
  }
  EXPECT_EQ(factory.engine->asked, 0);
}

// What two readers could understand differently is refused by whoever reads it first.
TEST(Refusal, of_a_message_comes_in_the_openai_envelope) {
  Factory factory;
  const std::string line = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n";
  const std::string key = "authorization: Bearer " + factory.key + "\r\n";
  std::string flood;
  for (int i = 0; i < 200; ++i) flood += "x-" + std::to_string(i) + ": y\r\n";
  const struct { std::string bytes; const char* status; } table[] = {
      {line + key + "content-length: 5\r\ncontent-length: 6\r\n\r\nhello", "400"},
      {line + key + "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {line + key + "content-length: -1\r\n\r\n", "400"},
      {line + key + "transfer-encoding: gzip\r\n\r\n", "501"},
      {line + key + "transfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", "400"},
      {line + key + flood + "\r\n", "431"},
      {line + key + "x: " + std::string(20'000, 'y') + "\r\n\r\n", "431"},
      {line + key + "content-length: 8388609\r\n\r\n", "413"},
      {"NONSENSE\r\n\r\n", "400"},
      {"POST /v1/chat/completions HTTP/1.1\r\n\r\n", "400"},
  };
  for (const auto& [bytes, status] : table) {
    const auto answer = factory.raw(bytes);
    EXPECT_TRUE(answer.starts_with(std::string("HTTP/1.1 ") + status))
        << bytes.substr(0, 200) << "\n-> " << answer;
    EXPECT_NE(answer.find(R"({"error":{"message":)"), std::string::npos) << answer;
  }
  // A body that ends before its end is answered by nobody and charged to nobody.
  EXPECT_EQ(factory.raw(line + key + "content-length: 50\r\n\r\n{\"model\":"), "");
  EXPECT_EQ(factory.raw(line + key + "transfer-encoding: chunked\r\n\r\n9\r\n{\"mod"), "");
  EXPECT_EQ(factory.engine->asked, 0);
  EXPECT_EQ(factory.chat("say 1")->status, 200) << "it serves on";
}

}  // namespace
}  // namespace bessemer::gateway
