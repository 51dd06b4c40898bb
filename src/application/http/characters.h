// The character classes of HTTP's grammar (RFC 9110 section 5.6.2).
#pragma once
#include <array>
#include <string_view>

namespace bessemer::http {

// Outside of the function, which would make it anew in each call.
inline constexpr auto token_chars = [] {
  std::array<bool, 256> allowed{};
  for (char t = 'a'; t <= 'z'; ++t) allowed[static_cast<unsigned char>(t)] = true;
  for (char t = 'A'; t <= 'Z'; ++t) allowed[static_cast<unsigned char>(t)] = true;
  for (char t = '0'; t <= '9'; ++t) allowed[static_cast<unsigned char>(t)] = true;
  for (const char t : std::string_view("!#$%&'*+-.^_`|~")) {
    allowed[static_cast<unsigned char>(t)] = true;
  }
  return allowed;
}();
constexpr bool is_token_char(char c) { return token_chars[static_cast<unsigned char>(c)]; }

// Visible characters, space, tab and bytes above 0x7f: no control characters.
constexpr bool is_text_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace bessemer::http
