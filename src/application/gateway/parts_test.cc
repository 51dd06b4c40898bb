// The parts by themselves: bounds, what streams deliver, doors that pass sockets, replicas.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "application/gateway/bounds.h"
#include "application/gateway/event_meter.h"
#include "application/gateway/service_door.h"
#include "application/gateway/upstream_call.h"
#include "world/real/listener.h"

namespace bessemer::gateway {
namespace {

template <class Done>
bool turn_until(real::Loop& loop, Done done) {
  const auto until = loop.now() + seconds(5);
  while (!done() && loop.now() < until) loop.run_once(milliseconds(20));
  return done();
}

TEST(Bounds, hold_the_worst_case_or_a_first_slice) {
  const struct {
    const char* name;
    Kind kind;
    bool stream;
    std::optional<std::uint64_t> max_tokens;
    std::uint64_t choices, context, max_output, p90;
    std::uint64_t input, output, slice;
  } table[] = {
      {"stated", Kind::chat, false, 20, 1, 0, 0, 0, 1512, 20, 0},
      {"stated, streamed", Kind::chat, true, 20, 1, 0, 0, 0, 1512, 20, 0},
      {"stated, two choices", Kind::chat, false, 20, 2, 0, 0, 0, 3024, 40, 0},
      {"stated above the model's own", Kind::chat, false, 9000, 1, 0, 700, 0, 1512, 700, 0},
      {"the context caps the prompt", Kind::chat, false, 20, 1, 1000, 0, 0, 1000, 20, 0},
      {"unstated, whole, model known", Kind::chat, false, {}, 1, 0, 700, 0, 1512, 256, 256},
      {"unstated, whole, nothing known", Kind::chat, false, {}, 1, 0, 0, 0, 1512, 256, 256},
      {"best of two, nothing known", Kind::completions, false, {}, 2, 0, 0, 0, 3024, 8192, 0},
      {"unstated, streamed", Kind::chat, true, {}, 1, 0, 0, 0, 1512, 256, 256},
      {"usual answers are longer", Kind::chat, true, {}, 1, 0, 0, 900, 1512, 900, 256},
      {"streamed, short model", Kind::chat, true, {}, 1, 0, 100, 0, 1512, 100, 0},
      {"streamed, choices", Kind::completions, true, {}, 3, 0, 9000, 0, 4536, 768, 768},
      {"embeddings", Kind::embeddings, false, {}, 5, 100, 0, 0, 1512, 0, 0},
      {"inference", Kind::infer, false, {}, 1, 0, 0, 0, 0, 0, 0},
  };
  for (const auto& row : table) {
    Asked asked;
    asked.stream = row.stream;
    asked.max_tokens = row.max_tokens;
    asked.choices = row.choices;
    asked.chooses_best = std::string_view(row.name).starts_with("best of");
    control::EndpointEntry endpoint;
    endpoint.context_tokens = row.context;
    endpoint.max_output_tokens = row.max_output;
    const auto bounds = bounds_of(row.kind, asked, 1000, endpoint, row.p90);
    EXPECT_EQ(bounds.first.input, row.input) << row.name;
    EXPECT_EQ(bounds.first.output, row.output) << row.name;
    EXPECT_EQ(bounds.slice.output, row.slice) << row.name;
    EXPECT_EQ(bounds.first.requests, 1u) << row.name;
  }
}

TEST(Bounds, count_each_prompt_of_a_list) {
  Asked asked;
  asked.max_tokens = 16;
  asked.prompts = 500;
  control::EndpointEntry endpoint;
  auto bounds = bounds_of(Kind::completions, asked, 1000, endpoint, 0);
  EXPECT_EQ(bounds.first.output, 500u * 16);
  EXPECT_EQ(bounds.most_output, 500u * 16);
  EXPECT_EQ(bounds.first.input, 1000 + template_tokens + 499 * marker_tokens);
  asked.choices = 2;
  endpoint.context_tokens = 20;  // of each prompt
  bounds = bounds_of(Kind::completions, asked, 100'000, endpoint, 0);
  EXPECT_EQ(bounds.first.output, 500u * 16 * 2);
  EXPECT_EQ(bounds.first.input, 500u * 20 * 2);
  asked.max_tokens.reset();
  endpoint.context_tokens = 0;
  bounds = bounds_of(Kind::completions, asked, 1000, endpoint, 0);
  EXPECT_EQ(bounds.first.output, 500u * 256 * 2);
  EXPECT_EQ(bounds.slice.output, 500u * slice_tokens * 2);
  bounds = bounds_of(Kind::embeddings, asked, 1000, endpoint, 0);
  EXPECT_EQ(bounds.first.input, 1000 + template_tokens + 499 * marker_tokens);
}

TEST(Bounds, meters_without_a_price_count_as_those_that_have_one) {
  const Counts counts{.input = 5, .cached_input = 3, .output = 7, .reasoning = 2, .requests = 1};
  const auto price = [](pricing::Meter meter) { return pricing::Price{.meter = meter}; };
  const auto plain = metered(counts, {price(pricing::Meter::input_tokens)}, false);
  EXPECT_EQ(plain, (Counts{.input = 8, .output = 9}));
  const auto all = metered(counts, {price(pricing::Meter::cached_input_tokens),
                                    price(pricing::Meter::reasoning_tokens),
                                    price(pricing::Meter::requests)}, false);
  EXPECT_EQ(all, counts);
  EXPECT_EQ(tokens_of(plain), tokens_of(counts));
}

TEST(Bounds, remember_how_long_answers_are) {
  RecentOutputs recent;
  EXPECT_EQ(recent.p90(), 0u);
  for (std::uint64_t i = 1; i <= 10; ++i) recent.add(i * 100);
  EXPECT_EQ(recent.p90(), 900u);
  for (int i = 0; i < 64; ++i) recent.add(5);
  EXPECT_EQ(recent.p90(), 5u);
}

struct Relayed {
  std::string text;
  std::string end;
};

Relayed relay(EventMeter& meter, std::string_view stream, std::size_t step) {
  Relayed out;
  for (std::size_t at = 0; at <= stream.size(); at += step) {
    meter.feed(stream.substr(at, step));
    if (at + step > stream.size()) meter.finish();
    while (true) {
      const auto next = meter.next();
      if (next == EventMeter::Step::more) break;
      out.text += meter.text();
      if (next == EventMeter::Step::done) out.end = "done";
      if (next == EventMeter::Step::error) out.end = "error";
      meter.take();
      if (!out.end.empty()) return out;
    }
  }
  return out;
}

TEST(EventMeter, counts_and_hides_in_any_pieces) {
  const std::string stream =
      ": hello\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"ab\"}}],\"usage\":"
      "{\"prompt_tokens\":4,\"completion_tokens\":1}}\n\n"
      "data: {\"choices\":[{\"text\":\"cde\"}],\"usage\":null}\r\n\r\n"
      "data: plain words\n\n"
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2}}\n\n"
      "data: [DONE]\n\n";
  for (std::size_t step = 1; step < stream.size(); step += 5) {
    EventMeter meter(Relay::events);
    const auto got = relay(meter, stream, step);
    EXPECT_EQ(got.text, ": hello\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"ab\"}}]}\n\n"
                        "data: {\"choices\":[{\"text\":\"cde\"}]}\n\ndata: plain words\n\n"
                        "data: [DONE]\n\n") << step;
    EXPECT_EQ(got.end, "done");
    EXPECT_EQ(meter.chunks(), 2u);
    EXPECT_EQ(meter.content_bytes(), 5u);
    EXPECT_EQ(meter.usage()->output, 2u);
    EventMeter wanted(Relay::events_with_usage);
    const auto all = relay(wanted, stream, step);
    EXPECT_NE(all.text.find("\"completion_tokens\":2"), std::string::npos);
    EXPECT_EQ(all.text.find("\"completion_tokens\":1"), std::string::npos);
  }
}

TEST(EventMeter, bounds_what_the_engine_does_not_count) {
  EventMeter meter(Relay::events);
  relay(meter, "data: {\"choices\":[{\"text\":\"0123456789\"}]}\n\n", 1000);
  EXPECT_EQ(meter.output_bound(), 5u);  // cautious: two bytes a token
  relay(meter, "data: {\"choices\":[{\"text\":\"\"}]}\n\n", 1000);
  EXPECT_EQ(meter.chunks(), 2u);
  EventMeter failed(Relay::events);
  EXPECT_EQ(relay(failed, "data: {\"error\":{}}\n\n", 1000).end, "error");
  EventMeter cut(Relay::events);
  EXPECT_EQ(relay(cut, "data: [DONE]", 1000).end, "done");
}

// A supervisor's door: passes one end of a pair, or refuses.
struct Door final : real::Watcher {
  real::Loop& loop;
  std::string path;
  real::Descriptor listener, visitor;
  real::Loop::Watch listening = 0, visiting = 0;
  std::vector<real::Descriptor> insides;
  bool refuses = false;
  explicit Door(real::Loop& on) : loop(on) {
    path = testing::TempDir() + "door_" + std::to_string(::getpid());
    ::unlink(path.c_str());
    listener = real::Descriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener.get(), 5), 0);
    listening = loop.watch(listener, *this).value();
  }
  ~Door() override {
    close_visitor();
    loop.forget(listener, listening);
    ::unlink(path.c_str());
  }
  void close_visitor() {
    if (visiting != 0) loop.forget(visitor, std::exchange(visiting, 0));
    visitor.reset();
  }
  void on_events(std::uint32_t) override {
    if (!visitor) {
      visitor = real::Descriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
      if (visitor) visiting = loop.watch(visitor, *this).value();
    }
    char packet[16];
    while (visitor && ::recv(visitor.get(), packet, sizeof packet, 0) > 0) {
      auto pair = real::socket_pair().value();
      const int handed[] = {pair.first.get()};
      const std::string reason = refuses ? "nothing listens\n" : "\n";
      EXPECT_TRUE(real::send_descriptors(visitor, reason,
                                         refuses ? std::span<const int>() : handed));
      insides.push_back(std::move(pair.second));
    }
  }
};

