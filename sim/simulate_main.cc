// Runs histories by seed and says what came of them.
//
// Usage: bessemer-simulate [FIRST_SEED [SEEDS [STEPS]]]   (default 1 100 400)
#include <fmt/core.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/text.h"
#include "sim/history.h"

namespace {

// The line that a failed check() leaves behind, written before its history begins.
char last_words[128];
std::size_t last_words_length = 0;

extern "C" void failed_check(int) {
  (void)!::write(STDOUT_FILENO, last_words, last_words_length);
  ::_Exit(1);
}

std::string repeat_with(std::uint64_t seed, std::uint64_t steps) {
  return fmt::format("repeat it with: build/release/bessemer-simulate {} 1 {}", seed, steps);
}

void remember(std::uint64_t seed, std::uint64_t steps) {
  const std::string text =
      fmt::format("seed {}: a check failed; {}\n", seed, repeat_with(seed, steps));
  last_words_length = text.copy(last_words, sizeof last_words);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace bessemer;
  const auto number = [&](int at, std::uint64_t otherwise) {
    return argc > at ? parse_unsigned(argv[at]).value_or(otherwise) : otherwise;
  };
  ::signal(SIGABRT, failed_check);
  const std::uint64_t first = number(1, 1), seeds = number(2, 100), steps = number(3, 400);
  Sha256 all;
  sim::Tally tally;
  std::uint64_t faults = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    remember(seed, steps);
    const sim::Outcome outcome = sim::run_history(seed, steps);
    all.add(to_text(outcome.digest));
    for (const auto& [what, times] : outcome.tally) tally[what] += times;
    if (outcome.fault.empty()) continue;
    ++faults;
    fmt::print("seed {}: {}\n", seed, outcome.fault);
    fmt::print("  {}\n", repeat_with(seed, steps));
    std::fflush(stdout);
  }
  for (const auto& [what, times] : tally) fmt::print("{:>12}  {}\n", times, what);
  fmt::print("{} seeds clean of {} from {}, {} steps each; digest {}\n", seeds - faults, seeds,
             first, steps, to_text(all.finish()));
  return faults == 0 ? 0 : 1;
}
