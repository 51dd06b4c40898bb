// The daemon's end of the control socket.
#include "application/daemon/gateways.h"

#include <cstring>
#include <set>

#include "application/daemon/configuration.h"
#include "application/daemon/log.h"

namespace bessemer::daemon {

GatewayId gateway_id(std::string_view name) {
  const Digest digest = sha256("gateway " + std::string(name));
  GatewayId id;
  std::memcpy(&id.high, digest.bytes.data(), 8);
  std::memcpy(&id.low, digest.bytes.data() + 8, 8);
  return id;
}

// One connected gateway process.
class Gateways::Peer final : public real::ConnectionUser {
 public:
  Peer(Gateways& gateways, std::uint64_t place, real::Descriptor socket)
      : number(place),
        gateways_(gateways),
        connection_(real::Connection::adopt(
            gateways.loop_, std::move(socket), *this,
            {.max_input = control::max_shipped_bytes + (1u << 20)})) {}

  void send(const control::FromDaemon& message) {
    std::string bytes;
    control::append_message(bytes, message);
    connection_->send(bytes);
  }

  void on_input(real::Connection& connection) override {
    while (!connection.closed()) {
      auto in = connection.input();
      const auto before = in.size();
      auto message = control::take_message<control::FromGateway>(in);
      if (!message) return gateways_.lost(*this);
      if (!*message) return;
      connection.consume(before - in.size());
      take(**message);
    }
  }
  void on_end(real::Connection&) override { gateways_.lost(*this); }
  void on_broken(real::Connection&, const Error&) override { gateways_.lost(*this); }
  void close() { connection_->close(); }

  const std::uint64_t number;
  GatewayId gateway;
  std::uint64_t epoch = 0;      // 0: it has not said hello
  std::uint64_t version = 0;    // of the configuration it holds
  control::Hello said;          // what it told of itself
  std::uint64_t calls = 0;      // that it answers, as it said last
  Instant seen;                 // when it said something last

 private:
  void take(const control::FromGateway& message) {
    seen = gateways_.clock_.now();
    if (const auto* hello = std::get_if<control::Hello>(&message)) {
      return gateways_.hello(*this, *hello);
    }
    if (epoch == 0) return gateways_.lost(*this);  // hello comes first
    if (const auto* request = std::get_if<control::LeaseRequest>(&message)) {
      gateways_.borrow(*this, *request);
    } else if (const auto* shipped = std::get_if<control::UsageShipped>(&message)) {
      gateways_.take_usage(*this, *shipped);
    } else if (const auto* ended = std::get_if<control::EpochEnded>(&message)) {
      gateways_.end_epoch(*this, *ended);
    } else if (const auto* ping = std::get_if<control::Ping>(&message)) {
      calls = ping->calls;
      send(control::FromDaemon(control::Pong{ping->serial}));
    } else if (const auto* back = std::get_if<lease::Reduce>(&message)) {
      lease::Reduce reduce = *back;
      reduce.gateway = gateway;  // it speaks for itself, whatever it says
      (void)gateways_.engine_.submit(lease::Command(reduce), gateways_.observed()).has_value();
    } else if (const auto* alert = std::get_if<control::Alert>(&message)) {
      ++gateways_.alerts_;
      log_line("warning", "a gateway raises an alert",
               {{"endpoint", to_text(alert->endpoint)}, {"what", alert->what}});
    } else if (const auto* refused = std::get_if<control::RequestRefused>(&message)) {
      record(*refused);
    } else if (const auto* claim = std::get_if<control::ClaimKey>(&message)) {
      gateways_.answer(*this, gateways_.claims_.claim(gateway, epoch, *claim));
    } else if (const auto* release = std::get_if<control::ReleaseKey>(&message)) {
      gateways_.claims_.ended(release->request, UsageIntake::End::nothing);
    } else {
      version = 0;  // it asks for everything
      gateways_.changed_ = true;
    }
  }

  void record(const control::RequestRefused& refused) {
    audit::RecordRefusal refusal;
    refusal.resource = "endpoint";
    refusal.action = "use";
    refusal.target = refused.model;
    refusal.from = "gateway";
    refusal.reason = refused.reason;
    refusal.request = refused.request;
    refusal.what = refused.what;
    PrincipalId actor;
    if (const auto* key = access::find(gateways_.engine_.state().access, refused.key)) {
      actor = key->owner;
      if (!key->path.empty()) refusal.node = key->path.front();
    }
    // What the caller calls a model is his word: no kind of its own.
    gateways_.record(gateways_.refusals_.count(
        gateways_.clock_.now(), {actor, refused.key, std::move(refusal)}, "use"));
  }

