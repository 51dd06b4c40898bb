// Idempotency-Keys: asks the control plane whether a call is the first of its key.
#pragma once
#include <functional>
#include <map>

#include "application/control/messages.h"
#include "application/gateway/till.h"

namespace bessemer::gateway {

// The same key with the same body is charged once, whichever gateway it comes to: the second call
// is a conflict that names the first, running or charged. A call that was charged nothing gives
// its key up.
class Claims {
 public:
  Claims(real::Loop& loop, ControlSender& sender) : loop_(loop), sender_(sender) {}
  ~Claims();
  Claims(const Claims&) = delete;

  // `answered` gets nothing for the first of its key. Errors: conflict (idempotency_key_used,
  // idempotency_key_reused), exhausted, unauthenticated; unavailable (nobody could be asked within
  // lease::budget_wait). Its serial is set here.
  using Answered = std::function<void(Result<void>)>;
  void ask(control::ClaimKey claim, Answered answered);
  // The request was charged nothing.
  void release(RequestId request);

  void answered(const control::KeyClaimed& answer);
  // Who asked before the connection broke is asked for again: a claim of one's own is no conflict.
  void connected();

 private:
  struct Waiting {
    control::ClaimKey claim;
    Answered answered;
    real::Loop::Timer timer = 0;
  };
  void finish(std::uint64_t serial, Result<void> result);

  real::Loop& loop_;
  ControlSender& sender_;
  std::map<std::uint64_t, Waiting> waiting_;  // by serial
  std::uint64_t last_serial_ = 0;
};

}  // namespace bessemer::gateway
