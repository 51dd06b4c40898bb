// Records of series files: each with a checksum, read front to back up to the first that is torn.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "data/run/metrics.h"

namespace bessemer::run {

inline constexpr std::string_view magic = "BSMMETR1";
inline constexpr std::size_t head_bytes = 8;                // length and checksum of a record
inline constexpr std::size_t max_record = 16 << 10;         // bytes of a payload
inline constexpr std::size_t max_metric_name = 63;
inline constexpr std::size_t window_bytes = std::size_t{1} << 20;
inline constexpr std::uint8_t name_record = 1, point_record = 2;

// Little-endian, as every machine we build for.
template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class T>
bool take(std::string_view& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return true;
}

inline bool is_metric_name(std::string_view name) {
  if (name.empty() || name.size() > max_metric_name) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._/@%").find(c) != std::string_view::npos;
  });
}

// A record as it stands in the file.
struct Record {
  std::uint64_t end = 0;     // offset behind it
  std::string_view bytes;    // with its head; lives until the next record is read
  std::string_view payload;
};

// Reads records in order through one window; stops at the end or at the first torn one.
class Records {
 public:
  Records(const world::File& file, std::uint64_t from) : file_(file), at_(from) {}

  Result<bool> next(Record& record) {
    TRY(fill(head_bytes));
    std::string_view head = held();
    std::uint32_t length = 0, checksum = 0;
    if (!take(head, length) || !take(head, checksum)) return false;
    if (length == 0 || length > max_record) return false;
    TRY(fill(head_bytes + length));
    if (held().size() < head_bytes + length) return false;
    record.bytes = held().substr(0, head_bytes + length);
    record.payload = record.bytes.substr(head_bytes);
    if (crc32c(record.payload) != checksum) return false;
    start_ += record.bytes.size();
    at_ += record.bytes.size();
    record.end = at_;
    return true;
  }
  // The offset behind the last record.
  std::uint64_t at() const { return at_; }

 private:
  std::string_view held() const { return std::string_view(window_).substr(start_); }

  // Makes at least `bytes` available if the file has them.
  Result<void> fill(std::size_t bytes) {
    if (held().size() >= bytes) return {};
    window_.erase(0, start_);
    start_ = 0;
    const std::size_t kept = window_.size();
    window_.resize(window_bytes);
    TRY_ASSIGN(const std::size_t got,
               file_.read_at(at_ + kept, std::span(window_).subspan(kept)));
    window_.resize(kept + got);
    return {};
  }

  const world::File& file_;
  std::uint64_t at_;
  std::string window_;
  std::size_t start_ = 0;
};

// What a record says, once its names are known.
struct Meaning {
  std::map<std::uint16_t, std::string> names;

  // A point, or nothing for a name record. Errors: internal (a whole record that makes no sense).
  Result<std::optional<Point>> read(std::string_view payload) {
    const Error senseless = internal("the series file holds a record that makes no sense");
    std::uint8_t kind = 0;
    if (!take(payload, kind)) return senseless;
    if (kind == name_record) {
      std::uint16_t id = 0;
      if (!take(payload, id) || !is_metric_name(payload)) return senseless;
      names[id] = std::string(payload);
      return std::optional<Point>{};
    }
    Point point;
    std::uint16_t count = 0;
    if (kind != point_record || !take(payload, point.at.ns) || !take(payload, point.step) ||
        !take(payload, count)) {
      return senseless;
    }
    for (; count > 0; --count) {
      std::uint16_t id = 0;
      double value = 0;
      if (!take(payload, id) || !take(payload, value) || !names.contains(id)) return senseless;
      point.values.emplace_back(names[id], value);
    }
    if (!payload.empty()) return senseless;
    return std::optional<Point>(std::move(point));
  }
};

}  // namespace bessemer::run