TEST(ServiceDoor, takes_connected_sockets_and_reasons) {
  auto loop = real::Loop::open().value();
  Door door(*loop);
  ServiceDoor asks(*loop, door.path);
  std::vector<Result<real::Descriptor>> got;
  const auto take = [&](Result<real::Descriptor> passed) { got.push_back(std::move(passed)); };
  asks.ask(take);
  asks.ask(take);
  ASSERT_TRUE(turn_until(*loop, [&] { return got.size() == 2; }));
  ASSERT_TRUE(got[0] && got[1]);
  ASSERT_EQ(::send(got[1]->get(), "hi", 2, 0), 2);
  char bytes[2];
  EXPECT_EQ(::recv(door.insides[1].get(), bytes, 2, 0), 2);
  door.refuses = true;
  asks.ask(take);
  ASSERT_TRUE(turn_until(*loop, [&] { return got.size() == 3; }));
  EXPECT_EQ(got[2].error().what, "the replica does not take connections: nothing listens");
  door.refuses = false;
  door.close_visitor();  // a supervisor that died and came again
  loop->run_once(milliseconds(20));
  asks.ask(take);
  ASSERT_TRUE(turn_until(*loop, [&] { return got.size() == 4; }));
  EXPECT_TRUE(got[3]) << got[3].error().what;
  ServiceDoor nowhere(*loop, "/nonexistent/door");
  nowhere.ask(take);
  EXPECT_EQ(got.back().error().code, Code::unavailable);
}

