// Series files: what was synced is read back, what is torn ends the file.
#include "data/run/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/digest.h"
#include "base/random.h"
#include "world/simulated/disk.h"

namespace bessemer::run {
namespace {

using simulated::SimulatedDisk;
using simulated::Unsynced;

Point point(std::int64_t step, double loss) { return {Instant{step * 10}, step, {{"loss", loss}}}; }

TEST(MetricLine, IsAnObjectOfNumbers) {
  const auto parsed = parse_line(R"({"step": 10, "loss": 2.5, "top/1@5": 3})", Instant{7}, 99);
  ASSERT_TRUE(parsed) << to_text(parsed.error());
  EXPECT_EQ(*parsed, (Point{Instant{7}, 10, {{"loss", 2.5}, {"top/1@5", 3.0}}}));
  EXPECT_EQ(parse_line(R"({"loss": 1})", Instant{7}, 99)->step, 99);
  EXPECT_TRUE(std::isnan(parse_line(R"({"loss": null})", {}, 0)->values[0].second));
}

TEST(MetricLine, Refusals) {
  struct Case { std::string line; const char* says; };
  const Case cases[] = {
      {"", "malformed"},
      {"3", "must be a JSON object"},
      {"[1]", "must be an object"},
      {"{}", "at least one metric"},
      {R"({"step": 1})", "at least one metric"},
      {R"({"loss": "2"})", "loss: must be a number"},
      {R"({"loss": true})", "loss: must be a number"},
      {R"({"loss": {"a": 1}})", "loss: must be a number"},
      {R"({"loss": 1, "loss": 2})", "loss: is given twice"},
      {R"({"step": 1, "step": 2, "loss": 2})", "step: is given twice"},
      {R"({"step": 1.5, "loss": 2})", "step: must be a whole number"},
      {R"({"step": 9223372036854775807, "loss": 2})", "step: is out of range"},
      {R"({"lo ss": 1})", "a metric's name"},
      {R"({"loss": 1} x)", "malformed"},
      {R"({"loss": )" + std::string(5'000, '1') + "}", "at most 4096 bytes"},
  };
  for (const Case& one : cases) {
    const auto parsed = parse_line(one.line, {}, 0);
    ASSERT_FALSE(parsed) << one.line;
    EXPECT_NE(to_text(parsed.error()).find(one.says), std::string::npos)
        << one.line << ": " << to_text(parsed.error());
  }
}

TEST(Series, IsReadBackAndSummarised) {
  SimulatedDisk disk(1);
  auto writer = SeriesWriter::open(disk, "metrics");
  ASSERT_TRUE(writer) << to_text(writer.error());
  for (int step = 0; step < 10; ++step) ASSERT_TRUE(writer->append(point(step, 10 - step)));
  ASSERT_TRUE(writer->append({Instant{1}, 10, {{"loss", NAN}, {"accuracy", 0.5}}}));
  ASSERT_TRUE(writer->sync());
  const auto end = read_end(disk, "metrics");
  ASSERT_TRUE(end);
  EXPECT_EQ(end->metrics, writer->metrics());
  EXPECT_EQ(end->bytes, writer->bytes());
  EXPECT_EQ(end->digest, sha256(disk.files().at("metrics")));
  EXPECT_EQ(end->metrics.at("loss"), (Summary{10, 1, 1, 10, 9, 9, 0, 1}));
  const auto series = read_series(disk, "metrics", "loss", 3, 100);
  ASSERT_TRUE(series);
  EXPECT_EQ(series->size(), 7u);
  EXPECT_EQ(series->front(), (Sample{Instant{30}, 3, 7.0}));
  EXPECT_EQ(read_series(disk, "metrics", "none", 0, 100).error().code, Code::not_found);
  EXPECT_EQ(read_series(disk, "metrics", "loss", 0, 3).error().code, Code::invalid);
  EXPECT_EQ(read_series(disk, "absent", "loss", 0, 100).error().code, Code::not_found);
}

TEST(Series, GoesOnAfterARestart) {
  SimulatedDisk disk(1);
  {
    auto writer = SeriesWriter::open(disk, "metrics");
    ASSERT_TRUE(writer->append(point(4, 1.0)));
  }
  auto writer = SeriesWriter::open(disk, "metrics");
  ASSERT_TRUE(writer);
  EXPECT_EQ(writer->next_step(), 5);
  ASSERT_TRUE(writer->append({Instant{}, 5, {{"accuracy", 0.1}, {"loss", 0.5}}}));
  EXPECT_EQ(read_end(disk, "metrics")->metrics, writer->metrics());
  EXPECT_EQ(writer->metrics().at("loss").count, 2u);
}

TEST(Series, IsThinnedButKeepsItsExtremes) {
  SimulatedDisk disk(1);
  auto writer = SeriesWriter::open(disk, "metrics");
  for (int step = 0; step < 20'000; ++step) {
    const double value = step == 7'777 ? 100.0 : step == 12'345 ? -100.0 : std::sin(step);
    ASSERT_TRUE(writer->append(point(step, value)));
  }
  const auto series = read_series(disk, "metrics", "loss", 0, 400);
  ASSERT_TRUE(series);
  EXPECT_LE(series->size(), 400u);
  EXPECT_EQ(series->front().step, 0);
  EXPECT_EQ(series->back().step, 19'999);
  const auto holds = [&](double value) {
    return std::any_of(series->begin(), series->end(),
                       [&](const Sample& one) { return one.value == value; });
  };
  EXPECT_TRUE(holds(100.0) && holds(-100.0));
  for (std::size_t i = 1; i < series->size(); ++i) {
    ASSERT_LT((*series)[i - 1].step, (*series)[i].step);
  }
}

TEST(Series, BoundsItsNames) {
  SimulatedDisk disk(1);
  auto writer = SeriesWriter::open(disk, "metrics");
  for (std::size_t i = 0; i < max_metrics; ++i) {
    ASSERT_TRUE(writer->append({{}, 0, {{"m" + std::to_string(i), 1.0}}}));
  }
  const std::uint64_t before = writer->bytes();
  EXPECT_EQ(writer->append({{}, 0, {{"one-more", 1.0}}}).error().code, Code::exhausted);
  EXPECT_EQ(writer->append({{}, 0, {{"not a name", 1.0}}}).error().code, Code::invalid);
  EXPECT_EQ(writer->bytes(), before);
  EXPECT_TRUE(writer->append({{}, 1, {{"m3", 2.0}}}));
}

// The power fails at any moment: every synced point is there, in order, and the file goes on.
TEST(Series, SurvivesCrashes) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    SimulatedDisk disk(seed);
    std::uint64_t synced = 0, written = 0;
    {
      auto writer = SeriesWriter::open(disk, "metrics");
      ASSERT_TRUE(writer);
      for (std::uint64_t n = random.below(40); n > 0; --n) {
        ASSERT_TRUE(writer->append(point(static_cast<std::int64_t>(written), 1.0 + written)));
        ++written;
        if (random.chance(1, 4)) {
          ASSERT_TRUE(writer->sync());
          synced = written;
        }
      }
    }
    disk.crash(random.chance(1, 2) ? Unsynced::torn : Unsynced::lost);
    auto writer = SeriesWriter::open(disk, "metrics");
    ASSERT_TRUE(writer) << seed << ": " << to_text(writer.error());
    const auto& metrics = writer->metrics();
    const std::uint64_t kept = metrics.contains("loss") ? metrics.at("loss").count : 0;
    ASSERT_GE(kept, synced) << seed;
    ASSERT_LE(kept, written) << seed;
    ASSERT_TRUE(writer->append(point(1'000, 0.0)));
    const auto series = read_series(disk, "metrics", "loss", 0, 5'000);
    ASSERT_TRUE(series);
    ASSERT_EQ(series->size(), kept + 1);
    for (std::uint64_t i = 0; i < kept; ++i) ASSERT_EQ((*series)[i].value, 1.0 + i) << seed;
  }
}

// Any damage ends the file or is said; it is never read as another number.
TEST(Series, DamageIsNeverANumber) {
  SimulatedDisk disk(1);
  auto writer = SeriesWriter::open(disk, "metrics");
  for (int step = 0; step < 50; ++step) ASSERT_TRUE(writer->append(point(step, step)));
  const std::string whole = disk.files().at("metrics");
  Random random(9);
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes = whole;
    if (random.chance(1, 3)) bytes.resize(random.below(bytes.size()));
    else bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    disk.put("damaged", bytes);
    const auto series = read_series(disk, "damaged", "loss", 0, 5'000);
    if (!series) continue;
    for (std::size_t i = 0; i < series->size(); ++i) {
      ASSERT_EQ((*series)[i].value, static_cast<double>(i));
    }
  }
}

}  // namespace
}  // namespace bessemer::run
