// The gateway process: the loop, its control plane, its money, its routes.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "application/gateway/call.h"
#include "application/gateway/control_link.h"
#include "application/gateway/service.h"
#include "application/gateway/shipping.h"
#include "application/server/server.h"

namespace bessemer::gateway {

struct Options {
  std::string name = "local";   // the identity: leases and logs belong to it
  std::string home;             // the state directory: usage/<gateway>/<epoch>/ lies below it
  real::Address control;        // the daemon's control socket
  std::vector<real::Address> listen;
  bool insecure = false;        // listen beyond loopback without TLS
  bool kept = false;            // by a daemon, which has claimed the port and starts it again
  server::ServerOptions server;
  UpstreamTimeouts timeouts;
};

// Everything of one gateway on one loop. `disk` is the state directory.
class Gateway final : ControlUser {
 public:
  // `ended` is called once, when there is nothing more to do: empty, or why it cannot go on.
  Gateway(real::Loop& loop, const world::Clock& clock, world::Disk& disk, world::Entropy& entropy,
          const Options& options, std::function<void(std::string)> ended);
  ~Gateway() override;

  // Takes over the configuration that was kept on disk, so that it knows keys and models before the
  // daemon is there; but no lease, so that nothing is spent. Listens; a kept one does so once the
  // daemon has told it what to serve, so that no caller comes to it while others can serve him.
  // Returns the addresses with their real ports. Errors: invalid (beyond loopback without TLS),
  // conflict (in use).
  Result<std::vector<real::Address>> start();
  // Takes no new requests, ends the running ones, closes and ships the log, then `ended`.
  void drain(Duration patience);
  const CallCounts& counts() const { return around_.counts; }
  const Till& till() const { return till_; }
  bool connected() const { return link_.connected(); }
  std::uint64_t configured() const { return catalogue_.version(); }
  // It has a configuration and may take requests.
  bool ready() const { return catalogue_.version() > 0 && till_.is_open(); }

 private:
  control::Hello hello() override;
  void on_message(control::FromDaemon message) override;
  void on_renewed(Duration asked) override { till_.renewed(asked); }
  void on_disconnected() override;
  void on_unreachable() override;
  std::uint64_t calls() const override { return around_.counts.running; }
  Result<void> claim(const real::Address& address);
  Result<std::vector<real::Address>> listen();
  void remember();
  void recall();
  void configured(const control::Configuration& change);
  void welcomed(const control::Welcome& welcome);
  Result<void> begin(const control::Welcome& welcome);
  void finish(std::string why);
  void leave_when_done();

  real::Loop& loop_;
  const world::Clock& clock_;
  world::Disk& disk_;
  world::Entropy& entropy_;
  Options options_;
  std::function<void(std::string)> ended_;
  ControlLink link_;
  Catalogue catalogue_;
  Till till_;
  Claims claims_;
  Shipping shipping_;
  Surroundings around_;
  Service service_;
  std::unique_ptr<server::HttpServer> server_;
  GatewayId gateway_;
  std::uint64_t epoch_ = 0;
  std::vector<real::Descriptor> port_claims_;  // of ports that nobody else shares
  bool listening_ = false;
  control::Configuration configuration_;     // whole, as kept on disk
  bool draining_ = false, log_closed_ = false;
  real::Loop::Timer farewell_ = 0, remember_ = 0;
};

// The program: serves until SIGTERM, SIGINT or the daemon says so. Returns the exit status.
int run_gateway(const Options& options);

}  // namespace bessemer::gateway
