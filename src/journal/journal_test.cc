// The journal's contract on the simulated disk: order, groups, reading, refusals, full disk.
#include "journal/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/random.h"
#include "journal/file_journal.h"
#include "journal/format.h"
#include "journal/segment.h"
#include "journal/writer.h"
#include "world/simulated/disk.h"

namespace bessemer::journal {
namespace {

using simulated::Fault;
using simulated::SimulatedDisk;
using simulated::Unsynced;

Options small() {
  Options options;
  options.segment_bytes = 1024;
  for (std::size_t i = 0; i < options.mark.size(); ++i) options.mark[i] = std::uint8_t(i + 1);
  return options;
}

std::unique_ptr<Journal> open(SimulatedDisk& disk, const Options& options = small(),
                              std::vector<std::string>* replayed = nullptr) {
  auto opened = open_journal(disk, options, [&](const Batch& batch) -> Result<void> {
    Record record;
    for (Records records(batch.body); records.next(record);) {
      if (replayed != nullptr) replayed->emplace_back(record.bytes);
    }
    return {};
  });
  EXPECT_TRUE(opened) << to_text(opened.error());
  return opened ? std::move(*opened) : nullptr;
}

// "" when it went well.
template <class T>
std::string reason_of(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

void put(Journal& journal, const std::string& text, Purpose purpose = Purpose::ordinary) {
  const Record record{7, text};
  const auto head = append_now(journal, {&record, 1}, purpose);
  ASSERT_TRUE(head) << to_text(head.error());
}

std::vector<std::string> texts(Cursor& cursor) {
  std::vector<std::string> out;
  Batch batch;
  while (true) {
    const auto more = cursor.next(batch);
    EXPECT_TRUE(more) << to_text(more.error());
    if (!more || !*more) return out;
    Record record;
    for (Records records(batch.body); records.next(record);) out.emplace_back(record.bytes);
  }
}

TEST(Journal, NumbersRecordsAndReplaysThem) {
  SimulatedDisk disk(1);
  {
    auto journal = open(disk);
    const Record group[] = {{1, "a"}, {2, "bb"}, {3, ""}};
    EXPECT_EQ(*journal->append(group, Purpose::ordinary), 3u);
    EXPECT_EQ(*journal->append({group, 1}, Purpose::ordinary), 4u);
    EXPECT_EQ(journal->durable(), 0u);
    Staged staged = journal->take_staged();
    EXPECT_EQ(*journal->append({group, 2}, Purpose::ordinary), 6u);
    EXPECT_EQ(journal->commit(std::move(staged))->sequence, 4u);
    EXPECT_EQ(journal->durable(), 4u);
    EXPECT_EQ(journal->appended(), 6u);
    EXPECT_EQ(journal->commit(journal->take_staged())->sequence, 6u);
    EXPECT_EQ(journal->commit(journal->take_staged())->sequence, 6u);  // nothing staged
  }
  disk.crash(Unsynced::lost);
  std::vector<std::string> replayed;
  auto journal = open(disk, small(), &replayed);
  EXPECT_EQ(replayed, (std::vector<std::string>{"a", "bb", "", "a", "a", "bb"}));
  EXPECT_EQ(journal->appended(), 6u);
  EXPECT_EQ(audit_journal(disk, "journal")->batches, 2u);
}

TEST(Journal, ChainsBatchesAcrossSegments) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  for (int i = 0; i < 100; ++i) put(*journal, std::string(100, char('a' + i % 26)));
  const auto segments = list_segments(disk, "journal");
  EXPECT_GT(segments->size(), 10u);
  const auto audit = audit_journal(disk, "journal");
  ASSERT_TRUE(audit);
  EXPECT_EQ(audit->fault, "");
  EXPECT_EQ(audit->head.sequence, 100u);
  EXPECT_EQ(audit->batches, 100u);
  for (const Sequence from : {1, 2, 50, 99, 100}) {
    auto cursor = journal->read(from);
    ASSERT_TRUE(cursor);
    EXPECT_EQ(texts(**cursor).size(), 101 - from);
  }
  EXPECT_TRUE(texts(**journal->read(101)).empty());
  EXPECT_EQ(journal->read(102).error().code, Code::not_found);
  EXPECT_EQ(journal->read(0).error().code, Code::not_found);
}

TEST(Journal, ACursorGoesOnWhenMoreIsDurable) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  auto cursor = journal->read(1);
  ASSERT_TRUE(cursor);
  Batch batch;
  std::size_t read = 0;
  for (int i = 0; i < 60; ++i) {
    EXPECT_FALSE(*(*cursor)->next(batch));
    for (int n = i % 3; n >= 0; --n) put(*journal, std::string(90, 'x'));
    for (int n = i % 3; n >= 0; --n) {
      ASSERT_TRUE(*(*cursor)->next(batch));
      ++read;
      EXPECT_EQ(batch.last(), read);
    }
  }
  EXPECT_FALSE(*(*cursor)->next(batch));
}

TEST(Journal, ACursorNeverSeesWhatIsNotDurable) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  put(*journal, "one");
  disk.fail_call(2, Fault::refuse);  // the sync: the bytes lie there, whole
  const Record record{7, "two"};
  EXPECT_FALSE(append_now(*journal, {&record, 1}));
  EXPECT_EQ(texts(**journal->read(1)), (std::vector<std::string>{"one"}));
}

