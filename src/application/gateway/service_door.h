// The supervisor's door to a service inside a task: it passes connected sockets.
#pragma once
#include <deque>
#include <functional>
#include <string>

#include "base/result.h"
#include "world/real/loop.h"
#include "world/real/socket.h"

namespace bessemer::gateway {

constexpr std::size_t max_waiting_at_door = 1024;
constexpr Duration door_patience = seconds(5);

// A SOCK_SEQPACKET connection to the supervisor's `service` socket. Each packet sent is answered
// by one, in order: a line end with a connected socket, or the reason without one.
class ServiceDoor final : real::Watcher {
 public:
  using Passed = std::function<void(Result<real::Descriptor>)>;
  ServiceDoor(real::Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  ~ServiceDoor() override { shut(unavailable("the replica is gone")); }

  // Asks for one more connection. Errors: unavailable (no supervisor there, the service does not
  // listen, no answer within door_patience).
  void ask(Passed passed);

 private:
  struct Asked {
    Passed passed;
    Duration since;
  };
  Result<void> open();
  void on_events(std::uint32_t events) override;
  bool receive_one();
  void sweep();
  // Tells all that wait and closes; the next ask opens anew.
  void shut(const Error& why);

  real::Loop& loop_;
  std::string path_;
  real::Descriptor socket_;
  real::Loop::Watch watch_ = 0;
  real::Loop::Timer sweeper_ = 0;
  std::deque<Asked> waiting_;
};

}  // namespace bessemer::gateway
