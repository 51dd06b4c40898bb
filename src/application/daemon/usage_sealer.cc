// Seals the logs of gateways' lives that are over, and states each stretch in the journal.
#include "application/daemon/usage_sealer.h"

#include "application/daemon/log.h"
#include "application/daemon/usage_ranges.h"
#include "application/engine/held_bytes.h"

namespace bessemer::daemon {
namespace {

constexpr Duration look_again = seconds(1);  // after bytes that somebody else held

// The raw log stays, and nothing is lost but room.
void complain(const lease::EpochKey& key, const Error& error) {
  log_line("error", "a usage log could not be sealed",
           {{"gateway", to_text(key.first)}, {"epoch", std::to_string(key.second)},
            {"error", to_text(error)}});
}

}  // namespace

void UsageSealer::seal_what_is_left() {
  const auto stored = stored_logs(disk_);
  if (!stored) return;
  for (const auto& key : *stored) {
    if (!engine_.state().lease.epochs.contains(key)) seal(key);
  }
}

void UsageSealer::seal(const lease::EpochKey& key) {
  worker_.post([this, key, &disk = disk_]() -> Worker::Then {
    auto sealed =
        std::make_shared<Result<std::vector<metering::SealedSegment>>>(seal_log(disk, key));
    return [this, key, sealed] {
      if (*sealed) state(key, **sealed);
      else if (sealed->error().code != Code::not_found) complain(key, sealed->error());
    };
  });
}

void UsageSealer::state(const lease::EpochKey& key,
                        const std::vector<metering::SealedSegment>& stretches) {
  Context context;
  context.now = context.occurred_at = clock_.now();
  context.origin = Origin::observed;
  for (const auto& stretch : stretches) {
    const auto stated = engine_.submit(metering::Command(metering::SealUsage{stretch}), context);
    if (!stated) return complain(key, stated.error());
  }
  engine_.when_durable(engine_.applied(), [this, key] { drop(key); });
}

// While a backup reads it, it stays, and is looked at again.
void UsageSealer::drop(const lease::EpochKey& key) {
  worker_.post([this, key, &disk = disk_]() -> Worker::Then {
    if (const auto held = engine::hold_bytes(disk); !held) {
      return [this, key] { loop_.after(look_again, [this, key] { drop(key); }); };
    }
    auto dropped = drop_raw_log(disk, key);
    if (dropped) return {};
    return [key, error = dropped.error()] { complain(key, error); };
  });
}

}  // namespace bessemer::daemon
