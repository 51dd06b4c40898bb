// A small generator that gives the same numbers with every compiler and library.
#pragma once
#include <cstdint>

#include "base/check.h"

namespace bessemer {

// SplitMix64 (Steele, Lea, Flood 2014). For simulation and tie-breaking, never for secrets:
// those come from world::Entropy.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}

  constexpr std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound). Requires: bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) {
    check(bound > 0);
    const std::uint64_t refuse = (0 - bound) % bound;  // values that would favour small results
    std::uint64_t drawn = next();
    while (drawn < refuse) drawn = next();
    return drawn % bound;
  }
  // Uniform in [low, high]. Requires: low <= high.
  constexpr std::int64_t between(std::int64_t low, std::int64_t high) {
    check(low <= high);
    const auto span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + below(span));
  }
  constexpr bool chance(std::uint64_t in, std::uint64_t out_of) { return below(out_of) < in; }

 private:
  std::uint64_t state_;
};

}  // namespace bessemer
