// API keys as text: base32 of the bytes and a checksum against typing mistakes.
#include "governance/access/key.h"

#include <array>
#include <cstdint>

#include "base/check.h"

namespace bessemer::access {
namespace {

constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford: no i l o u
constexpr std::size_t body_characters = 52;  // ceil(256 / 5)
constexpr std::size_t sum_characters = 6;    // 30 of the 32 bits

// The checksum of the body as characters.
std::array<char, sum_characters> checksum(std::string_view body) {
  std::uint32_t sum = crc32c(body);
  std::array<char, sum_characters> text{};
  for (char& c : text) {
    c = alphabet[sum & 31];
    sum >>= 5;
  }
  return text;
}

}  // namespace

Secret make_key(std::span<const std::byte, key_bytes> random) {
  std::string text;
  text.reserve(key_characters);  // so that no copy is left behind by growth
  text += key_prefix;
  std::uint32_t held = 0;
  unsigned bits = 0;
  for (const std::byte one : random) {
    held = held << 8 | std::to_integer<std::uint32_t>(one);
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[held >> (bits - 5) & 31];
    held &= (1u << bits) - 1;
  }
  text += alphabet[held << (5 - bits) & 31];
  const auto sum = checksum(std::string_view(text).substr(key_prefix.size()));
  text.append(sum.data(), sum.size());
  check(text.size() == key_characters, "access: a key of the wrong length");
  return Secret(std::move(text));
}

Result<Digest> hash_key(std::string_view text) {
  static_assert(key_characters == key_prefix.size() + body_characters + sum_characters);
  const auto refuse = [](const char* why) -> Error {
    return unauthenticated(why).because("key_malformed").fix("copy the whole key again");
  };
  if (!text.starts_with(key_prefix)) {
    return unauthenticated("not a key of this factory").because("key_malformed")
        .fix("keys begin with bsm_");
  }
  if (text.size() != key_characters) return refuse("the key is not whole");
  std::array<char, key_characters> lower{};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const std::string_view canonical(lower.data(), lower.size());
  const std::string_view body = canonical.substr(key_prefix.size(), body_characters);
  const auto sum = checksum(body);
  if (canonical.substr(key_prefix.size() + body_characters) !=
      std::string_view(sum.data(), sum.size())) {
    return refuse("the key has a typing mistake");
  }
  return sha256(canonical);
}

}  // namespace bessemer::access
