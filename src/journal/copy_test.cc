// Copies taken beside a writer open as journals, and live readers see no damage that is not there.
#include "journal/copy.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <thread>

#include "world/real/disk.h"
#include "world/simulated/disk.h"

namespace bessemer::journal {
namespace {

Options small(std::string directory, std::uint64_t segment_bytes = 2048) {
  Options options;
  options.directory = std::move(directory);
  options.segment_bytes = segment_bytes;
  options.mark.fill(7);
  return options;
}

Result<Head> take_copy(world::Disk& from, world::Disk& to, std::vector<std::string>& seen) {
  seen.clear();
  return copy_journal(
      from, "journal",
      [&](const Batch& batch) -> Result<void> {
        Record record;
        for (Records records(batch.body); records.next(record);) seen.emplace_back(record.bytes);
        return {};
      },
      [&](const std::string& name, std::string_view bytes) -> Result<void> {
        TRY(to.make_directories("copy"));
        return world::replace_file(to, "copy/" + name, bytes);
      });
}

TEST(CopyJournal, OpensAtTheSameHeadAndTakesMore) {
  simulated::SimulatedDisk disk(1);
  auto journal = open_journal(disk, small("journal"), {});
  ASSERT_TRUE(journal);
  std::vector<std::string> written;
  for (int i = 0; i < 200; ++i) {
    written.push_back("fact " + std::to_string(i));
    const Record record{1, written.back()};
    ASSERT_TRUE(append_now(**journal, std::span(&record, 1)));
    if (i % 50 == 10) {
      ASSERT_TRUE((*journal)->maintain());
    }
  }
  std::vector<std::string> seen;
  const auto head = take_copy(disk, disk, seen);
  ASSERT_TRUE(head) << to_text(head.error());
  EXPECT_EQ(head->sequence, 200u);
  EXPECT_EQ(seen, written);

  std::vector<std::string> replayed;
  auto copied = open_journal(disk, small("copy"), [&](const Batch& batch) -> Result<void> {
    Record record;
    for (Records records(batch.body); records.next(record);) replayed.emplace_back(record.bytes);
    return {};
  });
  ASSERT_TRUE(copied) << to_text(copied.error());
  EXPECT_EQ(replayed, written);
  const Record record{1, "of another life"};
  EXPECT_EQ(append_now(**copied, std::span(&record, 1))->sequence, 201u);
}

TEST(CopyJournal, OfNothingIsRefused) {
  simulated::SimulatedDisk disk(1);
  std::vector<std::string> seen;
  EXPECT_EQ(take_copy(disk, disk, seen).error().code, Code::not_found);
}

// A reader that meets the owner half-way through a write must not take that for damage.
TEST(CopyJournal, BesideAWriter) {
  const std::string root = ::testing::TempDir() + "copy-" + std::to_string(::getpid());
  auto disk = real::RealDisk::open_root(root);
  ASSERT_TRUE(disk);
  auto journal = open_journal(**disk, small("journal", 64 << 10), {});
  ASSERT_TRUE(journal);
  const std::string text(500, 'x');
  const Record record{1, text};
  ASSERT_TRUE(append_now(**journal, std::span(&record, 1)));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 3'000; ++i) {
      if (!append_now(**journal, std::span(&record, 1))) break;
      if (i % 100 == 0) (void)(*journal)->maintain().has_value();
    }
    done = true;
  });
  std::size_t before = 0, copies = 0;
  std::vector<std::string> seen;
  while (!done) {
    const auto head = take_copy(**disk, **disk, seen);
    if (!head) ADD_FAILURE() << to_text(head.error());
    EXPECT_GE(seen.size(), before);
    before = seen.size();
    ++copies;
  }
  writer.join();
  EXPECT_GT(copies, 3u);
  ASSERT_TRUE(take_copy(**disk, **disk, seen));
  EXPECT_EQ(seen.size(), 3'001u);
}

}  // namespace
}  // namespace bessemer::journal
