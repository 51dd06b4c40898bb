// Chunks add up to the answer that would have come in one piece.
#include "application/gateway/assembly.h"

#include <gtest/gtest.h>

#include <vector>

namespace bessemer::gateway {
namespace {

constexpr std::size_t plenty = 1 << 20;

std::string sum(const std::vector<std::string>& chunks, std::string_view unfinished = {}) {
  Assembly assembly;
  for (const auto& chunk : chunks) EXPECT_TRUE(assembly.add(chunk, plenty)) << chunk;
  return assembly.finish(unfinished);
}

TEST(Assembly, adds_a_chat_up) {
  EXPECT_EQ(
      sum({R"({"id":"a","object":"chat.completion.chunk","created":5,"model":"m","choices":[
             {"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})",
           R"({"id":"a","object":"chat.completion.chunk","created":5,"model":"m","choices":[
             {"index":0,"delta":{"role":"assistant","content":"Hé\n"},"finish_reason":null}]})",
           R"({"id":"a","object":"chat.completion.chunk","created":5,"model":"m","choices":[
             {"index":0,"delta":{"content":"y"},"finish_reason":"stop"}],"usage":null})",
           R"({"id":"a","object":"chat.completion.chunk","created":5,"model":"m","choices":[],
             "usage":{"prompt_tokens":1,"completion_tokens":2}})"}),
      R"({"id":"a","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"Hé\ny"},"finish_reason":"stop"}],)"
      R"("usage":{"prompt_tokens":1,"completion_tokens":2}})");
}

TEST(Assembly, keeps_choices_apart_and_in_order) {
  EXPECT_EQ(sum({R"({"choices":[{"index":1,"delta":{"content":"b"}}]})",
                 R"({"choices":[{"index":0,"delta":{"content":"a"}}]})",
                 R"({"choices":[{"index":1,"delta":{"content":"B"},"finish_reason":"length"}]})",
                 R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"}),
            R"({"choices":[{"index":0,"message":{"content":"a","role":"assistant"},)"
            R"("finish_reason":"stop"},{"index":1,"message":{"content":"bB","role":"assistant"},)"
            R"("finish_reason":"length"}]})");
}

TEST(Assembly, adds_tool_calls_and_reasoning_up) {
  EXPECT_EQ(
      sum({R"({"choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Let "}}]})",
           R"({"choices":[{"index":0,"delta":{"reasoning_content":"me"}}]})",
           R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1",
             "type":"function","function":{"name":"look","arguments":"{\"a\""}}]}}]})",
           R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"type":"function",
             "function":{"arguments":":1}"}},{"index":1,"id":"c2","function":{"name":"go",
             "arguments":"{}"}}]},"finish_reason":"tool_calls"}]})"}),
      R"({"choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"Let me",)"
      R"("tool_calls":[{"id":"c1","type":"function","function":{"name":"look",)"
      R"("arguments":"{\"a\":1}"}},{"id":"c2","function":{"name":"go","arguments":"{}"}}],)"
      R"("content":null},"finish_reason":"tool_calls"}]})");
}

TEST(Assembly, adds_texts_and_log_probabilities_up) {
  EXPECT_EQ(
      sum({R"({"object":"text_completion","choices":[{"index":0,"text":"a","logprobs":
             {"tokens":["a"],"token_logprobs":[-0.5]}}]})",
           R"({"object":"text_completion","choices":[{"index":0,"text":"b","logprobs":
             {"tokens":["b"],"token_logprobs":[-1e-3]},"finish_reason":"stop"}]})"}),
      R"({"object":"text_completion","choices":[{"index":0,"text":"ab","logprobs":{"tokens":)"
      R"(["a","b"],"token_logprobs":[-0.5,-0.001]},"finish_reason":"stop"}]})");
}

TEST(Assembly, says_how_what_was_cut_ended) {
  EXPECT_EQ(sum({R"({"choices":[{"index":0,"text":"a"}]})"}, "length"),
            R"({"choices":[{"index":0,"text":"a","finish_reason":"length"}]})");
}

TEST(Assembly, refuses_what_is_no_chunk_and_what_is_too_long) {
  Assembly assembly;
  EXPECT_FALSE(assembly.add("[]", plenty));
  EXPECT_FALSE(assembly.add("{\"a\":", plenty));
  EXPECT_TRUE(assembly.add("{}", plenty));
  EXPECT_FALSE(assembly.add("{}", 3));
}

}  // namespace
}  // namespace bessemer::gateway
