// The gateway as a whole: a real control socket with the real lender behind it, engines that
// behave and engines that do not, clients over TCP.
#include "application/gateway/gateway.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "application/server/client.h"
#include "governance/access/key.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/entropy.h"

namespace bessemer::gateway {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{7, 1}, project{7, 2};
constexpr EndpointId small{8, 1};

// ---- an engine

// Answers as the request's text asks it to: "say N" produces N tokens, further words change how.
struct Engine final : server::Handler {
  real::Loop& loop;
  std::atomic<int> asked = 0, gone = 0;
  std::mutex mutex;
  std::string last_body;
  explicit Engine(real::Loop& on) : loop(on) {}

  static std::uint64_t number_after(std::string_view body, std::string_view word) {
    const auto at = body.find(word);
    return at == std::string_view::npos
               ? 0 : std::strtoull(body.data() + at + word.size(), nullptr, 10);
  }
  static std::string usage(std::uint64_t input, std::uint64_t output) {
    return R"("usage":{"prompt_tokens":)" + std::to_string(input) + R"(,"completion_tokens":)" +
           std::to_string(output) + "}";
  }

  void on_request(server::Request& request, server::Responder responder) override {
    ++asked;
    responder.when_gone([this] { ++gone; });
    const std::string body(request.body);
    {
      const std::lock_guard lock(mutex);
      last_body = body;
    }
    const auto says = [&](std::string_view word) { return body.find(word) != std::string::npos; };
    if (says("break at once")) return responder.begin(200, "text/plain"), responder.abort();
    if (says("bad request")) {
      return responder.answer({.status = 400, .body = R"({"error":{"message":"too long"}})"});
    }
    if (says("server trouble")) return responder.answer({.status = 500, .body = "oops"});
    if (says("error in 200")) {
      return responder.answer({.body = R"({"error":{"message":"out of memory"}})"});
    }
    if (says("not json")) return responder.answer({.body = "<html>"});
    if (request.head.path.ends_with("/infer")) {
      return responder.answer({.body = R"({"outputs":[{"data":[7]}]})"});
    }
    const auto output = says("lie") ? 5000 : number_after(body, "say ");
    if (says(R"("stream":true)")) return stream(body, output, responder);
    if (says("stall")) return hold(responder);
    std::string text;
    for (std::uint64_t i = 0; i < output; ++i) text += "abcd";
    responder.answer({.body = R"({"id":"x","choices":[{"message":{"content":")" + text + "\"}}]" +
                              (says("no usage") ? "" : "," + usage(10, output)) + "}"});
  }

  std::vector<server::Responder> held;
  void hold(const server::Responder& responder) { held.push_back(responder); }

  void stream(const std::string& body, std::uint64_t output, const server::Responder& responder) {
    const auto says = [&](std::string_view word) { return body.find(word) != std::string::npos; };
    const bool counts = !says("no usage");
    const bool always = counts && says("continuous_usage_stats") && !says("only at end");
    responder.begin(200, "text/event-stream; charset=utf-8");
    const auto until = says("break after") ? number_after(body, "break after ") : output;
    for (std::uint64_t i = 1; i <= until; ++i) {
      std::string event = R"(data: {"choices":[{"delta":{"content":"tok )" + std::to_string(i) +
                          "\"}}]";
      if (always) event += "," + usage(10, i);
      responder.write(event + "}\n\n");
    }
    if (says("stall")) return hold(responder);
    if (until != output || says("break")) return responder.abort();
    if (says("error event")) {
      responder.write("data: {\"error\":{\"message\":\"engine died\"}}\n\n");
      return responder.end();
    }
    if (counts) responder.write("data: {\"choices\":[]," + usage(10, output) + "}\n\n");
    if (!says("no done")) responder.write("data: [DONE]\n\n");
    responder.end();
  }
};

// ---- a control plane: the real lender and budgets behind a real socket

class Plane {
 public:
  Plane(real::Loop& loop, const world::Clock& clock, std::string path)
      : loop_(loop), clock_(clock), path_(std::move(path)) {
    configuration.version = 1;
  }
  void listen() {
    listener_ = real::Listener::open(loop_, {.path = path_}, {}, [this](real::Descriptor socket) {
                  sessions_.push_back(std::make_unique<Session>(*this, std::move(socket)));
                }).value();
  }
  // As a daemon that is killed: sockets close, nothing else is done.
  void vanish() {
    listener_.reset();
    sessions_.clear();
  }
  void add_budget(Wide nano) {
    budget::Budget budget;
    budget.id = BudgetId{6, ++budget_count_};
    budget.name = "b" + std::to_string(budget_count_);
    budget.scope.node = tenant;
    budget.unit = SpendUnit::money;
    budget.currency = usd;
    budget.term = budget::Term::total;
    budget.limit = nano;
    const auto events = budget::judge(budgets, budget::Set{budget}, context());
    ASSERT_TRUE(events) << to_text(events.error());
    for (const auto& event : *events) budget::apply(budgets, event, context());
    ++configuration.budgets;
  }
  void publish() {
    ++configuration.version;
    for (auto& session : sessions_) session->say(configuration);
  }
  Context context() const { return {.now = clock_.now(), .occurred_at = clock_.now()}; }

