// Texts with ${...} and requirements of gates: what parses, what is refused, what comes out.
#include "orchestration/pipeline/expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/random.h"

namespace bessemer::pipeline {
namespace {

struct Values final : Lookup {
  std::map<std::string, std::string> json;
  Result<json::Raw> value(const Reference& reference) const override {
    const auto at = json.find(to_text(reference));
    if (at == json.end()) return not_found("nothing named " + to_text(reference));
    return json::Raw{at->second};
  }
};

Values values() {
  Values made;
  made.json = {{"params.steps", "300"},       {"params.name", "\"a \\\"b\\\" \\u0001 ë\""},
               {"params.list", "[1,\"x\"]"},  {"matrix.seed", "7"},
               {"steps.eval.metrics.acc", "0.5"}, {"steps.train.outputs.model.bin", "\"d1\""}};
  return made;
}

std::string filled(std::string_view text) {
  const auto out = expand(text, values());
  return out ? *out : "! " + out.error().what;
}
std::string filled_json(const std::string& text) {
  const auto out = expand(json::Raw{text}, values());
  return out ? out->text : "! " + to_text(out.error());
}

TEST(Text, IsFilledIn) {
  EXPECT_EQ(filled(""), "");
  EXPECT_EQ(filled("plain $ {x} $x"), "plain $ {x} $x");
  EXPECT_EQ(filled("--steps=${params.steps}"), "--steps=300");
  EXPECT_EQ(filled("${matrix.seed}-${ params.steps }"), "7-300");
  EXPECT_EQ(filled("${params.name}"), "a \"b\" \x01 ë");
  EXPECT_EQ(filled("${params.list}"), "[1,\"x\"]");
  EXPECT_EQ(filled("${steps.eval.metrics.acc}"), "0.5");
  EXPECT_EQ(filled("${steps.train.outputs.model.bin}"), "d1");
  EXPECT_EQ(filled("$${params.steps}"), "${params.steps}");
}

TEST(Text, Refusals) {
  EXPECT_EQ(filled("${params.none}"), "! nothing named params.none");
  EXPECT_EQ(filled("a ${params.steps"), "! ${ without } in \"a ${params.steps\"");
  EXPECT_EQ(filled("${}"), "! ${...} must name params.…, matrix.… or steps.… in \"${}\"");
  EXPECT_EQ(filled("${secrets.key}"),
            "! ${...} must name params.…, matrix.… or steps.… in \"${secrets.key}\"");
  EXPECT_EQ(filled("${params.a b}"), "! ${...} names no parameter in \"${params.a b}\"");
  EXPECT_EQ(filled("${steps.train.model}"),
            "! must be steps.STEP.outputs.NAME or steps.STEP.metrics.NAME in "
            "\"${steps.train.model}\"");
  EXPECT_EQ(filled("${steps..outputs.x}").substr(0, 6), "! must");
  EXPECT_EQ(filled("${steps.train.outputs.}").substr(0, 6), "! must");
  EXPECT_EQ(filled(std::string(5'000, 'x')), "! must be at most 4096 bytes");
  std::string many;
  for (int i = 0; i < 65; ++i) many += "${params.steps}";
  EXPECT_EQ(filled(many), "! may hold at most 64 references");
}

TEST(Json, IsFilledInWithTypes) {
  EXPECT_EQ(filled_json("\"${params.steps}\""), "300");
  EXPECT_EQ(filled_json("\"n=${params.steps}\""), "\"n=300\"");
  EXPECT_EQ(filled_json(R"({"a": "${params.list}", "${params.steps}": ["${matrix.seed}", 1.50]})"),
            R"({"a":[1,"x"],"${params.steps}":[7,1.50]})");
  EXPECT_EQ(filled_json(R"({"a": "say \"${params.name}\""})"),
            "{\"a\":\"say \\\"a \\\"b\\\" \\u0001 ë\\\"\"}");
  EXPECT_EQ(filled_json("null"), "null");
  EXPECT_EQ(filled_json("\"$${x}\""), "\"${x}\"");
  EXPECT_EQ(filled_json("1, 2").substr(0, 1), "!");
  EXPECT_EQ(filled_json("").substr(0, 1), "!");
  EXPECT_EQ(filled_json("{\"a\":").substr(0, 1), "!");
}

TEST(Json, TellsItsReferences) {
  const auto found = references_in(
      json::Raw{R"({"a":["${params.x} ${steps.s.outputs.o}"],"${params.key}":"${matrix.m}"})"});
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0], (Reference{Scope::params, "", "x"}));
  EXPECT_EQ((*found)[1], (Reference{Scope::outputs, "s", "o"}));
  EXPECT_EQ((*found)[2], (Reference{Scope::matrix, "", "m"}));
}

struct Metrics final : Operands {
  std::map<std::string, double> numbers;
  bool has_champion = true;
  Result<std::optional<double>> value(std::string_view of, std::string_view name) const override {
    if (of == "champion" && !has_champion) return std::optional<double>{};
    const auto at = numbers.find(std::string(of) + "." + std::string(name));
    if (at == numbers.end()) return not_found("no metric " + std::string(name));
    return std::optional<double>(at->second);
  }
};

Metrics metrics() {
  Metrics made;
  made.numbers = {{".accuracy", 0.87},      {".loss", 2.1},       {"champion.loss", 2.0},
                  {"params.floor", 0.9},    {"train.loss", 1.5},  {".top/1", 0.5},
                  {"held-back.accuracy", 0.7}, {".nan", NAN},     {".one", 1.0}};
  return made;
}

std::string judged(std::string_view text, bool champion = true) {
  const auto requirement = parse_requirement(text);
  if (!requirement) return "! " + requirement.error().what;
  Metrics with = metrics();
  with.has_champion = champion;
  const auto verdict = judge_requirement(*requirement, with);
  if (!verdict) return "? " + verdict.error().what;
  return (verdict->passed ? "+ " : verdict->without_champion ? "0 " : "- ") + verdict->says;
}

TEST(Requirement, SaysByHowMuch) {
  EXPECT_EQ(judged("accuracy >= 0.9"), "- accuracy is 0.87, below 0.9 by 0.03");
  EXPECT_EQ(judged("accuracy >= 0.8"), "+ accuracy is 0.87 >= 0.8");
  EXPECT_EQ(judged("accuracy>=params.floor"),
            "- accuracy is 0.87, below params.floor = 0.9 by 0.03");
  EXPECT_EQ(judged("accuracy >= ${params.floor}"),
            "- accuracy is 0.87, below ${params.floor} = 0.9 by 0.03");
  EXPECT_EQ(judged("loss < champion.loss"), "- loss is 2.1, above champion.loss = 2 by 0.1");
  EXPECT_EQ(judged("loss <= champion.loss * 1.05"), "+ loss is 2.1 <= champion.loss * 1.05 = 2.1");
  EXPECT_EQ(judged("one > 1"), "- one is 1, not above 1");
  EXPECT_EQ(judged("one < 1"), "- one is 1, not below 1");
  EXPECT_EQ(judged("one == 2"), "- one is 1, not 2: off by 1");
  EXPECT_EQ(judged("one != 1"), "- one is 1, which it must not be (1)");
  EXPECT_EQ(judged("loss < champion.loss", false),
            "0 loss < champion.loss: there is no champion to compare with");
}

TEST(Requirement, Calculates) {
  EXPECT_EQ(judged("1 + 2 * 3 == 7").substr(0, 1), "+");
  EXPECT_EQ(judged("(1 + 2) * 3 == 9").substr(0, 1), "+");
  EXPECT_EQ(judged("10 - 4 - 3 == 3").substr(0, 1), "+");
  EXPECT_EQ(judged("16 / 4 / 2 == 2").substr(0, 1), "+");
  EXPECT_EQ(judged("-one * -2 == 2").substr(0, 1), "+");
  EXPECT_EQ(judged("--1 == 1").substr(0, 1), "+");
  EXPECT_EQ(judged("train.loss < loss - 0.5").substr(0, 1), "+");
  EXPECT_EQ(judged("`held-back`.accuracy > `top/1`").substr(0, 1), "+");
  EXPECT_EQ(judged("1e-3 < .5").substr(0, 1), "+");
}

TEST(Requirement, Refusals) {
  struct Case { const char* text; const char* says; };
  const Case cases[] = {
      {"", "expected a metric or a number at the end of \"\""},
      {"accuracy", "expected >=, >, <=, <, == or != at the end of \"accuracy\""},
      {"accuracy = 1", "expected >=, >, <=, <, == or != at \"= 1\""},
      {"accuracy >=", "expected a metric or a number at the end"},
      {"accuracy >= 1 2", "expected nothing more at \"2\""},
      {"accuracy >= 1 > 0", "expected nothing more at \"> 0\""},
      {"accuracy >= 1x", "expected a sign at \"x\""},
      {"accuracy >= (1", "expected ) at the end"},
      {"a. >= 1", "expected a metric or a number at \" >= 1\""},
      {"`a >= 1", "` without `"},
      {"`` >= 1", "expected a name"},
      {"${steps.a.outputs.b} > 1", "an output is no number"},
      {"${params.x > 1", "${ without }"},
      {"1e999 > 1", "expected a number"},
      {"a & b > 1", "expected >=, >, <=, <, == or != at \"& b > 1\""},
  };
  for (const Case& one : cases) {
    const std::string says = judged(one.text);
    EXPECT_TRUE(says.starts_with(std::string("! ") + one.says)) << one.text << ": " << says;
  }
  EXPECT_EQ(judged(std::string(40, '(') + "1").substr(0, 27), "! nested more than 32 deep ");
  EXPECT_EQ(judged(std::string(600, '1')), "! must be at most 512 bytes");
  EXPECT_EQ(judged("none > 1"), "? no metric none");
  EXPECT_EQ(judged("nan > 1"), "? nan is not a finite number");
  EXPECT_EQ(judged("one / (one - 1) > 1"), "? one / (one - 1) is not a finite number");
}

// Sums of random numbers agree with a calculation that knows nothing of parsing.
TEST(Requirement, AgreesWithAnOracle) {
  Random random(17);
  for (int round = 0; round < 2'000; ++round) {
    double expected = 0;
    std::string text;
    for (std::uint64_t terms = 1 + random.below(6); terms > 0; --terms) {
      const auto a = static_cast<double>(random.below(100));
      const auto b = static_cast<double>(1 + random.below(9));
      const bool plus = text.empty() || random.chance(1, 2);
      const bool times = random.chance(1, 2);
      expected += (plus ? 1 : -1) * (times ? a * b : a / b);
      text += (text.empty() ? "" : plus ? " + " : "-") + std::to_string(static_cast<int>(a)) +
              (times ? "*" : " / ") + std::to_string(static_cast<int>(b));
    }
    const auto requirement = parse_requirement(text + " == 0");
    ASSERT_TRUE(requirement) << text;
    ASSERT_NEAR(judge_requirement(*requirement, metrics())->left, expected, 1e-9) << text;
  }
}

TEST(Parsers, SurviveAnyBytes) {
  Random random(23);
  const std::string alphabet = "ab1.$${}()`+-*/<>=! \"\\[],:params.steps";
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::uint64_t n = random.below(24); n > 0; --n) {
      text += alphabet[random.below(alphabet.size())];
    }
    static_cast<void>(parse_requirement(text));
    static_cast<void>(expand(text, values()));
    static_cast<void>(expand(json::Raw{text}, values()));
    const auto pieces = parse_text(text);
    if (!pieces) continue;
    std::string back;
    for (const Piece& piece : *pieces) back += piece.reference ? "R" : piece.text;
    ASSERT_LE(back.size(), text.size());
  }
}

}  // namespace
}  // namespace bessemer::pipeline
