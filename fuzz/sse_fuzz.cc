// Event streams from strangers: the same events however the bytes are cut, and no byte lost.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "application/http/sse.h"
#include "base/check.h"

namespace {

using bessemer::http::SseScanner;

std::string scan(std::string_view text, std::size_t step) {
  SseScanner scanner;
  SseScanner::Event event;
  std::string buffer, out, raw;
  const auto all = text;
  while (true) {
    while (scanner.next(buffer, event) == SseScanner::Step::event) {
      out.append(event.name).append("|").append(event.data).append("\x1e");
      raw += event.raw;
      buffer.erase(0, event.raw.size());
    }
    if (text.empty()) break;
    buffer += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
  }
  bessemer::check(raw + buffer == all);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  bessemer::check(scan(text, 1) == scan(text, size + 1));
  return 0;
}
