// A tree has one text and one name; nothing else is accepted.
#include "data/artifact/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace bessemer::artifact {
namespace {

Entry entry(const std::string& path, std::string_view content = "x", bool executable = false) {
  return {path, content.size(), sha256(content), executable};
}

TEST(Manifest, IsSortedTextNamedByItsDigest) {
  const auto made = make_manifest({entry("b", "two"), entry("a/run", "one", true)});
  ASSERT_TRUE(made);
  const std::string text = to_text(*made);
  EXPECT_EQ(text, "bessemer-tree 1\nx 3 " + to_text(sha256("one")) + " a/run\nf 3 " +
                      to_text(sha256("two")) + " b\n");
  EXPECT_EQ(digest_of(*made), sha256(text));
  EXPECT_EQ(bytes_of(*made), 6u);
  EXPECT_EQ(*parse_manifest(text), *made);
  EXPECT_EQ(find(*made, "b")->bytes, 3u);
  EXPECT_EQ(find(*made, "c"), nullptr);
}

TEST(Manifest, AnEmptyTreeHasANameToo) {
  const auto made = make_manifest({});
  ASSERT_TRUE(made);
  EXPECT_EQ(*parse_manifest(to_text(*made)), *made);
}

TEST(Manifest, RefusesPathsThatLeaveOrConfuse) {
  for (const char* path : {"", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "a\nb",
                           "a\tb", "a\x7f", "\xff\xfe"}) {
    const auto made = make_manifest({entry(path)});
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code, Code::invalid);
  }
  EXPECT_FALSE(make_manifest({entry(std::string("a\0b", 3))}));
  EXPECT_FALSE(make_manifest({entry(std::string(256, 'a'))}));
  EXPECT_TRUE(make_manifest({entry("a b/..c/Zoë")}));
}

TEST(Manifest, RefusesTheSamePathTwiceAndAFileThatIsADirectory) {
  EXPECT_EQ(to_text(make_manifest({entry("a"), entry("a", "y")}).error()), "a: is there twice");
  EXPECT_EQ(to_text(make_manifest({entry("a"), entry("a-b"), entry("a/b")}).error()),
            "a: is both a file and a directory");
  EXPECT_TRUE(make_manifest({entry("a"), entry("ab/c"), entry("a-b")}));
}

TEST(Manifest, RefusesTextThatIsNotCanonical) {
  const std::string digest = to_text(sha256("x"));
  const std::string head = "bessemer-tree 1\n", good = "f 1 " + digest + " a\n";
  ASSERT_TRUE(parse_manifest(head + good));
  std::string upper = digest;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  for (const std::string& bad : {
           std::string(), std::string("bessemer-tree 2\n"), good, head + good.substr(0, 20),
           head + "f 1 " + digest + " a",             // cut short
           head + "f 01 " + digest + " a\n",          // a number spelt otherwise
           head + "f -1 " + digest + " a\n",
           head + "d 1 " + digest + " a\n",           // unknown kind
           head + "f 1 " + upper + " a\n",
           head + "f 1  a\n",                         // no digest
           head + "f 1 " + digest + " b\n" + good,    // not sorted
           head + good + good, head + good + "\n", head + "f 1 " + digest + " ../a\n",
           head + "f 99999999999999999999 " + digest + " a\n"}) {
    const auto parsed = parse_manifest(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::invalid);
  }
}

TEST(Manifest, OrderOfEntriesDoesNotMatterAndEveryByteDoes) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Entry> entries;
    for (std::uint64_t i = 0; i < 1 + random.below(20); ++i) {
      std::string path = "p" + std::to_string(random.below(50));
      if (random.chance(1, 2)) path = "d" + std::to_string(random.below(5)) + "/" + path;
      if (std::none_of(entries.begin(), entries.end(), [&](auto& e) { return e.path == path; })) {
        entries.push_back(entry(path, std::to_string(random.next()), random.chance(1, 3)));
      }
    }
    const auto one = make_manifest(entries);
    std::rotate(entries.begin(), entries.begin() + random.below(entries.size()), entries.end());
    std::reverse(entries.begin(), entries.end());
    const auto other = make_manifest(entries);
    ASSERT_TRUE(one && other);
    ASSERT_EQ(to_text(*one), to_text(*other));
    std::string text = to_text(*one);
    text[random.below(text.size())] ^= static_cast<char>(1 + random.below(127));
    const auto changed = parse_manifest(text);
    if (changed) {
      EXPECT_NE(digest_of(*changed), digest_of(*one));
    }
  }
}

}  // namespace
}  // namespace bessemer::artifact
