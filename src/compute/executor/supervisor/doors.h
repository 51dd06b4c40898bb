// The supervisor's doors: the daemon's connections and the gateway's.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "compute/executor/channel.h"
#include "compute/executor/supervisor/loop.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// Serves tasks/<id>/<generation>/{control,service} and the daemon's first connection. Commands
// and connections into the task are relayed to the task's init.
class Doors {
 public:
  struct Inside {
    std::function<void(const wire::Stop&)> stop;
    std::function<void(const wire::Renew&)> renew;
    // To the task's init. Errors: unavailable.
    std::function<Result<void>(const wire::Order&, std::span<const int>)> order;
  };
  Doors(Loop& loop, Inside inside) : loop_(loop), inside_(std::move(inside)) {}

  // The connection that came with the start: it is subscribed.
  void admit(Fd control);
  // `service_port` 0: no service. Errors: those of listen_at.
  Result<void> open(int directory, std::uint16_t service_port);
  // Tells every subscriber that there is something new in the task's directory.
  void nudge();
  // What the init says about commands and connections.
  void relay(const wire::InnerAnswer& answer, std::span<const Fd> fds);
  void relay(const wire::InnerEnded& ended);
  // Opens a connection to the service on the supervisor's own behalf; `done` gets -1 or a socket
  // that it must close.
  void connect(std::uint16_t port, std::function<void(Fd)> done);

 private:
  enum class Kind : std::uint8_t { control, service };
  struct Visitor {
    Fd socket;
    Kind kind = Kind::control;
    bool subscribed = false;
  };
  struct Asked {
    int visitor = -1;  // -1: the supervisor itself
    bool command = false;
    bool answered = false;
    std::function<void(Fd)> done;
  };
  void greet(Fd socket, Kind kind, bool subscribed);
  void hear(int fd);
  void serve(int fd, Packet& packet);
  void ask(int fd, Asked asked, const std::function<wire::Order(std::uint64_t)>& make,
           std::span<const int> fds);
  void say(int fd, const wire::Reply& reply, std::span<const int> fds = {});
  void refuse(int fd, const std::string& why);
  void hand_service(int fd, const wire::InnerAnswer& answer, std::span<const Fd> fds);
  void see_off(int fd);

  static constexpr std::size_t visitors_limit = 1024;
  Loop& loop_;
  Inside inside_;
  Fd control_, service_;
  std::uint16_t service_port_ = 0;
  std::map<int, Visitor> visitors_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t next_ = 0;
};

}  // namespace bessemer::executor
