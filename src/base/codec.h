// The binary form of described structs: numbered little-endian fields.
//
// struct   = { u8 number (1..254), value } for each field that differs from its default, then u8 0
// integer  = little-endian at its own width; bool, enum = u8; Id, Wide = 16 bytes
// double   = 8 bytes IEEE 754; text = u32 length + bytes; Textual types as their fields or bytes
// optional = u8 0 or 1 + value; vector, set = u32 count + values; map = u32 count + (key, value)
// variant  = u8 index + value
//
// A field number or variant index that the reader does not know is an error: the bytes were
// written by a newer version. A missing field has its default. See docs/formats.md.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/describe.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "base/wide.h"

namespace bessemer::codec {

// Appends to a buffer.
struct Writer {
  std::string& out;
  void bytes(const void* data, std::size_t size) {
    out.append(static_cast<const char*>(data), size);
  }
  void size(std::size_t n) {
    check(n <= std::numeric_limits<std::uint32_t>::max(), "codec: too long");
    const auto narrow = static_cast<std::uint32_t>(n);
    bytes(&narrow, 4);
  }
};

// Takes from the front of `in`. Once `failed` every further read fails.
struct Reader {
  std::string_view in;
  const char* failed = nullptr;  // why: a string literal

  bool fail(const char* why) {
    if (failed == nullptr) failed = why;
    return false;
  }
  bool bytes(void* data, std::size_t n) {
    if (in.size() < n) return fail("cut short");
    std::memcpy(data, in.data(), n);
    in.remove_prefix(n);
    return true;
  }
  // A count or length; each element takes at least one byte, so it is bounded by what is left.
  bool size(std::size_t& n) {
    std::uint32_t narrow = 0;
    if (!bytes(&narrow, 4)) return false;
    n = narrow;
    return n <= in.size() || fail("length runs past the end");
  }
};

template <class T>
concept PlainBytes = std::integral<T> || std::floating_point<T> || std::same_as<T, Wide> ||
                     std::same_as<T, Instant> || std::same_as<T, Duration> ||
                     std::same_as<T, Digest> || std::same_as<T, Currency>;

template <class T> void put(Writer& to, const T& value);
template <class T> bool get(Reader& from, T& value);

template <Described T>
void put_struct(Writer& to, const T& value) {
  static const T defaults{};
  std::uint8_t number = 0;
  using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
  static_assert(boost::mp11::mp_size<Members>::value < 255);
  boost::mp11::mp_for_each<Members>([&](auto member) {
    ++number;
    const auto& field = value.*member.pointer;
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::equality_comparable<Field>) {
      if (field == defaults.*member.pointer) return;
    } else if constexpr (requires { field.empty(); }) {
      if (field.empty()) return;
    }
    to.bytes(&number, 1);
    put(to, field);
  });
  const std::uint8_t end = 0;
  to.bytes(&end, 1);
}

template <Described T>
bool get_struct(Reader& from, T& value) {
  value = T{};
  std::uint8_t last = 0;
  while (true) {
    std::uint8_t number = 0;
    if (!from.bytes(&number, 1)) return false;
    if (number == 0) return true;
    if (number <= last) return from.fail("fields out of order");
    last = number;
    std::uint8_t at = 0;
    bool known = false, ok = true;
    boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
        [&](auto member) {
          if (++at != number) return;
          known = true;
          ok = get(from, value.*member.pointer);
        });
    if (!known) return from.fail("unknown field: written by a newer version");
    if (!ok) return false;
  }
}

template <class... T>
void put_variant(Writer& to, const std::variant<T...>& value) {
  static_assert(sizeof...(T) < 256);
  const auto index = static_cast<std::uint8_t>(value.index());
  to.bytes(&index, 1);
  std::visit([&](const auto& held) { put(to, held); }, value);
}

template <class... T>
bool get_variant(Reader& from, std::variant<T...>& value) {
  std::uint8_t index = 0;
  if (!from.bytes(&index, 1)) return false;
  bool known = false, ok = true;
  boost::mp11::mp_for_each<boost::mp11::mp_iota_c<sizeof...(T)>>([&](auto i) {
    if (index != i) return;
    known = true;
    ok = get(from, value.template emplace<i>());
  });
  return known ? ok : from.fail("unknown alternative: written by a newer version");
}

