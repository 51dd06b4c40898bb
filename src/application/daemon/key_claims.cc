// Idempotency-Keys of calls.
#include "application/daemon/key_claims.h"

#include "application/daemon/log.h"
#include "base/text.h"

namespace bessemer::daemon {
namespace {

constexpr std::string_view prefix = "gateway ";
constexpr std::string_view given_up;  // the location of a claim that holds no more

std::string place_of(GatewayId gateway, std::uint64_t epoch) {
  return to_text(gateway) + "/" + std::to_string(epoch);
}

}  // namespace

// A claim's location is "<request> <gateway>/<epoch>".
KeyClaims::KeyClaims(engine::Engine& engine, const world::Clock& clock)
    : engine_(engine), clock_(clock) {
  for (const auto& [name, noted] : engine.state().notes.by_key) {
    if (!name.second.starts_with(prefix) || noted.location == given_up) continue;
    const auto space = noted.location.find(' ');
    const auto request = from_text(std::type_identity<RequestId>{},
                                   std::string_view(noted.location).substr(0, space));
    if (!request || space == std::string::npos) continue;
    held_[*request] = {name.first, name.second, noted.location.substr(space + 1), false, true};
  }
}

control::KeyClaimed KeyClaims::claim(GatewayId gateway, std::uint64_t epoch,
                                     const control::ClaimKey& asked) {
  control::KeyClaimed answer{asked.serial, control::Claim::first, asked.request};
  const auto& state = engine_.state();
  const auto* const key = access::find(state.access, asked.caller);
  forget_old();
  if (key == nullptr || asked.key.size() > control::max_idempotency_key) {
    answer.claim = control::Claim::unknown_key;
    return answer;
  }
  const Held held{key->owner, std::string(prefix) + asked.key, place_of(gateway, epoch)};
  const auto* const before =
      factory::find_note(state, held.principal, held.key, clock_.now());
  if (before != nullptr && before->location != given_up) {
    const auto space = before->location.find(' ');
    const auto request = from_text(std::type_identity<RequestId>{},
                                   std::string_view(before->location).substr(0, space));
    if (request) answer.request = *request;
    if (answer.request == asked.request) return answer;  // asked again after a lost connection
    answer.claim = before->body == asked.body ? control::Claim::repeated
                                              : control::Claim::other_body;
    return answer;
  }
  const auto noted = held_.size() < max_claims
                         ? note(held, asked.body, to_text(asked.request) + " " + held.place)
                         : exhausted("too many keys are claimed");
  if (noted) held_[asked.request] = held;
  else answer.claim = control::Claim::full;
  return answer;
}

void KeyClaims::ended(RequestId request, UsageIntake::End end) {
  const auto found = held_.find(request);
  if (found == held_.end()) return;
  if (end == UsageIntake::End::charged) found->second.charged = true;
  else if (!found->second.charged) give_up(request);
}

void KeyClaims::epoch_over(GatewayId gateway, std::uint64_t epoch, Log log) {
  const std::string place = place_of(gateway, epoch);
  std::vector<RequestId> over;
  for (const auto& [request, held] : held_) {
    const bool known = log == Log::read || !held.restored;
    if (held.place == place && known && !held.charged) over.push_back(request);
  }
  for (const RequestId request : over) give_up(request);
}

void KeyClaims::give_up(RequestId request) {
  const auto found = held_.extract(request);
  // A full disk: the key stays claimed, which charges nobody twice.
  const auto noted = note(found.mapped(), {}, std::string(given_up));
  if (!noted) log_line("error", "a key was not given up", {{"error", to_text(noted.error())}});
}

void KeyClaims::forget_old() {
  const Instant oldest = clock_.now() - factory::noted_life;
  const auto moment = static_cast<std::uint64_t>(std::max<std::int64_t>(oldest.ns, 0) / 1'000'000);
  while (!held_.empty() && held_.begin()->first.high >> 16 < moment) held_.erase(held_.begin());
}

// Carried by a command that changes nothing: the platform's own recall of no lease.
Result<void> KeyClaims::note(const Held& held, const Digest& body, std::string location) {
  Context context;
  context.now = context.occurred_at = clock_.now();
  context.origin = Origin::observed;
  TRY(engine_.submit(lease::Command(lease::Recall{}), context,
                     {held.principal, held.key, body, std::move(location)}));
  return {};
}

}  // namespace bessemer::daemon
