// Series for an answer: the file is read once, in pieces, whatever its length in little room.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/run/record.h"

namespace bessemer::run {

// The samples of one metric as they come: all of them while they are few, then the first, the
// lowest, the highest and the last of each of a row of equal stretches.
class Thinned {
 public:
  // Requires: max_points is 4 to max_series_points.
  explicit Thinned(std::size_t max_points) : max_points_(max_points) {}

  void add(const Sample& sample);
  // At most max_points, in the order in which they came.
  std::vector<Sample> samples() const;

 private:
  struct Numbered {
    std::uint64_t number = 0;
    Sample sample;
  };
  struct Stretch {
    Numbered first, low, high, last;
    std::uint64_t count = 0;
  };
  std::size_t room() const;
  void merge();

  std::size_t max_points_;
  std::uint64_t width_ = 1;  // samples in a whole stretch
  std::uint64_t added_ = 0;
  std::vector<Stretch> stretches_;
};

// What is wanted of a series file.
struct SeriesWish {
  std::optional<std::string> only;  // this metric; left out: all of them
  std::int64_t from = 0;            // steps before it are left out
  std::size_t max_points = max_series_points;  // of each metric
};

// A file on its way through, up to where it ended when it was opened: whoever writes on meanwhile
// keeps nobody reading. Belongs to one thread at a time.
class SeriesReader {
 public:
  // Errors: not_found, internal (not a series file), invalid (max_points).
  static Result<std::unique_ptr<SeriesReader>> open(world::Disk& disk, std::string_view path,
                                                    SeriesWish wish);

  // Reads on, about `bytes`. False: all is read, up to the first record that is torn.
  // Errors: internal (a whole record that makes no sense).
  Result<bool> read(std::uint64_t bytes);

  // Of everything read so far, wanted or not.
  const std::map<std::string, Summary>& summaries() const { return summaries_; }
  const std::map<std::string, Thinned>& series() const { return series_; }

 private:
  SeriesReader(std::unique_ptr<world::File> file, std::uint64_t end, SeriesWish wish)
      : file_(std::move(file)), end_(end), wish_(std::move(wish)),
        records_(*file_, magic.size()) {}
  void take(const Point& point);

  std::unique_ptr<world::File> file_;
  std::uint64_t end_;
  SeriesWish wish_;
  Records records_;
  Meaning meaning_;
  std::map<std::string, Summary> summaries_;
  std::map<std::string, Thinned> series_;
};

}  // namespace bessemer::run
