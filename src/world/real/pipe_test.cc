// Pipes on a loop: order, back-pressure, ends, and users that let go in the middle.
#include "world/real/pipe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <optional>

namespace bessemer::real {
namespace {

struct Ends {
  Ends() {
    int both[2];
    if (::pipe2(both, O_CLOEXEC) != 0) ::abort();
    read = Descriptor(both[0]);
    write = Descriptor(both[1]);
  }
  Descriptor read, write;
};

struct User final : PipeUser {
  void on_read(std::string_view bytes) override {
    seen += bytes;
    if (let_go) pipe.reset();
    else if (pause_after && seen.size() >= *pause_after) pipe->pause();
  }
  void on_read_end() override { ended = true; }
  void on_written() override { ++written; }
  void on_write_end() override { closed = true; }
  std::unique_ptr<Pipe> pipe;
  std::string seen;
  std::optional<std::size_t> pause_after;
  bool ended = false, closed = false, let_go = false;
  int written = 0;
};

// Serves turns until `enough` holds; false when it never does.
bool serve(Loop& loop, const std::function<bool()>& enough) {
  for (int turn = 0; turn < 5'000 && !enough(); ++turn) loop.run_once(milliseconds(1));
  return enough();
}

TEST(Pipe, CarriesMoreThanItHolds) {
  const auto loop = Loop::open().value();
  Ends ends;
  User writer, reader;
  writer.pipe = Pipe::open(*loop, std::move(ends.write), Way::write, writer).value();
  reader.pipe = Pipe::open(*loop, std::move(ends.read), Way::read, reader).value();
  std::string all;
  for (int i = 0; i < 200'000; ++i) all += std::to_string(i);
  writer.pipe->write(all);
  writer.pipe->end();
  ASSERT_TRUE(serve(*loop, [&] { return reader.ended; }));
  EXPECT_EQ(reader.seen, all);
}

TEST(Pipe, WhoeverPausesGetsNothingMore) {
  const auto loop = Loop::open().value();
  Ends ends;
  User writer, reader;
  writer.pipe = Pipe::open(*loop, std::move(ends.write), Way::write, writer).value();
  reader.pipe = Pipe::open(*loop, std::move(ends.read), Way::read, reader).value();
  reader.pause_after = 1;
  writer.pipe->write(std::string(1 << 20, 'x'));
  ASSERT_TRUE(serve(*loop, [&] { return !reader.seen.empty(); }));
  for (int turn = 0; turn < 50; ++turn) loop->run_once(milliseconds(1));
  EXPECT_LE(reader.seen.size(), 64u << 10);
  EXPECT_GT(writer.pipe->unwritten(), 0u);
  EXPECT_EQ(writer.written, 0);
  reader.pause_after.reset();
  reader.pipe->resume();
  ASSERT_TRUE(serve(*loop, [&] { return reader.seen.size() == 1 << 20; }));
  EXPECT_TRUE(serve(*loop, [&] { return writer.written == 1; }));
}

TEST(Pipe, TellsThatNobodyReads) {
  ::signal(SIGPIPE, SIG_IGN);
  const auto loop = Loop::open().value();
  Ends ends;
  User writer;
  writer.pipe = Pipe::open(*loop, std::move(ends.write), Way::write, writer).value();
  ends.read.reset();
  writer.pipe->write("for nobody");
  ASSERT_TRUE(serve(*loop, [&] { return writer.closed; }));
  EXPECT_EQ(writer.pipe->unwritten(), 0u);
  writer.pipe->write("still for nobody");
  EXPECT_EQ(writer.pipe->unwritten(), 0u);
}

TEST(Pipe, MayBeLetGoOfInTheMiddle) {
  const auto loop = Loop::open().value();
  Ends ends;
  User reader;
  reader.let_go = true;
  reader.pipe = Pipe::open(*loop, std::move(ends.read), Way::read, reader).value();
  const std::string bytes(60'000, 'x');
  ASSERT_EQ(::write(ends.write.get(), bytes.data(), bytes.size()), 60'000);
  ASSERT_TRUE(serve(*loop, [&] { return !reader.seen.empty(); }));
  for (int turn = 0; turn < 10; ++turn) loop->run_once(milliseconds(1));
  EXPECT_LT(reader.seen.size(), bytes.size());
}

}  // namespace
}  // namespace bessemer::real
