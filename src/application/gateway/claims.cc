// Idempotency-Keys: asks the control plane whether a call is the first of its key.
#include "application/gateway/claims.h"

#include <utility>

namespace bessemer::gateway {
namespace {

Result<void> outcome_of(const control::KeyClaimed& answer) {
  const auto refused = [](Error error, const char* reason) {
    return std::move(error).at("Idempotency-Key").because(reason).retried(Retry::never);
  };
  const std::string first = "this Idempotency-Key belongs to request " + to_text(answer.request);
  switch (answer.claim) {
    case control::Claim::first: return {};
    case control::Claim::repeated:
      return refused(conflict(first + ", which runs or has been charged"), "idempotency_key_used")
          .fix("look that request up; use a fresh key for another call");
    case control::Claim::other_body:
      return refused(conflict(first + ", which had another body"), "idempotency_key_reused")
          .fix("use a fresh key for another call");
    case control::Claim::unknown_key: return unauthenticated("this API key is not known");
    case control::Claim::full: break;
  }
  return exhausted("no more Idempotency-Keys can be kept now")
      .because("idempotency_full")
      .fix("call without one, or later")
      .retried(Retry::later, minutes(1).ns);
}

}  // namespace

Claims::~Claims() {
  for (const auto& [serial, waiting] : waiting_) loop_.cancel(waiting.timer);
}

void Claims::ask(control::ClaimKey claim, Answered answered) {
  const auto serial = ++last_serial_;
  claim.serial = serial;
  auto& waiting = waiting_[serial];
  waiting.claim = std::move(claim);
  waiting.answered = std::move(answered);
  waiting.timer = loop_.after(lease::budget_wait, [this, serial] {
    waiting_.at(serial).timer = 0;
    finish(serial, unavailable("nobody can be asked about the Idempotency-Key: the control plane "
                               "is away")
                       .because("control_plane_away")
                       .retried(Retry::later, seconds(2).ns));
  });
  sender_.send(control::FromGateway(waiting.claim));
}

void Claims::release(RequestId request) {
  sender_.send(control::FromGateway(control::ReleaseKey{request}));
}

void Claims::answered(const control::KeyClaimed& answer) {
  finish(answer.serial, outcome_of(answer));
}

void Claims::connected() {
  for (const auto& [serial, waiting] : waiting_) {
    sender_.send(control::FromGateway(waiting.claim));
  }
}

void Claims::finish(std::uint64_t serial, Result<void> result) {
  auto node = waiting_.extract(serial);
  if (node.empty()) return;  // it was given up before the answer came
  loop_.cancel(node.mapped().timer);
  node.mapped().answered(std::move(result));
}

}  // namespace bessemer::gateway
