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

}  // namespace
}  // namespace bessemer::gateway
