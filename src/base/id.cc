// Ids as text.
#include "base/id.h"

#include "base/wide.h"

namespace bessemer {
namespace {

constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t text_length = 26;  // 128 bits in groups of five

}  // namespace

std::string id_to_text(std::string_view prefix, std::uint64_t high, std::uint64_t low) {
  std::string out(prefix);
  out += '_';
  const UWide value = (UWide{high} << 64) | low;
  for (int shift = 125; shift >= 0; shift -= 5) {
    out += alphabet[static_cast<std::size_t>((value >> shift) & 31)];
  }
  return out;
}

Result<void> id_from_text(std::string_view prefix, std::string_view text, std::uint64_t& high,
                          std::uint64_t& low) {
  const auto bad = [&] {
    return invalid("must be an id of the form " + std::string(prefix) +
                   "_ followed by 26 base32 characters");
  };
  if (!text.starts_with(prefix)) return bad();
  text.remove_prefix(prefix.size());
  if (text.size() != text_length + 1 || text.front() != '_' || text[1] > '7') return bad();
  UWide value = 0;
  for (char c : text.substr(1)) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return bad();
    value = (value << 5) | digit;
  }
  high = static_cast<std::uint64_t>(value >> 64);
  low = static_cast<std::uint64_t>(value);
  if (value == 0) return bad();
  return {};
}

}  // namespace bessemer