  control::Configuration configuration;
  budget::State budgets;
  lease::State leases;
  std::vector<metering::Settlement> billed;
  std::vector<control::RequestRefused> refusals;
  std::vector<control::Alert> alerts;
  std::map<std::uint64_t, metering::Log> logs;  // by epoch
  int questions = 0;
  Wide billed_money() const {
    Wide sum = 0;
    for (const auto& settlement : billed) sum += settlement.money;
    return sum;
  }

 private:
  struct Session final : real::ConnectionUser {
    Plane& plane;
    real::ConnectionPointer connection;
    GatewayId gateway;
    std::uint64_t epoch = 0;
    Session(Plane& of, real::Descriptor socket) : plane(of) {
      connection = real::Connection::adopt(of.loop_, std::move(socket), *this);
    }
    void say(control::FromDaemon message) {
      std::string bytes;
      control::append_message(bytes, message);
      connection->send(bytes);
    }
    void on_input(real::Connection&) override {
      while (true) {
        auto in = connection->input();
        const auto before = in.size();
        auto message = control::take_message<control::FromGateway>(in);
        ASSERT_TRUE(message) << to_text(message.error());
        if (!*message) return;
        connection->consume(before - in.size());
        plane.take(*this, **message);
      }
    }
    void on_end(real::Connection&) override { leave(); }
    void on_broken(real::Connection&, const Error&) override { leave(); }
    void leave() {
      plane.loop_.later([&plane = plane, self = this] {
        std::erase_if(plane.sessions_, [&](const auto& session) { return session.get() == self; });
      });
    }
  };

  Result<lease::Decision> decide(const lease::Command& command) {
    auto decision = lease::judge(leases, budgets, command, context());
    if (!decision) return decision;
    for (const auto& event : decision->events) lease::apply(leases, event, context());
    for (const auto& event : decision->budget_events) budget::apply(budgets, event, context());
    return decision;
  }
  void take(Session& from, const control::FromGateway& message);
  void ship(Session& from, const control::UsageShipped& shipped);
  void lend(Session& from, const control::LeaseRequest& request);

  real::Loop& loop_;
  const world::Clock& clock_;
  std::string path_;
  std::unique_ptr<real::Listener> listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::map<std::uint64_t, journal::Head> heads_;
  std::uint64_t budget_count_ = 0, lease_count_ = 0;
};

void Plane::take(Session& from, const control::FromGateway& message) {
  if (const auto* hello = std::get_if<control::Hello>(&message)) {
    from.gateway = GatewayId{5, 5};
    from.epoch = hello->epoch != 0 ? hello->epoch : leases.newest[from.gateway] + 1;
    const auto opened = decide(lease::OpenEpoch{from.gateway, from.epoch});
    ASSERT_TRUE(opened) << to_text(opened.error());
    control::Welcome welcome{from.gateway, from.epoch, {}};
    for (const auto& [key, epoch] : leases.epochs) {
      if (key.second != from.epoch || hello->epoch != 0) {
        welcome.owed.push_back({key.second, heads_[key.second].sequence});
      }
    }
    from.say(welcome);
    from.say(configuration);
  } else if (const auto* request = std::get_if<control::LeaseRequest>(&message)) {
    lend(from, *request);
  } else if (const auto* reduce = std::get_if<lease::Reduce>(&message)) {
    const auto reduced = decide(*reduce);
    EXPECT_TRUE(reduced) << to_text(reduced.error());
  } else if (const auto* shipped = std::get_if<control::UsageShipped>(&message)) {
    ship(from, *shipped);
  } else if (const auto* ended = std::get_if<control::EpochEnded>(&message)) {
    EXPECT_TRUE(logs[ended->epoch].closed);
    EXPECT_TRUE(logs[ended->epoch].holds.empty());
    const auto closed = decide(lease::Close{from.gateway, ended->epoch, ended->offset});
    ASSERT_TRUE(closed) << to_text(closed.error());
    from.say(control::EpochSettled{ended->epoch});
  } else if (const auto* ping = std::get_if<control::Ping>(&message)) {
    from.say(control::Pong{ping->serial});
  } else if (const auto* alert = std::get_if<control::Alert>(&message)) {
    alerts.push_back(*alert);
  } else if (const auto* refused = std::get_if<control::RequestRefused>(&message)) {
    refusals.push_back(*refused);
  }
}

