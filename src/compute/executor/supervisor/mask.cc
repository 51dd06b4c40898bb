// Hides secrets in a stream of output.
#include "compute/executor/supervisor/mask.h"

#include <string.h>

#include <algorithm>
#include <utility>

namespace bessemer::executor {

Mask::~Mask() {
  for (auto& word : words_) ::explicit_bzero(word.data(), word.size());
}

void Mask::hide(std::string_view secret) {
  while (!secret.empty()) {
    const std::size_t end = std::min(secret.find('\n'), secret.size());
    if (end >= shortest) words_.emplace_back(secret.substr(0, std::min(end, longest)));
    secret.remove_prefix(std::min(end + 1, secret.size()));
  }
  // The longest first, so that a secret that begins with another is hidden whole.
  std::sort(words_.begin(), words_.end(),
            [](const auto& a, const auto& b) { return a.size() != b.size() ? a.size() > b.size()
                                                                           : a < b; });
}

std::string Mask::pass(std::string_view piece) {
  if (words_.empty()) return std::string(piece);
  kept_ += piece;
  std::string out;
  std::size_t from = 0;
  while (true) {
    std::size_t found = std::string::npos, length = 0;
    for (const auto& word : words_) {
      const std::size_t at = kept_.find(word, from);
      if (at < found) {
        found = at;
        length = word.size();
      }
    }
    if (found == std::string::npos) break;
    out.append(kept_, from, found - from);
    out += "[secret]";
    from = found + length;
  }
  // The longest end of what is left that a secret could begin with.
  std::size_t keep = 0;
  const std::string_view rest = std::string_view(kept_).substr(from);
  for (const auto& word : words_) {
    for (std::size_t n = std::min(word.size() - 1, rest.size()); n > keep; --n) {
      if (rest.ends_with(std::string_view(word).substr(0, n))) {
        keep = n;
        break;
      }
    }
  }
  out += rest.substr(0, rest.size() - keep);
  kept_ = std::string(rest.substr(rest.size() - keep));
  return out;
}

std::string Mask::finish() { return std::exchange(kept_, std::string{}); }

}  // namespace bessemer::executor
