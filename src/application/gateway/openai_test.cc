// Bodies and answers in OpenAI's shapes: what is read, refused, patched and hidden.
#include <gtest/gtest.h>

#include "application/gateway/openai_answer.h"
#include "application/gateway/openai_request.h"
#include "base/json.h"
#include "base/random.h"

namespace bessemer::gateway {
namespace {

// The text with spare bytes behind it, as receive buffers have.
struct Padded {
  std::string held;
  std::size_t size;
  explicit Padded(std::string_view text) : held(text), size(text.size()) {
    held.append(spare_bytes, '#');
  }
  std::string_view view() const { return std::string_view(held).substr(0, size); }
};

Result<Asked> read(std::string_view text) { return read_request(Padded(text).view()); }

TEST(ReadRequest, finds_what_decides_money) {
  const auto asked = read(R"({ "messages": [{"role":"user","content":"stream: \"model\""}],
      "model" : "small" , "stream":true,"max_tokens": 7 ,"max_completion_tokens":9,"n":2,
      "stream_options": {"x": [1,{}], "include_usage" : true}, "best_of":3, "extra":{"model":1}})");
  ASSERT_TRUE(asked) << asked.error().what;
  EXPECT_EQ(asked->model, "small");
  EXPECT_TRUE(asked->stream);
  EXPECT_TRUE(asked->include_usage);
  EXPECT_EQ(asked->max_tokens, 9u);
  EXPECT_EQ(asked->choices, 3u);
  const auto plain = read(R"({"model":"m\u00e4\"x","max_tokens":null,"stream":null,"n":null,
                             "stream_options":null})");
  ASSERT_TRUE(plain) << plain.error().what;
  EXPECT_EQ(plain->model, "m\xc3\xa4\"x");
  EXPECT_FALSE(plain->stream);
  EXPECT_FALSE(plain->max_tokens);
}

TEST(ReadRequest, refuses_what_would_be_billed_as_one_thing_and_served_as_another) {
  const struct { const char *text, *field; } table[] = {
      {"", ""},
      {"[]", ""},
      {"\"x\"", ""},
      {"{", ""},
      {R"({"model":"a")", ""},
      {R"({"model":"a"}})", ""},
      {R"({"model":"a"} {"model":"b"})", ""},
      {R"({"model":"a",})", ""},
      {R"({})", "model"},
      {R"({"model":1})", "model"},
      {R"({"model":null})", "model"},
      {R"({"model":""})", "model"},
      {R"({"model":["a"]})", "model"},
      {R"({"model":"a","model":"b"})", "model"},
      {R"({"model":"a","mod\u0065l":"b"})", "model"},
      {R"({"model":"a","stream":true,"stream":false})", "stream"},
      {R"({"model":"a","stream":"yes"})", "stream"},
      {R"({"model":"a","stream":1})", "stream"},
      {R"({"model":"a","max_tokens":5,"max_tokens":9})", "max_tokens"},
      {R"({"model":"a","max_tokens":0})", "max_tokens"},
      {R"({"model":"a","max_tokens":-5})", "max_tokens"},
      {R"({"model":"a","max_tokens":1.5})", "max_tokens"},
      {R"({"model":"a","max_tokens":1e3})", "max_tokens"},
      {R"({"model":"a","max_tokens":"5"})", "max_tokens"},
      {R"({"model":"a","max_tokens":99999999999999999999})", "max_tokens"},
      {R"({"model":"a","n":1000})", "n"},
      {R"({"model":"a","best_of":[]})", "best_of"},
      {R"({"model":"a","stream_options":true})", "stream_options"},
      {R"({"model":"a","stream_options":{"include_usage":1}})", "stream_options.include_usage"},
      {R"({"model":"a","stream_options":{"include_usage":true,"include_usage":false}})",
       "stream_options.include_usage"},
      {R"({"model":"a","stream_options":{},"stream_options":{}})", "stream_options"},
      {R"({"model":"a","prompt":"x","prompt":["x","y"]})", "prompt"},
      {R"({"model":"a","input":["x","y"],"input":"x"})", "input"},
      {R"({"model":"a","max_tokens":1,"n_predict":5000})", "n_predict"},
      {R"({"model":"a","n_predict":-1})", "n_predict"},
      {R"({"model":"a","max_tokens":1,"max_new_tok\u0065ns":5000})", "max_new_tokens"},
      {R"({"model":"a","n":1,"n_cmpl":100})", "n_cmpl"},
  };
  for (const auto& [text, field] : table) {
    const auto asked = read(text);
    ASSERT_FALSE(asked) << text;
    EXPECT_EQ(asked.error().code, Code::invalid) << text;
    EXPECT_EQ(asked.error().field, field) << text << ": " << asked.error().what;
  }
  EXPECT_FALSE(read(R"({"model":")" + std::string(300, 'a') + R"("})"));
  EXPECT_FALSE(read("{\"model\":\"\xff\"}"));
}

