// One replica: its connections, and how busy and how well it is.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "application/control/configuration.h"
#include "application/gateway/service_door.h"
#include "base/result.h"
#include "world/real/connection.h"

namespace bessemer::gateway {

constexpr std::size_t max_idle_connections = 256;   // of one replica
constexpr Duration idle_connection_life = seconds(50);
constexpr Duration ejection = seconds(2);           // after a replica failed to connect or answer
constexpr std::size_t max_upstream_input = 1 << 20;  // unread bytes of one connection

// A connection to a replica, and whether it was used before: then it may have been closed in the
// same moment, and a request that got no answer may be tried again.
struct Line {
  real::ConnectionPointer connection;
  bool used_before = false;
};

class Upstream : public std::enable_shared_from_this<Upstream>, real::ConnectionUser {
 public:
  // `connect` as in control::ReplicaEntry.
  static std::shared_ptr<Upstream> make(real::Loop& loop, std::string name, std::string connect);
  ~Upstream() override;

  using Ready = std::function<void(Result<Line>)>;
  // Gives the connection that was used last, or a new one; `user` is told from then on. `ready`
  // may be called before this returns. A connection may still be connecting: send at once.
  // `fresh`: never one that was used before.
  enum class Kind : std::uint8_t { any, fresh };
  void acquire(real::ConnectionUser& user, Kind kind, Ready ready);
  // Keeps a connection whose answer was read to its end.
  void keep(real::ConnectionPointer connection);

  void began() { ++outstanding_; }
  void ended() { --outstanding_; }
  std::uint32_t outstanding() const { return outstanding_; }
  // Not asked again for a moment, unless there is no other.
  void eject();
  bool ejected() const;

  const std::string& name() const { return name_; }
  const std::string& target() const { return connect_; }
  void set_ready(bool ready) { ready_ = ready; }
  bool ready() const { return ready_; }

 private:
  struct Idle {
    real::ConnectionPointer connection;
    Duration since;
  };
  Upstream(real::Loop& loop, std::string name, std::string connect);
  void open(real::ConnectionUser& user, Ready ready);
  void forget(real::Connection& connection);
  void on_input(real::Connection& connection) override { forget(connection); }
  void on_hang_up(real::Connection& connection) override { forget(connection); }
  void on_end(real::Connection& connection) override { forget(connection); }
  void on_broken(real::Connection& connection, const Error&) override { forget(connection); }

  real::Loop& loop_;
  std::string name_, connect_;
  std::unique_ptr<ServiceDoor> door_;  // where the supervisor passes connected sockets
  std::optional<real::Address> address_;
  std::vector<Idle> idle_;             // the last one is used first
  std::uint32_t outstanding_ = 0;
  Duration ejected_until_;
  bool ready_ = false;
};

// The replica to ask: ready, not ejected, least outstanding work; an ejected one if there is no
// other; never `except` unless it is the only one. Null: none is ready.
std::shared_ptr<Upstream> choose(const std::vector<std::shared_ptr<Upstream>>& replicas,
                                 const Upstream* except = nullptr);

}  // namespace bessemer::gateway