template <class T>
void put(Writer& to, const T& value) {
  if constexpr (PlainBytes<T>) {
    to.bytes(&value, sizeof value);
  } else if constexpr (is_id<T>) {
    to.bytes(&value.high, 8);
    to.bytes(&value.low, 8);
  } else if constexpr (std::is_enum_v<T>) {
    static_assert(DescribedEnum<T>, "describe the enum");
    const auto narrow = static_cast<std::uint8_t>(value);
    to.bytes(&narrow, 1);
  } else if constexpr (std::same_as<T, Money>) {
    put(to, value.nano);
    put(to, value.currency);
  } else if constexpr (std::same_as<T, std::string>) {
    to.size(value.size());
    to.bytes(value.data(), value.size());
  } else if constexpr (is_optional<T>) {
    const std::uint8_t present = value ? 1 : 0;
    to.bytes(&present, 1);
    if (value) put(to, *value);
  } else if constexpr (is_variant<T>) {
    put_variant(to, value);
  } else if constexpr (is_pair<T>) {
    put(to, value.first);
    put(to, value.second);
  } else if constexpr (is_vector<T> || is_map<T> || is_set<T>) {
    to.size(value.size());
    for (const auto& element : value) put(to, element);
  } else {
    static_assert(Described<T>, "describe the struct");
    put_struct(to, value);
  }
}

template <class T>
bool get_elements(Reader& from, T& value) {
  std::size_t count = 0;
  if (!from.size(count)) return false;
  value.clear();
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (is_vector<T>) {
      if (!get(from, value.emplace_back())) return false;
    } else if constexpr (is_set<T>) {
      typename T::value_type element{};
      if (!get(from, element)) return false;
      value.insert(value.end(), std::move(element));
    } else {
      typename T::key_type key{};
      typename T::mapped_type mapped{};
      if (!get(from, key) || !get(from, mapped)) return false;
      value.emplace_hint(value.end(), std::move(key), std::move(mapped));
    }
  }
  return true;
}

template <class T>
bool get(Reader& from, T& value) {
  if constexpr (std::same_as<T, bool>) {
    std::uint8_t narrow = 0;
    if (!from.bytes(&narrow, 1)) return false;
    value = narrow == 1;
    return narrow <= 1 || from.fail("a flag that is neither 0 nor 1");
  } else if constexpr (PlainBytes<T>) {
    return from.bytes(&value, sizeof value);
  } else if constexpr (is_id<T>) {
    return from.bytes(&value.high, 8) && from.bytes(&value.low, 8);
  } else if constexpr (std::is_enum_v<T>) {
    std::uint8_t narrow = 0;
    if (!from.bytes(&narrow, 1)) return false;
    value = static_cast<T>(narrow);
    using All = boost::describe::describe_enumerators<T>;
    return narrow < boost::mp11::mp_size<All>::value ||
           from.fail("unknown enumerator: written by a newer version");
  } else if constexpr (std::same_as<T, Money>) {
    return get(from, value.nano) && get(from, value.currency);
  } else if constexpr (std::same_as<T, std::string>) {
    std::size_t n = 0;
    if (!from.size(n)) return false;
    value.assign(from.in.substr(0, n));
    from.in.remove_prefix(n);
    return true;
  } else if constexpr (is_optional<T>) {
    std::uint8_t present = 0;
    if (!from.bytes(&present, 1)) return false;
    if (present > 1) return from.fail("a flag that is neither 0 nor 1");
    value.reset();
    return present == 0 || get(from, value.emplace());
  } else if constexpr (is_variant<T>) {
    return get_variant(from, value);
  } else if constexpr (is_pair<T>) {
    return get(from, value.first) && get(from, value.second);
  } else if constexpr (is_vector<T> || is_map<T> || is_set<T>) {
    return get_elements(from, value);
  } else {
    return get_struct(from, value);
  }
}

// Appends the binary form of `value`.
template <class T>
void encode(std::string& out, const T& value) {
  Writer to{out};
  put(to, value);
}
template <class T>
std::string encode(const T& value) {
  std::string out;
  encode(out, value);
  return out;
}

// Reads exactly `bytes`. Errors: invalid, saying why; the whole text must be used.
template <class T>
Result<T> decode(std::string_view bytes) {
  Reader from{bytes};
  T value{};
  if (!get(from, value)) return invalid(from.failed);
  if (!from.in.empty()) return invalid("bytes left over after the value");
  return value;
}

}  // namespace bessemer::codec
