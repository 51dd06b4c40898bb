// The simulated disk forgets what was not synced, and only that.
#include "world/simulated/disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "world/simulated/clock.h"
#include "world/simulated/entropy.h"

namespace bessemer::simulated {
namespace {

using world::OpenMode;

std::unique_ptr<world::File> create(SimulatedDisk& disk, const char* path) {
  auto file = disk.open(path, OpenMode::create);
  EXPECT_TRUE(file);
  return std::move(*file);
}

TEST(SimulatedDisk, PowerFailureKeepsWhatWasSynced) {
  SimulatedDisk disk(1);
  auto file = create(disk, "a");
  ASSERT_TRUE(file->write_at(0, "one"));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk.sync_directory(""));
  ASSERT_TRUE(file->write_at(3, "two"));
  disk.crash(Unsynced::lost);
  EXPECT_EQ(disk.files(), (std::map<std::string, std::string>{{"a", "one"}}));
  EXPECT_FALSE(file->write_at(0, "x"));
}

TEST(SimulatedDisk, ANameIsDurableOnlyWithItsDirectory) {
  SimulatedDisk disk(1);
  auto file = create(disk, "a");
  ASSERT_TRUE(file->write_at(0, "one"));
  ASSERT_TRUE(file->sync());
  disk.crash(Unsynced::lost);
  EXPECT_TRUE(disk.files().empty());

  disk.put("old", "1");
  disk.put("new", "2");
  ASSERT_TRUE(disk.rename("new", "old"));
  EXPECT_EQ(disk.files().at("old"), "2");
  disk.crash(Unsynced::lost);
  EXPECT_EQ(disk.files().at("old"), "1");
  ASSERT_TRUE(disk.rename("new", "old"));
  ASSERT_TRUE(disk.sync_directory(""));
  disk.crash(Unsynced::lost);
  EXPECT_EQ(disk.files(), (std::map<std::string, std::string>{{"old", "2"}}));
}

TEST(SimulatedDisk, AnUnsyncedDirectoryTakesItsFilesAlong) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_directories("d/e"));
  auto file = create(disk, "d/e/f");
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk.sync_directory("d/e"));
  ASSERT_TRUE(disk.sync_directory("d"));
  disk.crash(Unsynced::lost);
  EXPECT_FALSE(disk.exists("d"));
  EXPECT_TRUE(disk.files().empty());
}

TEST(SimulatedDisk, ProcessDeathKeepsTheCacheUntilThePowerFails) {
  SimulatedDisk disk(1);
  disk.put("a", "one");
  auto file = disk.open("a", OpenMode::read_write);
  ASSERT_TRUE((*file)->write_at(0, "two"));
  disk.crash(Unsynced::kept);
  EXPECT_EQ(disk.files().at("a"), "two");
  disk.crash(Unsynced::lost);
  EXPECT_EQ(disk.files().at("a"), "one");
}

TEST(SimulatedDisk, AFailedSyncLies) {
  SimulatedDisk disk(1);
  disk.put("a", "one");
  auto file = disk.open("a", OpenMode::read_write);
  ASSERT_TRUE((*file)->write_at(0, "two"));
  disk.fail_call(1, Fault::refuse);
  EXPECT_FALSE((*file)->sync());
  EXPECT_TRUE((*file)->sync());
  EXPECT_EQ(disk.files().at("a"), "two");
  disk.crash(Unsynced::lost);
  EXPECT_EQ(disk.files().at("a"), "one");
}

TEST(SimulatedDisk, TearsInPieces) {
  bool whole = false, none = false, partly = false, inside = false;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk(seed);
    disk.put("a", std::string(2048, '.'));
    auto file = disk.open("a", OpenMode::read_write);
    ASSERT_TRUE((*file)->write_at(0, std::string(2048, 'x')));
    disk.crash(Unsynced::torn);
    const std::string now = disk.files().at("a");
    const auto kept = std::count(now.begin(), now.end(), 'x');
    whole |= kept == 2048;
    none |= kept == 0;
    partly |= kept > 0 && kept < 2048;
    inside |= kept % 512 != 0;
  }
  EXPECT_TRUE(whole && none && partly && inside);
}

TEST(SimulatedDisk, FillsUpButTakesWhatFitsInside) {
  SimulatedDisk disk(1);
  disk.set_capacity(10);
  auto file = create(disk, "a");
  ASSERT_TRUE(file->write_at(0, "0123456789"));
  EXPECT_EQ(file->write_at(8, "abc").error().code, Code::exhausted);
  EXPECT_TRUE(file->write_at(7, "abc"));
  EXPECT_EQ(disk.used(), 10u);
  ASSERT_TRUE(disk.remove("a"));
  EXPECT_EQ(disk.used(), 0u);
}

TEST(SimulatedDisk, FaultsComeOnOrder) {
  SimulatedDisk disk(1);
  auto file = create(disk, "a");
  disk.fail_call(2, Fault::crash);
  ASSERT_TRUE(file->write_at(0, "x"));
  EXPECT_FALSE(file->write_at(1, "yyyyyyyy"));
  EXPECT_LT(*file->size(), 9u);
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(disk.open("b", OpenMode::create));
  disk.crash(Unsynced::kept);
  EXPECT_TRUE(disk.open("b", OpenMode::create));
}

TEST(SimulatedDisk, LocksDieWithTheMachine) {
  SimulatedDisk disk(1);
  auto held = disk.lock("");
  ASSERT_TRUE(held);
  EXPECT_EQ(disk.lock("").error().code, Code::conflict);
  disk.crash(Unsynced::kept);
  auto after = disk.lock("");
  ASSERT_TRUE(after);
  held->reset();  // the dead holder's handle frees nothing
  EXPECT_FALSE(disk.lock(""));
  after->reset();
  EXPECT_TRUE(disk.lock(""));
}

TEST(SimulatedClock, SetBackwardsStillRisesSinceBoot) {
  SimulatedClock clock;
  const Instant before = clock.now();
  clock.step(seconds(-60));
  clock.advance(seconds(1));
  EXPECT_EQ(clock.now(), before - seconds(59));
  EXPECT_EQ(clock.since_boot(), seconds(11));
}

TEST(SimulatedEntropy, IsTheSeeds) {
  std::array<std::byte, 32> a{}, b{};
  SimulatedEntropy(7).fill(a);
  SimulatedEntropy(7).fill(b);
  EXPECT_EQ(a, b);
  SimulatedEntropy(8).fill(b);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace bessemer::simulated
