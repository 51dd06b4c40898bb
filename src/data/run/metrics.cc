// Series files: records with a checksum each, read front to back up to the first that is torn.
#include "data/run/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/digest.h"
#include "base/json.h"

namespace bessemer::run {

namespace {

constexpr std::string_view magic = "BSMMETR1";
constexpr std::size_t head_bytes = 8;                // length and checksum of a record
constexpr std::size_t max_record = 16 << 10;         // bytes of a payload
constexpr std::size_t max_metric_name = 63;
constexpr std::size_t max_values = 512;              // of one line, by its 4096 bytes
constexpr std::size_t window_bytes = std::size_t{1} << 20;
constexpr std::int64_t max_step = std::int64_t{1} << 53;
constexpr std::uint8_t name_record = 1, point_record = 2;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // little-endian, as every machine we build for
  out.append(bytes, sizeof value);
}

template <class T>
bool take(std::string_view& in, T& value) {
  if (in.size() < sizeof value) return false;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return true;
}

bool is_metric_name(std::string_view name) {
  if (name.empty() || name.size() > max_metric_name) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._/@%").find(c) != std::string_view::npos;
  });
}

std::string framed(const std::string& payload) {
  std::string out;
  put(out, static_cast<std::uint32_t>(payload.size()));
  put(out, crc32c(payload));
  return out + payload;
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

// Calls visit(record, point) for every whole record; point is nothing for names.
template <class Visit>
Result<void> for_each_record(const world::File& file, Visit&& visit) {
  std::string start(magic.size(), '\0');
  TRY_ASSIGN(const std::size_t got, file.read_at(0, start));
  if (got < magic.size()) return {};  // torn before anything was said
  if (start != magic) return internal("is not a series file");
  Records records(file, magic.size());
  Meaning meaning;
  Record record;
  while (true) {
    TRY_ASSIGN(const bool more, records.next(record));
    if (!more) return {};
    TRY_ASSIGN(const std::optional<Point> point, meaning.read(record.payload));
    TRY(visit(record, point, meaning));
  }
}

}  // namespace

Result<Point> parse_line(std::string_view line, Instant at, std::int64_t next_step) {
  if (line.size() > max_metric_line) return invalid("a line may be at most 4096 bytes");
  Point point{at, next_step, {}};
  bool has_step = false;
  TRY(json::parse(line, [&](json::Value& root) -> Result<void> {
    return root.object([&](std::string_view key, json::Value& value) -> Result<void> {
      if (key == "step") {
        if (has_step) return invalid("is given twice");
        has_step = true;
        TRY_ASSIGN(point.step, value.integer());
        if (point.step < -max_step || point.step > max_step) return invalid("is out of range");
        return {};
      }
      if (!is_metric_name(key)) {
        return invalid("a metric's name is 1 to 63 of a-z A-Z 0-9 - . _ / @ %");
      }
      const bool twice = std::any_of(point.values.begin(), point.values.end(),
                                     [&](const auto& one) { return one.first == key; });
      if (twice) return invalid("is given twice");
      // JSON has no NaN; libraries write null for it.
      double number = std::numeric_limits<double>::quiet_NaN();
      if (!value.is_null()) {
        TRY_ASSIGN(number, value.real());
      }
      point.values.emplace_back(std::string(key), number);
      return {};
    });
  }));
  if (point.values.empty()) return invalid("must name at least one metric");
  return point;
}

void fold(std::map<std::string, Summary>& metrics, const Point& point) {
  for (const auto& [name, value] : point.values) {
    if (metrics.size() >= max_metrics && !metrics.contains(name)) continue;
    Summary& summary = metrics[name];
    if (!std::isfinite(value)) {
      ++summary.not_finite;
      continue;
    }
    if (summary.count == 0 || value < summary.min) {
      summary.min = value;
      summary.min_step = point.step;
    }
    if (summary.count == 0 || value > summary.max) {
      summary.max = value;
      summary.max_step = point.step;
    }
    summary.last = value;
    summary.last_step = point.step;
    ++summary.count;
  }
}

Result<SeriesWriter> SeriesWriter::open(world::Disk& disk, std::string path) {
  SeriesWriter writer;
  const bool fresh = !disk.exists(path);
  TRY_ASSIGN(writer.file_, disk.open(path, fresh ? world::OpenMode::create
                                                 : world::OpenMode::read_write));
  TRY(for_each_record(*writer.file_, [&](const Record& record, const std::optional<Point>& point,
                                         const Meaning& meaning) -> Result<void> {
    writer.end_ = record.end;
    if (point) {
      fold(writer.metrics_, *point);
      writer.next_step_ = std::max(writer.next_step_, point->step + 1);
    } else {
      for (const auto& [id, name] : meaning.names) writer.names_[name] = id;
    }
    return {};
  }));
  if (writer.end_ == 0) {
    TRY(writer.file_->truncate(0));
    TRY(writer.file_->write_at(0, magic));
    writer.end_ = magic.size();
  }
  TRY_ASSIGN(const std::uint64_t size, writer.file_->size());
  if (size > writer.end_) TRY(writer.file_->truncate(writer.end_));
  if (fresh) {
    const std::size_t slash = path.rfind('/');
    TRY(writer.file_->sync());
    TRY(disk.sync_directory(slash == std::string::npos ? "" : path.substr(0, slash)));
  }
  return writer;
}

