// Tables for the shared words: text forms, exact arithmetic, JSON and the binary codec.
#include <gtest/gtest.h>

#include "base/check.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/json.h"
#include "base/random.h"
#include "base/schema.h"
#include "base/secret.h"
#include "base/text.h"

namespace bessemer {
enum class Colour : std::uint8_t { red, green };
DESCRIBE_ENUM(Colour, red, green)
struct Inner {
  std::int32_t x = 0;
  std::optional<std::string> note;
  friend bool operator==(const Inner&, const Inner&) = default;
};
DESCRIBE(Inner, x, note)
struct Outer {
  std::string name;
  Money price;
  std::vector<Inner> inner;
  std::map<std::string, std::uint64_t> counts;
  Colour colour = Colour::red;
  std::optional<Instant> at;
  json::Raw raw;
  friend bool operator==(const Outer&, const Outer&) = default;
};
DESCRIBE(Outer, name, price, inner, counts, colour, at, raw)
struct Circle { static constexpr std::string_view tag = "circle"; double r = 0; };
DESCRIBE(Circle, r)
struct Square { static constexpr std::string_view tag = "square"; double side = 0; };
DESCRIBE(Square, side)

namespace {

template <class T>
std::string round_trip(std::string_view text) {
  const auto value = from_text(std::type_identity<T>{}, text);
  return value ? to_text(*value) : "error: " + to_text(value.error());
}

TEST(Time, TextRoundTrips) {
  EXPECT_EQ(round_trip<Instant>("2026-01-31T08:00:00Z"), "2026-01-31T08:00:00Z");
  EXPECT_EQ(round_trip<Instant>("2024-02-29T23:59:59.250Z"), "2024-02-29T23:59:59.25Z");
  EXPECT_EQ(round_trip<Instant>("2026-01-31T08:00:00+02:00"), "2026-01-31T06:00:00Z");
  for (const char* bad : {"", "2026-02-30T00:00:00Z", "2026-1-1T00:00:00Z", "1969-12-31T00:00:00Z",
                          "2026-01-31T08:00:00", "2026-01-31T24:00:00Z", "2026-01-31T08:00:00Zx"}) {
    EXPECT_TRUE(round_trip<Instant>(bad).starts_with("error: must be an RFC 3339")) << bad;
  }
  for (std::int64_t day = 0; day < 100'000; day += 37) {
    const Instant at{day * 86'400'000'000'000};
    EXPECT_EQ(from_civil(to_civil(at)), at);
  }
}

TEST(Time, DurationText) {
  EXPECT_EQ(round_trip<Duration>("1h30m"), "1h30m");
  EXPECT_EQ(round_trip<Duration>("90s"), "1m30s");
  EXPECT_EQ(round_trip<Duration>("250ms"), "250ms");
  for (const char* bad : {"", "5", "s", "-1s", "1s1h", "1x", "999999999999d"}) {
    EXPECT_TRUE(round_trip<Duration>(bad).starts_with("error:")) << bad;
  }
}

TEST(Money, Text) {
  EXPECT_EQ(round_trip<Money>("12.50 USD"), "12.5 USD");
  EXPECT_EQ(round_trip<Money>("-0.000000001 EUR"), "-0.000000001 EUR");
  EXPECT_EQ(round_trip<Money>("1000000000000000 USD"), "1000000000000000 USD");
  for (const char* bad : {"", "12.5", "12.5 usd", "1e3 USD", "0.0000000001 USD", ".5 USD", "5. USD",
                          "1000000000000001 USD", "+1 USD", "1 000 USD", "--1 USD", "-1 EURO"}) {
    EXPECT_TRUE(round_trip<Money>(bad).starts_with("error:")) << bad;
  }
}

TEST(Wide, IsADecimalOfAUnit) {
  EXPECT_EQ(decimal_text(25, 10), "2.5");
  EXPECT_EQ(decimal_text(-5, 1000), "-0.005");
  EXPECT_EQ(decimal_text(20, 10), "2");
  EXPECT_EQ(decimal_text(2, 3), "0.666666666");
  EXPECT_EQ(decimal_text(-1, Wide{1} << 100), "0");
  EXPECT_EQ(decimal_text(Wide{1} << 120, Wide{1} << 119), "2");
}

TEST(Wide, IsAStringInJson) {
  EXPECT_EQ(json::write(std::vector<Wide>{Wide{1} << 100}),
            R"(["1267650600228229401496703205376"])");
  EXPECT_EQ(json::read<std::vector<Wide>>(R"(["-12"])")->front(), -12);
  EXPECT_FALSE(json::read<std::vector<Wide>>("[12]"));
}

TEST(Wide, ScaleIsExactAndHalfEven) {
  EXPECT_EQ(to_text(scale(1, 1, 2)), "0");   // 0.5 -> 0
  EXPECT_EQ(to_text(scale(3, 1, 2)), "2");   // 1.5 -> 2
  EXPECT_EQ(to_text(scale(5, 1, 2)), "2");   // 2.5 -> 2
  EXPECT_EQ(to_text(scale(-5, 1, 2)), "-2");
  EXPECT_EQ(to_text(scale(7, 1, 2)), "4");   // 3.5 -> 4
  const Wide big = Wide{1} << 120;
  EXPECT_EQ(scale_up(7, 1, 2), 4);
  EXPECT_EQ(scale_up(-7, 1, 2), -3);
  EXPECT_EQ(scale_up(8, 1, 2), 4);
  EXPECT_EQ(scale_up(big, big, big), big);
  EXPECT_EQ(scale(big, big, big), big);
  EXPECT_EQ(scale(big, Wide{3} * 1'000'000'007, Wide{3} * 1'000'000'007), big);
  Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    const Wide a = static_cast<Wide>(random.next() >> random.below(64));
    const Wide b = static_cast<Wide>(random.next() >> (1 + random.below(63)));
    const Wide d = static_cast<Wide>(1 + (random.next() >> random.below(64)));
    const Wide q = scale(a, b, d);  // |a*b - q*d| <= d/2
    const Wide miss = a * b - q * d;
    EXPECT_LE((miss < 0 ? -miss : miss) * 2, d);
  }
}

TEST(Id, TextIsPrefixedAndStrict) {
  const WorkloadId id = make_id<WorkloadTag>(Instant{1'767'225'600'000'000'000}, 1, 2);
  const std::string text = to_text(id);
  EXPECT_TRUE(text.starts_with("wl_"));
  EXPECT_EQ(text.size(), 29u);
  EXPECT_EQ(*from_text(std::type_identity<WorkloadId>{}, text), id);
  EXPECT_FALSE(from_text(std::type_identity<TaskId>{}, text));
  EXPECT_FALSE(from_text(std::type_identity<WorkloadId>{}, text + "0"));
  EXPECT_NE((derive_id<TaskTag>(id, 0)), (derive_id<TaskTag>(id, 1)));
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(to_text(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283u);
  EXPECT_EQ(to_text(hmac_sha256("key", "The quick brown fox jumps over the lazy dog")),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}

TEST(Text, Base64AndPaths) {
  for (const char* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    EXPECT_EQ(from_base64(to_base64(text)), text);
  }
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  for (const char* bad : {"Zg", "Zh==", "Z===", "====", "Zm9=v"}) EXPECT_FALSE(from_base64(bad));
  EXPECT_TRUE(check_relative_path("a/b.txt"));
  for (const char* bad : {"", "/a", "a//b", "../a", "a/../b", "a/.", "a/"}) {
    EXPECT_FALSE(check_relative_path(bad)) << bad;
  }
  EXPECT_TRUE(check_name("llama-3.1_8b"));
  for (const char* bad : {"", "-a", "a-", "A", "a b", "a/b"}) EXPECT_FALSE(check_name(bad)) << bad;
}

Outer sample() {
  return {.name = "a \"b\"\n", .price = {1'500'000'000, {{'U', 'S', 'D'}}},
          .inner = {{1, "x"}, {-2, std::nullopt}}, .counts = {{"k", 7}},
          .colour = Colour::green, .at = Instant{1}, .raw = {R"({"p":[1,2.5e3,"t",null]})"}};
}

TEST(Json, RoundTrips) {
  const std::string text = json::write(sample());
  const auto back = json::read<Outer>(text);
  ASSERT_TRUE(back) << to_text(back.error()) << text;
  EXPECT_EQ(*back, sample());
}

TEST(Json, RefusalsNameTheField) {
  const auto error = [](std::string_view text) {
    const auto got = json::read<Outer>(text);
    return got ? std::string("accepted") : to_text(got.error());
  };
  const std::string rest = R"(,"price":"1 USD","colour":"red","raw":1})";
  EXPECT_EQ(error(R"({"name":"n")" + rest), "accepted");
  EXPECT_EQ(error(R"({"price":"1 USD","colour":"red","raw":1})"), "name: is required");
  EXPECT_EQ(error(R"({"name":5)" + rest), "name: must be a string");
  EXPECT_EQ(error(R"({"name":"n","name":"m")" + rest), "name: is given twice");
  EXPECT_TRUE(error(R"({"name":"n","nam":1)" + rest).starts_with("nam: is not a known field"));
  EXPECT_EQ(error(R"({"name":"n","inner":[{"x":1},{"x":4294967296}])" + rest),
            "inner[1].x: is out of range");
  EXPECT_EQ(error(R"({"name":"n","counts":{"a":-1})" + rest),
            "counts.a: must be a whole number, not negative");
  EXPECT_TRUE(error(R"({"name":"n","inner":{})" + rest).starts_with("inner: must be a list"));
  EXPECT_TRUE(error(R"({"name":"n")" + rest + "x").starts_with("malformed JSON"));
  EXPECT_TRUE(error("").starts_with("malformed JSON")) << error("");
  EXPECT_TRUE(error("17").starts_with("must be a JSON object")) << error("17");
  EXPECT_TRUE(error(std::string(100, '[')).starts_with("JSON may be nested"));
  EXPECT_EQ(error("{\"name\":\"\xff\"}"), "must be UTF-8");
}

TEST(Json, Variants) {
  using Shape = std::variant<Circle, Square>;
  const auto shape = json::read<Shape>(R"({"square":{"side":2}})");
  ASSERT_TRUE(shape);
  EXPECT_EQ(std::get<Square>(*shape).side, 2);
  EXPECT_EQ(json::write(*shape), R"({"square":{"side":2}})");
  EXPECT_EQ(to_text(json::read<Shape>(R"({"hexagon":{}})").error()),
            "hexagon: is not one of: circle, square");
}

TEST(Json, SchemaSaysWhatTheReaderTakes) {
  EXPECT_EQ(json::schema<Inner>(),
            R"({"type":"object","additionalProperties":false,"properties":{"x":{"type":"integer"},)"
            R"("note":{"type":"string"}},"required":["x"]})");
  const std::string outer = json::schema<Outer>();
  EXPECT_NE(outer.find(R"("price":{"type":"string","format":"money"})"), std::string::npos);
  EXPECT_NE(outer.find(R"("colour":{"type":"string","enum":["red","green"]})"), std::string::npos);
  EXPECT_NE(outer.find(R"("required":["name","price","colour","raw"])"), std::string::npos);
}

TEST(Codec, RoundTripsAndRefusesWhatIsNewer) {
  const std::string bytes = codec::encode(sample());
  const auto back = codec::decode<Outer>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, sample());
  EXPECT_EQ(codec::encode(Outer{}), std::string(1, '\0'));
  EXPECT_EQ(codec::decode<Outer>(std::string("\x63\0", 2)).error().what,
            "unknown field: written by a newer version");
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(codec::decode<Outer>(std::string_view(bytes).substr(0, cut))) << cut;
  }
  EXPECT_FALSE(codec::decode<Outer>(bytes + "x"));
}

TEST(Codec, HostileBytesNeverCrash) {
  Random random(11);
  const std::string good = codec::encode(sample());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (std::uint64_t n = random.below(4) + 1; n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    }
    (void)codec::decode<Outer>(bytes).has_value();
  }
}

}  // namespace
}  // namespace bessemer
