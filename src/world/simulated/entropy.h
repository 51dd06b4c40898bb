// Bytes that look random and are the same for the same seed.
#pragma once
#include "base/random.h"
#include "world/world.h"

namespace bessemer::simulated {

class SimulatedEntropy final : public world::Entropy {
 public:
  explicit SimulatedEntropy(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<std::byte> into) override {
    for (std::byte& one : into) one = static_cast<std::byte>(random_.next() >> 56);
  }

 private:
  Random random_;
};

}  // namespace bessemer::simulated
