// What one tenant leaves keeps nobody from starting.
#include "application/daemon/store_thread.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <latch>

#include "application/daemon/giving_way.h"
#include "data/artifact/import.h"

namespace bessemer::daemon {
namespace {

namespace fs = std::filesystem;

constexpr OrgId large{1, 1}, small{1, 2};

class StoreThreadTest : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/bessemer-store-thread-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    top_ = pattern;
    fs::create_directories(top_ + "/store");
    fs::create_directories(top_ + "/left/all");
    loop_ = *real::Loop::open();
    thread_ = *StoreThread::open(top_ + "/store", *loop_);
  }
  void TearDown() override {
    thread_.reset();
    fs::remove_all(top_);
  }

  std::string top_;
  std::unique_ptr<real::Loop> loop_;
  std::unique_ptr<StoreThread> thread_;
};

// In the middle of one file, and between files: what is posted meanwhile does not wait.
TEST_F(StoreThreadTest, OutputsGiveWayWhileTheyAreTaken) {
  std::ofstream(top_ + "/left/all/1").write(std::string(40 << 20, 'x').data(), 40 << 20);
  std::ofstream(top_ + "/left/all/2") << "short";
  std::latch over(1);
  std::vector<std::string> story;
  std::size_t turns = 0;
  thread_->post_long(large, [&](artifact::Store& store) -> StoreThread::Then {
    const auto tree = *real::RealTree::open_root(top_ + "/left");
    GivingWay from(*tree, [&] {
      thread_->post([&, turn = ++turns](artifact::Store&) -> StoreThread::Then {
        story.push_back("start " + std::to_string(turn));
        return {};
      });
      thread_->give_way();
    });
    const auto taken = artifact::import_tree(store, large, from, "all", {});
    EXPECT_TRUE(taken);
    EXPECT_EQ(taken->files, 2u);
    EXPECT_EQ(taken->bytes, (40u << 20) + 5);
    story.push_back("taken");
    over.count_down();
    return {};
  });
  over.wait();
  EXPECT_EQ(story, (std::vector<std::string>{"start 1", "start 2", "start 3", "start 4", "taken"}))
      << "before each file, and twice in the large one";
}

TEST_F(StoreThreadTest, TenantsTakeTurns) {
  std::latch begun(1), posted(1), over(4);
  std::vector<std::string> story;
  const auto tell = [&](std::string what) {
    return [&, what = std::move(what)](artifact::Store&) -> StoreThread::Then {
      story.push_back(what);
      over.count_down();
      return {};
    };
  };
  thread_->post_long(large, [&](artifact::Store&) -> StoreThread::Then {
    begun.count_down();
    posted.wait();
    return {};
  });
  begun.wait();
  for (int i = 0; i < 3; ++i) thread_->post_long(large, tell("large " + std::to_string(i)));
  thread_->post_long(small, tell("small"));
  posted.count_down();
  over.wait();
  EXPECT_EQ(story, (std::vector<std::string>{"small", "large 0", "large 1", "large 2"}));
}

}  // namespace
}  // namespace bessemer::daemon
