// The loop and its connections: order, back-pressure, hang-ups, descriptors, many threads.
#include "world/real/loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "world/real/connection.h"
#include "world/real/listener.h"

namespace bessemer::real {
namespace {

// Turns the loop until `done`, for at most five seconds.
template <class Done>
bool turn_until(Loop& loop, Done done) {
  const auto until = loop.now() + seconds(5);
  while (!done() && loop.now() < until) loop.run_once(milliseconds(20));
  return done();
}

struct Recorder final : ConnectionUser {
  std::string got, log;
  bool consume = true;
  void on_connected(Connection&) override { log += "connected "; }
  void on_input(Connection& connection) override {
    if (!consume) return;
    got += connection.input();
    connection.consume(connection.input().size());
  }
  void on_hang_up(Connection&) override { log += "hang_up "; }
  void on_end(Connection&) override { log += "end "; }
  void on_room(Connection&) override { log += "room "; }
  void on_broken(Connection&, const Error&) override { log += "broken "; }
};

struct Pair {
  std::unique_ptr<Loop> loop = Loop::open().value();
  Recorder ours, theirs;
  ConnectionPointer a, b;
  explicit Pair(const ConnectionOptions& options = {}) {
    auto ends = socket_pair().value();
    a = Connection::adopt(*loop, std::move(ends.first), ours, options);
    b = Connection::adopt(*loop, std::move(ends.second), theirs, options);
  }
};

TEST(Loop, timers_run_in_order_and_can_be_cancelled) {
  auto loop = Loop::open().value();
  std::string order;
  loop->after(milliseconds(6), [&] { order += "c"; });
  loop->after(milliseconds(2), [&] { order += "a"; });
  const auto cancelled = loop->after(milliseconds(3), [&] { order += "x"; });
  loop->after(milliseconds(2), [&] {
    order += "b";
    loop->cancel(cancelled);
  });
  EXPECT_TRUE(turn_until(*loop, [&] { return order == "abc"; })) << order;
  loop->cancel(cancelled);
  loop->cancel(999);
}

TEST(Loop, takes_work_from_many_threads_and_bounds_what_waits) {
  auto loop = Loop::open().value();
  int sum = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) loop->post([&] { ++sum; });
      });
    }
    EXPECT_TRUE(turn_until(*loop, [&] { return sum == 4000; }));
  }
  std::size_t taken = 0;
  while (taken <= max_posted && loop->try_post([] {})) ++taken;
  EXPECT_EQ(taken, max_posted);
  loop->run_once({});
  EXPECT_TRUE(loop->try_post([&] { loop->stop(); }));
  loop->run();
}

TEST(Loop, delivers_nothing_after_forget_even_from_the_same_batch) {
  auto loop = Loop::open().value();
  auto one = socket_pair().value(), two = socket_pair().value();
  struct Killer final : Watcher {
    Loop* loop = nullptr;
    Killer* other = nullptr;
    const Descriptor* socket = nullptr;
    Loop::Watch watch = 0;
    int calls = 0;
    void on_events(std::uint32_t) override {
      ++calls;
      loop->forget(*other->socket, other->watch);
    }
  } first, second;
  first.loop = second.loop = loop.get();
  first.other = &second;
  second.other = &first;
  first.socket = &one.first;
  second.socket = &two.first;
  first.watch = loop->watch(one.first, first).value();
  second.watch = loop->watch(two.first, second).value();
  loop->run_once(milliseconds(100));  // both are writable: one batch
  EXPECT_EQ(first.calls + second.calls, 1);
}

TEST(Connection, carries_more_than_the_kernel_holds) {
  Pair pair;
  std::string sent;
  for (int i = 0; i < 300'000; ++i) sent += std::to_string(i) + ",";
  pair.a->send("head:", sent);
  EXPECT_GT(pair.a->unsent(), 0u);
  const auto whole = "head:" + sent;
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.got.size() == whole.size(); }));
  EXPECT_EQ(pair.theirs.got, whole);
  EXPECT_EQ(pair.ours.log, "room ");
  EXPECT_EQ(pair.a->unsent(), 0u);
}

TEST(Connection, stops_reading_at_its_limit_and_goes_on_after_consume) {
  Pair pair({.max_input = 10'000});
  pair.theirs.consume = false;
  pair.a->send(std::string(200'000, 'x'));
  turn_until(*pair.loop, [&] { return pair.b->input().size() >= 10'000; });
  for (int i = 0; i < 5; ++i) pair.loop->run_once({});
  EXPECT_LT(pair.b->input().size(), 40'000u);
  EXPECT_GT(pair.a->unsent() + pair.b->input().size(), 0u);
  pair.theirs.consume = true;
  pair.theirs.got += pair.b->input();
  pair.b->consume(pair.b->input().size());
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.got.size() == 200'000; }));
}

TEST(Connection, tells_a_hang_up_at_once_while_paused_and_the_end_after_the_bytes) {
  Pair pair;
  pair.b->pause();
  pair.a->send("last words");
  pair.a->close();
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.log == "hang_up "; }));
  EXPECT_EQ(pair.theirs.got, "");
  pair.b->resume();
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.log == "hang_up end "; }));
  EXPECT_EQ(pair.theirs.got, "last words");
}

TEST(Connection, tells_of_a_broken_peer_when_sending) {
  Pair pair;
  pair.b.reset();
  pair.a->send("into the void");
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return !pair.ours.log.empty(); }));
  EXPECT_TRUE(pair.ours.log.find("broken") != std::string::npos ||
              pair.ours.log.find("end") != std::string::npos);
}

