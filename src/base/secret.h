// Text that must not be seen: it cannot be printed, compared in the open, or serialised.
#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace bessemer {

// Holds a credential and wipes it when it goes. There is no to_text, no operator<<, no JSON and
// no codec for it, so that writing one out does not compile.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(); }

  // The only way in; every use of this word is a place to look at.
  std::string_view reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  void wipe();
  std::string text_;
};

}  // namespace bessemer