void Plane::lend(Session& from, const control::LeaseRequest& request) {
  ++questions;
  lease::Borrow borrow;
  borrow.gateway = from.gateway;
  borrow.epoch = from.epoch;
  borrow.seed = LeaseId{9, ++lease_count_};
  borrow.spender = request.spender;
  borrow.purpose = request.purpose;
  borrow.need = request.need;
  borrow.idle = request.idle;
  control::LeaseAnswer answer;
  answer.serial = request.serial;
  answer.budgets = configuration.budgets;
  const auto decision = decide(borrow);
  if (!decision) {
    answer.outcome = control::LeaseOutcome::refused;
    answer.reason = decision.error().reason;
    answer.what = decision.error().what;
  } else {
    answer.outcome = decision->outcome == lease::Outcome::done ? control::LeaseOutcome::granted
                                                               : control::LeaseOutcome::wait;
    answer.leases = decision->leases;
  }
  from.say(answer);
  for (auto& session : sessions_) {
    const auto recalled = lease::recalled(leases, session->gateway);
    if (!recalled.empty()) session->say(control::LeasesRecalled{recalled});
  }
}

void Plane::ship(Session& from, const control::UsageShipped& shipped) {
  auto& log = logs[shipped.epoch];
  const auto head = journal::walk_range(
      shipped.batches, heads_[shipped.epoch], [&](const journal::Batch& batch) -> Result<void> {
        journal::Records records(batch.body);
        journal::Record record;
        while (records.next(record)) {
          TRY_ASSIGN(const auto read, codec::decode<metering::LogRecord>(record.bytes));
          TRY_ASSIGN(const auto settled, metering::fold(log, read));
          if (settled) billed.push_back(*settled);
        }
        return {};
      });
  ASSERT_TRUE(head) << to_text(head.error());
  heads_[shipped.epoch] = *head;
  lease::Report report{from.gateway, shipped.epoch, head->sequence, {}};
  for (const auto& [id, use] : log.leases) {
    const auto* known = lease::find(leases, id);
    ASSERT_NE(known, nullptr);
    if (use.consumed == known->consumed) continue;
    report.uses.push_back({id, use.consumed, use.consumed - known->consumed});
  }
  const auto reported = decide(report);
  ASSERT_TRUE(reported) << to_text(reported.error());
  EXPECT_EQ(lease::audit(leases, budgets), "");
  from.say(control::UsageAcknowledged{shipped.epoch, head->sequence});
}

// ---- all of it together, on one loop in one thread

struct Setup {
  Wide budget = 0;  // nano; 0: none
  Wide price = 1000;  // nano per token
  UpstreamTimeouts timeouts;
  std::uint64_t max_output = 0;
};

