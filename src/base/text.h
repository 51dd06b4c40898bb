// Small, bounded operations on text.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace bessemer {

std::string to_hex(std::string_view bytes);
// Either case; nothing for an odd length or another character.
std::optional<std::string> from_hex(std::string_view text);

// Standard alphabet with padding (RFC 4648 section 4).
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

// "a//b" by '/' -> {"a", "", "b"}; the empty text -> {""}.
std::vector<std::string_view> split(std::string_view text, char by);
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view by);

// A whole unsigned decimal number; nothing else around it.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

bool is_utf8(std::string_view text);

// Names that people give to things: 1 to 63 of a-z 0-9 - . _ starting and ending with a letter or
// digit (a DNS label, widened by . and _). Errors: invalid, naming the limit.
Result<void> check_name(std::string_view name);

// A relative path that stays below its root: no empty, "." or ".." part, no leading '/', no NUL,
// at most 1024 bytes and 64 parts of at most 255 bytes. Errors: invalid.
Result<void> check_relative_path(std::string_view path);

}  // namespace bessemer
