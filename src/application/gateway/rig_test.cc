// The gateway as a whole, for tests.
#include "application/gateway/rig_for_test.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>

#include "application/http/sse.h"
#include "governance/access/key.h"

namespace bessemer::gateway {

void Engine::on_request(server::Request& request, server::Responder responder) {
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
  if (says("refuse in text")) {
    return responder.answer({.status = 400, .content_type = "text/plain", .body = "no"});
  }
  if (says("nothing at all")) return responder.answer({.body = ""});
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

void Engine::stream(const std::string& body, std::uint64_t output,
                    const server::Responder& responder) {
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

void Plane::add_budget(Wide nano) {
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

void Plane::follow_wallet() {
  if (!paid_in_) return;
  budget::follow_wallet(budgets,
                        {BudgetId{6, 1000}, tenant, "acme", usd, *paid_in_ - billed_money()});
}

void Plane::top_up(Wide nano) {
  if (!paid_in_) ++configuration.budgets;
  paid_in_ = paid_in_.value_or(0) + nano;
  follow_wallet();
}

void Plane::take(Session& from, const control::FromGateway& message) {
  if (const auto* hello = std::get_if<control::Hello>(&message)) {
    from.gateway = GatewayId{5, 5};
    from.epoch = hello->epoch != 0 ? hello->epoch : leases.newest[from.gateway] + 1;
    const auto opened = decide(lease::OpenEpoch{from.gateway, from.epoch});
    ASSERT_TRUE(opened) << to_text(opened.error());
    control::Welcome welcome{from.gateway, from.epoch, {}};
    for (const auto& [key, epoch] : leases.epochs) {
      if (key.second != from.epoch || hello->epoch != 0) {
        welcome.owed.push_back(
            {key.second, heads_[key.second].sequence, !epoch.leases.empty()});
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
  } else if (const auto* asked = std::get_if<control::ClaimKey>(&message)) {
    from.say(claim(*asked));
  } else if (const auto* released = std::get_if<control::ReleaseKey>(&message)) {
    std::erase_if(claims, [&](const auto& one) {
      return one.second.request == released->request;
    });
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
  if (!lends) return from.say(control::LeaseAnswer{.serial = request.serial,
                                                   .outcome = control::LeaseOutcome::wait});
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
    answer.remedy = decision.error().remedy;
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

control::KeyClaimed Plane::claim(const control::ClaimKey& asked) {
  const auto [at, fresh] = claims.try_emplace(asked.key, asked);
  control::KeyClaimed answer{asked.serial, control::Claim::first, at->second.request};
  if (!fresh && at->second.request != asked.request) {
    answer.claim = at->second.body == asked.body ? control::Claim::repeated
                                                 : control::Claim::other_body;
  }
  return answer;
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
  follow_wallet();
  EXPECT_EQ(lease::audit(leases, budgets), "");
  from.say(control::UsageAcknowledged{shipped.epoch, head->sequence});
}

void Factory::configure(const std::string& engine_at) {
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

Factory::~Factory() {
  run([this] {
    gateway.reset();
    plane.reset();
    engine_server_.reset();
    loop->stop();
  });
  thread_.join();
  std::filesystem::remove_all(home_);
}

std::string Factory::raw(const std::string& bytes) {
  const auto socket = real::connect_to(address, real::Blocking::yes).value();
  EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
  ::shutdown(socket.get(), SHUT_WR);
  std::string answer;
  char piece[4096];
  while (true) {
    const auto got = ::recv(socket.get(), piece, sizeof piece, 0);
    if (got <= 0) return answer;
    answer.append(piece, static_cast<std::size_t>(got));
  }
}

void Factory::start_gateway() {
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

bool Factory::wait(const std::function<bool()>& so) {
  const auto until = clock.since_boot() + seconds(5);
  while (!run(so)) {
    if (clock.since_boot() > until) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

Factory::Factory(const Setup& setup) : setup_(setup) {
  home_ = testing::TempDir() + "gateway_" + std::to_string(::getpid()) + "_" +
          std::to_string(++count);
  std::filesystem::remove_all(home_);
  std::filesystem::create_directories(home_ + "/run");
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

}  // namespace bessemer::gateway
