// Server-sent events: written and scanned in any pieces.
#include <gtest/gtest.h>

#include "application/http/sse.h"

namespace bessemer::http {
namespace {

struct Seen {
  std::string raw, name, id, data;
  bool has_data = false;
};

std::vector<Seen> scan(std::string_view text, std::size_t step) {
  std::vector<Seen> out;
  SseScanner scanner;
  SseScanner::Event event;
  std::string buffer;
  while (true) {
    switch (scanner.next(buffer, event)) {
      case SseScanner::Step::event:
        out.push_back({std::string(event.raw), std::string(event.name), std::string(event.id),
                       std::string(event.data), event.has_data});
        buffer.erase(0, event.raw.size());
        continue;
      case SseScanner::Step::refused: out.push_back({.name = "refused"}); return out;
      case SseScanner::Step::more: break;
    }
    if (text.empty()) break;
    buffer += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
  }
  if (scanner.last(buffer, event)) out.push_back({.name = "last", .data = std::string(event.data)});
  return out;
}

TEST(Sse, scans_in_any_pieces_and_with_any_line_ends) {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const std::string text = ": hello" + end + end + "data: one" + end + end + "event: e" + end +
                             "id: 7" + end + "data:two" + end + "data: three" + end + end +
                             "retry: 1" + end + end + "data" + end + end + "x";
    for (std::size_t step = 1; step <= text.size(); ++step) {
      const auto seen = scan(text, step);
      ASSERT_EQ(seen.size(), 6u) << step;
      EXPECT_FALSE(seen[0].has_data);
      EXPECT_EQ(seen[1].data, "one");
      EXPECT_EQ(seen[2].name, "e");
      EXPECT_EQ(seen[2].id, "7");
      EXPECT_EQ(seen[2].data, "two\nthree");
      EXPECT_FALSE(seen[3].has_data);
      EXPECT_TRUE(seen[4].has_data);
      EXPECT_EQ(seen[4].data, "");
      EXPECT_EQ(seen[5].name, "last");
      std::string together;
      for (std::size_t i = 0; i < 5; ++i) together += seen[i].raw;
      EXPECT_EQ(together + "x", text);
    }
  }
}

TEST(Sse, reads_what_it_writes) {
  std::string text;
  append_event(text, "change", "42", "{\"a\":1}");
  append_event(text, "", "", "two\nlines");
  append_comment(text, "still here");
  append_event(text, "", "", "");
  const auto seen = scan(text, 5);
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].name, "change");
  EXPECT_EQ(seen[0].id, "42");
  EXPECT_EQ(seen[0].data, "{\"a\":1}");
  EXPECT_EQ(seen[1].data, "two\nlines");
  EXPECT_FALSE(seen[2].has_data);
  EXPECT_TRUE(seen[3].has_data);
  EXPECT_DEATH(append_event(text, "a\nb", "", ""), "line end");
}

TEST(Sse, refuses_an_event_without_end) {
  const std::string endless(max_event_bytes + 2, 'a');
  const auto seen = scan("data: " + endless, 1 << 16);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().name, "refused");
}

TEST(Sse, keeps_an_event_that_the_stream_cut_short) {
  const auto seen = scan("data: a\n\ndata: {\"usage\":1}", 4);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].name, "last");
  EXPECT_EQ(seen[1].data, "{\"usage\":1}");
}

}  // namespace
}  // namespace bessemer::http
