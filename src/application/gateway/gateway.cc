// The gateway process: the loop, its control plane, its money, its routes.
#include "application/gateway/gateway.h"

#include <fmt/core.h>
#include <unistd.h>

#include <csignal>

#include "base/check.h"
#include "base/codec.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/entropy.h"
#include "world/real/port_claim.h"
#include "world/real/signals.h"

namespace bessemer::gateway {
namespace {

constexpr Duration farewell = seconds(10);  // for the last records to be taken by the daemon
constexpr Duration patience_alone = seconds(30);  // for running requests, at SIGTERM
// A daemon that ends waits ten seconds for its gateways: the log's last records must be with it.
constexpr Duration patience_kept = seconds(8);
constexpr Duration remember_after = milliseconds(500);  // what comes meanwhile is one write
constexpr std::size_t max_kept_bytes = control::max_message_bytes;

std::string configuration_file(std::string_view name) {
  return "run/" + std::string(name) + ".configuration";
}

}  // namespace

Gateway::Gateway(real::Loop& loop, const world::Clock& clock, world::Disk& disk,
                 world::Entropy& entropy, const Options& options,
                 std::function<void(std::string)> ended)
    : loop_(loop), clock_(clock), disk_(disk), entropy_(entropy), options_(options),
      ended_(std::move(ended)), link_(loop, clock, options.control, *this), catalogue_(loop),
      till_(loop, clock, link_), claims_(loop, link_), shipping_(loop, clock, disk, entropy, link_),
      around_{loop, clock, catalogue_, till_, claims_, link_, options.timeouts, {}},
      service_(around_, entropy) {}

Gateway::~Gateway() {
  loop_.cancel(farewell_);
  loop_.cancel(remember_);
}

// A gateway that a daemon keeps shares the daemon's claim; any other has its port for itself.
Result<void> Gateway::claim(const real::Address& address) {
  if (options_.kept || address.is_unix() || address.port == 0) return {};
  auto claimed = real::claim_port(address);
  if (!claimed) return std::move(claimed).error().within("listen");
  port_claims_.push_back(*std::move(claimed));
  return {};
}

Result<std::vector<real::Address>> Gateway::start() {
  server_ = std::make_unique<server::HttpServer>(loop_, service_, options_.server,
                                                 http::Envelope::openai);
  for (const auto& address : options_.listen) {
    if (!address.is_loopback() && !options_.insecure) {
      return invalid("listening on " + to_text(address) + " would send keys in the clear")
          .at("listen")
          .fix("listen on 127.0.0.1 behind a TLS proxy, or say --insecure");
    }
    TRY(claim(address));
  }
  recall();
  std::vector<real::Address> bound;
  if (!options_.kept) {
    TRY_ASSIGN(bound, listen());
  }
  link_.start();
  return bound;
}

Result<std::vector<real::Address>> Gateway::listen() {
  listening_ = true;
  std::vector<real::Address> all;
  for (auto& address : options_.listen) {
    TRY_ASSIGN(address, server_->listen(address, {.share_port = true}));
    all.push_back(address);
  }
  return all;
}

control::Hello Gateway::hello() {
  std::vector<std::string> addresses;
  for (const auto& address : options_.listen) addresses.push_back(to_text(address));
  return {control::protocol_version, options_.name, static_cast<std::uint64_t>(::getpid()),
          epoch_, std::move(addresses)};
}

// Who has never served has nothing to keep: the daemon that started it is gone, and the next one
// starts another. Nobody comes back to a state directory that is gone.
void Gateway::on_unreachable() {
  if (options_.kept && epoch_ == 0) return finish("the daemon that started it is gone");
  if (!disk_.exists("run")) finish("the state directory is gone");
}

// ---- the configuration on disk: keys by their hash, routes and prices, for its owner's eyes only

void Gateway::recall() {
  const auto bytes = world::read_file(disk_, configuration_file(options_.name), max_kept_bytes);
  if (!bytes) return;
  auto kept = codec::decode<control::Configuration>(*bytes);
  if (!kept) return;  // of another version: the daemon sends it anew
  kept->from = 0;
  configuration_ = *std::move(kept);
  check(catalogue_.apply(configuration_).has_value(), "a whole configuration is taken");
  catalogue_.lost_contact();
}

void Gateway::remember() {
  remember_ = 0;
  const auto bytes = codec::encode(configuration_);
  if (bytes.size() > max_kept_bytes) return;
  // Without it a restart knows nothing until the daemon is there: no more is lost.
  (void)world::replace_file(disk_, configuration_file(options_.name), bytes).has_value();
}

void Gateway::configured(const control::Configuration& change) {
  if (!catalogue_.apply(change)) {
    return link_.send(control::FromGateway(control::SnapshotWanted{catalogue_.version()}));
  }
  check(control::advance(configuration_, change).has_value(), "it leads on as the catalogue's did");
  till_.budgets_changed(catalogue_.budgets());
  if (remember_ == 0) remember_ = loop_.after(remember_after, [this] { remember(); });
  if (listening_ || draining_) return;
  const auto listens = listen();
  if (!listens) finish("it cannot listen: " + to_text(listens.error()));
}

void Gateway::on_disconnected() {
  catalogue_.lost_contact();
  shipping_.disconnected();
  till_.disconnected();
}

Result<void> Gateway::begin(const control::Welcome& welcome) {
  gateway_ = welcome.gateway;
  journal::Mark mark{};
  entropy_.fill(std::as_writable_bytes(std::span(mark)));
  TRY_ASSIGN(auto log, journal::begin_usage_log(disk_, gateway_, welcome.epoch, mark));
  auto writer = std::make_unique<LogWriter>(loop_, std::move(log), [this](const Error& error) {
    finish("the usage log has failed: " + error.what);
  });
  writer->on_progress([this] { shipping_.progressed(); });
  shipping_.add_own(welcome.epoch, *writer);
  epoch_ = welcome.epoch;
  return till_.begin(gateway_, epoch_, std::move(writer));
}

void Gateway::welcomed(const control::Welcome& welcome) {
  if (epoch_ == 0) {
    auto begun = begin(welcome);
    if (!begun) return finish("the usage log cannot be begun: " + begun.error().what);
  } else if (epoch_ != welcome.epoch) {
    // Its leases are lost to it; a new process recovers the log.
    return finish("the daemon has given this gateway's leases up");
  }
  claims_.connected();
  // Leases live by answers, and this is one. The clock is read now: the question was asked before.
  till_.renewed(clock_.since_boot() - seconds(1));
  for (auto& lost : shipping_.owe(gateway_, welcome.owed)) {
    link_.send(control::FromGateway(control::Alert{{}, std::move(lost), false}));
  }
}

void Gateway::on_message(control::FromDaemon message) {
  if (const auto* welcome = std::get_if<control::Welcome>(&message)) {
    welcomed(*welcome);
  } else if (const auto* refused = std::get_if<control::Refused>(&message)) {
    finish("the daemon refuses this gateway: " + refused->what);
  } else if (const auto* change = std::get_if<control::Configuration>(&message)) {
    configured(*change);
  } else if (const auto* answer = std::get_if<control::LeaseAnswer>(&message)) {
    till_.answered(*answer);
  } else if (const auto* recalled = std::get_if<control::LeasesRecalled>(&message)) {
    till_.recalled(recalled->leases);
  } else if (const auto* acknowledged = std::get_if<control::UsageAcknowledged>(&message)) {
    shipping_.acknowledged(*acknowledged);
  } else if (const auto* settled = std::get_if<control::EpochSettled>(&message)) {
    shipping_.settled(settled->epoch);
    leave_when_done();
  } else if (const auto* claimed = std::get_if<control::KeyClaimed>(&message)) {
    claims_.answered(*claimed);
  } else if (const auto* drained = std::get_if<control::Drain>(&message)) {
    drain(drained->patience);
  }
}

void Gateway::drain(Duration patience) {
  if (std::exchange(draining_, true)) return;
  const auto close = [this] {
    if (!till_.is_open()) return finish({});
    till_.close([this](journal::Sequence last) {
      log_closed_ = true;
      shipping_.end_own(last);
      leave_when_done();
      // A daemon that is away gets the rest from whoever starts here next.
      farewell_ = loop_.after(farewell, [this] { finish({}); });
    });
    if (!link_.connected()) leave_when_done();
  };
  server_->drain(patience, close);
}

void Gateway::leave_when_done() {
  if (log_closed_ && (shipping_.done() || !link_.connected())) finish({});
}

void Gateway::finish(std::string why) {
  if (ended_) std::exchange(ended_, nullptr)(std::move(why));
}

int run_gateway(const Options& options) {
  const auto complain = [](const Error& error) {
    fmt::print(stderr, "bessemer gateway: {}\n", to_text(error));
    return 1;
  };
  const real::RealClock clock;
  real::RealEntropy entropy;
  auto loop = real::Loop::open();
  if (!loop) return complain(loop.error());
  Gateway* running = nullptr;
  auto signals = real::Signals::take(**loop, {SIGTERM, SIGINT}, [&](int) {
    if (running != nullptr) running->drain(options.kept ? patience_kept : patience_alone);
  });
  if (!signals) return complain(signals.error());
  auto disk = real::RealDisk::open_root(options.home);
  if (!disk) return complain(disk.error());
  std::string why;
  Gateway gateway(**loop, clock, **disk, entropy, options, [&](std::string ended) {
    why = std::move(ended);
    (*loop)->stop();
  });
  running = &gateway;
  const auto started = gateway.start();
  if (!started) return complain(started.error());
  (*loop)->run();
  if (why.empty()) return 0;
  fmt::print(stderr, "bessemer gateway: {}\n", why);
  return 1;
}

}  // namespace bessemer::gateway
