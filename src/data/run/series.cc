// One pass over a series file.
#include "data/run/series.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace bessemer::run {

// Stretches that there may be: each gives up to four samples, or as many as it has.
std::size_t Thinned::room() const {
  return std::max<std::size_t>(1, max_points_ / std::min<std::uint64_t>(width_, 4));
}

// Two neighbours become one.
void Thinned::merge() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < stretches_.size(); i += 2, ++kept) {
    Stretch one = stretches_[i];
    if (i + 1 < stretches_.size()) {
      const Stretch& next = stretches_[i + 1];
      if (next.low.sample.value < one.low.sample.value) one.low = next.low;
      if (next.high.sample.value > one.high.sample.value) one.high = next.high;
      one.last = next.last;
      one.count += next.count;
    }
    stretches_[kept] = one;
  }
  stretches_.resize(kept);
  width_ *= 2;
}

void Thinned::add(const Sample& sample) {
  const Numbered numbered{added_++, sample};
  const auto is_full = [&] { return stretches_.empty() || stretches_.back().count == width_; };
  while (stretches_.size() + (is_full() ? 1 : 0) > room()) merge();
  if (is_full()) {
    stretches_.push_back({numbered, numbered, numbered, numbered, 1});
    return;
  }
  Stretch& last = stretches_.back();
  if (sample.value < last.low.sample.value) last.low = numbered;
  if (sample.value > last.high.sample.value) last.high = numbered;
  last.last = numbered;
  ++last.count;
}

std::vector<Sample> Thinned::samples() const {
  std::vector<Sample> all;
  for (const Stretch& stretch : stretches_) {
    std::array picked{stretch.first, stretch.low, stretch.high, stretch.last};
    std::ranges::sort(picked, {}, &Numbered::number);
    const auto twice = std::ranges::unique(picked, {}, &Numbered::number);
    for (auto at = picked.begin(); at != twice.begin(); ++at) all.push_back(at->sample);
  }
  check(all.size() <= max_points_, "a thinned series has too many points");
  return all;
}

Result<std::unique_ptr<SeriesReader>> SeriesReader::open(world::Disk& disk, std::string_view path,
                                                         SeriesWish wish) {
  if (wish.max_points < 4 || wish.max_points > max_series_points) {
    return invalid("must be 4 to 5000").at("max_points");
  }
  TRY_ASSIGN(auto file, disk.open(path, world::OpenMode::read));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  std::string start(magic.size(), '\0');
  TRY_ASSIGN(const std::size_t got, file->read_at(0, start));
  if (got == magic.size() && start != magic) return internal("is not a series file");
  // Torn before anything was said: nothing is there to be read.
  const std::uint64_t end = got < magic.size() ? 0 : size;
  return std::unique_ptr<SeriesReader>(
      new SeriesReader(std::move(file), end, std::move(wish)));
}

Result<bool> SeriesReader::read(std::uint64_t bytes) {
  const std::uint64_t stop = std::min(end_, records_.at() + bytes);
  Record record;
  while (records_.at() < stop) {
    TRY_ASSIGN(const bool more, records_.next(record));
    if (!more) return false;
    TRY_ASSIGN(const std::optional<Point> point, meaning_.read(record.payload));
    if (point) take(*point);
  }
  return records_.at() < end_;
}

void SeriesReader::take(const Point& point) {
  fold(summaries_, point);
  for (const auto& [name, value] : point.values) {
    if (wish_.only && *wish_.only != name) continue;
    if (series_.size() >= max_metrics && !series_.contains(name)) continue;
    Thinned& samples = series_.try_emplace(name, wish_.max_points).first->second;
    if (point.step >= wish_.from && std::isfinite(value)) {
      samples.add({point.at, point.step, value});
    }
  }
}

Result<std::vector<Sample>> read_series(world::Disk& disk, std::string_view path,
                                        std::string_view metric, std::int64_t from,
                                        std::size_t max_points) {
  SeriesWish wish{std::string(metric), from, max_points};
  TRY_ASSIGN(const auto reader, SeriesReader::open(disk, path, std::move(wish)));
  for (bool more = true; more;) {
    TRY_ASSIGN(more, reader->read(max_series_file));
  }
  const auto found = reader->series().find(std::string(metric));
  if (found == reader->series().end()) {
    return not_found("the run has no metric " + std::string(metric)).at("metric");
  }
  return found->second.samples();
}

}  // namespace bessemer::run
