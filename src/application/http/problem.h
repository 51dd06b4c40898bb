// The one place where an Error becomes an HTTP answer.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"

namespace bessemer::http {

// invalid 400, unauthenticated 401, forbidden 403, not_found 404, conflict 409, exhausted 429,
// unavailable 503, internal 500.
int status_of(Code code);
// The code that best fits a status that came from elsewhere; 2xx is a bug.
Code code_of(int status);

// Whose envelope a refusal wears.
enum class Envelope : std::uint8_t {
  problem,    // RFC 9457, with field, remedy and reason: /api
  openai,     // {"error": {"message", "type", "param", "code"}}
  inference,  // Open Inference Protocol: {"error": "..."}
};

struct Refusal {
  int status = 500;
  std::string_view content_type;
  std::string body;
  std::string fields;  // further head fields, each with its line end
};

// Renders `error`. Internal errors show only `request`, never what went wrong inside. `status`
// other than 0 stands for the mapped one (HTTP's own refusals: 405, 411, 413, 431...).
Refusal refuse(const Error& error, Envelope envelope, std::string_view request = {},
               int status = 0);

}  // namespace bessemer::http