// A replica that answers each request on a connection with `answers` in turn, then closes.
struct Replica final : real::ConnectionUser {
  real::Loop& loop;
  std::unique_ptr<real::Listener> listener;
  std::vector<real::ConnectionPointer> connections;
  std::string answer;
  int requests = 0;
  bool closes_idle = false;
  explicit Replica(real::Loop& on) : loop(on) {
    listener = real::Listener::open(loop, {.host = "127.0.0.1"}, {}, [this](real::Descriptor it) {
                 connections.push_back(real::Connection::adopt(loop, std::move(it), *this));
               }).value();
  }
  void on_input(real::Connection& connection) override {
    connection.consume(connection.input().size());
    ++requests;
    if (!answer.empty()) connection.send(answer);
    else connection.close();
  }
  void on_end(real::Connection& connection) override { connection.close(); }
  void on_broken(real::Connection&, const Error&) override {}
  std::shared_ptr<Upstream> upstream(std::string name) {
    auto made = Upstream::make(loop, std::move(name), to_text(listener->address()));
    made->set_ready(true);
    return made;
  }
};

struct Listening final : UpstreamUser {
  int status = 0;
  std::string body, end;
  void on_head(int told, std::string_view) override { status = told; }
  void on_piece(std::string_view piece) override { body += piece; }
  void on_complete() override { end = "complete"; }
  void on_failed(const Error& why) override { end = "failed: " + why.what; }
};

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

