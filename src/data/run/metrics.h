// Metric series of a run: an append-only file beside the journal, its reader and its summary.
//
// File `runs/<run id>/metrics`: "BSMMETR1", then records
//   u32 length, u32 crc32c of the payload, payload
//   payload = u8 1, u16 id, name bytes                                   a name
//           | u8 2, i64 nanoseconds, i64 step, u16 count, count x (u16 id, f64)   a point
// Little-endian. A torn or damaged tail ends the file: what stands before it is whole.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/describe.h"
#include "base/result.h"
#include "base/time.h"
#include "data/run/run.h"
#include "world/world.h"

namespace bessemer::run {

constexpr std::size_t max_metric_line = 4096;             // bytes of one JSON line
constexpr std::size_t max_series_points = 5'000;          // of one answer
constexpr std::uint64_t max_series_file = std::uint64_t{4} << 30;  // bytes; then `exhausted`

// One line of /bessemer/metrics.jsonl.
struct Point {
  Instant at;
  std::int64_t step = 0;
  std::vector<std::pair<std::string, double>> values;  // in the line's order, each name once
  friend bool operator==(const Point&, const Point&) = default;
};
DESCRIBE(Point, at, step, values)

// {"step": 10, "loss": 2.31}: a line a task wrote. Without `step` it is `next_step`. Names are
// 1 to 63 of a-z A-Z 0-9 - . _ / @. Errors: invalid.
Result<Point> parse_line(std::string_view line, Instant at, std::int64_t next_step);

// Adds one point to the summaries; names beyond max_metrics are ignored.
void fold(std::map<std::string, Summary>& metrics, const Point& point);

// The only writer of one run's series.
class SeriesWriter {
 public:
  // Opens or makes the file `path`; a torn tail is cut off. Errors: those of the disk.
  static Result<SeriesWriter> open(world::Disk& disk, std::string path);

  // Errors: exhausted (file or disk full; too many names), internal.
  Result<void> append(const Point& point);
  Result<void> sync();
  // The summaries of everything in the file.
  const std::map<std::string, Summary>& metrics() const { return metrics_; }
  std::uint64_t bytes() const { return end_; }
  // One more than the highest step so far.
  std::int64_t next_step() const { return next_step_; }

 private:
  SeriesWriter() = default;
  std::unique_ptr<world::File> file_;
  std::uint64_t end_ = 0;
  std::int64_t next_step_ = 0;
  std::map<std::string, std::uint16_t> names_;
  std::map<std::string, Summary> metrics_;
};

// A value at a step.
struct Sample {
  Instant at;
  std::int64_t step = 0;
  double value = 0;
  friend bool operator==(const Sample&, const Sample&) = default;
};
DESCRIBE(Sample, at, step, value)

// What a series file holds up to its last whole record.
struct SeriesEnd {
  Digest digest;            // of the whole records, header included
  std::uint64_t bytes = 0;
  std::map<std::string, Summary> metrics;
};
// Errors: not_found, internal (not a series file).
Result<SeriesEnd> read_end(world::Disk& disk, std::string_view path);

// One metric from step `from` on, thinned to at most `max_points` (the first, the last and the
// extremes of each stretch stay). Errors: not_found, invalid (max_points).
Result<std::vector<Sample>> read_series(world::Disk& disk, std::string_view path,
                                        std::string_view metric, std::int64_t from,
                                        std::size_t max_points);

}  // namespace bessemer::run
