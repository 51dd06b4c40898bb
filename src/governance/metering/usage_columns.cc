// Packs the records of a usage log into columns, and back.
#include "governance/metering/usage_columns.h"

#include <array>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/codec.h"

namespace bessemer::metering {
namespace {

constexpr char version = 1;
constexpr std::size_t random_bytes = 10;
constexpr unsigned random_bits = 80;
constexpr std::size_t kinds = std::variant_size_v<LogRecord>;

enum class Form : char { steady = 0, differences = 1, random = 2 };

template <class T>
constexpr bool in_numbers = std::same_as<T, HoldOpened> || std::same_as<T, HoldExtended> ||
                            std::same_as<T, HoldSettled> || std::same_as<T, HoldVoided>;

// ---- numbers

void put_number(std::string& out, Wide value) {
  UWide left = (static_cast<UWide>(value) << 1) ^ (value < 0 ? ~UWide{0} : UWide{0});
  do {
    const auto low = static_cast<unsigned>(left & 0x7f);
    left >>= 7;
    out += static_cast<char>(low | (left == 0 ? 0u : 0x80u));
  } while (left != 0);
}

// Takes from the front of `in`; nothing once it is cut short.
std::optional<Wide> take_number(std::string_view& in) {
  UWide value = 0;
  for (unsigned shift = 0; shift < 128 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in[0]);
    in.remove_prefix(1);
    value |= static_cast<UWide>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      return static_cast<Wide>((value >> 1) ^ ((value & 1) != 0 ? ~UWide{0} : UWide{0}));
    }
  }
  return std::nullopt;
}

// Differences wrap, so that any two values have one.
Wide difference(Wide from, Wide to) {
  return static_cast<Wide>(static_cast<UWide>(to) - static_cast<UWide>(from));
}
Wide sum(Wide from, Wide by) {
  return static_cast<Wide>(static_cast<UWide>(from) + static_cast<UWide>(by));
}

// ---- columns

bool is_steady(const std::vector<Wide>& values) {
  for (std::size_t i = 2; i < values.size(); ++i) {
    if (difference(values[i - 1], values[i]) != difference(values[0], values[1])) return false;
  }
  return true;
}

bool is_random(const std::vector<Wide>& values) {
  for (const Wide value : values) {
    if (value < 0 || value >> random_bits != 0) return false;
  }
  return true;
}

void put_column(std::string& out, const std::vector<Wide>& values) {
  if (values.empty()) return;
  if (is_steady(values)) {
    out += static_cast<char>(Form::steady);
    put_number(out, values[0]);
    put_number(out, values.size() < 2 ? Wide{0} : difference(values[0], values[1]));
    return;
  }
  std::string differences;
  Wide before = 0;
  for (const Wide value : values) {
    put_number(differences, difference(std::exchange(before, value), value));
  }
  if (differences.size() <= values.size() * random_bytes || !is_random(values)) {
    out += static_cast<char>(Form::differences);
    out += differences;
    return;
  }
  out += static_cast<char>(Form::random);
  for (Wide value : values) {
    for (std::size_t i = 0; i < random_bytes; ++i, value >>= 8) {
      out += static_cast<char>(value & 0xff);
    }
  }
}

std::optional<std::vector<Wide>> take_steady(std::string_view& in, std::size_t count) {
  const auto first = take_number(in);
  const auto step = first ? take_number(in) : std::nullopt;
  if (!step) return std::nullopt;
  std::vector<Wide> values;
  values.reserve(count);
  for (Wide value = *first; values.size() < count; value = sum(value, *step)) {
    values.push_back(value);
  }
  return values;
}

std::optional<std::vector<Wide>> take_column(std::string_view& in, std::size_t count) {
  std::vector<Wide> values;
  if (count == 0) return values;
  if (in.empty()) return std::nullopt;
  const auto form = static_cast<Form>(in[0]);
  in.remove_prefix(1);
  if (form == Form::steady) return take_steady(in, count);
  if (form == Form::differences) {
    Wide before = 0;
    while (values.size() < count) {
      const auto by = take_number(in);
      if (!by) return std::nullopt;
      values.push_back(before = sum(before, *by));
    }
    return values;
  }
  if (form != Form::random || in.size() / random_bytes < count) return std::nullopt;
  while (values.size() < count) {
    Wide value = 0;
    for (std::size_t i = random_bytes; i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(in[i]);
    }
    in.remove_prefix(random_bytes);
    values.push_back(value);
  }
  return values;
}

// ---- fields

template <class T>
void flatten(const T& value, std::vector<Wide>& out) {
  if constexpr (std::same_as<T, RequestId>) {
    out.push_back(static_cast<Wide>(value.high >> 16));
    out.push_back(static_cast<Wide>(value.high & 0xffff) << 64 | static_cast<Wide>(value.low));
  } else if constexpr (std::same_as<T, Instant>) {
    out.push_back(value.ns);
  } else if constexpr (Described<T>) {
    for_each_member(value, [&](std::string_view, const auto& field) { flatten(field, out); });
  } else {
    out.push_back(static_cast<Wide>(value));
  }
}

