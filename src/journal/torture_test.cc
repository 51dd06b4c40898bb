// Crashes at each call and each byte: nothing acknowledged is lost, no group is half there.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "journal/file_journal.h"
#include "journal/format.h"
#include "journal/segment.h"
#include "world/simulated/disk.h"

namespace bessemer::journal {
namespace {

using simulated::Fault;
using simulated::SimulatedDisk;
using simulated::Unsynced;

Options small() {
  Options options;
  options.segment_bytes = 1024;
  options.mark.fill(9);
  return options;
}

// "" when it went well.
template <class T>
std::string reason_of(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

// What a journal should hold: records, where each group ends, and how much was acknowledged.
struct Model {
  std::vector<std::string> records;
  std::vector<std::size_t> ends{0};
  std::size_t acknowledged = 0;
};

struct Recovered {
  std::unique_ptr<Journal> journal;
  std::vector<std::string> records;
};

Result<Recovered> recover(SimulatedDisk& disk) {
  Recovered out;
  TRY_ASSIGN(out.journal, open_journal(disk, small(), [&](const Batch& batch) -> Result<void> {
    Record record;
    for (Records records(batch.body); records.next(record);) {
      out.records.emplace_back(record.bytes);
    }
    return {};
  }));
  return out;
}

// Stages groups, commits and maintains by chance until `commits` are done or a call fails.
void work(Journal& journal, Random& random, int commits, Model& model) {
  for (int commit = 0; commit < commits; ++commit) {
    for (auto groups = 1 + random.below(3); groups > 0; --groups) {
      std::vector<std::string> texts;
      for (auto n = 1 + random.below(3); n > 0; --n) {
        texts.push_back(std::string(random.below(90), char('a' + random.below(26))));
      }
      std::vector<Record> group;
      for (const auto& text : texts) group.push_back({1, text});
      if (!journal.append(group, Purpose::ordinary)) break;
      model.records.insert(model.records.end(), texts.begin(), texts.end());
      model.ends.push_back(model.records.size());
    }
    const auto head = journal.commit(journal.take_staged());
    if (!head) return;
    ASSERT_EQ(head->sequence, model.records.size());
    model.acknowledged = model.records.size();
    if (random.chance(1, 3) && !journal.maintain()) return;
  }
}

// The recovered records are the model's first ones, up to the end of some group, and hold
// everything that was acknowledged.
void judge(const std::vector<std::string>& found, Model& model, const std::string& when) {
  ASSERT_GE(found.size(), model.acknowledged) << when;
  ASSERT_LE(found.size(), model.records.size()) << when;
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], model.records[i]) << when;
  const auto end = std::find(model.ends.begin(), model.ends.end(), found.size());
  ASSERT_NE(end, model.ends.end()) << when << ": a group is half there";
  model.records.resize(found.size());
  std::erase_if(model.ends, [&](std::size_t end) { return end > found.size(); });
  model.acknowledged = found.size();
}

// Runs a history whose n-th call fails, restarts once while recovery is made to crash too, and
// judges. False when the history has fewer calls than n.
bool crash_at(std::uint64_t seed, std::uint64_t n, Fault fault, Unsynced unsynced) {
  const std::string when = "seed " + std::to_string(seed) + ", call " + std::to_string(n) +
                           ", fault " + std::to_string(int(fault)) + ", unsynced " +
                           std::to_string(int(unsynced));
  SimulatedDisk disk(seed * 1000 + n);
  Random random(seed);
  Model model;
  disk.fail_call(n, fault);
  bool reached = true;
  {
    auto journal = open_journal(disk, small(), {});
    if (journal) work(**journal, random, 12, model);
    reached = disk.calls() >= n;
  }
  disk.crash(unsynced);
  // A crash in the middle of recovery, at a call that moves with n.
  disk.fail_call(1 + n % 13, Fault::crash);
  {
    const auto half = recover(disk);
    if (half) judge(half->records, model, when + ", while recovering");
  }
  disk.crash(unsynced);
  auto again = recover(disk);
  EXPECT_TRUE(again) << when << ": " << (again ? "" : to_text(again.error()));
  if (!again) return reached;
  judge(again->records, model, when);
  work(*again->journal, random, 3, model);
  again->journal.reset();
  disk.crash(Unsynced::lost);
  const auto last = recover(disk);
  EXPECT_TRUE(last) << when;
  if (last) judge(last->records, model, when + ", after going on");
  EXPECT_EQ(audit_journal(disk, "journal")->fault, "") << when;
  return reached;
}

TEST(Torture, CrashAtEveryCall) {
  for (const Unsynced unsynced : {Unsynced::kept, Unsynced::lost, Unsynced::torn}) {
    for (const Fault fault : {Fault::crash, Fault::refuse, Fault::tear}) {
      for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        std::uint64_t n = 1;
        while (crash_at(seed, n, fault, unsynced) && !HasFatalFailure()) ++n;
        ASSERT_FALSE(HasFailure());
        EXPECT_GT(n, 30u);
      }
    }
  }
}