class Factory {
 public:
  // Runs `work` on the loop's thread and waits for it.
  template <class F>
  auto run(F work) {
    using R = decltype(work());
    std::mutex mutex;
    std::condition_variable done;
    bool finished = false;
    std::conditional_t<std::is_void_v<R>, int, R> result{};
    loop->post([&] {
      if constexpr (std::is_void_v<R>) work();
      else result = work();
      const std::lock_guard lock(mutex);
      finished = true;
      done.notify_one();
    });
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return finished; });
    return result;
  }
  explicit Factory(const Setup& setup = {}) : setup_(setup) {
    home_ = testing::TempDir() + "gateway_" + std::to_string(::getpid()) + "_" +
            std::to_string(++count);
    std::filesystem::remove_all(home_);
    std::filesystem::create_directories(home_);
    loop = real::Loop::open().value();
    disk_ = real::RealDisk::open_root(home_).value();
    std::array<std::byte, access::key_bytes> random{};
    entropy_.fill(random);
    const auto secret = access::make_key(random);
    key = secret.reveal();
    engine.emplace(*loop);
    engine_server_.emplace(*loop, *engine);
    const auto engine_at = engine_server_->listen({.host = "127.0.0.1"}).value();
    plane.emplace(*loop, clock, home_ + "/control.sock");
    configure(to_text(engine_at));
    if (setup.budget > 0) plane->add_budget(setup.budget);
    plane->listen();
    start_gateway();
    thread_ = std::jthread([this] { loop->run(); });
    wait([this] { return ready(); });
  }
  ~Factory() {
    run([this] {
      gateway.reset();
      plane.reset();
      engine_server_.reset();
      loop->stop();
    });
    thread_.join();
    std::filesystem::remove_all(home_);
  }

  void start_gateway() {
    Options options;
    options.home = home_;
    options.control = {.path = home_ + "/control.sock"};
    options.listen = {{.host = "127.0.0.1"}};
    options.timeouts = setup_.timeouts;
    ended.reset();
    gateway.emplace(*loop, clock, *disk_, entropy_, options,
                    [this](std::string why) { ended = std::move(why); });
    address = gateway->start().value().front();
  }
  // Asks on the loop's thread until it is so; at most five seconds.
  bool wait(const std::function<bool()>& so) {
    const auto until = clock.since_boot() + seconds(5);
    while (!run(so)) {
      if (clock.since_boot() > until) return false;
      ::poll(nullptr, 0, 2);
    }
    return true;
  }
  bool ready() const { return gateway->till().is_open() && gateway->ready(); }
  server::BlockingClient client() const { return server::BlockingClient(address, seconds(10)); }
  Result<server::ClientAnswer> post(const std::string& path, const std::string& body) {
    auto one = client();
    return one.call({"POST", path, {{"authorization", "Bearer " + key}}, body});
  }
  Result<server::ClientAnswer> chat(const std::string& text, const std::string& more = "") {
    return post("/v1/chat/completions", chat_body(text, more));
  }
  static std::string chat_body(const std::string& text, const std::string& more) {
    return R"({"model":"small","messages":[{"role":"user","content":")" + text + "\"}]" + more +
           "}";
  }
  bool wait_configured() {
    return wait([this] { return gateway->configured() == plane->configuration.version; });
  }
  std::string audit() {
    return run([this] { return lease::audit(plane->leases, plane->budgets); });
  }
  // Everything shipped and counted.
  bool all_billed(std::size_t requests) {
    return wait([&] { return plane->billed.size() == requests; });
  }

  real::RealClock clock;
  std::unique_ptr<real::Loop> loop;
  std::optional<Engine> engine;
  std::optional<Plane> plane;
  std::optional<Gateway> gateway;
  std::optional<std::string> ended;
  std::string key;
  real::Address address;

 private:
  void configure(const std::string& engine_at) {
    auto& configuration = plane->configuration;
    control::KeyEntry entry;
    entry.id = KeyId{4, 1};
    entry.hash = access::hash_key(key).value();
    entry.path = {tenant, project};
    entry.project = project;
    entry.may_call = true;
    configuration.keys = {entry};
    control::EndpointEntry endpoint;
    endpoint.id = small;
    endpoint.names = {"small", "champion"};
    endpoint.sku = "small";
    endpoint.max_output_tokens = setup_.max_output;
    endpoint.replicas = {{"task_1/1", engine_at, true}};
    configuration.endpoints = {endpoint};
    control::EndpointEntry digits = endpoint;
    digits.id = EndpointId{8, 2};
    digits.names = {"digits"};
    digits.protocol = control::Protocol::v2;
    digits.engine_model = "mnist";
    digits.sku = "digits";
    configuration.endpoints.push_back(digits);
    pricing::Version prices;
    prices.id = PriceBookId{3, 1};
    prices.book = "list";
    prices.currency = usd;
    for (const auto meter : {pricing::Meter::input_tokens, pricing::Meter::output_tokens}) {
      prices.prices.push_back({meter, "*", {setup_.price, usd}, 1});
    }
    prices.prices.push_back({pricing::Meter::requests, "small", {0, usd}, 1});
    configuration.prices = {prices};
    configuration.tenants = {{tenant, {{{}, "list"}}}};
  }

  static inline int count = 0;
  Setup setup_;
  std::string home_;
  std::unique_ptr<real::RealDisk> disk_;
  real::RealEntropy entropy_;
  std::optional<server::HttpServer> engine_server_;
  std::jthread thread_;
};

