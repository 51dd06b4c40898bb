// The lock between readers and removers of stored bytes.
#include "application/engine/held_bytes.h"

namespace bessemer::engine {

Result<std::unique_ptr<world::Lock>> hold_bytes(world::Disk& home) {
  constexpr std::string_view folder = "run/bytes";
  TRY(home.make_directories(folder));
  auto held = home.lock(folder);
  if (held || held.error().code != Code::conflict) return held;
  return conflict("a backup or a collection of unneeded bytes is under way")
      .fix("try again in a minute")
      .retried(Retry::later);
}

}  // namespace bessemer::engine
