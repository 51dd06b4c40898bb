// The usage log's files: one living writer, ranges that can be shipped twice, sealed stretches.
#include "journal/usage_log.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "journal/segment.h"
#include "world/simulated/disk.h"

namespace bessemer::journal {
namespace {

using simulated::SimulatedDisk;
using simulated::Unsynced;

const GatewayId gateway{1, 2};
const Mark mark = {1, 2, 3};

void put(UsageLog& log, const std::string& text) {
  const Record record{1, text};
  ASSERT_TRUE(append_now(*log.journal, {&record, 1}));
}

TEST(UsageLog, HasOneLivingWriter) {
  SimulatedDisk disk(1);
  EXPECT_TRUE(list_usage_gateways(disk)->empty());
  auto log = begin_usage_log(disk, gateway, 7, mark);
  ASSERT_TRUE(log);
  put(*log, "hold");
  EXPECT_EQ(usage_directory(gateway, 7), "usage/" + to_text(gateway) + "/0000000007");
  const auto busy = recover_usage_log(disk, gateway, 7, {});
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, Code::conflict);
  disk.crash(Unsynced::lost);
  std::vector<std::string> replayed;
  auto dead = recover_usage_log(disk, gateway, 7, [&](const Batch& batch) -> Result<void> {
    Record record;
    for (Records each(batch.body); each.next(record);) replayed.emplace_back(record.bytes);
    return {};
  });
  ASSERT_TRUE(dead) << to_text(dead.error());
  EXPECT_EQ(replayed, (std::vector<std::string>{"hold"}));
  EXPECT_EQ(dead->mark, mark);
  put(*dead, "void");
  dead = internal("closed");
  const auto again = begin_usage_log(disk, gateway, 7, mark);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::conflict);
  ASSERT_TRUE(begin_usage_log(disk, gateway, 12, mark));
  EXPECT_EQ(*list_usage_epochs(disk, gateway), (std::vector<std::uint64_t>{7, 12}));
  EXPECT_EQ(*list_usage_gateways(disk), (std::vector<GatewayId>{gateway}));
  const auto none = recover_usage_log(disk, gateway, 8, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::not_found);
}

TEST(UsageLog, ShipsWholeBatchesFromAnywhere) {
  SimulatedDisk disk(1);
  auto log = *begin_usage_log(disk, gateway, 1, mark);
  auto live = *Shipper::from(log, 1);
  EXPECT_TRUE(live.take(1000)->empty());
  Random random(3);
  Head received, acknowledged;
  std::uint64_t seen = 0;
  const auto visit = [&](const Batch& batch) -> Result<void> {
    EXPECT_EQ(batch.first, seen + 1);
    seen = batch.last();
    return {};
  };
  for (int round = 0; round < 200; ++round) {
    for (auto n = random.below(4); n > 0; --n) put(log, std::string(random.below(50), 'x'));
    const bool reconnects = random.chance(1, 4);  // what was not acknowledged comes again
    if (reconnects) live = *Shipper::from(log, acknowledged.sequence + 1);
    while (true) {
      const auto range = live.take(1 + random.below(300));
      ASSERT_TRUE(range);
      if (range->empty()) break;
      const auto head = walk_range(*range, received, visit);
      ASSERT_TRUE(head) << to_text(head.error());
      received = *head;
    }
    if (random.chance(1, 2)) acknowledged = received;
  }
  EXPECT_EQ(received.sequence, log.journal->durable());
  EXPECT_EQ(seen, received.sequence);
}