TEST(Gateway, bills_a_whole_answer_exactly) {
  Factory factory;
  const auto answer = factory.chat("say 7", R"(,"max_tokens":20)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find("abcdabcd"), std::string::npos);
  EXPECT_NE(answer->find("x-request-id"), nullptr);
  ASSERT_TRUE(factory.all_billed(1));
  const auto& bill = factory.plane->billed.front();
  EXPECT_EQ(bill.counts.input, 10u);
  EXPECT_EQ(bill.counts.output, 7u);
  EXPECT_EQ(bill.money, 17'000);
  EXPECT_EQ(to_text(bill.request), *answer->find("x-request-id"));
}


// The events of a stream: the data of each.
std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> out;
  http::SseScanner scanner;
  http::SseScanner::Event event;
  std::string_view rest = body;
  while (scanner.next(rest, event) == http::SseScanner::Step::event) {
    if (event.has_data) out.emplace_back(event.data);
    rest.remove_prefix(event.raw.size());
  }
  EXPECT_TRUE(rest.empty()) << rest;
  return out;
}

TEST(Gateway, streams_and_hides_the_usage_that_was_not_asked_for) {
  Factory factory;
  for (const std::string engine : {"", "only at end"}) {
    const auto answer = factory.chat("say 5 " + engine, R"(,"stream":true,"max_tokens":20)");
    ASSERT_TRUE(answer) << to_text(answer.error());
    EXPECT_EQ(answer->status, 200) << answer->body;
    const auto events = events_of(answer->body);
    ASSERT_EQ(events.size(), 6u) << answer->body;
    EXPECT_EQ(events[0], R"({"choices":[{"delta":{"content":"tok 1"}}]})");
    EXPECT_EQ(events[5], "[DONE]");
    EXPECT_EQ(answer->body.find("usage"), std::string::npos) << answer->body;
  }
  const auto asked = factory.chat(
      "say 5", R"(,"stream":true,"max_tokens":20,"stream_options":{"include_usage":true})");
  const auto events = events_of(asked->body);
  ASSERT_EQ(events.size(), 7u) << asked->body;
  EXPECT_NE(events[5].find(R"("completion_tokens":5)"), std::string::npos);
  EXPECT_EQ(events[4].find("usage"), std::string::npos);
  ASSERT_TRUE(factory.all_billed(3));
  for (const auto& bill : factory.plane->billed) {
    EXPECT_EQ(bill.counts.input, 10u);
    EXPECT_EQ(bill.counts.output, 5u);
  }
}

TEST(Gateway, extends_long_streams_slice_by_slice) {
  Factory factory({.budget = 10'000'000});
  const auto answer = factory.chat("say 1500", R"(,"stream":true)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(events_of(answer->body).size(), 1501u);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 1500u);
  const auto& log = factory.run([&] { return factory.plane->logs.at(1); });
  EXPECT_EQ(log.violations, 0u);
  EXPECT_EQ(log.estimated, 0u);
}

TEST(Gateway, cuts_a_stream_whose_budget_ends_and_bills_what_was_delivered) {
  Factory factory({.budget = 1'500'000});  // about 1500 tokens
  const auto answer = factory.chat("say 5000", R"(,"stream":true)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  const auto events = events_of(answer->body);
  EXPECT_NE(events.back().find("budget"), std::string::npos) << events.back();
  ASSERT_TRUE(factory.all_billed(1));
  const auto money = factory.plane->billed_money();
  EXPECT_LE(money, 1'500'000);
  EXPECT_GT(money, 500'000);
  EXPECT_GE(factory.plane->billed.front().counts.output, events.size() - 1);
}

TEST(Gateway, estimates_and_marks_when_the_engine_does_not_count) {
  Factory factory;
  EXPECT_EQ(factory.chat("say 8 no usage", R"(,"max_tokens":20)")->status, 200);
  const auto streamed = factory.chat("say 8 no usage", R"(,"stream":true,"max_tokens":20)");
  EXPECT_EQ(events_of(streamed->body).size(), 9u);
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed[0].counts.output, 8u);  // 4 bytes each
  EXPECT_GE(factory.plane->billed[1].counts.output, 8u);
  EXPECT_GT(factory.plane->billed[1].counts.input, 0u);
  EXPECT_EQ(factory.run([&] { return factory.plane->logs.at(1).estimated; }), 2u);
}

TEST(Gateway, exactly_as_many_as_the_budget_pays_are_served) {
  Factory factory({.budget = 5'000'000'000});  // a fixed price a request: what is held is charged
  factory.run([&] {
    auto& prices = factory.plane->configuration.prices.front().prices;
    for (auto& price : prices) price.amount.nano = price.meter == pricing::Meter::requests
                                                       ? Wide{100'000'000} : Wide{0};
    factory.plane->publish();
  });
  std::atomic<int> served = 0, refused = 0, other = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        auto client = factory.client();
        for (int i = 0; i < 25; ++i) {
          const auto answer =
              client.call({"POST", "/v1/chat/completions",
                           {{"authorization", "Bearer " + factory.key}},
                           Factory::chat_body("say 7", R"(,"max_tokens":20)")});
          if (!answer) ++other;
          else if (answer->status == 200) ++served;
          else if (answer->status == 429 && *answer->find("x-should-retry") == "false") ++refused;
          else ++other;
        }
      });
    }
  }
  EXPECT_EQ(served, 50);
  EXPECT_EQ(refused, 150);
  EXPECT_EQ(other, 0);
  ASSERT_TRUE(factory.all_billed(50));
  EXPECT_EQ(factory.plane->billed_money(), 5'000'000'000);
  EXPECT_TRUE(factory.wait([&] { return factory.plane->refusals.size() == 150; }));
}

TEST(Gateway, passes_on_what_is_the_callers_and_hides_what_is_not) {
  Factory factory;
  const struct { const char* text; int status; const char* says; } table[] = {
      {"bad request", 400, "too long"},
      {"server trouble", 503, "the engine answered 500"},
      {"error in 200", 503, "the engine answered with an error"},
      {"not json", 503, "the engine answered with an error"},
      {"break at once", 503, "closed the connection"},
  };
  for (const auto& [text, status, says] : table) {
    for (const std::string more : {"", R"(,"stream":true)"}) {
      const auto answer = factory.chat(text, more);
      ASSERT_TRUE(answer) << text << to_text(answer.error());
      EXPECT_EQ(answer->status, status) << text << more << answer->body;
      EXPECT_NE(answer->body.find(says), std::string::npos) << text << more << answer->body;
    }
  }
  EXPECT_TRUE(factory.wait([&] { return factory.plane->logs[1].voided == 10; }));
  EXPECT_EQ(factory.run([&] { return factory.plane->billed.size(); }), 0u);
  EXPECT_EQ(factory.run([&] { return factory.gateway->till().holder().log.holds.size(); }), 0u);
}

TEST(Gateway, bills_a_stream_that_the_engine_breaks_off_and_says_so) {
  Factory factory;
  for (const std::string how : {"say 9 break after 4", "say 4 error event"}) {
    const auto answer = factory.chat(how, R"(,"stream":true,"max_tokens":20)");
    ASSERT_TRUE(answer) << to_text(answer.error());
    const auto events = events_of(answer->body);
    ASSERT_EQ(events.size(), 5u) << answer->body;
    EXPECT_NE(events[4].find(R"({"error":{"message":)"), std::string::npos) << events[4];
  }
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed[0].counts.output, 4u);
  EXPECT_EQ(factory.plane->billed[1].counts.output, 4u);
}

TEST(Gateway, ends_a_stream_without_done) {
  Factory factory;
  const auto answer = factory.chat("say 3 no done", R"(,"stream":true,"max_tokens":20)");
  ASSERT_TRUE(answer) << to_text(answer.error());
  EXPECT_EQ(events_of(answer->body).size(), 3u);
  EXPECT_TRUE(factory.all_billed(1));
}

TEST(Gateway, cancels_the_engine_when_the_client_leaves_and_bills_what_was_produced) {
  Factory factory;
  struct Leave final : server::AnswerSink {
    std::string all;
    Result<void> on_piece(std::string_view piece) override {
      all += piece;
      if (all.find("tok 6") == std::string::npos) return {};
      return invalid("enough");
    }
  } leave;
  {
    auto client = factory.client();
    const auto left = client.call({"POST", "/v1/chat/completions",
                                   {{"authorization", "Bearer " + factory.key}},
                                   Factory::chat_body("say 6 stall", R"(,"stream":true)")},
                                  leave);
    EXPECT_FALSE(left);
  }
  EXPECT_TRUE(factory.wait([&] { return factory.engine->gone == 1; }));
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 6u);
  EXPECT_EQ(factory.plane->billed.front().counts.input, 10u);
  // Before any output: nothing to bill.
  {
    auto client = factory.client();
    client.set_patience(milliseconds(100));
    EXPECT_FALSE(client.call({"POST", "/v1/chat/completions",
                              {{"authorization", "Bearer " + factory.key}},
                              Factory::chat_body("say 6 stall", "")}));
  }
  EXPECT_TRUE(factory.wait([&] { return factory.engine->gone == 2; }));
  EXPECT_TRUE(factory.wait([&] { return factory.plane->logs[1].voided == 1; }));
}