TEST(Torture, FailedSyncThenProcessDeathThenPowerFailure) {
  // The unsynced batch is still readable from the cache: recovery may keep it, but only by writing
  // it again, so that the power failure after that finds it on the disk.
  for (std::uint64_t n = 1; n < 60; ++n) {
    SimulatedDisk disk(n);
    Random random(n);
    Model model;
    disk.fail_call(n, Fault::refuse);
    if (auto journal = open_journal(disk, small(), {})) work(**journal, random, 12, model);
    disk.crash(Unsynced::kept);
    auto first = recover(disk);
    ASSERT_TRUE(first);
    judge(first->records, model, "call " + std::to_string(n));
    first->journal.reset();
    disk.crash(Unsynced::lost);
    const auto second = recover(disk);
    ASSERT_TRUE(second);
    judge(second->records, model, "after the power failure, call " + std::to_string(n));
  }
}

TEST(Torture, ASpareThatComesBackIsNotTakenForZeros) {
  SimulatedDisk disk(1);
  {
    auto journal = std::move(*open_journal(disk, small(), {}));
    ASSERT_TRUE(*journal->maintain());
    const std::string text(300, 'x');
    const Record one{1, "one"}, lost{1, text};
    ASSERT_TRUE(append_now(*journal, {&one, 1}));
    disk.fail_call(2, Fault::crash);
    ASSERT_FALSE(append_now(*journal, {&lost, 1}));
  }
  disk.crash(Unsynced::kept);  // the unsynced batch is in the cache: recovery copies it
  disk.fail_call(6, Fault::crash);  // the rename that gives the copy its name
  const auto interrupted = recover(disk);
  ASSERT_FALSE(interrupted);
  ASSERT_EQ(interrupted.error().what,
            "renaming " + segment_path("journal", 1) + ".new: refused");
  disk.crash(Unsynced::lost);
  {
    auto found = recover(disk);
    ASSERT_TRUE(found);
    ASSERT_EQ(found->records, (std::vector<std::string>{"one"}));
    for (int i = 0; i < 30; ++i) {
      const Record record{1, "two"};
      ASSERT_TRUE(append_now(*found->journal, {&record, 1}));
    }
  }
  const auto last = recover(disk);
  ASSERT_TRUE(last) << to_text(last.error());
  EXPECT_EQ(last->records.size(), 31u);
}

// One segment with a few batches, and where each ends.
struct Written {
  std::string bytes;
  std::vector<std::size_t> ends;  // offsets
};

Written write_some() {
  SimulatedDisk disk(1);
  auto journal = std::move(*open_journal(disk, small(), {}));
  Written out;
  for (const int size : {40, 0, 130, 7, 60}) {
    const std::string text(std::size_t(size), 'x');
    const Record group[] = {{1, text}, {2, "y"}};
    EXPECT_TRUE(append_now(*journal, group));
    const std::size_t before = out.ends.empty() ? segment_header_bytes : out.ends.back();
    out.ends.push_back(before + batch_header_bytes + 13 + std::size_t(size));
  }
  out.bytes = disk.files().at(segment_path("journal", 1));
  return out;
}

