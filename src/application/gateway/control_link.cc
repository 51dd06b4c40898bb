// The gateway's end of the control socket: it connects, comes again, and keeps the right to spend.
#include "application/gateway/control_link.h"

#include <algorithm>

namespace bessemer::gateway {

ControlLink::ControlLink(real::Loop& loop, const world::Clock& clock, real::Address address,
                         ControlUser& user)
    : loop_(loop), clock_(clock), address_(std::move(address)), user_(user) {}

ControlLink::~ControlLink() {
  loop_.cancel(again_);
  loop_.cancel(ping_);
}

void ControlLink::connect() {
  again_ = 0;
  auto made = real::Connection::connect(
      loop_, address_, *this, {.max_input = control::max_message_bytes + 64});
  if (made) {
    connection_ = *std::move(made);
    return;
  }
  again();
  user_.on_unreachable();
}

void ControlLink::again() {
  again_ = loop_.after(delay_, [this] { connect(); });
  delay_ = std::min(delay_ * 2, slowest_reconnect);
}

void ControlLink::on_connected(real::Connection&) {
  scratch_.clear();
  control::append_message(scratch_, control::FromGateway(user_.hello()));
  connection_->send(scratch_);
}

void ControlLink::send(const control::FromGateway& message) {
  if (!welcomed_) return;
  scratch_.clear();
  control::append_message(scratch_, message);
  connection_->send(scratch_);
}

void ControlLink::ping() {
  pings_[++serial_] = clock_.since_boot();
  send(control::FromGateway(control::Ping{serial_, user_.calls()}));
  ping_ = loop_.after(ping_every, [this] { ping(); });
}

void ControlLink::on_input(real::Connection& connection) {
  // Messages may end this connection while they are taken.
  while (connection_.get() == &connection) {
    auto in = connection.input();
    const auto before = in.size();
    auto message = control::take_message<control::FromDaemon>(in);
    if (!message) return lost(message.error().what);
    if (!*message) return;
    connection.consume(before - in.size());
    take(std::move(**message));
  }
}

void ControlLink::take(control::FromDaemon message) {
  if (const auto* pong = std::get_if<control::Pong>(&message)) {
    const auto sent = pings_.extract(pong->serial);
    if (!sent.empty()) user_.on_renewed(sent.mapped());
    return;
  }
  if (std::holds_alternative<control::Welcome>(message)) {
    welcomed_ = true;
    delay_ = first_reconnect;
    user_.on_message(std::move(message));
    if (ping_ == 0 && welcomed_) ping();
    return;
  }
  user_.on_message(std::move(message));
}

void ControlLink::lost(std::string_view) {
  connection_.reset();
  loop_.cancel(std::exchange(ping_, 0));
  pings_.clear();
  const bool was = std::exchange(welcomed_, false);
  again();
  if (was) user_.on_disconnected();
  else user_.on_unreachable();
}

}  // namespace bessemer::gateway