TEST(Gateway, times_out_an_engine_that_stalls) {
  Factory factory({.timeouts = {.first_byte = milliseconds(80), .stall = milliseconds(80)}});
  const auto whole = factory.chat("say 6 stall", R"(,"max_tokens":20)");
  EXPECT_EQ(whole->status, 503);
  const auto streamed = factory.chat("say 6 stall", R"(,"stream":true,"max_tokens":20)");
  EXPECT_EQ(events_of(streamed->body).size(), 7u);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 6u);
}

TEST(Gateway, charges_an_engine_that_breaks_its_bound_and_routes_nothing_more_to_it) {
  Factory factory({.budget = 100'000'000});
  const auto answer = factory.chat("say 7 lie", R"(,"max_tokens":20)");
  EXPECT_EQ(answer->status, 200) << answer->body;
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.output, 5000u);
  const auto refused = factory.chat("say 7", R"(,"max_tokens":20)");
  EXPECT_EQ(refused->status, 503);
  ASSERT_TRUE(factory.wait([&] { return factory.plane->alerts.size() == 1; }));
  EXPECT_TRUE(factory.plane->alerts.front().bound_violation);
}

TEST(Gateway, refuses_by_key_model_and_price) {
  Factory factory;
  auto client = factory.client();
  const auto call = [&](const std::string& key, const std::string& model) {
    return client.call({"POST", "/v1/chat/completions", {{"authorization", key}},
                        R"({"model":")" + model + R"(","max_tokens":5,"x":"say 1"})"});
  };
  std::string wrong = factory.key;
  wrong[10] = wrong[10] == 'x' ? 'y' : 'x';
  EXPECT_EQ(call("", "small")->status, 401);
  EXPECT_EQ(call("Basic abc", "small")->status, 401);
  EXPECT_EQ(call("Bearer " + wrong, "small")->status, 401);
  EXPECT_EQ(call("Bearer " + factory.key, "large")->status, 404);
  EXPECT_EQ(call("bearer " + factory.key, "champion")->status, 200);
  EXPECT_EQ(call("Bearer " + factory.key, "digits")->status, 404);
  const auto with_key = [&](const std::function<void(control::KeyEntry&)>& change) {
    factory.run([&] {
      change(factory.plane->configuration.keys.front());
      factory.plane->publish();
    });
    factory.wait_configured();
    return call("Bearer " + factory.key, "small");
  };
  EXPECT_EQ(with_key([](auto& key) { key.models = {"big*", "other"}; })->status, 403);
  EXPECT_EQ(with_key([](auto& key) { key.models = {"sm*"}; })->status, 200);
  EXPECT_EQ(with_key([](auto& key) { key.may_call = false; })->status, 403);
  EXPECT_EQ(with_key([](auto& key) {
              key.may_call = true;
              key.project = {};
            })->status, 403);
  EXPECT_EQ(with_key([](auto& key) {
              key.project = project;
              key.expires_at = Instant{1};
            })->status, 401);
  EXPECT_EQ(with_key([](auto& key) {
              key.expires_at.reset();
              key.revoked = true;
            })->status, 401);
  const auto unpriced = with_key([&](auto& key) {
    key.revoked = false;
    factory.plane->configuration.prices.front().prices.clear();
  });
  EXPECT_EQ(unpriced->status, 503);
  EXPECT_NE(unpriced->body.find("unpriced"), std::string::npos) << unpriced->body;
  EXPECT_TRUE(factory.wait([&] { return factory.plane->refusals.size() >= 3; }));
}

