// What an inspection counts and what it complains of, whatever the size of the pieces.
#include "data/dataset/inspect.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace bessemer::dataset {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;  // path, bytes

Validation inspect(const Schema& schema, const Files& files, std::size_t piece = 1'000'000) {
  Inspection inspection(schema);
  for (const auto& [path, bytes] : files) {
    inspection.begin_file(path);
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      inspection.add(std::string_view(bytes).substr(at, piece));
    }
    inspection.end_file();
  }
  return inspection.finish();
}

Schema of(Format format, std::vector<Column> columns = {}) {
  Schema schema;
  schema.format = format;
  schema.columns = std::move(columns);
  return schema;
}

const std::vector<Column> prices = {{"item", ColumnType::text, {}},
                                    {"price", ColumnType::number, {}},
                                    {"count", ColumnType::integer, false}};

// The same answer for every size of pieces; "" when it passed.
std::string problems(const Schema& schema, const std::string& bytes) {
  const Validation whole = inspect(schema, {{"f", bytes}});
  for (const std::size_t piece : {1u, 2u, 3u, 7u}) {
    EXPECT_EQ(inspect(schema, {{"f", bytes}}, piece), whole) << "in pieces of " << piece;
  }
  EXPECT_EQ(whole.passed, whole.problems.empty());
  std::string out;
  for (const std::string& one : whole.problems) out += (out.empty() ? "" : " | ") + one;
  return out;
}

TEST(Inspection, CountsFilesBytesAndRows) {
  const Validation found = inspect(of(Format::text), {{"a", "one\ntwo\n"}, {"b", "three"}});
  EXPECT_EQ(found, (Validation{true, 2, 13, 3, 0, {}}));
  EXPECT_EQ(inspect({}, {{"a", "\xff\n\n"}}), (Validation{true, 1, 3, 0, 0, {}}));
  EXPECT_EQ(inspect(of(Format::text), {{"a", "\n\n"}}).rows, 2u);
}

TEST(Inspection, Text) {
  EXPECT_EQ(problems(of(Format::text), "fine\nZo\xc3\xab\r\n"), "");
  EXPECT_EQ(problems(of(Format::text), "fine\n\xff\n"), "f:2: is not UTF-8");
}

TEST(Inspection, Csv) {
  const Schema schema = of(Format::csv, prices);
  EXPECT_EQ(problems(schema, "item,price,count\npear,1.5,3\n\"a, \"\"b\"\"\nc\",2,\n"), "");
  EXPECT_EQ(problems(schema, "\xef\xbb\xbfprice,item,colour\r\n1,pear,green\r\n"), "");
  EXPECT_EQ(problems(schema, "item,count\npear,3\n"), "f:1: the column price is missing");
  EXPECT_EQ(problems(schema, "item,price,count\npear,cheap,3\n"), "f:2: price is not a number");
  EXPECT_EQ(problems(schema, "item,price,count\npear,,3\n"), "f:2: price is empty");
  EXPECT_EQ(problems(schema, "item,price,count\npear,1,3.5\n"),
            "f:2: count is not a whole number");
  EXPECT_EQ(problems(schema, "item,price,count\npear,1\n"), "f:2: has 2 fields, the header 3");
  EXPECT_EQ(problems(schema, "item,price,count\npe\"ar,1,1\n"),
            "f:2: a quote is not closed");
  EXPECT_EQ(problems(schema, "item,price,count\npe\"a\"r,1,1\n"),
            "f:2: quotes are where they must not be");
  EXPECT_EQ(problems(schema, ""), "f: has no header");
  // Which of the two is meant? Said once for each name; columns without a name are none.
  EXPECT_EQ(problems(schema, "item,price,count,price,price\npear,1,1,2,3\n"),
            "f:1: the column price is there twice");
  EXPECT_EQ(problems(schema, "item,price,more,more\npear,1,,\n"),
            "f:1: the column more is there twice");
  EXPECT_EQ(problems(schema, "item,price,,\npear,1,,\n"), "");
  EXPECT_EQ(problems(of(Format::csv), "a,b,a\n1,2,3\n"), "f:1: the column a is there twice");
}

