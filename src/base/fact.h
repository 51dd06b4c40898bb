// The envelope of every fact, and what a module is told when it judges and applies.
#pragma once
#include <cstdint>

#include "base/describe.h"
#include "base/id.h"
#include "base/time.h"

namespace bessemer {

// Where a fact came from: what-if replays what came from outside and decides the rest again.
enum class Origin : std::uint8_t { external, decided, observed };
DESCRIBE_ENUM(Origin, external, decided, observed)

// Who asked and when: the only clock the core sees.
struct Context {
  Instant now;          // when it is recorded
  Instant occurred_at;  // when it happened: `now` for decisions, earlier for observations
  PrincipalId actor;    // none: the factory itself
  KeyId key;            // the key the actor used; none: the factory itself
  Origin origin = Origin::external;
};
DESCRIBE(Context, now, occurred_at, actor, key, origin)

}  // namespace bessemer
