// Small, bounded operations on text.
#include "base/text.h"

#include <array>
#include <charconv>

#include <simdjson.h>

namespace bessemer {
namespace {

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= have ? base64_alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t pad = !last ? 0 : text[i + 2] == '=' ? 2 : text[i + 3] == '=' ? 1 : 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t digit = k + pad >= 4 ? 0 : base64_alphabet.find(text[i + k]);
      if (digit == std::string_view::npos) return std::nullopt;
      if (k + pad >= 4 && text[i + k] != '=') return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    if ((pad == 1 && (group & 0xff) != 0) || (pad == 2 && (group & 0xffff) != 0)) {
      return std::nullopt;  // bits that no byte owns: two texts must not mean the same bytes
    }
    for (std::size_t k = 0; k + pad < 3; ++k) out += static_cast<char>(group >> (16 - 8 * k));
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(by);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view by) {
  std::string out;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) out += by;
    out += part;
  }
  return out;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (text.empty() || code != std::errc{} || stop != end) return std::nullopt;
  return value;
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

Result<void> check_name(std::string_view name) {
  if (name.empty()) return invalid("must not be empty");
  if (name.size() > 63) return invalid("must be at most 63 characters");
  if (!is_alphanumeric(name.front()) || !is_alphanumeric(name.back())) {
    return invalid("must start and end with a-z or 0-9");
  }
  for (const char c : name) {
    if (!is_alphanumeric(c) && c != '-' && c != '.' && c != '_') {
      return invalid("may hold only a-z, 0-9, '-', '.' and '_'");
    }
  }
  return {};
}

Result<void> check_relative_path(std::string_view path) {
  if (path.empty()) return invalid("must not be empty");
  if (path.size() > 1024) return invalid("must be at most 1024 bytes");
  if (path.find('\0') != std::string_view::npos) return invalid("must not hold a NUL");
  const auto parts = split(path, '/');
  if (parts.size() > 64) return invalid("must have at most 64 parts");
  for (const std::string_view part : parts) {
    if (part.empty() || part == "." || part == "..") {
      return invalid("must be a relative path with no empty, '.' or '..' part");
    }
    if (part.size() > 255) return invalid("each part must be at most 255 bytes");
  }
  return {};
}

}  // namespace bessemer
