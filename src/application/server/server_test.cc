// The server and the client against each other, and the server against peers that misbehave.
#include "application/server/server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "application/server/client.h"

namespace bessemer::server {
namespace {

// A server on its own thread with a handler given as a function.
class Served {
 public:
  using Serve = std::function<void(Request&, Responder)>;
  using Plan = std::function<BodyPlan(const http::RequestHead&, const Upload&)>;
  explicit Served(Serve serve, ServerOptions options = {}, Plan plan = {})
      : loop_(real::Loop::open().value()) {
    handler_.serve = std::move(serve);
    handler_.plan = std::move(plan);
    server_.emplace(*loop_, handler_, options);
    address_ = server_->listen({.host = "127.0.0.1"}).value();
    thread_ = std::jthread([this] { loop_->run(); });
  }
  ~Served() {
    loop_->post([this] {
      server_.reset();
      loop_->stop();
    });
  }
  real::Loop& loop() { return *loop_; }
  HttpServer& server() { return *server_; }
  const real::Address& address() const { return address_; }
  BlockingClient client() const { return BlockingClient(address_, seconds(5)); }
  // Sends raw bytes and returns everything until the server closes.
  std::string raw(std::string_view bytes) const;

 private:
  struct Functions final : Handler {
    Serve serve;
    Plan plan;
    BodyPlan on_head(const http::RequestHead& head, const Upload& upload) override {
      return plan ? plan(head, upload) : BodyPlan{};
    }
    void on_request(Request& request, Responder responder) override {
      serve(request, std::move(responder));
    }
  };
  std::unique_ptr<real::Loop> loop_;
  Functions handler_;
  std::optional<HttpServer> server_;
  real::Address address_;
  std::jthread thread_;
};

real::Descriptor dial(const Served& served) {
  return real::connect_to(served.address(), real::Blocking::yes).value();
}

void write_all(const real::Descriptor& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Reads until the peer closes or `enough` bytes have come.
std::string read_all(const real::Descriptor& socket, std::size_t enough = SIZE_MAX) {
  std::string out;
  char bytes[4096];
  while (out.size() < enough) {
    pollfd ready{socket.get(), POLLIN, 0};
    if (::poll(&ready, 1, 5000) <= 0) return out + "<time-out>";
    const auto got = ::recv(socket.get(), bytes, sizeof bytes, 0);
    if (got <= 0) return out;
    out.append(bytes, static_cast<std::size_t>(got));
  }
  return out;
}

std::string Served::raw(std::string_view bytes) const {
  const auto socket = dial(*this);
  write_all(socket, bytes);
  return read_all(socket);
}

// Waits for something that another thread does.
class Signal {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(5), [&] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

void echo(Request& request, const Responder& responder) {
  responder.answer({.content_type = "text/plain",
                    .body = std::string(request.head.path) + "|" + std::string(request.body)});
}

TEST(Server, answers_on_one_connection_over_and_over) {
  Served served(echo);
  auto client = served.client();
  for (int i = 0; i < 50; ++i) {
    const std::string body(static_cast<std::size_t>(i) * 1000, 'b');
    const auto answer = client.call({.method = "POST", .target = "/a", .body = body});
    ASSERT_TRUE(answer) << answer.error().what;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "/a|" + body);
    EXPECT_EQ(*answer->find("content-type"), "text/plain");
    EXPECT_TRUE(answer->find("date")->ends_with("GMT"));
  }
  Signal done;
  served.loop().post([&] {
    EXPECT_EQ(served.server().counts().accepted, 1u);
    EXPECT_EQ(served.server().counts().requests, 50u);
    done.raise();
  });
  EXPECT_TRUE(done.wait());
}

TEST(Server, serves_pipelined_requests_in_order_though_answers_come_late) {
  std::vector<std::pair<std::string, Responder>> waiting;
  Served served([&](Request& request, Responder responder) {
    // Answered from another thread, after this call has returned.
    std::thread([body = std::string(request.body), responder] {
      responder.answer({.content_type = "", .body = "<" + body + ">"});
    }).detach();
  });
  std::string all;
  for (const char* body : {"one", "two", "three"}) {
    all += "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " +
           std::to_string(std::string(body).size()) + "\r\n\r\n" + body;
  }
  all += "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto got = served.raw(all);
  const auto one = got.find("<one>"), two = got.find("<two>"), three = got.find("<three>"),
             last = got.find("<>");
  EXPECT_LT(one, two) << got;
  EXPECT_LT(two, three);
  EXPECT_LT(three, last);
  EXPECT_NE(last, std::string::npos);
}

TEST(Server, takes_chunked_bodies_and_ends_with_what_is_no_message) {
  Served served(echo);
  const auto got = served.raw(
      "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\nGARBAGE\r\n\r\n");
  EXPECT_NE(got.find("/c|abcdefg"), std::string::npos) << got;
  EXPECT_NE(got.find("HTTP/1.1 400"), std::string::npos) << got;
  EXPECT_NE(got.find("connection: close"), std::string::npos) << got;
}

TEST(Server, refuses_smuggled_requests_and_serves_nothing_behind_them) {
  Served served(echo);
  const std::string hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string table[] = {
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: " +
          std::to_string(hidden.size()) + "\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\nZ\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
  };
  for (const auto& text : table) {
    const auto got = served.raw(text + hidden);
    EXPECT_EQ(got.find("/hidden"), std::string::npos) << text;
    EXPECT_TRUE(got.starts_with("HTTP/1.1 4") || got.starts_with("HTTP/1.1 5")) << got;
  }
}

TEST(Server, refuses_large_bodies_before_they_come) {
  Served served(echo, {}, [](const http::RequestHead&, const Upload&) {
    BodyPlan plan;
    plan.max_bytes = 10;
    return plan;
  });
  auto client = served.client();
  const auto exact = client.call({.method = "POST", .body = std::string(10, 'a')});
  EXPECT_EQ(exact->status, 200);
  const auto over = client.call({.method = "POST", .body = std::string(4'000'000, 'a')});
  ASSERT_TRUE(over) << over.error().what;
  EXPECT_EQ(over->status, 413);
  const auto chunked = served.raw(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n");
  EXPECT_TRUE(chunked.starts_with("HTTP/1.1 413")) << chunked;
}

TEST(Server, refuses_by_the_head_alone) {
  Served served(echo, {}, [](const http::RequestHead& head, const Upload&) {
    BodyPlan plan;
    if (head.path == "/no") {
      plan.refused = 401;
      plan.refusal = unauthenticated("who are you?");
    }
    return plan;
  });
  auto client = served.client();
  EXPECT_EQ(client.call({.method = "GET", .target = "/no"})->status, 401);
  EXPECT_EQ(client.call({.method = "POST", .target = "/no", .body = "abc"})->status, 401);
  EXPECT_EQ(client.call({.method = "GET", .target = "/yes"})->status, 200);
}

TEST(Server, streams_with_back_pressure) {
  constexpr int pieces = 400;
  Signal finished;
  std::atomic<int> waits = 0;
  struct Producer {
    Responder responder;
    int next = 0;
  };
  Served served([&](Request&, Responder responder) {
    responder.begin(200, "text/event-stream");
    auto producer = std::make_shared<Producer>(Producer{responder, 0});
    auto produce = [producer, &waits, &finished] {
      while (producer->next < pieces) {
        const auto letter = static_cast<char>('a' + producer->next++ % 26);
        if (producer->responder.write(std::string(20'000, letter)) == Flow::more) continue;
        ++waits;
        return;
      }
      const auto last = std::move(producer->responder);
      last.end();
      finished.raise();
    };
    responder.when_room(produce);
    produce();
  });
  const auto socket = dial(served);
  write_all(socket, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  // Nothing is read until the producer has been told to wait.
  for (int i = 0; i < 5000 && waits == 0; ++i) ::poll(nullptr, 0, 1);
  EXPECT_GT(waits, 0);
  const auto got = read_all(socket);
  EXPECT_TRUE(finished.wait());
  EXPECT_GT(got.size(), 20'000u * pieces);
  EXPECT_TRUE(got.ends_with("\r\n0\r\n\r\n"));
}

TEST(Client, takes_streams_piece_by_piece_and_keeps_the_connection) {
  Served served([](Request&, const Responder& responder) {
    std::thread([responder] {
      responder.begin(200, "text/plain");
      for (int i = 0; i < 100; ++i) responder.write(std::to_string(i) + " ");
      responder.end();
    }).detach();
  });
  struct Collect final : AnswerSink {
    std::string all;
    int status = 0;
    bool on_head(const ClientAnswer& answer) override {
      status = answer.status;
      return true;
    }
    Result<void> on_piece(std::string_view piece) override {
      all += piece;
      return {};
    }
  };
  auto client = served.client();
  for (int round = 0; round < 3; ++round) {
    Collect collect;
    ASSERT_TRUE(client.call({}, collect));
    EXPECT_EQ(collect.status, 200);
    EXPECT_TRUE(collect.all.ends_with("98 99 "));
  }
}

TEST(Server, tells_at_once_when_the_peer_hangs_up) {
  Signal asked, gone;
  Served served([&](Request&, const Responder& responder) {
    responder.when_gone([&, responder] {
      EXPECT_TRUE(responder.gone());
      EXPECT_EQ(responder.write("x"), Flow::gone);
      gone.raise();
    });
    responder.begin(200, "text/plain");
    asked.raise();
  });
  auto socket = dial(served);
  write_all(socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(asked.wait());
  socket.reset();
  EXPECT_TRUE(gone.wait());
}

TEST(Server, answers_500_when_the_handler_forgets) {
  Served served([](Request&, const Responder&) {});
  EXPECT_EQ(served.client().call({})->status, 500);
}

TEST(Server, breaks_the_connection_of_a_stream_that_is_dropped_or_aborted) {
  Served served([](Request& request, const Responder& responder) {
    responder.begin(200, "text/plain");
    responder.write("partial");
    if (request.head.path == "/abort") responder.abort();
  });
  for (const char* target : {"/abort", "/drop"}) {
    const auto answer = served.client().call({.method = "GET", .target = target});
    ASSERT_FALSE(answer) << target;
    EXPECT_EQ(answer.error().code, Code::unavailable);
  }
}

struct Discard final : BodySink {
  std::shared_ptr<std::atomic<std::uint64_t>> bytes;
  std::shared_ptr<std::atomic<int>> abandonments;
  std::function<void()> wait_for;  // set: every piece asks to wait, then this is called
  Result<Flow> write(std::string_view piece) override {
    if (piece.find('!') != std::string_view::npos) return invalid("no exclamation marks");
    *bytes += piece.size();
    if (!wait_for) return Flow::more;
    wait_for();
    return Flow::wait;
  }
  void abandoned() override { ++*abandonments; }
};

struct Uploads {
  std::shared_ptr<std::atomic<std::uint64_t>> bytes =
      std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_ptr<std::atomic<int>> abandonments = std::make_shared<std::atomic<int>>(0);
  Served served{[this](Request& request, const Responder& responder) {
                  EXPECT_NE(request.sink, nullptr);
                  responder.answer({.content_type = "",
                                    .body = std::string(request.head.path) + " " +
                                            std::to_string(bytes->load())});
                },
                {},
                [this](const http::RequestHead& head, const Upload& upload) {
                  auto sink = std::make_unique<Discard>();
                  sink->bytes = bytes;
                  sink->abandonments = abandonments;
                  if (head.path == "/slow") {
                    sink->wait_for = [upload] {
                      std::thread([upload] { upload.resume(); }).detach();
                    };
                  }
                  BodyPlan plan;
                  plan.sink = std::move(sink);
                  return plan;
                }};
};

struct Repeat final : BodySource {
  std::uint64_t left = 0;
  char letter = 'u';
  Result<std::size_t> read(std::span<char> into) override {
    const auto n = std::min<std::uint64_t>(left, into.size());
    std::fill_n(into.data(), n, letter);
    left -= n;
    return n;
  }
};

TEST(Server, streams_uploads_into_a_sink) {
  for (const char* target : {"/fast", "/slow"}) {
    for (const std::int64_t length : {std::int64_t{30'000'000}, std::int64_t{-1}}) {
      Uploads uploads;
      Repeat source;
      source.left = 30'000'000;
      auto client = uploads.served.client();
      const auto answer = client.upload({.method = "PUT", .target = target}, source, length);
      ASSERT_TRUE(answer) << answer.error().what;
      EXPECT_EQ(answer->body, std::string(target) + " 30000000");
      EXPECT_EQ(client.call({.method = "GET", .target = "/x"})->body, "/x 30000000");
      EXPECT_EQ(*uploads.abandonments, 0);
    }
  }
}

TEST(Server, answers_the_refusal_of_a_sink_while_the_client_still_sends) {
  Uploads uploads;
  Repeat source;
  source.left = 50'000'000;
  source.letter = '!';
  const auto answer = uploads.served.client().upload({.method = "PUT"}, source, 50'000'000);
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->status, 400);
  EXPECT_NE(answer->body.find("no exclamation marks"), std::string::npos);
}

TEST(Server, times_out_slow_heads_bodies_and_idle_connections) {
  Served served(echo, {.head_timeout = milliseconds(60),
                       .idle_timeout = milliseconds(120),
                       .body_timeout = milliseconds(60)});
  EXPECT_TRUE(served.raw("GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(served.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
                  .starts_with("HTTP/1.1 408"));
  EXPECT_EQ(served.raw(""), "");
}

TEST(Server, drops_a_peer_that_does_not_read_its_answer) {
  Signal gone;
  Served served(
      [&](Request&, const Responder& responder) {
        responder.when_gone([&] { gone.raise(); });
        responder.begin(200, "text/plain");
        responder.write(std::string(30'000'000, 'x'));
        // Kept, as a producer would that waits for room.
        responder.when_room([responder] {});
      },
      {.write_timeout = milliseconds(80)});
  const auto socket = dial(served);
  write_all(socket, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(gone.wait());
}

TEST(Server, accepts_no_more_connections_than_its_limit) {
  Served served(echo, {.max_connections = 2});
  auto one = served.client(), two = served.client();
  EXPECT_EQ(one.call({})->status, 200);
  EXPECT_EQ(two.call({})->status, 200);
  const auto third = dial(served);  // in the kernel's queue
  write_all(third, "GET /third HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  pollfd ready{third.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 50), 0);
  one.release().socket.reset();
  EXPECT_NE(read_all(third).find("/third|"), std::string::npos);
}

TEST(Server, speaks_http_1_0_and_head_and_100_continue) {
  Served served([](Request& request, const Responder& responder) {
    if (request.head.path != "/stream") return echo(request, responder);
    responder.begin(200, "text/plain");
    responder.write("abc");
    responder.end();
  });
  const auto old = served.raw("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.ends_with("\r\n\r\nabc")) << old;
  EXPECT_EQ(old.find("chunked"), std::string::npos);
  const auto head = served.raw("HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.find("content-length: 3\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  const auto socket = dial(served);
  write_all(socket,
            "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
            "Connection: close\r\n\r\n");
  EXPECT_EQ(read_all(socket, 25), "HTTP/1.1 100 Continue\r\n\r\n");
  write_all(socket, "ok");
  EXPECT_TRUE(read_all(socket).ends_with("/|ok"));
}

TEST(Server, drains_what_is_in_hand_and_closes_the_rest) {
  Signal asked, drained;
  Responder held;
  Served served([&](Request&, Responder responder) {
    held = std::move(responder);
    asked.raise();
  });
  const auto idle = dial(served);
  const auto busy = dial(served);
  write_all(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(asked.wait());
  served.loop().post([&] { served.server().drain(seconds(5), [&] { drained.raise(); }); });
  EXPECT_EQ(read_all(idle), "");
  std::exchange(held, {}).answer({.body = "late"});
  const auto got = read_all(busy);
  EXPECT_NE(got.find("connection: close"), std::string::npos);
  EXPECT_TRUE(got.ends_with("late"));
  EXPECT_TRUE(drained.wait());
}

// Sends back what it gets, on a connection that was a server's before.
struct Echo final : real::ConnectionUser {
  void take(real::ConnectionPointer handed) {
    connection = std::move(handed);
    connection->set_user(*this);
    connection->resume();
    on_input(*connection);
  }
  void on_input(real::Connection& from) override {
    const std::string bytes(from.input());
    from.consume(bytes.size());
    from.send(bytes);
  }
  void on_end(real::Connection&) override { connection.reset(); }
  void on_broken(real::Connection&, const Error&) override { connection.reset(); }
  real::ConnectionPointer connection;
};

TEST(Server, hands_over_an_upgraded_connection) {
  Echo echo;
  Served served([&](Request& request, Responder responder) {
    const std::string asked(request.body);
    responder.upgrade("echo/1", [&echo, asked](real::ConnectionPointer connection) {
      connection->send("you said " + asked + "; ");
      echo.take(std::move(connection));
    });
  });
  auto client = served.client();
  ClientRequest request;
  request.method = "POST";
  request.fields = {{"connection", "upgrade"}, {"upgrade", "echo/1"}};
  request.body = "hello";
  const auto answer = client.call(request);
  ASSERT_TRUE(answer.has_value()) << to_text(answer.error());
  EXPECT_EQ(answer->status, 101);
  ASSERT_NE(answer->find("upgrade"), nullptr);
  EXPECT_EQ(*answer->find("upgrade"), "echo/1");
  auto passed = client.release();
  const std::string greeting = "you said hello; ";
  EXPECT_EQ(passed.received + read_all(passed.socket, greeting.size() - passed.received.size()),
            greeting);
  ASSERT_EQ(::send(passed.socket.get(), "again", 5, MSG_NOSIGNAL), 5);
  EXPECT_EQ(read_all(passed.socket, 5), "again");
  passed.socket.reset();
  // What a client sends behind its request, before the answer, is not lost and is no request.
  const auto socket = dial(served);
  write_all(socket, "POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo/1\r\n"
                    "Content-Length: 1\r\n\r\n!early");
  const std::string whole = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                            "upgrade: echo/1\r\n\r\nyou said !; early";
  EXPECT_EQ(read_all(socket, whole.size()), whole);
  served.loop().post([&] { echo.connection.reset(); });
}

TEST(Client, makes_a_closed_connection_anew_for_safe_methods) {
  Served served(echo, {.idle_timeout = milliseconds(30)});
  auto client = served.client();
  ASSERT_EQ(client.call({})->status, 200);
  {  // until the server has closed the first
    const auto other = dial(served);
    read_all(other);
  }
  EXPECT_EQ(client.call({})->status, 200);
}

TEST(Client, tells_when_nobody_is_there) {
  real::Address address;
  { address = Served(echo).address(); }
  const auto answer = BlockingClient(address, seconds(1)).call({});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
}

}  // namespace
}  // namespace bessemer::server
