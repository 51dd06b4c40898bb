// Accepts connections on a loop.
#pragma once
#include <functional>
#include <memory>

#include "world/real/loop.h"
#include "world/real/socket.h"

namespace bessemer::real {

class Listener final : public Watcher {
 public:
  using Accepted = std::function<void(Descriptor)>;

  // Errors: as listen_on.
  static Result<std::unique_ptr<Listener>> open(Loop& loop, const Address& address,
                                                const ListenOptions& options, Accepted accepted);
  ~Listener() override;

  // What it listens on; the port is the real one.
  const Address& address() const { return address_; }
  // Stops and goes on accepting: connections wait in the kernel's queue meanwhile.
  void pause();
  void resume();

  void on_events(std::uint32_t events) override;

 private:
  Listener(Loop& loop, Address address, Descriptor socket, Accepted accepted);
  void accept_all();

  Loop& loop_;
  Address address_;
  Descriptor socket_;
  Accepted accepted_;
  Loop::Watch watch_ = 0;
  Loop::Timer retry_ = 0;
  bool paused_ = false;
};

}  // namespace bessemer::real
