// Heads and chunked bodies from strangers: no crash, and one meaning however the bytes are cut.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "application/http/chunked.h"
#include "application/http/parse.h"
#include "application/http/uri.h"
#include "base/check.h"

namespace {

using bessemer::check;
using namespace bessemer::http;

std::string decode(std::string_view text, std::size_t step, bool& refused) {
  ChunkedDecoder decoder;
  std::string body;
  while (!text.empty()) {
    auto in = text.substr(0, step);
    text.remove_prefix(in.size());
    std::string_view piece;
    auto taken = decoder.next(in, piece);
    for (; taken == ChunkedDecoder::Step::data; taken = decoder.next(in, piece)) body += piece;
    refused = taken == ChunkedDecoder::Step::refused;
    if (taken != ChunkedDecoder::Step::more) break;
  }
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  RequestHead request;
  const auto whole = parse_request(text, request);
  if (whole.state == Parsed::complete) {
    check(request.bytes <= size);
    check(text.substr(0, request.bytes).ends_with("\r\n\r\n"));
    for (std::size_t cut = 0; cut < request.bytes; cut += 7) {
      RequestHead part;
      check(parse_request(text.substr(0, cut), part).state != Parsed::complete);
    }
    if (decode_path(request.path)) check(!request.path.empty());
    [[maybe_unused]] const auto query = Query::decode(request.query);
  }
  ResponseHead response;
  if (parse_response(text, false, response).state == Parsed::complete) {
    check(response.bytes <= size && response.status >= 100 && response.status <= 599);
  }
  bool refused_whole = false, refused_cut = false;
  const auto body = decode(text, size, refused_whole);
  check(decode(text, 3, refused_cut) == body && refused_whole == refused_cut);
  return 0;
}
