// Frames of an upgraded connection, whole, in pieces and wrong.
#include "application/http/frame.h"

#include <gtest/gtest.h>

#include <vector>

namespace bessemer::http {
namespace {

TEST(Frame, ComesOutAsItWentInHoweverItIsCut) {
  std::string wire;
  append_frame(wire, FrameKind::data, "hello");
  append_frame(wire, FrameKind::end);
  append_frame(wire, FrameKind::resize, window_bytes({50, 132}));
  append_frame(wire, FrameKind::exit, std::string(1, '\x07'));
  for (std::size_t cut = 1; cut <= wire.size(); ++cut) {
    std::string held;
    std::vector<FrameKind> seen;
    std::string data;
    for (std::size_t at = 0; at < wire.size(); at += cut) {
      held += wire.substr(at, cut);
      std::string_view in = held;
      Frame frame;
      while (take_frame(in, frame) == FrameStep::frame) {
        seen.push_back(frame.kind);
        if (frame.kind == FrameKind::data) data += frame.bytes;
        WindowSize size;
        if (frame.kind == FrameKind::resize) {
          EXPECT_TRUE(read_window(frame.bytes, size));
          EXPECT_EQ(size, (WindowSize{50, 132}));
        }
      }
      held.erase(0, held.size() - in.size());
    }
    EXPECT_EQ(seen, (std::vector{FrameKind::data, FrameKind::end, FrameKind::resize,
                                 FrameKind::exit}))
        << cut;
    EXPECT_EQ(data, "hello");
    EXPECT_TRUE(held.empty());
  }
}

TEST(Frame, LongBytesTravelInSeveral) {
  const std::string bytes(max_frame_bytes * 2 + 7, 'x');
  std::string wire, out;
  append_frame(wire, FrameKind::errors, bytes);
  std::string_view in = wire;
  Frame frame;
  int frames = 0;
  while (take_frame(in, frame) == FrameStep::frame) {
    ++frames;
    EXPECT_EQ(frame.kind, FrameKind::errors);
    out += frame.bytes;
  }
  EXPECT_EQ(frames, 3);
  EXPECT_EQ(out, bytes);
}

TEST(Frame, RefusesWhatItCannotRead) {
  using namespace std::string_literals;
  for (const std::string& wrong :
       {"\x06\0\0\0\0"s, "\xff"s, "\0\0\x01\0\x01"s, "\0\xff\xff\xff\xff"s}) {
    std::string_view in = wrong;
    Frame frame;
    EXPECT_EQ(take_frame(in, frame), FrameStep::refused);
  }
  WindowSize size;
  EXPECT_FALSE(read_window("abc", size));
}

}  // namespace
}  // namespace bessemer::http