  Gateways& gateways_;
  real::ConnectionPointer connection_;
};

Gateways::Gateways(engine::Engine& engine, const executor::LocalExecutor& executor,
                   real::Loop& loop, world::Disk& disk, const world::Clock& clock,
                   world::Entropy& entropy)
    : engine_(engine), executor_(executor), loop_(loop), clock_(clock), entropy_(entropy),
      claims_(engine, clock),
      intake_(engine, disk, clock, loop, [this](RequestId request, UsageIntake::End end) {
        claims_.ended(request, end);
      }),
      sealer_(engine, disk, clock, loop) {
  engine_.watch([this](const factory::Fact& fact) {
    changed_ = changed_ || concerns_gateways(fact.event);
    if (const auto* lent = std::get_if<lease::Event>(&fact.event)) {
      recalls_ = recalls_ || std::holds_alternative<lease::LeasesRecalled>(*lent);
    }
  });
}

Gateways::~Gateways() = default;

void Gateways::record(const std::vector<audit::Told>& refusals) {
  for (const audit::Told& one : refusals) {
    Context context = observed();
    context.actor = one.actor;
    context.key = one.key;
    (void)engine_.submit(audit::Command(one.refusal), context).has_value();
  }
}

Context Gateways::observed() const {
  Context context;
  context.now = context.occurred_at = clock_.now();
  context.origin = Origin::observed;
  return context;
}

Result<void> Gateways::listen(const real::Address& address) {
  TRY_ASSIGN(listener_, real::Listener::open(loop_, address, {}, [this](real::Descriptor socket) {
               const std::uint64_t number = next_peer_++;
               peers_.emplace(number, std::make_unique<Peer>(*this, number, std::move(socket)));
             }));
  sealer_.seal_what_is_left();
  return {};
}

std::size_t Gateways::connected() const {
  std::size_t count = 0;
  for (const auto& [number, peer] : peers_) count += peer->epoch != 0 ? 1u : 0u;
  return count;
}

std::vector<api::GatewayStanding> Gateways::list() const {
  std::vector<api::GatewayStanding> all;
  const lease::State& leases = engine_.state().lease;
  for (const auto& [key, epoch] : leases.epochs) {
    api::GatewayStanding one;
    one.id = key.first;
    one.epoch = key.second;
    one.lease = epoch.status;
    one.reported = epoch.reported;
    std::map<Currency, Wide> lent;
    for (const LeaseId id : epoch.leases) {
      const lease::Lease& lease = leases.leases.at(id);
      if (lease::outstanding(lease) > 0) ++one.leases;
      if (lease.unit == SpendUnit::money) lent[lease.currency] += lease::outstanding(lease);
    }
    for (const auto& [currency, nano] : lent) one.lent.push_back({nano, currency});
    for (const auto& [number, peer] : peers_) {
      if (peer->gateway != key.first || peer->epoch != key.second) continue;
      one.connected = true;
      one.name = peer->said.gateway;
      one.process = peer->said.process;
      one.listen = peer->said.listen;
      one.calls = peer->calls;
      one.last_seen = peer->seen;
    }
    all.push_back(std::move(one));
  }
  return all;
}

void Gateways::answer(const Peer& peer, control::FromDaemon message) {
  engine_.when_durable(engine_.applied(),
                       [this, number = peer.number, message = std::move(message)] {
                         const auto found = peers_.find(number);
                         if (found != peers_.end()) found->second->send(message);
                       });
}

void Gateways::hello(Peer& peer, const control::Hello& hello) {
  if (hello.protocol != control::protocol_version) {
    peer.send(control::FromDaemon(control::Refused{"it speaks another version; update it"}));
    return lost(peer);
  }
  peer.gateway = gateway_id(hello.gateway);
  for (const auto& [number, other] : peers_) {
    if (number != peer.number && other->epoch != 0 && other->gateway == peer.gateway) {
      peer.send(control::FromDaemon(
          control::Refused{"a gateway of the name '" + hello.gateway + "' is connected already"}));
      return lost(peer);
    }
  }
  const lease::State& leases = engine_.state().lease;
  std::uint64_t epoch = lease::newest_epoch(leases, peer.gateway);
  // A gateway that outlived the daemon goes on with its epoch; a new process begins the next.
  const auto known = leases.epochs.find({peer.gateway, epoch});
  const bool goes_on =
      hello.epoch != 0 && hello.epoch == epoch && known != leases.epochs.end() &&
      known->second.status != lease::EpochStatus::written_off;
  if (!goes_on) ++epoch;
  // Its own again is nothing new, unless it was called lost meanwhile: then it lives again.
  const auto opened =
      engine_.submit(lease::Command(lease::OpenEpoch{peer.gateway, epoch}), observed());
  if (!opened) {
    peer.send(control::FromDaemon(control::Refused{to_text(opened.error())}));
    return lost(peer);
  }
  peer.epoch = epoch;
  peer.said = hello;
  control::Welcome welcome;
  welcome.gateway = peer.gateway;
  welcome.epoch = epoch;
  for (const auto& [key, one] : engine_.state().lease.epochs) {
    if (one.status == lease::EpochStatus::written_off) continue;  // nobody waits for its log
    if (key.first == peer.gateway && (key.second != epoch || goes_on)) {
      welcome.owed.push_back({key.second, one.reported, !one.leases.empty()});
    }
  }
  answer(peer, welcome);
  changed_ = true;
  log_line("info", "a gateway has connected",
           {{"name", hello.gateway}, {"epoch", std::to_string(epoch)}});
}

void Gateways::borrow(Peer& peer, const control::LeaseRequest& request) {
  lease::Borrow borrow;
  borrow.gateway = peer.gateway;
  borrow.epoch = peer.epoch;
  borrow.seed = world::draw_id<LeaseId>(clock_, entropy_);
  borrow.spender = request.spender;
  borrow.need = request.need;
  borrow.purpose = request.purpose;
  borrow.idle = request.idle;
  control::LeaseAnswer answered;
  answered.serial = request.serial;
  answered.budgets = configuration_.budgets;
  const auto written = engine_.submit(lease::Command(std::move(borrow)), observed());
  if (!written) {
    answered.outcome = control::LeaseOutcome::refused;
    answered.reason = written.error().reason;
    answered.what = written.error().what;
    answered.remedy = written.error().remedy;
  } else {
    answered.outcome = written->outcome == lease::Outcome::wait ? control::LeaseOutcome::wait
                                                                : control::LeaseOutcome::granted;
    // A recall may have been lost with a connection: whoever waits has it sent again.
    recalls_ = recalls_ || written->outcome == lease::Outcome::wait;
    answered.leases = written->leases;
  }
  answer(peer, std::move(answered));
}

void Gateways::take_usage(Peer& peer, const control::UsageShipped& shipped) {
  const auto taken = [this, number = peer.number, epoch = shipped.epoch](
                         Result<UsageIntake::Taken> counted) {
    const auto found = peers_.find(number);
    if (found == peers_.end()) return;
    if (!counted) {
      log_line("error", "a usage log could not be counted",
               {{"gateway", to_text(found->second->gateway)},
                {"error", to_text(counted.error())}});
      return lost(*found->second);  // it connects again and ships from what was acknowledged
    }
    answer(*found->second, control::UsageAcknowledged{epoch, counted->offset});
  };
  intake_.take(peer.gateway, shipped.epoch, shipped.batches, taken);
}

void Gateways::end_epoch(Peer& peer, const control::EpochEnded& ended) {
  const auto closed = engine_.submit(
      lease::Command(lease::Close{peer.gateway, ended.epoch, ended.offset}), observed());
  if (!closed) {
    log_line("error", "an epoch could not be closed", {{"error", to_text(closed.error())}});
    return;
  }
  claims_.epoch_over(peer.gateway, ended.epoch,
                     intake_.has_read(peer.gateway, ended.epoch) ? KeyClaims::Log::read
                                                                 : KeyClaims::Log::unread);
  intake_.forget(peer.gateway, ended.epoch);
  answer(peer, control::EpochSettled{ended.epoch});
  // Not before the end is durable: until then the log may be asked for again.
  engine_.when_durable(engine_.applied(), [this, key = lease::EpochKey(peer.gateway, ended.epoch)] {
    sealer_.seal(key);
  });
}

void Gateways::send_recalls() {
  for (const auto& [number, peer] : peers_) {
    if (peer->epoch == 0) continue;
    control::LeasesRecalled recalled;
    recalled.leases = lease::recalled(engine_.state().lease, peer->gateway);
    if (!recalled.leases.empty()) answer(*peer, std::move(recalled));
  }
}

void Gateways::update() {
  if (recalls_) {
    recalls_ = false;
    send_recalls();
  }
  if (!changed_) return;
  changed_ = false;
  control::Configuration next = configuration_of(engine_.state(), executor_, clock_.now());
  control::Configuration delta = control::difference(configuration_, next);
  next.version = configuration_.version;
  next.from = 0;
  const bool differs = configuration_.version == 0 || !(next == configuration_);
  const std::uint64_t before = configuration_.version;
  if (differs) next.version = before + 1;
  configuration_ = std::move(next);
  delta.from = before;
  delta.version = configuration_.version;
  for (const auto& [number, peer] : peers_) {
    if (peer->epoch == 0 || peer->version == configuration_.version) continue;
    const bool follows = peer->version == before && before != 0;
    peer->version = configuration_.version;
    answer(*peer, follows ? delta : configuration_);
  }
}

void Gateways::maintain() {
  record(refusals_.due(clock_.now()));
  std::set<lease::EpochKey> connected;
  for (const auto& [number, peer] : peers_) {
    if (peer->epoch != 0) connected.emplace(peer->gateway, peer->epoch);
  }
  for (const auto& [gateway, epoch] :
       absence_.due(engine_.state().lease, connected, clock_.now())) {
    log_line("warning", "a gateway has not been heard of; its money waits for its usage log",
             {{"gateway", to_text(gateway)}, {"epoch", std::to_string(epoch)}});
    (void)engine_.submit(lease::Command(lease::Lose{gateway, epoch}), observed()).has_value();
  }
}

void Gateways::drain(Duration patience) {
  for (const auto& [number, peer] : peers_) {
    if (peer->epoch != 0) peer->send(control::FromDaemon(control::Drain{patience}));
  }
}

// The process may live: its leases wait for its log, or for it to come back.
void Gateways::lost(Peer& peer) {
  const auto found = peers_.find(peer.number);
  if (found == peers_.end()) return;
  peer.close();
  loop_.bury(std::move(found->second));
  peers_.erase(found);
}

}  // namespace bessemer::daemon