Listening call(real::Loop& loop, const std::vector<std::shared_ptr<Upstream>>& replicas) {
  Listening caller;
  const auto made = UpstreamCall::start(loop, replicas, "GET / HTTP/1.1\r\n\r\n", caller, {});
  turn_until(loop, [&] { return !caller.end.empty(); });
  return caller;
}

TEST(UpstreamCall, keeps_connections_and_replaces_those_that_were_closed) {
  auto loop = real::Loop::open().value();
  Replica replica(*loop);
  replica.answer = ok;
  const auto upstream = replica.upstream("one");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call(*loop, {upstream}).body, "hi");
  EXPECT_EQ(replica.connections.size(), 1u);
  EXPECT_EQ(upstream->outstanding(), 0u);
  replica.connections.front()->close();  // not seen before the next call uses it
  EXPECT_EQ(call(*loop, {upstream}).end, "complete");
  EXPECT_EQ(replica.connections.size(), 2u);
}

TEST(UpstreamCall, tries_another_replica_before_the_answer_only) {
  auto loop = real::Loop::open().value();
  Replica good(*loop), bad(*loop);
  good.answer = ok;
  const auto a = bad.upstream("a"), b = good.upstream("b");
  EXPECT_EQ(call(*loop, {a, b}).end, "complete");
  EXPECT_EQ(bad.requests, 1);
  EXPECT_TRUE(a->ejected());
  EXPECT_EQ(call(*loop, {a, b}).end, "complete");  // not asked again for a moment
  EXPECT_EQ(bad.requests, 1);
  bad.answer = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
  const auto c = bad.upstream("c");
  EXPECT_EQ(call(*loop, {c, b}).status, 200);
  bad.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
  const auto d = bad.upstream("d");
  loop->after(milliseconds(30), [&] {
    for (auto& connection : bad.connections) connection->close();
  });
  const auto half = call(*loop, {d, b});
  EXPECT_EQ(half.status, 200);
  EXPECT_EQ(half.body, "half");
  EXPECT_TRUE(half.end.starts_with("failed")) << half.end;
  a->set_ready(false);
  EXPECT_TRUE(call(*loop, {a}).end.starts_with("failed: no replica"));
}

TEST(UpstreamCall, refuses_what_is_not_http) {
  auto loop = real::Loop::open().value();
  Replica replica(*loop);
  for (const char* answer : {"SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\nX: y\n\n",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    replica.answer = answer;
    EXPECT_TRUE(call(*loop, {replica.upstream("x")}).end.starts_with("failed")) << answer;
  }
}

}  // namespace
}  // namespace bessemer::gateway