TEST(ReadRequest, counts_the_prompts_that_are_answered) {
  const struct { const char* more; std::uint64_t prompts; } table[] = {
      {R"("x":1)", 1},
      {R"("prompt":"one")", 1},
      {R"("prompt":null)", 1},
      {R"("prompt":["one"])", 1},
      {R"("prompt":["one","t\"],[wo","three"])", 3},
      {R"("prompt":[1,2,3,4])", 1},
      {R"("prompt":[[1,2],[3],[4,[5]]])", 3},
      {R"("prompt":[1,"two",3])", 3},
      {R"("prompt":[])", 1},
      {R"("input":["a","b"],"n_predict":null)", 2},
      {R"("prompt_embeds":"abc")", 2},
      {R"("prompt":["a","b"],"prompt_embeds":["c","d"])", 4},
      {R"("messages":[{"prompt":["a","b"]}])", 1},
  };
  for (const auto& [more, prompts] : table) {
    const auto asked = read(std::string(R"({"model":"a",)") + more + R"(,"max_tokens":16})");
    ASSERT_TRUE(asked) << more << ": " << asked.error().what;
    EXPECT_EQ(asked->prompts, prompts) << more;
    EXPECT_EQ(asked->max_tokens, 16u) << more;
  }
  const auto of = [](std::size_t count, const std::string& element) {
    std::string list = element;
    for (std::size_t i = 1; i < count; ++i) list += "," + element;
    return read(R"({"model":"a","prompt":[)" + list + "]}");
  };
  EXPECT_EQ(of(max_prompts, "\"x\"")->prompts, max_prompts);
  EXPECT_EQ(of(max_prompts * 2, "77")->prompts, 1u);
  const auto many = of(max_prompts + 1, "\"x\"");
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().field, "prompt");
  EXPECT_NE(many.error().what.find("2048"), std::string::npos) << many.error().what;
  EXPECT_FALSE(many.error().remedy.empty());
}

TEST(PatchedBody, changes_only_what_it_must) {
  const struct { const char* body; Patch patch; const char* expected; } table[] = {
      {R"( {"model":"a","x":1})", {}, R"( {"model":"a","x":1})"},
      {R"({"model" : "a" ,"x":1})", {.model = "b\"c"}, R"({"model" : "b\"c" ,"x":1})"},
      {R"({"x":1,"model":"a","stream":false})", {.model = "b", .stream = true},
       R"({"x":1,"model":"b","stream":true})"},
      {R"({"model":"a"})", {.stream = true, .usage = true},
       R"({"stream":true,"stream_options":{"include_usage":true},"model":"a"})"},
      {R"({"stream_options":{"a":1},"stream":true,"model":"a"})",
       {.model = "z", .stream = true, .usage = true, .continuous_usage = true},
       R"({"stream_options":{"include_usage":true,"continuous_usage_stats":true},"stream":true,)"
       R"("model":"z"})"},
      {R"({"stream_options":null,"stream":true,"model":"a"})", {.stream = true, .usage = true},
       R"({"stream_options":{"include_usage":true},"stream":true,"model":"a"})"},
  };
  for (const auto& [body, patch, expected] : table) {
    const Padded padded(body);
    const auto asked = read_request(padded.view());
    ASSERT_TRUE(asked) << body << asked.error().what;
    EXPECT_EQ(patched_body(padded.view(), *asked, patch), expected);
    EXPECT_TRUE(read(patched_body(padded.view(), *asked, patch)));
  }
}