TEST(Journal, AReaderBesideTheWriterStopsBeforeTheLastBatch) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  std::vector<std::string> all;
  for (int i = 0; i < 30; ++i) {
    put(*journal, std::string(90, char('a' + i % 26)));
    auto cursor = read_journal(disk, "journal", 1, Extent::certain);
    ASSERT_TRUE(cursor);
    EXPECT_EQ(texts(**cursor), all);
    all.push_back(std::string(90, char('a' + i % 26)));
    EXPECT_EQ(texts(**read_journal(disk, "journal", 1, Extent::whole)), all);
  }
}

TEST(Journal, CompressedSegmentsReadTheSame) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  for (int i = 0; i < 50; ++i) put(*journal, std::string(99, 'x') + std::string(1, '\0'));
  const Head before = audit_journal(disk, "journal")->head;
  while (*journal->maintain()) {
  }
  const auto names = disk.list("journal");
  EXPECT_EQ(std::count_if(names->begin(), names->end(),
                          [](const auto& name) { return name.ends_with(".seg"); }), 1);
  const auto audit = audit_journal(disk, "journal");
  EXPECT_EQ(audit->fault, "");
  EXPECT_EQ(audit->head, before);
  EXPECT_EQ(texts(**journal->read(1)).size(), 50u);
  journal.reset();
  std::vector<std::string> replayed;
  journal = open(disk, small(), &replayed);
  EXPECT_EQ(replayed.size(), 50u);

  const std::string path = compressed_path("journal", list_segments(disk, "journal")->at(3));
  std::string bytes = disk.files().at(path);
  bytes[bytes.size() / 2] ^= 1;
  disk.put(path, bytes);
  EXPECT_NE(audit_journal(disk, "journal")->fault.find(path), std::string::npos);
}

TEST(Journal, StartsAfterASnapshot) {
  SimulatedDisk disk(1);
  std::vector<Head> heads;
  {
    auto journal = open(disk);
    for (int i = 0; i < 40; ++i) {
      const Record record{7, "0123456789012345678901234567890123456789"};
      heads.push_back(*append_now(*journal, {&record, 1}));
    }
  }
  for (const Head& known : heads) {
    Options options = small();
    options.known = known;
    std::vector<std::string> replayed;
    open(disk, options, &replayed);
    EXPECT_EQ(replayed.size(), 40 - known.sequence);
  }
  Options other = small();
  other.known = heads[20];
  other.known.chain.bytes[0] ^= 1;
  EXPECT_EQ(reason_of(open_journal(disk, other, {})), "journal_corrupt");
  other.known = {41, heads[39].chain};
  EXPECT_EQ(reason_of(open_journal(disk, other, {})), "journal_corrupt");
  SimulatedDisk empty(1);
  EXPECT_EQ(reason_of(open_journal(empty, other, {})), "journal_corrupt");
}

TEST(Journal, AFailedCommitIsForEver) {
  for (const std::uint64_t call : {1, 2}) {  // the write, the sync
    SimulatedDisk disk(1);
    auto journal = open(disk);
    put(*journal, "one");
    const Record record{7, "two"};
    ASSERT_TRUE(journal->append({&record, 1}, Purpose::ordinary));
    disk.fail_call(call, Fault::refuse);
    EXPECT_EQ(journal->commit(journal->take_staged()).error().code, Code::internal);
    EXPECT_TRUE(journal->failed());
    EXPECT_EQ(journal->durable(), 1u);
    EXPECT_FALSE(journal->append({&record, 1}, Purpose::closing));
    EXPECT_FALSE(journal->commit(Staged{}));
    EXPECT_FALSE(journal->maintain());
  }
}

