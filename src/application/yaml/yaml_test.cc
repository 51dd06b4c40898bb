// What people write in YAML, and what is refused, with the place.
#include "application/yaml/yaml.h"

#include <gtest/gtest.h>

namespace bessemer::yaml {
namespace {

std::string convert(std::string_view text) {
  const auto json = to_json(text);
  return json ? *json : "error: " + to_text(json.error());
}

TEST(Yaml, PlainScalarsFollowTheCoreSchema) {
  EXPECT_EQ(convert("a: 1\nb: -2.5e3\nc: true\nd: null\ne: ~\nf:\ng: text\n"),
            R"({"a":1,"b":-2.5e3,"c":true,"d":null,"e":null,"f":null,"g":"text"})");
  EXPECT_EQ(convert("a: '1'\nb: \"true\"\nc: 007\nd: 0x1f\ne: yes\nf: 12.50 USD\n"),
            R"({"a":"1","b":"true","c":"007","d":"0x1f","e":"yes","f":"12.50 USD"})");
  EXPECT_EQ(convert("a: [1, {b: c}]\nd:\n  - x\n  - y: z\n"),
            R"({"a":[1,{"b":"c"}],"d":["x",{"y":"z"}]})");
  EXPECT_EQ(convert("a: |\n  one\n  two\nb: {}\nc: []\n"), R"({"a":"one\ntwo\n","b":{},"c":[]})");
}

TEST(Yaml, RefusalsNameThePlace) {
  EXPECT_EQ(convert("a: 1\na: 2\n"), "error: line 2, column 1: the key 'a' is given twice");
  EXPECT_EQ(convert("a: &x 1\nb: *x\n"),
            "error: line 1, column 4: anchors (&name) are not taken; write the value out");
  EXPECT_TRUE(convert("a: !!python/object x\n").starts_with("error: line 1"));
  EXPECT_TRUE(convert("a: [1, 2\n").starts_with("error: line"));
  EXPECT_TRUE(convert("a: b: c\n").starts_with("error: line 1"));
  EXPECT_TRUE(convert("? [a]\n: b\n").ends_with("a key must be plain text"));
  EXPECT_TRUE(convert(std::string(40, '[') + std::string(40, ']')).ends_with("32 deep"));
  EXPECT_TRUE(convert("").starts_with("error: must hold one YAML document"));
  EXPECT_TRUE(convert(std::string(max_bytes + 1, ' ')).ends_with("1 MiB"));
}

TEST(Yaml, Streams) {
  const auto all = documents("a: 1\n---\nb: 2\n---\n# nothing\n");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[1], R"({"b":2})");
}

TEST(Yaml, SaysOnWhichLineAFieldStands) {
  const std::string text = "# remark\nname: x\nsteps:\n  - job:\n      command: [a,\n         b]\n"
                           "  - {gate: 1}\n---\nname: y\n";
  EXPECT_EQ(line_of(text, "name"), 2u);
  EXPECT_EQ(line_of(text, "steps[0].job.command"), 5u);
  EXPECT_EQ(line_of(text, "steps[0].job.command[1]"), 6u);
  EXPECT_EQ(line_of(text, "steps[0].job.gone"), 4u) << "the nearest around it";
  EXPECT_EQ(line_of(text, "steps[1].gate"), 7u);
  EXPECT_EQ(line_of(text, "na"), 2u) << "the document's first line";
  EXPECT_EQ(line_of(text, "name", 1), 9u);
  EXPECT_EQ(line_of("a: [", "a"), 0u);
}

}  // namespace
}  // namespace bessemer::yaml