Told tell(std::string_view text) { return read_answer(Padded(text).view()); }

TEST(ReadAnswer, splits_the_usage_into_meters) {
  const auto told = tell(R"({"id":"x","choices":[{"message":{"content":"hello"}}],"usage":
      {"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
       "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
       "completion_tokens_details":{"reasoning_tokens":2}}})");
  ASSERT_TRUE(told.usage);
  EXPECT_EQ(told.usage->input, 6u);
  EXPECT_EQ(told.usage->cached_input, 4u);
  EXPECT_EQ(told.usage->output, 3u);
  EXPECT_EQ(told.usage->reasoning, 2u);
  EXPECT_TRUE(told.has_choices);
  EXPECT_EQ(told.content_bytes, 5u);
  EXPECT_FALSE(told.is_error);
  const auto embeddings = tell(R"({"data":[],"usage":{"prompt_tokens":8,"total_tokens":8,
                                   "prompt_tokens_details":null}})");
  EXPECT_EQ(embeddings.usage->input, 8u);
  EXPECT_EQ(embeddings.usage->output, 0u);
}

TEST(ReadAnswer, takes_implausible_usage_for_none) {
  for (const char* usage :
       {"{}", R"({"prompt_tokens":-1})", R"({"prompt_tokens":"7"})", R"({"prompt_tokens":1.5})",
        R"({"prompt_tokens":9999999999999})", R"({"completion_tokens":5})",
        R"({"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":2}})",
        R"({"prompt_tokens":1,"completion_tokens":1,
            "completion_tokens_details":{"reasoning_tokens":2}})",
        "null", "7"}) {
    const auto told = tell(std::string(R"({"choices":[],"usage":)") + usage + "}");
    EXPECT_FALSE(told.usage) << usage;
    EXPECT_TRUE(told.is_object);
  }
  EXPECT_TRUE(tell(R"({"error":{"message":"no"}})").is_error);
  EXPECT_FALSE(tell(R"({"error":null,"choices":[]})").is_error);
  EXPECT_FALSE(tell("[1]").is_object);
  EXPECT_FALSE(tell("oops").is_object);
}

TEST(ReadAnswer, measures_text_and_hides_usage) {
  const struct { const char *text, *hidden; std::uint64_t bytes; } table[] = {
      {R"({"choices":[{"delta":{"content":"ab"}}],"usage":{"prompt_tokens":1}})",
       R"({"choices":[{"delta":{"content":"ab"}}]})", 2},
      {R"({"usage":null,"choices":[{"text":"abc"},{"text":"d"}]})",
       R"({"choices":[{"text":"abc"},{"text":"d"}]})", 4},
      {R"({"choices":[{"delta":{"tool_calls":[{"a":1}]}}] , "usage" : {"prompt_tokens":2} ,)"
       R"( "x":1})",
       R"({"choices":[{"delta":{"tool_calls":[{"a":1}]}}] , "x":1})", 9},
      {R"({"usage":{"prompt_tokens":3}})", "{}", 0},
      {R"({"choices":[],"x":2})", R"({"choices":[],"x":2})", 0},
  };
  for (const auto& [text, hidden, bytes] : table) {
    const Padded padded(text);
    const auto told = read_answer(padded.view());
    EXPECT_EQ(told.content_bytes, bytes) << text;
    EXPECT_EQ(without_usage(padded.view(), told), hidden);
  }
}

TEST(ReadAnswer, survives_random_damage) {
  Random random(11);
  const std::string good =
      R"({"id":"x","choices":[{"delta":{"content":"hi"}}],"usage":{"prompt_tokens":1,)"
      R"("completion_tokens":2,"prompt_tokens_details":{"cached_tokens":0}}})";
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good.substr(0, 1 + random.below(good.size()));
    text[random.below(text.size())] = static_cast<char>(random.below(256));
    const Padded padded(text);
    const auto told = read_answer(padded.view());
    EXPECT_LE(told.usage_at.to, padded.size);
    [[maybe_unused]] const auto asked = read_request(padded.view());
  }
}

}  // namespace
}  // namespace bessemer::gateway