TEST(Connection, may_be_destroyed_inside_its_own_callback) {
  struct Destroyer final : ConnectionUser {
    ConnectionPointer mine;
    int told = 0;
    void on_input(Connection&) override {
      ++told;
      mine.reset();
    }
    void on_hang_up(Connection&) override { ++told; }
    void on_end(Connection&) override { ++told; }
    void on_broken(Connection&, const Error&) override { ++told; }
  } user;
  auto loop = Loop::open().value();
  auto ends = socket_pair().value();
  Recorder recorder;
  user.mine = Connection::adopt(*loop, std::move(ends.first), user);
  auto other = Connection::adopt(*loop, std::move(ends.second), recorder);
  other->send("x");
  other.reset();
  turn_until(*loop, [&] { return user.mine == nullptr; });
  for (int i = 0; i < 3; ++i) loop->run_once({});
  EXPECT_EQ(user.told, 1);
}

TEST(Connection, lingers_until_the_peer_has_read_and_closed) {
  Pair pair;
  pair.a->send(std::string(2'000'000, 'y'));
  Connection::close_gently(std::move(pair.a));
  pair.b->send("still talking");
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.got.size() == 2'000'000; }));
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.log == "hang_up end "; }));
  EXPECT_EQ(pair.ours.log, "");
}

TEST(Connection, lingers_no_longer_than_its_patience) {
  Pair pair;
  pair.b->pause();
  pair.a->send(std::string(2'000'000, 'y'));
  Connection::close_gently(std::move(pair.a), milliseconds(20));
  EXPECT_TRUE(turn_until(*pair.loop, [&] { return pair.theirs.log == "hang_up "; }));
}

TEST(Listener, accepts_over_tcp_and_unix) {
  auto loop = Loop::open().value();
  const auto path = testing::TempDir() + "loop_test_" + std::to_string(::getpid()) + ".sock";
  for (const Address& where : {Address{.host = "127.0.0.1"}, Address{.path = path}}) {
    Recorder server, client;
    ConnectionPointer accepted;
    auto listener = Listener::open(*loop, where, {}, [&](Descriptor socket) {
                      accepted = Connection::adopt(*loop, std::move(socket), server);
                    }).value();
    const auto again = listen_on(listener->address());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::conflict);
    auto made = Connection::connect(*loop, listener->address(), client).value();
    made->send("hello");
    EXPECT_TRUE(turn_until(*loop, [&] { return server.got == "hello"; })) << to_text(where);
    EXPECT_EQ(client.log, "connected ");
    EXPECT_EQ(accepted->peer().local, where.is_unix());
    EXPECT_EQ(accepted->peer().process, where.is_unix() ? ::getpid() : 0);
    EXPECT_EQ(accepted->peer().address.host, where.is_unix() ? "" : where.host);
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "the socket's file is left behind";
}

TEST(Listener, replaces_a_dead_owners_socket_and_reaches_long_paths) {
  auto directory = testing::TempDir() + "long_" + std::to_string(::getpid());
  const std::string root = directory;
  ::mkdir(directory.c_str(), 0700);
  directory += "/" + std::string(120, 'd');
  ::mkdir(directory.c_str(), 0700);
  const Address where{.path = directory + "/s"};
  { const auto dead = listen_on(where).value(); }
  const auto living = listen_on(where);
  ASSERT_TRUE(living) << living.error().what;
  EXPECT_TRUE(connect_to(where, Blocking::yes));
  EXPECT_FALSE(listen_on(where));
  ::unlink(where.path.c_str());
  ::rmdir(directory.c_str());
  ::rmdir(root.c_str());
}

TEST(Connection, tells_when_nobody_listens) {
  auto loop = Loop::open().value();
  Address free{.host = "127.0.0.1"};
  { free.port = port_of(listen_on(free).value()).value(); }
  Recorder recorder;
  auto made = Connection::connect(*loop, free, recorder);
  if (made) {
    EXPECT_TRUE(turn_until(*loop, [&] { return recorder.log == "broken "; }));
  } else {
    EXPECT_EQ(made.error().code, Code::unavailable);
  }
  EXPECT_EQ(connect_to(free, Blocking::yes).error().code, Code::unavailable);
  EXPECT_EQ(connect_to({.path = "/nonexistent/s"}, Blocking::yes).error().code, Code::unavailable);
}

TEST(Connection, receives_passed_descriptors) {
  auto loop = Loop::open().value();
  auto ends = socket_pair().value();
  auto passed = socket_pair().value();
  Recorder recorder;
  auto connection = Connection::adopt(*loop, std::move(ends.first), recorder,
                                      {.receives_descriptors = true});
  const int numbers[] = {passed.first.get()};
  ASSERT_EQ(send_descriptors(ends.second, "take this", numbers).value(), 9u);
  EXPECT_TRUE(turn_until(*loop, [&] { return recorder.got == "take this"; }));
  auto received = connection->take_descriptor();
  ASSERT_TRUE(received);
  EXPECT_FALSE(connection->take_descriptor());
  passed.first.reset();
  Recorder through;
  auto adopted = Connection::adopt(*loop, std::move(received), through);
  ASSERT_EQ(::send(passed.second.get(), "hi", 2, 0), 2);
  EXPECT_TRUE(turn_until(*loop, [&] { return through.got == "hi"; }));
}

TEST(Address, is_read_and_written) {
  for (const char* text : {"127.0.0.1:80", "[::1]:443", "unix:/run/x.sock", "localhost:0"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(to_text(*address), text);
    EXPECT_TRUE(address->is_loopback());
  }
  EXPECT_FALSE(parse_address("0.0.0.0:1")->is_loopback());
  for (const char* bad : {"", "80", "host.example:80", "1.2.3.4:70000", "1.2.3.4:", "unix:"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
}

}  // namespace
}  // namespace bessemer::real
