// Snapshots: whole or absent after a crash, and an older one when the newest is no good.
#include "journal/snapshot.h"

#include <gtest/gtest.h>

#include "world/simulated/disk.h"

namespace bessemer::journal {
namespace {

using simulated::Fault;
using simulated::SimulatedDisk;
using simulated::Unsynced;

const Digest schema = sha256("the state's types");

Snapshot at(Sequence sequence) {
  return {{sequence, sha256(std::to_string(sequence))}, schema,
          std::string(200, char('a' + sequence % 26))};
}

Sequence newest(SimulatedDisk& disk) {
  const auto loaded = load_snapshot(disk, "snapshots", schema);
  EXPECT_TRUE(loaded) << to_text(loaded.error());
  return loaded && *loaded ? (*loaded)->at.sequence : 0;
}

TEST(Snapshot, ReadsBackWhatWasSaved) {
  SimulatedDisk disk(1);
  EXPECT_EQ(newest(disk), 0u);
  for (const Sequence sequence : {5, 20, 100}) {
    ASSERT_TRUE(save_snapshot(disk, "snapshots", at(sequence)));
  }
  disk.crash(Unsynced::lost);
  const auto loaded = load_snapshot(disk, "snapshots", schema);
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->at, at(100).at);
  EXPECT_EQ((*loaded)->bytes, at(100).bytes);
  EXPECT_EQ(*list_snapshots(disk, "snapshots"), (std::vector<Sequence>{5, 20, 100}));
  ASSERT_TRUE(prune_snapshots(disk, "snapshots", 2));
  EXPECT_EQ(*list_snapshots(disk, "snapshots"), (std::vector<Sequence>{20, 100}));
}

TEST(Snapshot, FallsBackToAnOlderOne) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(save_snapshot(disk, "snapshots", at(5)));
  ASSERT_TRUE(save_snapshot(disk, "snapshots", at(20)));
  const std::string path = "snapshots/00000000000000000020.snap";
  const std::string good = disk.files().at(path);
  for (std::size_t flip = 0; flip < good.size(); ++flip) {
    std::string bytes = good;
    bytes[flip] = static_cast<char>(bytes[flip] ^ 4);
    disk.put(path, bytes);
    EXPECT_EQ(newest(disk), 5u) << flip;
    const auto read = read_snapshot(disk, "snapshots", 20);
    ASSERT_FALSE(read) << flip;
    EXPECT_EQ(read.error().code, Code::invalid);
  }
  for (std::size_t size = 0; size < good.size(); size += 7) {
    disk.put(path, good.substr(0, size));
    EXPECT_EQ(newest(disk), 5u) << size;
  }
  std::string newer = good;
  newer[8] = 2;
  disk.put(path, newer);
  EXPECT_EQ(newest(disk), 5u);
  EXPECT_EQ(read_snapshot(disk, "snapshots", 20).error().reason, "snapshot_newer");
  disk.put(path, good);
  EXPECT_EQ(newest(disk), 20u);
}

TEST(Snapshot, OfAnotherSchemaIsPassedOver) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(save_snapshot(disk, "snapshots", at(5)));
  Snapshot other = at(20);
  other.schema = sha256("other types");
  ASSERT_TRUE(save_snapshot(disk, "snapshots", other));
  EXPECT_EQ(newest(disk), 5u);
}

TEST(Snapshot, ACrashAtAnyCallLeavesAWholeOne) {
  for (const Unsynced unsynced : {Unsynced::kept, Unsynced::lost, Unsynced::torn}) {
    for (std::uint64_t call = 1; call < 12; ++call) {
      SimulatedDisk disk(call);
      ASSERT_TRUE(save_snapshot(disk, "snapshots", at(5)));
      disk.fail_call(call, Fault::crash);
      const bool saved = save_snapshot(disk, "snapshots", at(20)).has_value();
      disk.crash(unsynced);
      const Sequence found = newest(disk);
      EXPECT_TRUE(found == 20 || (found == 5 && !saved)) << call;
      ASSERT_TRUE(save_snapshot(disk, "snapshots", at(20))) << call;
      EXPECT_EQ(newest(disk), 20u);
    }
  }
}

}  // namespace
}  // namespace bessemer::journal
