// Idempotency-Keys of calls: which request was the first of its key, whatever gateway got it.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "application/control/messages.h"
#include "application/daemon/usage_intake.h"
#include "application/engine/engine.h"
#include "world/world.h"

namespace bessemer::daemon {

constexpr std::size_t max_claims = 1'000'000;  // of a day

// A claim is a fact (request_noted, the key behind "gateway "), so that it holds after a restart,
// for a day. One whose request was charged nothing is given up: the key may be used again.
class KeyClaims {
 public:
  KeyClaims(engine::Engine& engine, const world::Clock& clock);

  // Answers once engine.applied() is durable.
  control::KeyClaimed claim(GatewayId gateway, std::uint64_t epoch,
                            const control::ClaimKey& asked);
  // A request has ended, charged or not; unknown ones are passed over.
  void ended(RequestId request, UsageIntake::End end);
  // That life of a gateway is over: what it claimed and never charged is given up. Where its log
  // was not read since the start, nobody knows what was charged before: those claims stay.
  enum class Log : std::uint8_t { unread, read };
  void epoch_over(GatewayId gateway, std::uint64_t epoch, Log log);

 private:
  struct Held {
    PrincipalId principal;
    std::string key;
    std::string place;  // gateway and epoch
    bool charged = false;
    bool restored = false;  // made before the start
  };
  void forget_old();
  Result<void> note(const Held& held, const Digest& body, std::string location);
  void give_up(RequestId request);

  engine::Engine& engine_;
  const world::Clock& clock_;
  std::map<RequestId, Held> held_;  // oldest first: an id begins with its moment
};

}  // namespace bessemer::daemon
