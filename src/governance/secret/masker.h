// Replaces secret values in text that comes in pieces, such as a job's log.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"

namespace bessemer::secret {

// Knows a set of values and hides them wherever they stand, also across the borders of pieces, in
// plain, base64 and hexadecimal form, and line by line for values of several lines. Bytes that may
// be the beginning of a value are held back until the next piece or finish().
class Masker {
 public:
  static constexpr std::string_view mask = "***";

  // Values shorter than min_value are ignored. Requires: before the first feed().
  void add(const Secret& value);
  bool empty() const { return patterns_.empty(); }

  // Returns what may be shown so far.
  std::string feed(std::string_view piece);
  // Returns the rest and begins anew.
  std::string finish();

 private:
  struct Match {
    std::size_t length = 0;   // of the longest value that stands here
    bool undecided = false;   // a value may go on past the end
  };
  Match match(std::string_view text) const;
  void add_pattern(std::string_view text);
  std::string run(bool to_the_end);

  std::vector<Secret> patterns_;
  std::array<bool, 256> begins_{};  // first bytes of patterns
  std::string held_;                // not yet shown
  std::size_t covered_ = 0;         // how many bytes of held_ are already under a mask
};

}  // namespace bessemer::secret
