// Series files: records with a checksum each, read front to back up to the first that is torn.
#include "data/run/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/digest.h"
#include "base/json.h"
#include "data/run/record.h"

namespace bessemer::run {

namespace {

constexpr std::size_t max_values = 512;              // of one line, by its 4096 bytes
constexpr std::int64_t max_step = std::int64_t{1} << 53;

std::string framed(const std::string& payload) {
  std::string out;
  put(out, static_cast<std::uint32_t>(payload.size()));
  put(out, crc32c(payload));
  return out + payload;
}

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

}  // namespace bessemer::run
