// Series for answers: one pass, in pieces, thinned evenly in little room.
#include "data/run/series.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "world/simulated/disk.h"

namespace bessemer::run {
namespace {

using simulated::SimulatedDisk;

Sample sample(std::int64_t step, double value) { return {Instant{step}, step, value}; }

// Few are all there; of many, the ends and the extremes, and no part is told better than another.
TEST(Thinned, KeepsEndsAndExtremesEvenly) {
  Random random(11);
  for (const std::size_t most : {4u, 5u, 7u, 100u, 500u}) {
    for (const std::int64_t count : {1, 3, 4, 5, 99, 100, 101, 500, 501, 12'345}) {
      Thinned thinned(most);
      double low = 2, high = -1;
      for (std::int64_t step = 0; step < count; ++step) {
        const double value = static_cast<double>(random.below(1'000'000)) / 1e6;
        low = std::min(low, value);
        high = std::max(high, value);
        thinned.add(sample(step, value));
      }
      const auto kept = thinned.samples();
      SCOPED_TRACE(std::to_string(count) + " to " + std::to_string(most));
      ASSERT_LE(kept.size(), most);
      if (static_cast<std::size_t>(count) <= most) {
        ASSERT_EQ(kept.size(), static_cast<std::size_t>(count));
      }
      EXPECT_EQ(kept.front().step, 0);
      EXPECT_EQ(kept.back().step, count - 1);
      bool has_low = false, has_high = false;
      for (std::size_t i = 0; i < kept.size(); ++i) {
        has_low = has_low || kept[i].value == low;
        has_high = has_high || kept[i].value == high;
        if (i == 0) continue;
        ASSERT_LT(kept[i - 1].step, kept[i].step);
        if (most >= 100) {
          EXPECT_LE(kept[i].step - kept[i - 1].step,
                    1 + 64 * count / static_cast<std::int64_t>(most));
        }
      }
      EXPECT_TRUE(has_low && has_high);
    }
  }
}

// All metrics of a file in one pass, whatever the size of the pieces; what is written meanwhile is
// for the next reader.
TEST(SeriesReader, ReadsAllMetricsOnceInPieces) {
  SimulatedDisk disk(1);
  auto writer = SeriesWriter::open(disk, "metrics");
  ASSERT_TRUE(writer) << to_text(writer.error());
  for (int step = 0; step < 1'000; ++step) {
    ASSERT_TRUE(writer->append({Instant{step}, step, {{"loss", -step}, {"accuracy", step}}}));
  }
  for (const std::uint64_t piece : {std::uint64_t{1}, std::uint64_t{1'000}, max_series_file}) {
    const auto before = writer->metrics();
    const auto reader = SeriesReader::open(disk, "metrics", {{}, 0, 500});
    ASSERT_TRUE(reader) << to_text(reader.error());
    ASSERT_TRUE(writer->append({Instant{1}, writer->next_step(), {{"loss", 7}}}));
    std::uint64_t pieces = 0;
    for (bool more = true; more; ++pieces) {
      const auto read = (*reader)->read(piece);
      ASSERT_TRUE(read) << to_text(read.error());
      more = *read;
    }
    EXPECT_EQ(pieces == 1, piece == max_series_file) << pieces;
    EXPECT_EQ((*reader)->summaries(), before);
    ASSERT_EQ((*reader)->series().size(), 2u);
    EXPECT_EQ((*reader)->series().at("accuracy").samples().back().value, 999);
    EXPECT_LE((*reader)->series().at("loss").samples().size(), 500u);
  }
  const auto one = SeriesReader::open(disk, "metrics", {"accuracy", 990, 500});
  ASSERT_TRUE(one);
  EXPECT_FALSE(*(*one)->read(max_series_file));
  ASSERT_EQ((*one)->series().size(), 1u);
  EXPECT_EQ((*one)->series().at("accuracy").samples().size(), 10u);
}

TEST(SeriesReader, RefusesWhatIsNoSeries) {
  SimulatedDisk disk(1);
  disk.put("other", "something else altogether");
  disk.put("torn", "BSM");
  EXPECT_EQ(SeriesReader::open(disk, "other", {}).error().code, Code::internal);
  EXPECT_EQ(SeriesReader::open(disk, "absent", {}).error().code, Code::not_found);
  EXPECT_EQ(SeriesReader::open(disk, "other", {{}, 0, 3}).error().code, Code::invalid);
  const auto torn = SeriesReader::open(disk, "torn", {});
  ASSERT_TRUE(torn) << to_text(torn.error());
  EXPECT_FALSE(*(*torn)->read(1'000));
  EXPECT_TRUE((*torn)->summaries().empty());
}

}  // namespace
}  // namespace bessemer::run
