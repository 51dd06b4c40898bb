// One replica: its connections, and how busy and how well it is.
#include "application/gateway/upstream.h"

#include <algorithm>

namespace bessemer::gateway {
namespace {

constexpr std::string_view door_scheme = "service:";
constexpr real::ConnectionOptions line_options{.max_input = max_upstream_input};

}  // namespace

Upstream::Upstream(real::Loop& loop, std::string name, std::string connect)
    : loop_(loop), name_(std::move(name)), connect_(std::move(connect)) {
  if (connect_.starts_with(door_scheme)) {
    door_ = std::make_unique<ServiceDoor>(loop, connect_.substr(door_scheme.size()));
  } else if (auto address = real::parse_address(connect_)) {
    address_ = *std::move(address);
  }
}

Upstream::~Upstream() = default;

std::shared_ptr<Upstream> Upstream::make(real::Loop& loop, std::string name,
                                         std::string connect) {
  return std::shared_ptr<Upstream>(new Upstream(loop, std::move(name), std::move(connect)));
}

void Upstream::acquire(real::ConnectionUser& user, Kind kind, Ready ready) {
  while (!idle_.empty() && kind == Kind::any) {
    auto last = std::move(idle_.back());
    idle_.pop_back();
    if (last.connection->closed() || last.connection->hung_up()) continue;
    if (loop_.now() - last.since > idle_connection_life) {
      idle_.clear();  // all others have waited longer
      break;
    }
    last.connection->set_user(user);
    return ready(Line{std::move(last.connection), true});
  }
  open(user, std::move(ready));
}

void Upstream::open(real::ConnectionUser& user, Ready ready) {
  if (door_) {
    return door_->ask([this, self = shared_from_this(), &user,
                       ready = std::move(ready)](Result<real::Descriptor> passed) {
      if (!passed) return ready(std::move(passed).error());
      ready(Line{real::Connection::adopt(loop_, *std::move(passed), user, line_options), false});
    });
  }
  if (!address_) return ready(unavailable("'" + connect_ + "' is no address of a replica"));
  auto made = real::Connection::connect(loop_, *address_, user, line_options);
  if (!made) return ready(std::move(made).error());
  ready(Line{*std::move(made), false});
}

void Upstream::keep(real::ConnectionPointer connection) {
  if (connection->closed() || connection->hung_up() || !connection->input().empty()) return;
  if (idle_.size() >= max_idle_connections) return;
  connection->set_user(*this);
  connection->resume();
  idle_.push_back({std::move(connection), loop_.now()});
}

void Upstream::forget(real::Connection& connection) {
  std::erase_if(idle_, [&](const Idle& idle) { return idle.connection.get() == &connection; });
}

void Upstream::eject() { ejected_until_ = loop_.now() + ejection; }
bool Upstream::ejected() const { return loop_.now() < ejected_until_; }

std::shared_ptr<Upstream> choose(const std::vector<std::shared_ptr<Upstream>>& replicas,
                                 const Upstream* except) {
  const std::shared_ptr<Upstream>* best = nullptr;
  const auto rank = [&](const Upstream& upstream) {
    return std::tuple(&upstream == except, upstream.ejected(), upstream.outstanding());
  };
  for (const auto& replica : replicas) {
    if (!replica->ready()) continue;
    if (best == nullptr || rank(*replica) < rank(**best)) best = &replica;
  }
  return best == nullptr ? nullptr : *best;
}

}  // namespace bessemer::gateway
