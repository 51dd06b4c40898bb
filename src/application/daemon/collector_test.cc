// What nothing needs goes, also where its tenant owns nothing any more; a backup is waited for.
#include "application/daemon/collector.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "application/daemon/store_thread.h"
#include "application/engine/held_bytes.h"
#include "world/real/clock.h"

namespace bessemer::daemon {
namespace {

constexpr OrgId emptied{1, 1};

// A journal and a store on a disk of their own.
struct Collecting : ::testing::Test {
  Collecting() {
    std::filesystem::remove_all(root);
    disk = real::RealDisk::open_root(root).value();
    engine = engine::Engine::open(*disk, {}).value();
    loop = real::Loop::open().value();
    store = StoreThread::open(root + "/artifacts", *loop).value();
  }
  ~Collecting() override {
    store.reset();
    std::filesystem::remove_all(root);
  }
  // Runs `job` on the store's thread, after everything that was posted before.
  template <class Job>
  void on_store(Job job) {
    bool done = false;
    store->post([&](artifact::Store& held) -> StoreThread::Then {
      job(held);
      return [&done] { done = true; };
    });
    while (!done) loop->run_once(seconds(5));
  }
  void collect() {
    collect_garbage(*engine, *store, *disk, clock);
    ASSERT_TRUE(engine->commit_now());
    on_store([](artifact::Store&) {});
  }

  const std::string root = testing::TempDir() + "collector-" + std::to_string(::getpid());
  real::RealClock clock;
  std::unique_ptr<real::RealDisk> disk;
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<real::Loop> loop;
  std::unique_ptr<StoreThread> store;
};

TEST_F(Collecting, ATenantThatOwnsNothingAnyMoreIsEmptied) {
  Digest blob;
  on_store([&](artifact::Store& held) { blob = held.put(emptied, "left behind")->digest; });
  const auto is_there = [&] { return store->reader().has_blob(emptied, blob); };
  {
    const auto backup = engine::hold_bytes(*disk);
    ASSERT_TRUE(backup);
    for (int i = 0; i < 3; ++i) collect();
    EXPECT_TRUE(is_there()) << "a backup reads";
  }
  collect();
  EXPECT_TRUE(is_there()) << "it may be about to be named";
  collect();
  EXPECT_FALSE(is_there());
}

}  // namespace
}  // namespace bessemer::daemon
