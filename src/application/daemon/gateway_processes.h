// Keeps the declared number of gateway processes running; they outlive the daemon.
#pragma once
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "world/real/loop.h"
#include "world/real/socket.h"
#include "world/world.h"

namespace bessemer::daemon {

struct GatewayProcessOptions {
  std::string program;      // bessemer
  std::string home;         // the state directory
  real::Address listen;     // the address that they share
  std::uint32_t count = 1;
  bool insecure = false;
};

// A process is found again after a restart of the daemon by `run/<name>.pid`; one that has ended
// is started again, with a pause that doubles while it ends at once. What it prints goes to
// `logs/gateway-<name>.log`; the one before is kept beside it. All of them inherit the claim on
// the port, so that no other factory's gateways share it.
class GatewayProcesses {
 public:
  GatewayProcesses(GatewayProcessOptions options, real::Loop& loop, world::Disk& disk);
  ~GatewayProcesses();

  // Claims the port, then finds or starts each; what fails later is logged and tried again.
  // Errors: conflict (the port is another's).
  Result<void> start();
  // Ends them in order: none is started again. They drain by themselves.
  void stop();
  std::size_t running() const;

 private:
  struct One;
  // Errors: conflict (the port is another's).
  Result<void> claim();
  bool find(One& one);
  void find_or_spawn(One& one);
  Result<pid_t> spawn(const One& one);
  void watch(One& one, pid_t process);
  void ended(One& one);

  GatewayProcessOptions options_;
  real::Loop& loop_;
  world::Disk& disk_;
  std::vector<std::unique_ptr<One>> all_;
  real::Descriptor claim_;  // none: gateways of the daemon before have it
  bool stopping_ = false;
};

}  // namespace bessemer::daemon