// Takes a value's numbers from `next` on. False when one does not fit its field.
template <class T>
bool restore(T& value, const Wide*& next) {
  if constexpr (std::same_as<T, RequestId>) {
    const Wide ms = *next++, random = *next++;
    value.high = static_cast<std::uint64_t>(ms) << 16 | static_cast<std::uint64_t>(random >> 64);
    value.low = static_cast<std::uint64_t>(random);
    return ms >= 0 && ms >> 48 == 0 && random >= 0 && random >> random_bits == 0;
  } else if constexpr (std::same_as<T, Instant>) {
    return restore(value.ns, next);
  } else if constexpr (Described<T>) {
    bool fits = true;
    for_each_member(value, [&](std::string_view, auto& field) { fits &= restore(field, next); });
    return fits;
  } else if constexpr (DescribedEnum<T>) {
    using All = boost::describe::describe_enumerators<T>;
    const Wide number = *next++;
    value = static_cast<T>(static_cast<std::uint8_t>(number));
    return number >= 0 && number < static_cast<Wide>(boost::mp11::mp_size<All>::value);
  } else {
    const Wide number = *next++;
    value = static_cast<T>(number);
    return static_cast<Wide>(value) == number;
  }
}

// ---- kinds of records

// Calls visit.template operator()<One>() for each kind, in order.
template <class Visit>
void for_each_kind(Visit&& visit) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (visit.template operator()<std::variant_alternative_t<i, LogRecord>>(), ...);
  }(std::make_index_sequence<kinds>{});
}

template <class One>
void put_kind(std::string& out, const std::vector<LogRecord>& records) {
  std::vector<std::vector<Wide>> columns;
  for (const LogRecord& record : records) {
    const One* one = std::get_if<One>(&record);
    if (one == nullptr) continue;
    if constexpr (in_numbers<One>) {
      std::vector<Wide> row;
      flatten(*one, row);
      columns.resize(row.size());
      for (std::size_t i = 0; i < row.size(); ++i) columns[i].push_back(row[i]);
    } else {
      const std::string text = codec::encode(*one);
      put_number(out, static_cast<Wide>(text.size()));
      out += text;
    }
  }
  for (const auto& column : columns) put_column(out, column);
}

template <class One>
std::optional<std::vector<One>> take_kind(std::string_view& in, std::size_t count) {
  std::vector<One> out;
  if (count == 0) return out;
  if constexpr (in_numbers<One>) {
    std::vector<Wide> row;
    flatten(One{}, row);
    std::vector<std::vector<Wide>> columns;
    for (std::size_t i = 0; i < row.size(); ++i) {
      auto column = take_column(in, count);
      if (!column) return std::nullopt;
      columns.push_back(*std::move(column));
    }
    for (std::size_t at = 0; at < count; ++at) {
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = columns[i][at];
      const Wide* next = row.data();
      if (!restore(out.emplace_back(), next)) return std::nullopt;
    }
    return out;
  } else {
    while (out.size() < count) {
      const auto size = take_number(in);
      if (!size || *size < 0 || *size > static_cast<Wide>(in.size())) return std::nullopt;
      const auto length = static_cast<std::size_t>(*size);
      auto one = codec::decode<One>(in.substr(0, length));
      if (!one) return std::nullopt;
      in.remove_prefix(length);
      out.push_back(*std::move(one));
    }
    return out;
  }
}

// Where each record of a kind stands in the log.
using Places = std::array<std::vector<std::size_t>, kinds>;

std::optional<Places> take_places(std::string_view& in, std::size_t count) {
  const auto order = take_column(in, count);
  if (!order) return std::nullopt;
  Places places;
  for (std::size_t i = 0; i < count; ++i) {
    const Wide kind = (*order)[i];
    if (kind < 0 || kind >= static_cast<Wide>(kinds)) return std::nullopt;
    places.at(static_cast<std::size_t>(kind)).push_back(i);
  }
  return places;
}

}  // namespace

std::string pack_columns(const std::vector<LogRecord>& records) {
  check(records.size() <= max_packed_records, "usage log: too long a stretch");
  std::string out(1, version);
  put_number(out, static_cast<Wide>(records.size()));
  std::vector<Wide> order;
  for (const LogRecord& record : records) order.push_back(static_cast<Wide>(record.index()));
  put_column(out, order);
  for_each_kind([&]<class One>() { put_kind<One>(out, records); });
  return out;
}

Result<std::vector<LogRecord>> unpack_columns(std::string_view packed) {
  if (packed.empty() || packed[0] != version) return invalid("written by a newer version");
  packed.remove_prefix(1);
  const auto count = take_number(packed);
  if (!count || *count < 0 || *count > static_cast<Wide>(max_packed_records)) {
    return invalid("holds more records than a stretch may");
  }
  const auto places = take_places(packed, static_cast<std::size_t>(*count));
  if (!places) return invalid("the order of the records is damaged");
  std::vector<LogRecord> records(static_cast<std::size_t>(*count));
  std::size_t kind = 0;
  bool whole = true;
  for_each_kind([&]<class One>() {
    const auto& here = places->at(kind++);
    auto ones = whole ? take_kind<One>(packed, here.size()) : std::nullopt;
    whole = ones.has_value();
    for (std::size_t i = 0; whole && i < here.size(); ++i) {
      records[here[i]] = std::move((*ones)[i]);
    }
  });
  if (!whole || !packed.empty()) return invalid("cut short or damaged");
  return records;
}

}  // namespace bessemer::metering
