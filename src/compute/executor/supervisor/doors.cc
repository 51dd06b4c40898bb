// Requests from the daemon and the gateway.
#include "compute/executor/supervisor/doors.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "compute/executor/supervisor/files.h"

namespace bessemer::executor {

void Doors::admit(Fd control) {
  const int fd = control.get();
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  greet(std::move(control), Kind::control, true);
}

Result<void> Doors::open(int directory, std::uint16_t service_port) {
  service_port_ = service_port;
  const auto door = [&](const char* name, Kind kind, Fd& listener) -> Result<void> {
    TRY_ASSIGN(listener, listen_at(directory, name, SOCK_SEQPACKET | SOCK_NONBLOCK));
    give_to_owner(directory, name);
    loop_.watch(listener.get(), [this, &listener, kind] {
      Fd fresh(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fresh) greet(std::move(fresh), kind, false);
    });
    return {};
  };
  TRY(door("control", Kind::control, control_));
  if (service_port != 0) TRY(door("service", Kind::service, service_));
  return {};
}

void Doors::greet(Fd socket, Kind kind, bool subscribed) {
  if (!socket || visitors_.size() >= visitors_limit) return;
  const int fd = socket.get();
  visitors_[fd] = Visitor{std::move(socket), kind, subscribed};
  loop_.watch(fd, [this, fd] { hear(fd); });
}

void Doors::hear(int fd) {
  Packet packet;
  switch (take_packet(fd, packet)) {
    case Taken::nothing: return;
    case Taken::closed: return see_off(fd);
    case Taken::packet: return serve(fd, packet);
  }
}

void Doors::see_off(int fd) {
  for (auto& [id, asked] : asked_) {
    if (asked.visitor != fd) continue;
    if (asked.command) (void)inside_.order(wire::InnerKill{id}, {});
  }
  std::erase_if(asked_, [&](const auto& item) { return item.second.visitor == fd; });
  loop_.forget(fd);
  visitors_.erase(fd);
}

void Doors::serve(int fd, Packet& packet) {
  std::vector<int> fds;
  for (const auto& received : packet.fds) fds.push_back(received.get());
  if (visitors_.at(fd).kind == Kind::service) {
    return ask(fd, {.visitor = fd}, [&](std::uint64_t id) -> wire::Order {
      return wire::InnerConnect{id, service_port_};
    }, {});
  }
  auto request = codec::decode<wire::Request>(packet.bytes);
  if (!request) return refuse(fd, request.error().what);
  if (const auto* stop = std::get_if<wire::Stop>(&*request)) {
    inside_.stop(*stop);
    say(fd, wire::Answer{});
  } else if (const auto* renew = std::get_if<wire::Renew>(&*request)) {
    inside_.renew(*renew);
    say(fd, wire::Answer{});
  } else if (std::holds_alternative<wire::Subscribe>(*request)) {
    visitors_.at(fd).subscribed = true;
    say(fd, wire::Nudge{});
  } else if (auto* execute = std::get_if<wire::Execute>(&*request)) {
    ask(fd, {.visitor = fd, .command = true}, [&](std::uint64_t id) -> wire::Order {
      return wire::InnerExecute{id, std::move(*execute)};
    }, fds);
  } else if (const auto* connect = std::get_if<wire::Connect>(&*request)) {
    ask(fd, {.visitor = fd}, [&](std::uint64_t id) -> wire::Order {
      return wire::InnerConnect{id, connect->port};
    }, {});
  }
}

void Doors::ask(int fd, Asked asked, const std::function<wire::Order(std::uint64_t)>& make,
                std::span<const int> fds) {
  const std::uint64_t id = ++next_;
  auto sent = inside_.order(make(id), fds);
  if (!sent) return refuse(fd, sent.error().what);
  asked_[id] = std::move(asked);
}

void Doors::connect(std::uint16_t port, std::function<void(Fd)> done) {
  const std::uint64_t id = ++next_;
  if (!inside_.order(wire::InnerConnect{id, port}, {})) return done(Fd());
  asked_[id].done = std::move(done);
}

void Doors::relay(const wire::InnerAnswer& answer, std::span<const Fd> fds) {
  const auto at = asked_.find(answer.id);
  if (at == asked_.end()) return;
  const int fd = at->second.visitor;
  if (fd < 0) {
    const auto done = std::move(at->second.done);
    asked_.erase(at);
    return done(fds.empty() ? Fd() : Fd(::fcntl(fds[0].get(), F_DUPFD_CLOEXEC, 0)));
  }
  if (!at->second.command || !answer.refused.empty()) asked_.erase(at);
  if (visitors_.at(fd).kind == Kind::service) return hand_service(fd, answer, fds);
  std::vector<int> handed;
  for (const auto& one : fds) handed.push_back(one.get());
  say(fd, wire::Answer{answer.refused}, handed);
}

// The gateway's side speaks no codec: an empty reason with a socket, or the reason without. A
// packet must not be empty, so the reason ends with a newline.
void Doors::hand_service(int fd, const wire::InnerAnswer& answer, std::span<const Fd> fds) {
  const std::array<int, 1> handed = {fds.empty() ? -1 : fds[0].get()};
  (void)send_packet(fd, answer.refused + "\n",
                    std::span<const int>(handed.data(), fds.empty() ? 0 : 1));
}

void Doors::relay(const wire::InnerEnded& ended) {
  const auto at = asked_.find(ended.id);
  if (at == asked_.end()) return;
  const int fd = at->second.visitor;
  asked_.erase(at);
  const int code = (ended.status & 0x7f) != 0 ? 128 + (ended.status & 0x7f)
                                              : (ended.status >> 8) & 0xff;
  say(fd, wire::CommandEnded{code});
}

void Doors::say(int fd, const wire::Reply& reply, std::span<const int> fds) {
  (void)send_packet(fd, codec::encode(reply), fds);
}

void Doors::refuse(int fd, const std::string& why) {
  if (visitors_.at(fd).kind == Kind::service) {
    (void)send_packet(fd, why + "\n");
  } else {
    say(fd, wire::Answer{why});
  }
}

// A subscriber that has not read its last nudges yet needs no further one.
void Doors::nudge() {
  for (const auto& [fd, visitor] : visitors_) {
    if (visitor.subscribed) say(fd, wire::Nudge{});
  }
}

}  // namespace bessemer::executor
