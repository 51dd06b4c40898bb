// What handlers reach beyond the state: the daemon owns all of it.
#pragma once
#include "application/engine/engine.h"
#include "world/world.h"

namespace bessemer::api {

// Everything lives as long as the Api.
struct Services {
  engine::Engine& engine;
  world::Clock& clock;
  world::Entropy& entropy;
};

}  // namespace bessemer::api
