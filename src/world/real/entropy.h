// The kernel's random source.
#pragma once
#include "world/world.h"

namespace bessemer::real {

// getrandom(2): waits only while the machine boots, then never fails. Safe from any thread.
class RealEntropy final : public world::Entropy {
 public:
  void fill(std::span<std::byte> into) override;
};

}  // namespace bessemer::real