TEST(Journal, RefusesAGroupThatIsTooLarge) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  const std::string most(1024 - segment_header_bytes - batch_header_bytes - 6, 'x');
  put(*journal, most);
  put(*journal, most);
  const std::string more = most + "x";
  const Record record{7, more};
  const auto refused = journal->append({&record, 1}, Purpose::ordinary);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_EQ(journal->appended(), 2u);
  put(*journal, "goes on");
}

TEST(Journal, TooMuchStagedAsksForACommit) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  const std::string text(100, 'x');
  const Record record{7, text};
  int staged = 0;
  Result<Sequence> appended = Sequence{0};
  while ((appended = journal->append({&record, 1}, Purpose::ordinary))) ++staged;
  EXPECT_EQ(appended.error().code, Code::exhausted);
  EXPECT_EQ(appended.error().reason, "journal_backlog");
  EXPECT_GT(staged, 2);
  ASSERT_TRUE(journal->commit(journal->take_staged()));
  put(*journal, text);
  EXPECT_FALSE(journal->full());
}

// ---- full disk

TEST(FullDisk, TakesOnlyWhatEndsSomethingAndRecovers) {
  SimulatedDisk disk(1);
  auto journal = open(disk);
  ASSERT_TRUE(*journal->maintain());
  disk.set_capacity(disk.used() + 1500);  // one more segment, not two
  const std::string text(100, 'x');
  const Record record{7, text};
  std::size_t ordinary = 0;
  while (!journal->full()) {
    put(*journal, text);
    (void)journal->maintain().has_value();
    ASSERT_LT(++ordinary, 100u);
  }
  const auto refused = journal->append({&record, 1}, Purpose::ordinary);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_EQ(refused.error().reason, "disk_full");

  // Restarting on the full disk loses nothing and needs no room.
  std::size_t closing = 0;
  for (int restart = 0; restart < 3; ++restart) {
    put(*journal, text, Purpose::closing);
    ++closing;
    journal.reset();
    disk.crash(restart == 1 ? Unsynced::lost : Unsynced::kept);
    std::vector<std::string> replayed;
    journal = open(disk, small(), &replayed);
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(replayed.size(), ordinary + closing);
    EXPECT_FALSE(journal->maintain());
    EXPECT_TRUE(journal->full());
  }
  // And when even the reserve is used up, the answer is still a refusal, not a failure.
  while (journal->append({&record, 1}, Purpose::closing)) {
    ASSERT_TRUE(journal->commit(journal->take_staged()));
  }
  EXPECT_FALSE(journal->failed());

  disk.set_capacity(1u << 20);
  EXPECT_TRUE(*journal->maintain());
  EXPECT_FALSE(journal->full());
  put(*journal, text);
  EXPECT_EQ(audit_journal(disk, "journal")->fault, "");
}

TEST(FullDisk, HoldsAtLeastHalfASegmentOfClosings) {
  for (std::uint64_t spare = 0; spare < 3000; spare += 100) {
    SimulatedDisk disk(1);
    auto journal = open(disk);
    disk.set_capacity(disk.used() + spare);
    const std::string text(40, 'x');
    const Record record{7, text};
    for (int i = 0; !journal->full(); ++i) {
      put(*journal, text);
      if (i % 5 == 0) (void)journal->maintain().has_value();
    }
    std::uint64_t closed = 0;
    while (journal->append({&record, 1}, Purpose::closing)) {
      const auto head = journal->commit(journal->take_staged());
      ASSERT_TRUE(head) << to_text(head.error());
      closed += charge(6 + text.size());
    }
    EXPECT_GE(closed, 1024u / 2 - 2 * charge(6 + text.size())) << spare;
  }
}

// ---- what must not be taken for a journal

TEST(Journal, RefusesANewerVersion) {
  SimulatedDisk disk(1);
  put(*open(disk), "one");
  const std::string path = segment_path("journal", 1);
  const std::string good = disk.files().at(path);
  std::string newer = good;
  newer[8] = 2;  // the segment's version
  disk.put(path, newer);
  const auto opened = open_journal(disk, small(), {});
  EXPECT_EQ(opened.error().code, Code::invalid);
  EXPECT_EQ(opened.error().reason, "journal_newer");
  EXPECT_NE(to_text(opened.error()).find("newer version"), std::string::npos);

  newer = good;
  newer[segment_header_bytes + 4] = 2;  // the batch's version, with its checksum
  const std::uint32_t crc = crc32c(std::string_view(newer).substr(segment_header_bytes, 68),
                                   checksum_seed(small().mark));
  std::memcpy(newer.data() + segment_header_bytes + 68, &crc, 4);
  disk.put(path, newer);
  EXPECT_EQ(reason_of(open_journal(disk, small(), {})), "journal_newer");
  EXPECT_EQ(disk.files().at(path), newer);
}

