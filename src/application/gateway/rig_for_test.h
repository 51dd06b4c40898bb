// The gateway as a whole, for tests: a real control socket with the real lender behind it, an
// engine that behaves or does not, clients over TCP.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "application/gateway/gateway.h"
#include "application/server/client.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/entropy.h"

namespace bessemer::gateway {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{7, 1}, project{7, 2};
constexpr EndpointId small{8, 1};

// The events of a stream: the data of each.
std::vector<std::string> events_of(const std::string& body);

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

  void on_request(server::Request& request, server::Responder responder) override;

  std::vector<server::Responder> held;
  void hold(const server::Responder& responder) { held.push_back(responder); }

  void stream(const std::string& body, std::uint64_t output, const server::Responder& responder);
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
  void add_budget(Wide nano);
  // Into the tenant's wallet; the first makes it. What is counted leaves it.
  void top_up(Wide nano);
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
  bool lends = true;  // else whoever asks is told to wait
  std::map<std::string, control::ClaimKey> claims;  // by Idempotency-Key
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
  control::KeyClaimed claim(const control::ClaimKey& asked);
  void follow_wallet();

  real::Loop& loop_;
  const world::Clock& clock_;
  std::string path_;
  std::unique_ptr<real::Listener> listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::map<std::uint64_t, journal::Head> heads_;
  std::uint64_t budget_count_ = 0, lease_count_ = 0;
  std::optional<Wide> paid_in_;
};

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
  explicit Factory(const Setup& setup = {});
  ~Factory();

  void start_gateway();
  // Asks on the loop's thread until it is so; at most five seconds.
  bool wait(const std::function<bool()>& so);
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
  // Sends bytes as they are and gives what comes back until the gateway closes.
  std::string raw(const std::string& bytes);
  const std::string& home() const { return home_; }
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
  void configure(const std::string& engine_at);

  static inline int count = 0;
  Setup setup_;
  std::string home_;
  std::unique_ptr<real::RealDisk> disk_;
  real::RealEntropy entropy_;
  std::optional<server::HttpServer> engine_server_;
  std::jthread thread_;
};

}  // namespace bessemer::gateway
