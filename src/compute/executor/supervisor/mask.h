// Hides secrets in a stream of output, however it is cut into pieces.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace bessemer::executor {

// Each line of a secret of at least six bytes is replaced by "[secret]".
class Mask {
 public:
  static constexpr std::size_t shortest = 6, longest = 1024;

  Mask() = default;
  ~Mask();
  Mask(Mask&&) = default;
  Mask& operator=(Mask&&) = default;
  void hide(std::string_view secret);
  // Takes the next piece and answers what may be shown; keeps back the least that could be the
  // beginning of a secret.
  std::string pass(std::string_view piece);
  // What was kept back, at the end of the stream.
  std::string finish();

 private:
  std::vector<std::string> words_;
  std::string kept_;
};

}  // namespace bessemer::executor
