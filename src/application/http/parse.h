// Reads heads strictly: what two readers could understand differently is refused.
#pragma once
#include "application/http/message.h"

namespace bessemer::http {

enum class Parsed : std::uint8_t { complete, more, refused };

// What came of reading a head. A refusal names HTTP's own status: 400, 414, 417, 431, 501 or 505;
// the connection cannot be used further.
struct ParseOutcome {
  Parsed state = Parsed::more;
  int status = 0;
  const char* why = "";
};

// Reads a request's head from the start of `buffer`. `complete` fills `into` with views of it.
// Refused: bare CR or LF, folded lines, bad tokens, control characters, a missing or repeated
// Host, any repeated Content-Length, Content-Length beside Transfer-Encoding, a transfer coding
// other than chunked, heads over max_head_bytes (RFC 9112).
ParseOutcome parse_request(std::string_view buffer, RequestHead& into);

// Reads a response's head. `to_head`: it answers a HEAD request, so no body follows.
ParseOutcome parse_response(std::string_view buffer, bool to_head, ResponseHead& into);

}  // namespace bessemer::http