TEST(Journal, ABatchInsideARecordIsOnlyARecord) {
  SimulatedDisk disk(1), other(2);
  Options foreign = small();
  foreign.mark = {};
  put(*open(other, foreign), "planted");
  const std::string planted = other.files().at(segment_path("journal", 1));
  {
    auto journal = open(disk);
    put(*journal, "one");
    put(*journal, planted.substr(segment_header_bytes, 200));
  }
  const std::string path = segment_path("journal", 1);
  std::string bytes = disk.files().at(path);
  bytes[segment_header_bytes + 79 + 20] ^= 1;  // in the header of the last batch
  disk.put(path, bytes);
  std::vector<std::string> replayed;
  EXPECT_NE(open(disk, small(), &replayed), nullptr);
  EXPECT_EQ(replayed, (std::vector<std::string>{"one"}));
}

TEST(Journal, MissingAndForeignSegmentsAreFound) {
  SimulatedDisk disk(1);
  {
    auto journal = open(disk);
    for (int i = 0; i < 40; ++i) put(*journal, std::string(100, 'x'));
  }
  const auto segments = *list_segments(disk, "journal");
  ASSERT_GT(segments.size(), 4u);
  const std::string path = segment_path("journal", segments[2]);
  const std::string good = disk.files().at(path);
  ASSERT_TRUE(disk.remove(path));
  EXPECT_EQ(reason_of(open_journal(disk, small(), {})), "journal_corrupt");
  EXPECT_NE(audit_journal(disk, "journal")->fault.find("missing"), std::string::npos);
  disk.put(path, good);
  EXPECT_EQ(audit_journal(disk, "journal")->fault, "");
  const std::string first = segment_path("journal", 1);
  ASSERT_TRUE(disk.remove(first));
  EXPECT_EQ(reason_of(open_journal(disk, small(), {})), "journal_corrupt");
}

TEST(Journal, HistoryThatWasRewrittenIsFound) {
  // Two journals of one mark whose batches are equally long: every checksum holds, the chain not.
  SimulatedDisk disk(1), other(1);
  for (auto* each : {&disk, &other}) {
    auto journal = open(*each);
    for (int i = 0; i < 20; ++i) put(*journal, std::string(100, each == &disk ? 'x' : 'y'));
  }
  const auto segments = *list_segments(disk, "journal");
  ASSERT_GT(segments.size(), 2u);
  const auto refused = [&](Sequence segment, const std::string& bytes) {
    const std::string path = segment_path("journal", segment);
    const std::string good = disk.files().at(path);
    disk.put(path, bytes);
    const auto opened = open_journal(disk, small(), {});
    disk.put(path, good);
    return !opened && opened.error().reason == "journal_corrupt" &&
           opened.error().what.find("does not follow") != std::string::npos;
  };
  const std::size_t batch = batch_header_bytes + 106;
  std::string spliced = disk.files().at(segment_path("journal", 1));
  const std::string foreign = other.files().at(segment_path("journal", 1));
  spliced.replace(segment_header_bytes + batch, batch,
                  foreign.substr(segment_header_bytes + batch, batch));
  EXPECT_TRUE(refused(1, spliced));
  EXPECT_TRUE(refused(segments[1], other.files().at(segment_path("journal", segments[1]))));
}

TEST(Journal, BytesAfterTheEndOfASealedSegmentAreFound) {
  SimulatedDisk disk(1);
  {
    auto journal = open(disk);
    for (int i = 0; i < 20; ++i) put(*journal, std::string(100, 'x'));
  }
  const std::string path = segment_path("journal", 1);
  std::string bytes = disk.files().at(path);
  bytes.back() = 'x';
  disk.put(path, bytes);
  const auto opened = open_journal(disk, small(), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().reason, "journal_corrupt");
}

TEST(Journal, ReplaysOwnErrorStopsTheOpening) {
  SimulatedDisk disk(1);
  put(*open(disk), "one");
  const auto before = disk.files();
  const auto opened = open_journal(disk, small(), [](const Batch&) -> Result<void> {
    return invalid("unknown type").because("journal_newer");
  });
  EXPECT_EQ(opened.error().what, "unknown type");
  EXPECT_EQ(disk.files(), before);
}

}  // namespace
}  // namespace bessemer::journal
