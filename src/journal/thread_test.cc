// The journal on the real disk with the daemon's threads: owner, sync, maintenance, readers.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "base/random.h"
#include "journal/file_journal.h"
#include "world/real/disk.h"

namespace bessemer::journal {
namespace {

// One slot between two threads.
template <class T>
class Slot {
 public:
  void put(T value) {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return !value_; });
    value_ = std::move(value);
    changed_.notify_all();
  }
  T take() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return value_.has_value(); });
    T out = std::move(*value_);
    value_.reset();
    changed_.notify_all();
    return out;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

TEST(Threads, OwnerSyncMaintenanceAndReaders) {
  char pattern[] = "/tmp/bessemer-journal-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern), nullptr);
  const auto disk = *real::RealDisk::open_root(pattern);
  Options options;
  options.segment_bytes = 64 << 10;
  auto opened = open_journal(*disk, options, {});
  ASSERT_TRUE(opened);
  Journal& journal = **opened;

  constexpr Sequence total = 20'000;
  Slot<Staged> work;
  std::atomic<bool> done = false;
  std::jthread sync([&] {
    while (true) {
      Staged staged = work.take();
      if (staged.empty()) break;
      ASSERT_TRUE(journal.commit(std::move(staged)));
    }
    done = true;
    done.notify_all();
  });
  std::jthread maintenance([&] {
    while (!done) {
      ASSERT_TRUE(journal.maintain());
      std::this_thread::yield();
    }
  });
  std::jthread reader([&] {
    auto cursor = *journal.read(1);
    Sequence seen = 0;
    Batch batch;
    while (seen < total) {
      const auto more = cursor->next(batch);
      ASSERT_TRUE(more) << to_text(more.error());
      if (!*more) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(batch.first, seen + 1);
      seen = batch.last();
      ASSERT_LE(seen, journal.durable());
    }
  });

  Random random(1);
  while (journal.appended() < total) {
    const std::string text(random.below(200), 'x');
    const Record group[] = {{1, text}, {2, "y"}};
    const auto appended = journal.append(group, Purpose::ordinary);
    ASSERT_EQ(appended ? "journal_backlog" : appended.error().reason, "journal_backlog");
    if (!appended || random.chance(1, 16)) work.put(journal.take_staged());
  }
  Staged rest = journal.take_staged();
  if (!rest.empty()) work.put(std::move(rest));
  work.put({});
  sync.join();
  maintenance.join();
  reader.join();
  EXPECT_EQ(journal.durable(), total);
  opened = internal("closed");
  const auto audit = audit_journal(*disk, "journal");
  EXPECT_EQ(audit->fault, "");
  EXPECT_EQ(audit->head.sequence, total);
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace bessemer::journal