TEST(Torture, CutAtEveryByte) {
  const Written good = write_some();
  for (std::size_t cut = segment_header_bytes; cut <= good.ends.back(); ++cut) {
    for (const bool zeros : {true, false}) {  // blocks that were never written; a shorter file
      SimulatedDisk disk(1);
      std::string bytes = good.bytes.substr(0, cut);
      if (zeros) bytes.resize(good.bytes.size(), '\0');
      disk.put(segment_path("journal", 1), bytes);
      std::size_t whole = 0;
      while (whole < good.ends.size() && good.ends[whole] <= cut) ++whole;
      auto found = recover(disk);
      ASSERT_TRUE(found) << cut;
      ASSERT_EQ(found->records.size(), whole * 2) << cut;
      const Record record{1, "after"};
      ASSERT_TRUE(append_now(*found->journal, {&record, 1}));
      found->journal.reset();
      ASSERT_EQ(recover(disk)->records.size(), whole * 2 + 1) << cut;
    }
  }
}

TEST(Torture, FlipEveryByte) {
  const Written good = write_some();
  const std::size_t last_begins = good.ends[good.ends.size() - 2];
  for (std::size_t at = 0; at < good.ends.back(); ++at) {
    for (const unsigned char bit : {0x01, 0x80}) {
      SimulatedDisk disk(1);
      std::string bytes = good.bytes;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ bit);
      disk.put(segment_path("journal", 1), bytes);
      const auto before = disk.files();
      const auto found = recover(disk);
      if (at >= last_begins) {
        ASSERT_TRUE(found) << at << to_text(found.error());
        ASSERT_EQ(found->records.size(), (good.ends.size() - 1) * 2) << at;
        continue;
      }
      ASSERT_FALSE(found) << at;
      const Error& error = found.error();
      ASSERT_TRUE(error.reason == "journal_corrupt" || error.reason == "journal_newer") << at;
      ASSERT_NE(error.what.find(segment_path("journal", 1)), std::string::npos) << error.what;
      ASSERT_EQ(disk.files(), before) << at;
      if (at < segment_header_bytes) continue;
      std::size_t begins = segment_header_bytes;
      for (const std::size_t end : good.ends) begins = end <= at ? end : begins;
      ASSERT_NE(error.what.find("offset " + std::to_string(begins)), std::string::npos)
          << at << error.what;
    }
  }
}

TEST(Torture, ADamagedLastBatchBelowASnapshotIsCorruption) {
  SimulatedDisk disk(1);
  Options options = small();
  const Written good = write_some();
  disk.put(segment_path("journal", 1), good.bytes);
  options.known = std::move(*open_journal(disk, options, {}))->read(1)
                      ? audit_journal(disk, "journal")->head : Head{};
  ASSERT_EQ(options.known.sequence, 10u);
  std::string bytes = good.bytes;
  bytes[good.ends.back() - 1] ^= 1;
  disk.put(segment_path("journal", 1), bytes);
  EXPECT_EQ(reason_of(open_journal(disk, options, {})), "journal_corrupt");
  options.known = {};
  EXPECT_TRUE(open_journal(disk, options, {}));
}

TEST(Torture, RandomHistoriesOfCrashes) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SimulatedDisk disk(seed);
    Random random(seed);
    Model model;
    for (int life = 0; life < 6; ++life) {
      if (random.chance(1, 2)) {
        const Fault faults[] = {Fault::refuse, Fault::tear, Fault::crash};
        disk.fail_call(1 + random.below(80), faults[random.below(3)]);
      }
      if (random.chance(1, 4)) disk.set_capacity(disk.used() + random.below(4000));
      auto alive = recover(disk);
      if (alive) {
        judge(alive->records, model, "seed " + std::to_string(seed));
        ASSERT_FALSE(HasFatalFailure());
        work(*alive->journal, random, static_cast<int>(random.below(20)), model);
      } else {
        ASSERT_NE(alive.error().reason, "journal_corrupt")
            << "seed " << seed << ": " << to_text(alive.error());
      }
      alive = internal("dead");
      disk.crash(static_cast<Unsynced>(random.below(3)));
      disk.set_capacity(1u << 30);
    }
    const auto last = recover(disk);
    ASSERT_TRUE(last) << seed << to_text(last.error());
    judge(last->records, model, "seed " + std::to_string(seed));
    ASSERT_EQ(audit_journal(disk, "journal")->fault, "") << seed;
  }
}

}  // namespace
}  // namespace bessemer::journal