Result<void> SeriesWriter::append(const Point& point) {
  if (point.values.size() > max_values) return invalid("a point may hold at most 512 values");
  if (point.step < -max_step || point.step > max_step) {
    return invalid("must be at most 2^53").at("step");
  }
  std::string out, body;
  auto names = names_;
  std::uint16_t count = 0;
  for (const auto& [name, value] : point.values) {
    if (!is_metric_name(name)) return invalid(name.substr(0, 63) + " is not a metric's name");
    if (!names.contains(name)) {
      if (names.size() >= max_metrics) {
        return exhausted("a run may have at most 256 metrics").at(name);
      }
      const auto id = static_cast<std::uint16_t>(names.size());
      names[name] = id;
      std::string payload;
      put(payload, name_record);
      put(payload, id);
      out += framed(payload + name);
    }
    put(body, names[name]);
    put(body, value);
    ++count;
  }
  std::string payload;
  put(payload, point_record);
  put(payload, point.at.ns);
  put(payload, point.step);
  put(payload, count);
  out += framed(payload + body);
  if (end_ + out.size() > max_series_file) {
    return exhausted("the run's metrics take 4 GiB already").fix("report less often");
  }
  TRY(file_->write_at(end_, out));
  end_ += out.size();
  names_ = std::move(names);
  fold(metrics_, point);
  next_step_ = std::max(next_step_, point.step + 1);
  return {};
}

Result<void> SeriesWriter::sync() { return file_->sync(); }

Result<SeriesEnd> read_end(world::Disk& disk, std::string_view path) {
  TRY_ASSIGN(const auto file, disk.open(path, world::OpenMode::read));
  SeriesEnd end;
  Sha256 running;
  running.add(magic);
  end.bytes = magic.size();
  TRY(for_each_record(*file, [&](const Record& record, const std::optional<Point>& point,
                                 const Meaning&) -> Result<void> {
    running.add(record.bytes);
    end.bytes = record.end;
    if (point) fold(end.metrics, *point);
    return {};
  }));
  end.digest = running.finish();
  return end;
}

namespace {

// Keeps the first, the last and the extremes of each of `stretches` equal stretches.
std::vector<Sample> thinned(const std::vector<Sample>& all, std::size_t max_points) {
  if (all.size() <= max_points) return all;
  const std::size_t stretches = std::max<std::size_t>(1, max_points / 4);
  std::vector<Sample> kept;
  for (std::size_t i = 0; i < stretches; ++i) {
    const std::size_t begin = all.size() * i / stretches, end = all.size() * (i + 1) / stretches;
    std::size_t low = begin, high = begin;
    for (std::size_t at = begin; at < end; ++at) {
      if (all[at].value < all[low].value) low = at;
      if (all[at].value > all[high].value) high = at;
    }
    std::vector<std::size_t> picked{begin, low, high, end - 1};
    std::sort(picked.begin(), picked.end());
    picked.erase(std::unique(picked.begin(), picked.end()), picked.end());
    for (const std::size_t at : picked) kept.push_back(all[at]);
  }
  return kept;
}

// A bound on memory however long the file is: beyond it the samples are thinned as they come.
constexpr std::size_t max_samples_held = 1'000'000;

}  // namespace

Result<std::vector<Sample>> read_series(world::Disk& disk, std::string_view path,
                                        std::string_view metric, std::int64_t from,
                                        std::size_t max_points) {
  if (max_points < 4 || max_points > max_series_points) {
    return invalid("must be 4 to 5000").at("max_points");
  }
  TRY_ASSIGN(const auto file, disk.open(path, world::OpenMode::read));
  std::vector<Sample> samples;
  bool known = false;
  TRY(for_each_record(*file, [&](const Record&, const std::optional<Point>& point,
                                 const Meaning&) -> Result<void> {
    if (!point) return {};
    for (const auto& [name, value] : point->values) {
      if (name != metric) continue;
      known = true;
      if (point->step < from || !std::isfinite(value)) continue;
      if (samples.size() >= max_samples_held) samples = thinned(samples, max_samples_held / 2);
      samples.push_back({point->at, point->step, value});
    }
    return {};
  }));
  if (!known) return not_found("the run has no metric " + std::string(metric)).at("metric");
  return thinned(samples, max_points);
}

}  // namespace bessemer::run
