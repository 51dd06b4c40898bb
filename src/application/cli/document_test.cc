// Documents and tables: read, compared, shown.
#include <gtest/gtest.h>

#include "application/cli/document.h"
#include "application/cli/fakes.h"
#include "application/cli/table.h"
#include "base/time.h"

namespace bessemer::cli {
namespace {

constexpr std::string_view sample =
    R"({"id":"wl_1","spec":{"name":"train","gpus":2},"attempts":[{"n":1},{"n":2}],"none":null})";

TEST(Documents, FindAndWrite) {
  const Document document = parse_document(sample).value();
  EXPECT_EQ(document.text("spec.name"), "train");
  EXPECT_EQ(document.text("attempts.-1.n"), "2");
  EXPECT_EQ(document.text("attempts.0.n"), "1");
  EXPECT_EQ(document.text("attempts.9.n"), "");
  EXPECT_EQ(document.find("none"), nullptr);
  EXPECT_EQ(to_json(document, Layout::compact), sample);
  EXPECT_EQ(parse_document(to_json(document)).value(), document);
  for (const char* bad : {"{", "", "1,2", "{} {}", "nope"}) {
    EXPECT_FALSE(parse_document(bad)) << bad;
  }
  EXPECT_EQ(to_json(parse_document("12345678901234567890.10").value(), Layout::compact),
            "12345678901234567890.10") << "no digit is lost";
}

TEST(Documents, Yaml) {
  const Document document = parse_document(
      R"({"name":"a b","yes":"yes","n":"5","list":[{"x":1,"y":[]},"z"],"empty":{}})").value();
  EXPECT_EQ(to_yaml(document),
            "name: \"a b\"\n\"yes\": \"yes\"\nn: \"5\"\nlist:\n  - x: 1\n    y: []\n  - z\n"
            "empty: {}\n");
}

TEST(Documents, Differences) {
  const auto diff = [](std::string_view now, std::string_view wanted, Compare how) {
    return join(differences(parse_document(now).value(), parse_document(wanted).value(), how), "|");
  };
  EXPECT_EQ(diff(R"({"a":1,"b":{"c":[1,2]},"d":3})", R"({"b":{"c":[2,1]},"a":1})",
                 Compare::declared_only), "");
  EXPECT_EQ(diff(R"({"p":[{"sku":"x","amount":"2.5 USD","per":"1"},{"sku":"y"}],"t":"1h"})",
                 R"({"p":[{"sku":"y"},{"sku":"x","amount":"2.50 USD"}],"t":"60m"})",
                 Compare::declared_only), "") << "other spellings and orders are no difference";
  EXPECT_NE(diff(R"({"p":["1 USD"]})", R"({"p":["2 USD"]})", Compare::declared_only), "");
  EXPECT_EQ(diff(R"({"a":1,"d":3})", R"({"a":2,"e":"x"})", Compare::whole),
            "  a: 1 -> 2|+ e: x|- d: 3");
}

TEST(Tables, AlignedAndSafe) {
  const Document rows = parse_document(
      R"([{"n":"é","b":1536,"t":"2027-01-15T07:59:00Z"},{"n":"\u001b[31mred","b":3}])").value();
  const std::vector<Column> columns = {
      {"NAME", "n"}, {"BYTES", "b", Show::bytes}, {"AGE", "t", Show::age}};
  EXPECT_EQ(render_table(columns, {&rows.members[0].second, &rows.members[1].second},
                         FakeTerminal().now(), 0),
            "NAME        BYTES  AGE\né         1.5 KiB  60s\n?[31mred      3 B  -\n");
  EXPECT_EQ(printable("a\xc2\x9b" "b\x7f"), "a?b?");
}

}  // namespace
}  // namespace bessemer::cli
