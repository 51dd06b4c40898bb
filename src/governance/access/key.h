// API keys as text: made, parsed and hashed here, and nowhere else.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/secret.h"

namespace bessemer::access {

constexpr std::string_view key_prefix = "bsm_";
constexpr std::size_t key_bytes = 32;  // 256 bits from world::Entropy
// "bsm_", 52 characters of Crockford base32 for the 256 bits, 6 for a CRC-32C of those 52.
constexpr std::size_t key_characters = 4 + 52 + 6;

// The text of a new key; shown once, never stored.
Secret make_key(std::span<const std::byte, key_bytes> random);

// The name under which the state knows a key: the SHA-256 of its text in lower case.
// Errors: unauthenticated, saying whether it is no key of ours or one with a typing mistake; the
// text itself is never repeated.
Result<Digest> hash_key(std::string_view text);

}  // namespace bessemer::access
