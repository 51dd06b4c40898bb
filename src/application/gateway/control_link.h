// The gateway's end of the control socket: it connects, comes again, and keeps the right to spend.
#pragma once
#include <map>
#include <string>

#include "application/control/messages.h"
#include "application/gateway/till.h"
#include "world/real/connection.h"

namespace bessemer::gateway {

constexpr Duration first_reconnect = milliseconds(50);  // doubles with each failure
constexpr Duration slowest_reconnect = seconds(2);
constexpr Duration ping_every = seconds(5);

// Told what the control plane says, on the loop's thread.
struct ControlUser {
  virtual ~ControlUser() = default;
  // The first thing to say on each new connection.
  virtual control::Hello hello() = 0;
  virtual void on_message(control::FromDaemon message) = 0;
  // It answered a ping that was sent then (since boot).
  virtual void on_renewed(Duration asked) = 0;
  virtual void on_disconnected() = 0;
  // Nobody is there, or whoever is there ended the connection before a welcome.
  virtual void on_unreachable() = 0;
  // Calls that are being answered, for the control plane to see.
  virtual std::uint64_t calls() const = 0;
};

class ControlLink final : public ControlSender, real::ConnectionUser {
 public:
  ControlLink(real::Loop& loop, const world::Clock& clock, real::Address address,
              ControlUser& user);
  ~ControlLink() override;

  void start() { connect(); }
  // True once the daemon has welcomed this gateway.
  bool connected() const override { return welcomed_; }
  // Dropped while not connected. Requires: nothing that must arrive is sent but by Shipping,
  // which repeats itself.
  void send(const control::FromGateway& message) override;

 private:
  void connect();
  void again();
  void ping();
  void lost(std::string_view why);
  void take(control::FromDaemon message);
  void on_connected(real::Connection&) override;
  void on_input(real::Connection&) override;
  void on_end(real::Connection&) override { lost("closed"); }
  void on_broken(real::Connection&, const Error& why) override { lost(why.what); }

  real::Loop& loop_;
  const world::Clock& clock_;
  real::Address address_;
  ControlUser& user_;
  real::ConnectionPointer connection_;
  bool welcomed_ = false;
  Duration delay_ = first_reconnect;
  real::Loop::Timer again_ = 0, ping_ = 0;
  std::uint64_t serial_ = 0;
  std::map<std::uint64_t, Duration> pings_;  // when each was sent
  std::string scratch_;
};

}  // namespace bessemer::gateway
