// Reaching into a running task, and into one that has failed and is kept.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <thread>

#include "compute/executor/copy.h"
#include "compute/executor/local/harness.h"

namespace bessemer::executor::testing {
namespace {

// Waits for the next news of a command.
CommandNews next(const Fd& connection) {
  pollfd ready{connection.get(), POLLIN, 0};
  ::poll(&ready, 1, 60'000);
  auto news = LocalExecutor::take_command(connection.get());
  return news ? std::move(*news) : CommandNews{};
}

TEST(Inside, RunsCommands) {
  const Place place;
  Runner runner(place);
  const TaskSpec spec = script("echo here > $TMPDIR/mine; exec sleep 1000");
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  ASSERT_TRUE(runner.wait_for<Started>(spec.key).has_value());
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd read_end(ends[0]), null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Fd write_end(ends[1]);
  wire::Execute what;
  what.argv = {"/bin/sh", "-c", "while [ ! -s $TMPDIR/mine ]; do :; done; cat $TMPDIR/mine; "
                                "grep -E 'Seccomp:|CapEff' /proc/self/status; exit 9"};
  const int standard[3] = {null.get(), write_end.get(), write_end.get()};
  auto connection = runner->command(spec.key, what, standard);
  ASSERT_TRUE(connection.has_value());
  write_end.reset();
  auto news = next(*connection);
  EXPECT_TRUE(news.answered);
  EXPECT_EQ(news.refused, "");
  news = next(*connection);
  ASSERT_TRUE(news.exit_code.has_value());
  EXPECT_EQ(*news.exit_code, 9);
  char text[512] = {};
  ASSERT_GT(::read(read_end.get(), text, sizeof text - 1), 0);
  EXPECT_TRUE(std::string_view(text).starts_with("here\n")) << text;
  EXPECT_NE(std::string_view(text).find("Seccomp:\t2"), std::string_view::npos) << text;
  // A command that cannot be run is refused in words.
  what.argv = {"/no/such/program"};
  connection = runner->command(spec.key, what, standard);
  ASSERT_TRUE(connection.has_value());
  news = next(*connection);
  EXPECT_NE(news.refused.find("/no/such/program"), std::string::npos) << news.refused;
  // With a terminal.
  what.argv = {"/bin/sh", "-c", "tty; stty size"};
  what.terminal = true;
  what.rows = 33;
  what.columns = 101;
  connection = runner->command(spec.key, what, {});
  ASSERT_TRUE(connection.has_value());
  news = next(*connection);
  ASSERT_TRUE(news.terminal.get() >= 0) << news.refused;
  std::string seen;
  for (char piece[256]; seen.find("33 101") == std::string::npos;) {
    const ssize_t got = ::read(news.terminal.get(), piece, sizeof piece);
    if (got <= 0) break;
    seen.append(piece, static_cast<std::size_t>(got));
  }
  EXPECT_NE(seen.find("/dev/pts/"), std::string::npos) << seen;
  EXPECT_NE(seen.find("33 101"), std::string::npos) << seen;
  ASSERT_TRUE(runner->stop(spec.key, "test over", {}).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
}

// What one command said on both of its outputs, and its exit code.
struct Said {
  std::string text, refused;
  int exit_code = -1;
};

Said say(Runner& runner, const TaskKey& key, const wire::Execute& what, int input = -1,
         int output = -1) {
  Said said;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return said;
  const Fd read_end(ends[0]), null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  Fd write_end(ends[1]);
  const int standard[3] = {input < 0 ? null.get() : input,
                           output < 0 ? write_end.get() : output, write_end.get()};
  auto connection = runner->command(key, what, standard);
  write_end.reset();
  if (!connection) {
    said.refused = to_text(connection.error());
    return said;
  }
  for (CommandNews news = next(*connection);; news = next(*connection)) {
    if (!news.refused.empty()) said.refused = news.refused;
    if (news.exit_code) said.exit_code = *news.exit_code;
    if (news.closed || news.exit_code || !news.refused.empty()) break;
  }
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(read_end.get(), piece, sizeof piece)) > 0;) {
    said.text.append(piece, static_cast<std::size_t>(got));
  }
  return said;
}

Said shell(Runner& runner, const TaskKey& key, const std::string& text) {
  wire::Execute what;
  what.argv = {"/bin/sh", "-c", text};
  return say(runner, key, what);
}

TEST(Inside, CopiesFilesBothWaysAsTheTask) {
  const Place place;
  Runner runner(place);
  const TaskSpec spec = script("mkdir -p $TMPDIR/d/e; echo deep > $TMPDIR/d/e/f; "
                               "ln -s /etc/passwd $TMPDIR/d/link; echo '{\"ready\": 1}' >> "
                               "$BESSEMER_METRICS; exec sleep 1000");
  ASSERT_TRUE(runner->start(spec, {}).has_value());
  ASSERT_TRUE(runner.wait_for<Metrics>(spec.key).has_value());
  const std::string tmp = shell(runner, spec.key, "printf %s $TMPDIR").text;
  int out[2], in[2];
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  // Out: the tree without its link.
  wire::Execute what;
  what.argv = {"d"};
  what.copy = wire::Copy::out;
  what.path = tmp + "/d";
  Result<Copied> arrived = Copied{};
  std::thread unpacker([&] { arrived = unpack_files(out[0], place.path() + "/out", "d"); });
  Said said = say(runner, spec.key, what, -1, out[1]);
  ::close(out[1]);
  unpacker.join();
  EXPECT_EQ(said.exit_code, 0) << said.text << said.refused;
  EXPECT_NE(said.text.find("1 links"), std::string::npos) << said.text;
  ASSERT_TRUE(arrived.has_value()) << to_text(arrived.error());
  std::ifstream copied(place.path() + "/out/e/f");
  std::string line;
  std::getline(copied, line);
  EXPECT_EQ(line, "deep");
  // In: as the task's user, where that may write and nowhere else.
  place.write("new", "from outside");
  for (const auto& [to, code] : {std::pair<std::string, int>{tmp + "/new", 0}, {"/etc/new", 1}}) {
    ASSERT_EQ(::pipe2(in, O_CLOEXEC), 0);
    std::thread packer([&] {
      (void)pack_files(place.path() + "/new", in[1]).has_value();
      ::close(in[1]);
    });
    what.argv = {"new"};
    what.copy = wire::Copy::in;
    what.path = to;
    said = say(runner, spec.key, what, in[0]);
    ::close(in[0]);
    packer.join();
    EXPECT_EQ(said.exit_code, code) << to << said.text << said.refused;
  }
  EXPECT_EQ(shell(runner, spec.key, "cat $TMPDIR/new; stat -c ' %U' $TMPDIR/new").text,
            "from outside " + shell(runner, spec.key, "id -un").text);
  ASSERT_TRUE(runner->stop(spec.key, "test over", {}).has_value());
  ASSERT_TRUE(runner.wait_for<Exited>(spec.key).has_value());
}

TEST(Inside, AFailedTaskIsKeptForALook) {
  const Place place;
  Runner runner(place);
  TaskSpec failed = script("echo evidence > $TMPDIR/core; sleep 1000 & exit 3", 1);
  TaskSpec fine = script("exit 0", 2), brief = script("exit 5", 3);
  failed.keep = minutes(10);
  fine.keep = minutes(10);
  brief.keep = milliseconds(300);
  for (const auto& spec : {failed, fine, brief}) {
    ASSERT_TRUE(runner->start(spec, {}).has_value());
  }
  // What ends well ends at once; the short time is over by itself, and its reason is its own.
  EXPECT_EQ(runner.wait_for<Exited>(fine.key)->exit_code, 0);
  const auto over = runner.wait_for<Exited>(brief.key);
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->reason, ExitReason::exit_code);
  EXPECT_EQ(over->exit_code, 5);
  ASSERT_TRUE(runner.wait(failed.key, [&](const auto&) {
    return runner.output(failed.key, Output::error).find("kept for 10m") != std::string::npos;
  }));
  const Said look = shell(runner, failed.key, "cat $TMPDIR/core; pgrep -x sleep | wc -l");
  if (runner->capabilities().privileged) {
    EXPECT_EQ(look.text, "evidence\n0\n") << look.refused;
  } else {
    EXPECT_TRUE(look.text.starts_with("evidence\n")) << look.refused;
  }
  ASSERT_TRUE(runner->stop(failed.key, "seen enough", seconds(20)).has_value());
  const auto ended = runner.wait_for<Exited>(failed.key);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->reason, ExitReason::exit_code) << "not that somebody had seen enough";
  EXPECT_EQ(ended->exit_code, 3);
}

}  // namespace
}  // namespace bessemer::executor::testing
