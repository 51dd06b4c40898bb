// Writes heads.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace bessemer::http {

std::string_view reason_of(int status);  // "Not Found"; "Unknown" for others

// "HTTP/1.1 404 Not Found\r\n".
void append_status_line(std::string& out, int status);
// "POST /path HTTP/1.1\r\n". Requires: both free of spaces and control characters (checked).
void append_request_line(std::string& out, std::string_view method, std::string_view target);
// "name: value\r\n". Requires: is_field_value(value) (checked).
void append_field(std::string& out, std::string_view name, std::string_view value);
void append_field(std::string& out, std::string_view name, std::uint64_t value);
// The blank line.
void end_head(std::string& out);

// True when `text` may stand as a field's value: no control characters, no space at its ends.
bool is_field_value(std::string_view text);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::string date_text(Instant at);

}  // namespace bessemer::http