TEST(Inspection, JsonLines) {
  const Schema schema = of(Format::jsonl, prices);
  EXPECT_EQ(problems(schema, "{\"item\":\"pear\",\"price\":1,\"count\":null,\"more\":[1,{}]}\n"),
            "");
  EXPECT_EQ(problems(schema, "{\"item\":\"pear\"}\n"), "f:1: price is missing");
  EXPECT_EQ(problems(schema, "{\"item\":3,\"price\":1}\n"), "f:1: item is not a string");
  EXPECT_EQ(problems(schema, "{\"item\":\"a\",\"price\":1,\"count\":\"3\"}"),
            "f:1: count is not a whole number");
  EXPECT_NE(problems(schema, "[1]\n"), "");
  EXPECT_NE(problems(schema, "{\"item\":\n"), "");
  EXPECT_NE(problems(schema, "{} {}\n"), "");
}

std::string idx(std::uint8_t type, std::vector<std::uint32_t> dimensions, std::size_t data) {
  std::string out{'\0', '\0', static_cast<char>(type), static_cast<char>(dimensions.size())};
  for (const std::uint32_t size : dimensions) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  }
  return out + std::string(data, 'p');
}

TEST(Inspection, Idx) {
  EXPECT_EQ(problems(of(Format::idx), idx(8, {5, 2, 3}, 30)), "");
  EXPECT_EQ(inspect(of(Format::idx), {{"f", idx(8, {5, 2, 3}, 30)}}).rows, 5u);
  EXPECT_EQ(problems(of(Format::idx), idx(0x0d, {2}, 8)), "");
  EXPECT_EQ(problems(of(Format::idx), idx(8, {5}, 4)),
            "f: has 12 bytes, its header announces 13");
  EXPECT_EQ(problems(of(Format::idx), "not idx at all"), "f: is not an idx file");
  EXPECT_EQ(problems(of(Format::idx), std::string("\0\0", 2)), "f: the header is cut short");
  EXPECT_EQ(problems(of(Format::idx), idx(8, {5, 2, 3}, 0).substr(0, 9)),
            "f: the header is cut short");
  EXPECT_EQ(problems(of(Format::idx), idx(14, {4'000'000'000u, 4'000'000'000u, 4'000'000'000u}, 0)),
            "f: announces more than 1 PiB");
}

TEST(Inspection, BoundsAndFiles) {
  Schema schema = of(Format::text);
  schema.min_rows = 3;
  schema.max_rows = 4;
  schema.files = {"train.txt", "held.txt"};
  EXPECT_EQ(inspect(schema, {{"train.txt", "1\n2\n"}}).problems,
            (std::vector<std::string>{"held.txt: is missing",
                                      "2 rows are fewer than the 3 required"}));
  EXPECT_EQ(inspect(schema, {{"train.txt", "1\n2\n3\n"}, {"held.txt", "1\n2"}}).problems,
            (std::vector<std::string>{"5 rows are more than the 4 allowed"}));
  EXPECT_TRUE(inspect(schema, {{"train.txt", "1\n2\n3\n"}, {"held.txt", "1\n"}}).passed);
}

TEST(Inspection, KeepsTheFirstProblemsAndCountsAll) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += "\xff\n";
  const Validation found = inspect(of(Format::text), {{"f", bytes}});
  EXPECT_EQ(found.problem_count, 100u);
  EXPECT_EQ(found.problems.size(), max_problems);
}

TEST(Inspection, SurvivesAnyBytes) {
  Random random(3);
  const std::string alphabet = "\",\n\r{}[]:ab1.\\\xc3\xab\xff\0 ";
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes;
    for (std::uint64_t n = random.below(60); n > 0; --n) {
      bytes += alphabet[random.below(alphabet.size())];
    }
    for (const Format format : {Format::text, Format::csv, Format::jsonl, Format::idx}) {
      const bool columns = format == Format::csv || format == Format::jsonl;
      problems(of(format, columns ? prices : std::vector<Column>{}), bytes);
    }
  }
}

TEST(Schema, Refusals) {
  EXPECT_TRUE(check_schema({}));
  EXPECT_EQ(check_schema(of(Format::text, prices)).error().field, "columns");
  EXPECT_EQ(check_schema(of(Format::csv, {{"a", {}, {}}, {"a", {}, {}}})).error().field, "columns");
  EXPECT_EQ(check_schema(of(Format::csv, {{"", {}, {}}})).error().field, "columns");
  Schema range = of(Format::text);
  range.min_rows = 5;
  range.max_rows = 4;
  EXPECT_EQ(check_schema(range).error().field, "min_rows");
  range.format = Format::any;
  range.max_rows.reset();
  EXPECT_EQ(check_schema(range).error().field, "min_rows");
  Schema files;
  files.files = {"../up"};
  EXPECT_EQ(check_schema(files).error().field, "files");
}

}  // namespace
}  // namespace bessemer::dataset
