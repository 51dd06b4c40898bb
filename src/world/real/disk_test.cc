// The real disk keeps the contract of world::Disk: modes, errors, atomic replacement, locks.
#include "world/real/disk.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "world/real/clock.h"
#include "world/real/entropy.h"

namespace bessemer::real {
namespace {

using world::OpenMode;

class DiskTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/bessemer-disk-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    auto opened = RealDisk::open_root(top_ + "/a/b");
    ASSERT_TRUE(opened) << to_text(opened.error());
    disk_ = std::move(*opened);
  }
  void TearDown() override {
    disk_.reset();
    std::filesystem::remove_all(top_);
  }
  unsigned mode_of(const std::string& path) {
    struct stat about{};
    return ::stat((disk_->root() + "/" + path).c_str(), &about) == 0 ? about.st_mode & 0777u : 0;
  }
  std::string top_;
  std::unique_ptr<RealDisk> disk_;
};

TEST_F(DiskTest, WritesReadsAndTruncates) {
  auto file = disk_->open("f", OpenMode::create);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->write_at(3, "abc"));
  ASSERT_TRUE((*file)->sync());
  EXPECT_EQ(*(*file)->size(), 6u);
  std::string into(10, 'x');
  EXPECT_EQ(*(*file)->read_at(2, into), 4u);
  EXPECT_EQ(into.substr(0, 4), std::string("\0abc", 4));
  ASSERT_TRUE((*file)->truncate(1));
  EXPECT_EQ(*(*file)->size(), 1u);
  EXPECT_EQ(mode_of("f"), 0600u);
  EXPECT_EQ(mode_of(""), 0700u);
}

TEST_F(DiskTest, ErrorsNameThePathAndTheReaction) {
  EXPECT_EQ(disk_->open("none", OpenMode::read).error().code, Code::not_found);
  EXPECT_EQ(disk_->open("none", OpenMode::read_write).error().code, Code::not_found);
  ASSERT_TRUE(disk_->open("f", OpenMode::create));
  const auto twice = disk_->open("f", OpenMode::create);
  EXPECT_EQ(twice.error().code, Code::conflict);
  EXPECT_NE(twice.error().what.find("/a/b/f"), std::string::npos);
  EXPECT_EQ(disk_->open("../outside", OpenMode::create).error().code, Code::invalid);
  EXPECT_EQ(disk_->open("/etc/passwd", OpenMode::read).error().code, Code::invalid);
  EXPECT_EQ(disk_->remove("none").error().code, Code::not_found);
  EXPECT_EQ(disk_->rename("none", "g").error().code, Code::not_found);
  EXPECT_EQ(disk_->list("none").error().code, Code::not_found);
  EXPECT_EQ(disk_->sync_directory("none").error().code, Code::not_found);
  EXPECT_EQ(RealDisk::open_root(disk_->root() + "/f").error().code, Code::invalid);
  ASSERT_EQ(::symlink("/etc/passwd", (disk_->root() + "/link").c_str()), 0);
  EXPECT_EQ(disk_->open("link", OpenMode::read).error().code, Code::invalid);
}

TEST_F(DiskTest, FullDiskIsExhausted) {
  EXPECT_EQ(error_of(ENOSPC, "writing", "x").code, Code::exhausted);
  auto full = RealDisk::open_root("/dev");
  ASSERT_TRUE(full);
  auto file = (*full)->open("full", OpenMode::read_write);
  if (!file) GTEST_SKIP() << "this machine has no /dev/full";
  EXPECT_EQ((*file)->write_at(0, "x").error().code, Code::exhausted);
}

TEST_F(DiskTest, DirectoriesAreMadeListedAndRemoved) {
  ASSERT_TRUE(disk_->make_directories("x/y/z"));
  ASSERT_TRUE(disk_->make_directories("x/y/z"));
  EXPECT_EQ(mode_of("x/y/z"), 0700u);
  ASSERT_TRUE(disk_->open("x/b", OpenMode::create));
  ASSERT_TRUE(disk_->open("x/a", OpenMode::create));
  EXPECT_EQ(*disk_->list("x"), (std::vector<std::string>{"a", "b", "y"}));
  EXPECT_EQ(*disk_->list(""), (std::vector<std::string>{"x"}));
  EXPECT_FALSE(disk_->remove("x/y"));
  EXPECT_TRUE(disk_->remove("x/y/z"));
  EXPECT_TRUE(disk_->exists("x/y"));
  EXPECT_FALSE(disk_->exists("x/y/z"));
  EXPECT_TRUE(disk_->sync_directory(""));
  EXPECT_TRUE(disk_->sync_directory("x/y"));
}

TEST_F(DiskTest, ReplacesWhole) {
  ASSERT_TRUE(world::replace_file(*disk_, "k", "one"));
  ASSERT_TRUE(world::replace_file(*disk_, "k", "two"));
  EXPECT_EQ(*world::read_file(*disk_, "k", 10), "two");
  EXPECT_EQ(world::read_file(*disk_, "k", 2).error().code, Code::invalid);
  EXPECT_EQ(*disk_->list(""), (std::vector<std::string>{"k"}));
}

TEST_F(DiskTest, LockHasOneLivingHolder) {
  auto held = disk_->lock("");
  ASSERT_TRUE(held);
  const auto second = disk_->lock("");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::conflict);
  EXPECT_NE(second.error().what.find("process " + std::to_string(::getpid())), std::string::npos);
  EXPECT_FALSE(second.error().remedy.empty());
  held->reset();
  EXPECT_TRUE(disk_->lock(""));
}

TEST_F(DiskTest, LockOfADeadProcessIsFree) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = disk_->lock("");
    ::_exit(held ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(disk_->lock(""));
}

TEST(Clock, BootTimeNeverFalls) {
  const RealClock clock;
  EXPECT_GT(clock.now(), *from_text(std::type_identity<Instant>{}, "2024-01-01T00:00:00Z"));
  Duration last = clock.since_boot();
  for (int i = 0; i < 1000; ++i) {
    const Duration next = clock.since_boot();
    ASSERT_GE(next, last);
    last = next;
  }
}

TEST(Entropy, FillsEveryByte) {
  RealEntropy entropy;
  std::array<std::byte, 600> first{}, second{};
  entropy.fill(first);
  entropy.fill(second);
  EXPECT_NE(first, second);
  EXPECT_NE(std::memcmp(first.data() + 300, std::array<std::byte, 300>{}.data(), 300), 0);
}

}  // namespace
}  // namespace bessemer::real
