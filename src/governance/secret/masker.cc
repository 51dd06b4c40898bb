// Finds known values in a stream of pieces and covers every byte that belongs to one.
#include "governance/secret/masker.h"

#include <algorithm>

#include "base/text.h"
#include "governance/secret/secret.h"

namespace bessemer::secret {

void Masker::add_pattern(std::string_view text) {
  if (text.size() < min_value) return;
  for (const Secret& known : patterns_) {
    if (known.reveal() == text) return;
  }
  patterns_.emplace_back(std::string(text));
  begins_[static_cast<unsigned char>(text.front())] = true;
}

void Masker::add(const Secret& value) {
  const std::string_view text = value.reveal();
  if (text.size() < min_value) return;
  add_pattern(text);
  std::string base64 = to_base64(text);
  while (base64.ends_with('=')) base64.pop_back();
  add_pattern(base64);
  add_pattern(to_hex(text));
  if (text.find('\n') == std::string_view::npos) return;
  for (const std::string_view line : split(text, '\n')) {
    // A log shows a value line by line, with its own prefixes; short lines say nothing alone.
    if (trim(line).size() >= 8) add_pattern(trim(line));
  }
}

Masker::Match Masker::match(std::string_view text) const {
  Match found;
  if (!begins_[static_cast<unsigned char>(text.front())]) return found;
  for (const Secret& pattern : patterns_) {
    const std::string_view value = pattern.reveal();
    if (text.starts_with(value)) {
      found.length = std::max(found.length, value.size());
    } else if (text.size() < value.size() && value.starts_with(text)) {
      found.undecided = true;
    }
  }
  return found;
}

std::string Masker::run(bool to_the_end) {
  std::string shown;
  std::size_t at = 0, covered = covered_;
  for (; at < held_.size(); ++at) {
    const Match here = match(std::string_view(held_).substr(at));
    if (here.undecided && !to_the_end) break;
    const std::size_t end = at + here.length;
    if (here.length > 0 && at >= covered) shown += mask;  // overlapping values share one mask
    covered = std::max(covered, end);
    if (at >= covered) shown += held_[at];
  }
  covered_ = covered > at ? covered - at : 0;
  held_.erase(0, at);
  return shown;
}

std::string Masker::feed(std::string_view piece) {
  held_ += piece;
  return run(false);
}

std::string Masker::finish() {
  std::string shown = run(true);
  held_.clear();
  covered_ = 0;
  return shown;
}

}  // namespace bessemer::secret