TEST(Gateway, ends_streams_of_a_revoked_key_at_the_next_slice) {
  Factory factory;
  struct Revoke final : server::AnswerSink {
    Factory* factory = nullptr;
    std::string all;
    bool done = false;
    Result<void> on_piece(std::string_view piece) override {
      all += piece;
      if (std::exchange(done, true)) return {};
      factory->run([this] {
        factory->plane->configuration.keys.front().revoked = true;
        factory->plane->publish();
      });
      return {};
    }
  } revoke;
  revoke.factory = &factory;
  auto client = factory.client();
  // Long enough that the gateway waits for this client long before its end.
  const auto answer = client.call({"POST", "/v1/chat/completions",
                                   {{"authorization", "Bearer " + factory.key}},
                                   Factory::chat_body("say 200000", R"(,"stream":true)")},
                                  revoke);
  ASSERT_TRUE(answer) << to_text(answer.error());
  const auto events = events_of(revoke.all);
  EXPECT_NE(events.back().find("revoked"), std::string::npos) << events.back();
  EXPECT_LT(events.size(), 200'000u);
  EXPECT_TRUE(factory.all_billed(1));
}

TEST(Gateway, serves_on_while_the_control_plane_is_away_and_ships_later) {
  Factory factory({.budget = 100'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  ASSERT_TRUE(factory.all_billed(1));
  factory.run([&] { factory.plane->vanish(); });
  factory.wait([&] { return !factory.gateway->connected(); });
  EXPECT_EQ(factory.chat("say 8", R"(,"max_tokens":20)")->status, 200);
  std::array<std::byte, access::key_bytes> other{};
  auto client = factory.client();
  const auto never_seen = client.call(
      {"POST", "/v1/chat/completions",
       {{"authorization", "Bearer " + std::string(access::make_key(other).reveal())}},
       Factory::chat_body("say 1", "")});
  EXPECT_EQ(never_seen->status, 503);
  EXPECT_NE(never_seen->body.find("control_plane_away"), std::string::npos);
  // More than is lent: nobody can be asked, and that is not "budget exceeded".
  const auto more = factory.chat("say 9", R"(,"max_tokens":90000)");
  EXPECT_EQ(more->status, 503) << more->body;
  factory.run([&] { factory.plane->listen(); });
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed.back().counts.output, 8u);
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
}

TEST(Gateway, a_successor_resolves_what_its_predecessor_left_open) {
  Factory factory({.budget = 100'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  std::jthread abandoned([&] {
    auto client = factory.client();
    // Its gateway dies in the middle.
    EXPECT_FALSE(client.call({"POST", "/v1/chat/completions",
                              {{"authorization", "Bearer " + factory.key}},
                              Factory::chat_body("say 3 stall", R"(,"max_tokens":20)")}));
  });
  EXPECT_TRUE(factory.wait([&] { return factory.engine->asked == 2; }));
  EXPECT_TRUE(factory.wait([&] {
    return factory.gateway->till().holder().log.holds.size() == 1;
  }));
  factory.run([&] { factory.start_gateway(); });  // the old one goes without a word
  abandoned.join();
  EXPECT_TRUE(factory.wait([&] { return factory.ready(); }));
  EXPECT_TRUE(factory.wait([&] { return factory.plane->leases.epochs.size() == 1; }));
  EXPECT_EQ(factory.run([&] { return factory.plane->logs.at(1).voided; }), 1u);
  EXPECT_EQ(factory.chat("say 4", R"(,"max_tokens":20)")->status, 200);
  ASSERT_TRUE(factory.all_billed(2));
  EXPECT_EQ(factory.plane->billed_money(), (10 + 7 + 10 + 4) * 1000);
  EXPECT_EQ(factory.audit(), "");
}

TEST(Gateway, drains_in_order_and_leaves_nothing_owed) {
  Factory factory({.budget = 100'000'000});
  EXPECT_EQ(factory.chat("say 7", R"(,"max_tokens":20)")->status, 200);
  factory.run([&] { factory.gateway->drain(seconds(2)); });
  ASSERT_TRUE(factory.wait([&] { return factory.ended.has_value(); }));
  EXPECT_EQ(*factory.ended, "");
  EXPECT_EQ(factory.plane->billed.size(), 1u);
  EXPECT_TRUE(factory.plane->leases.epochs.empty());
  EXPECT_TRUE(factory.plane->leases.leases.empty());
}

TEST(Gateway, serves_the_open_inference_protocol) {
  Factory factory;
  auto client = factory.client();
  const auto call = [&](const std::string& method, const std::string& path) {
    return client.call({method, path, {{"authorization", "Bearer " + factory.key}},
                        method == "POST" ? R"({"inputs":[]})" : ""});
  };
  EXPECT_EQ(client.call({"GET", "/v2/health/live", {}, ""})->status, 200);
  EXPECT_EQ(client.call({"GET", "/v2/health/ready", {}, ""})->status, 200);
  const auto inferred = call("POST", "/v2/models/digits/infer");
  EXPECT_EQ(inferred->status, 503) << "no price by request yet";
  EXPECT_NE(inferred->body.find("no price"), std::string::npos) << inferred->body;
  factory.run([&] {
    auto& prices = factory.plane->configuration.prices.front().prices;  // by meter, then sku
    prices.insert(prices.end() - 1, {pricing::Meter::requests, "*", {5000, usd}, 1});
    factory.plane->publish();
  });
  factory.wait_configured();
  const auto answer = call("POST", "/v2/models/digits/infer");
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_NE(answer->body.find("outputs"), std::string::npos);
  EXPECT_EQ(call("GET", "/v2/models/digits/ready")->status, 200);
  EXPECT_EQ(call("GET", "/v2/models/nothing")->status, 404);
  EXPECT_EQ(call("POST", "/v2/models/small/infer")->status, 404);
  EXPECT_EQ(call("GET", "/v2/models/digits/infer")->status, 405);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_EQ(factory.plane->billed.front().counts.requests, 1u);
  EXPECT_EQ(factory.plane->billed_money(), 5000);
}

TEST(Gateway, lists_models_and_embeds_and_tells_metrics) {
  Factory factory;
  auto client = factory.client();
  const auto get = [&](const std::string& path) {
    return client.call({"GET", path, {{"authorization", "Bearer " + factory.key}}, ""});
  };
  const auto models = get("/v1/models");
  EXPECT_NE(models->body.find(R"("id":"champion")"), std::string::npos) << models->body;
  EXPECT_EQ(get("/v1/models/small")->status, 200);
  EXPECT_EQ(get("/v1/models/none")->status, 404);
  EXPECT_EQ(client.call({"GET", "/v1/models", {}, ""})->status, 401);
  EXPECT_EQ(get("/nothing")->status, 404);
  EXPECT_EQ(get("/v1/chat/completions")->status, 405);
  EXPECT_EQ(factory.post("/v1/embeddings", R"({"model":"small","input":"say 0"})")->status, 200);
  EXPECT_EQ(factory.post("/v1/completions", "{")->status, 400);
  ASSERT_TRUE(factory.all_billed(1));
  EXPECT_NE(get("/metrics")->body.find("bessemer_gateway_settlements_total 1"), std::string::npos);
}

TEST(Gateway, refuses_to_listen_in_the_open) {
  auto loop = real::Loop::open().value();
  const real::RealClock clock;
  real::RealEntropy entropy;
  auto disk = real::RealDisk::open_root(testing::TempDir() + "gateway_open").value();
  Options options;
  options.listen = {{.host = "0.0.0.0"}};
  Gateway gateway(*loop, clock, *disk, entropy, options, [](std::string) {});
  const auto started = gateway.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().field, "listen");
}

}  // namespace
}  // namespace bessemer::gateway