TEST(UsageLog, RefusesADamagedRange) {
  SimulatedDisk disk(1), other(2);
  auto log = *begin_usage_log(disk, gateway, 1, mark);
  auto foreign = *begin_usage_log(other, gateway, 1, mark);
  for (const char* text : {"one", "two", "six"}) put(log, text);
  for (const char* text : {"ten", "two", "six"}) put(foreign, text);
  const std::string good = *Shipper::from(log, 1)->take(1 << 20);
  EXPECT_EQ(walk_range(good, {}, {})->sequence, 3u);
  EXPECT_EQ(walk_range(good, *walk_range(good, {}, {}), {})->sequence, 3u);
  EXPECT_EQ(*walk_range("", {}, {}), Head{});
  for (std::size_t flip = 0; flip < good.size(); ++flip) {
    std::string bytes = good;
    bytes[flip] = static_cast<char>(bytes[flip] ^ 1);
    EXPECT_FALSE(walk_range(bytes, {}, {})) << flip;
  }
  for (std::size_t size = 1; size < good.size(); ++size) {
    const auto head = walk_range(good.substr(0, size), {}, {});
    EXPECT_LT(head ? head->sequence : 0, 3u) << size;
  }
  const std::string later = *Shipper::from(log, 3)->take(1 << 20);
  EXPECT_FALSE(walk_range(later, {}, {}));  // a gap
  const std::string strange = *Shipper::from(foreign, 2)->take(1 << 20);
  const std::string first = *Shipper::from(log, 1)->take(1);
  EXPECT_FALSE(walk_range(strange, *walk_range(first, {}, {}), {}));  // another chain
}

TEST(UsageLog, SealedStretchesReplaceSegments) {
  SimulatedDisk disk(1);
  const std::string directory = usage_directory(gateway, 1);
  auto log = *begin_usage_log(disk, gateway, 1, mark);
  const std::string large(2'000'000, 'x');
  std::vector<Head> heads;
  for (int i = 0; i < 12; ++i) {
    const Record record{1, large};
    heads.push_back(*append_now(*log.journal, {&record, 1}));
  }
  const auto segments = *list_segments(disk, directory);
  ASSERT_EQ(segments.size(), 3u);
  const Head end = heads[segments[1] - 2];
  const SealedUsage sealed{1, end.sequence, end.chain, "sums", "columns"};
  const auto digest = seal_usage(disk, directory, sealed);
  ASSERT_TRUE(digest);
  EXPECT_EQ(*seal_usage(disk, directory, sealed), *digest);
  SealedUsage changed = sealed;
  changed.sums = "other";
  EXPECT_EQ(seal_usage(disk, directory, changed).error().code, Code::conflict);
  ASSERT_TRUE(drop_sealed_segments(disk, directory));
  EXPECT_EQ(list_segments(disk, directory)->front(), segments[1]);
  EXPECT_EQ(*list_sealed_usage(disk, directory), (std::vector<Sequence>{1}));

  disk.crash(Unsynced::lost);
  const auto read = read_sealed_usage(disk, directory, 1, *digest);
  ASSERT_TRUE(read) << to_text(read.error());
  EXPECT_EQ(read->columns, "columns");
  EXPECT_EQ(read->last, end.sequence);
  EXPECT_FALSE(read_sealed_usage(disk, directory, 1, sha256("x")));
  std::size_t replayed = 0;
  auto back = recover_usage_log(disk, gateway, 1, [&](const Batch& batch) -> Result<void> {
    EXPECT_GT(batch.first, end.sequence);
    ++replayed;
    return {};
  });
  ASSERT_TRUE(back) << to_text(back.error());
  EXPECT_EQ(replayed, 12 - end.sequence);
  EXPECT_EQ(back->journal->durable(), 12u);

  const std::string path = directory + "/00000000000000000001.sealed";
  std::string bytes = disk.files().at(path);
  for (std::size_t flip = 0; flip < bytes.size(); ++flip) {
    bytes[flip] = static_cast<char>(bytes[flip] ^ 1);
    disk.put(path, bytes);
    EXPECT_FALSE(read_sealed_usage(disk, directory, 1, {})) << flip;
    bytes[flip] = static_cast<char>(bytes[flip] ^ 1);
  }
}

}  // namespace
}  // namespace bessemer::journal
