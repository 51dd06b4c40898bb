// SHA-256: the name of bytes.
#pragma once
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace bessemer {

// The SHA-256 of some bytes; all zero means "none".
struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  friend constexpr auto operator<=>(const Digest&, const Digest&) = default;
  explicit operator bool() const { return *this != Digest{}; }
};

// 64 lower-case hexadecimal digits; the empty string for none.
std::string to_text(const Digest& digest);
Result<Digest> from_text(std::type_identity<Digest>, std::string_view text);

Digest sha256(std::string_view bytes);

// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void add(std::string_view bytes);
  // The digest of all added so far; starts again from nothing.
  Digest finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// HMAC-SHA-256 (RFC 2104).
Digest hmac_sha256(std::string_view key, std::string_view bytes);

// Compares without a time that tells where the difference is.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// CRC-32C (Castagnoli, RFC 3720 appendix B.4); pass the former value to go on.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace bessemer
