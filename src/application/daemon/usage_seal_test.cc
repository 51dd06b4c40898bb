// Sealing keeps every record, and may be broken off at any step.
#include "application/daemon/usage_seal.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "application/daemon/usage_ranges.h"
#include "application/daemon/usage_sealer.h"
#include "application/engine/held_bytes.h"
#include "base/codec.h"
#include "governance/lease/holder.h"
#include "governance/metering/usage_columns.h"
#include "journal/usage_log.h"
#include "world/real/clock.h"
#include "world/real/disk.h"
#include "world/real/loop.h"

namespace bessemer::daemon {
namespace {

using metering::LogRecord;

const lease::EpochKey key{GatewayId{5, 5}, 3};
constexpr std::uint64_t requests = 300;

// A closed log on a disk of its own, with its intake as a daemon stores it.
struct Rig {
  explicit Rig(const std::string& name) {
    const std::string home = testing::TempDir() + "usage_seal_" + name;
    std::filesystem::remove_all(home);
    disk = real::RealDisk::open_root(home).value();
    EXPECT_TRUE(disk->make_directories("usage/intake"));
    auto log = journal::begin_usage_log(*disk, key.first, key.second, {}, 16 << 10).value();
    write(log, {lease::open_log(key.first, key.second, Instant{1})});
    metering::Terms terms;
    terms.payer.tenant = OrgId{7, 1};
    terms.payer.project = OrgId{7, 2};
    terms.prices = {{metering::Meter::input_tokens, "*", {5, Currency{{'U', 'S', 'D'}}}, 1}};
    write(log, {metering::TermsDefined{1, terms}});
    for (std::uint64_t i = 1; i <= requests; ++i) {
      write(log, {metering::HoldOpened{.hold = i, .request = {i, i}, .terms = 1, .money = 50,
                                       .tokens = 10, .at = Instant{2}},
                  metering::HoldSettled{.hold = i, .counts = {.input = 10}, .money = 50,
                                        .at = Instant{3}}});
    }
    write(log, {lease::close_log(Instant{4})});
    auto shipper = journal::Shipper::from(log, 1).value();
    const auto file = disk->open(intake_path(key), world::OpenMode::create).value();
    std::uint64_t end = 0;
    while (true) {
      const std::string range = shipper.take(4096).value();
      if (range.empty()) break;
      end = write_range(*file, end, range).value();
    }
  }
  void write(journal::UsageLog& log, const std::vector<LogRecord>& group) {
    std::vector<std::string> bodies;
    std::vector<journal::Record> staged;
    for (const auto& record : group) bodies.push_back(codec::encode(record));
    for (const auto& body : bodies) staged.push_back({1, body});
    EXPECT_TRUE(journal::append_now(*log.journal, staged));
    records.insert(records.end(), group.begin(), group.end());
  }
  // What is sealed, as records.
  std::vector<LogRecord> sealed() const {
    std::vector<LogRecord> all;
    const std::string directory = journal::usage_directory(key.first, key.second);
    const auto stretches = journal::list_sealed_usage(*disk, directory).value();
    for (const auto first : stretches) {
      const auto one = journal::read_sealed_usage(*disk, directory, first, {}).value();
      const auto part = metering::unpack_columns(one.columns).value();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  std::size_t raw_files() const {
    std::size_t count = disk->exists(intake_path(key)) ? 1 : 0;
    const auto names = disk->list(journal::usage_directory(key.first, key.second)).value();
    for (const auto& name : names) {
      count += name.find(".seg") != std::string::npos ? 1 : 0;
    }
    return count;
  }

  std::unique_ptr<real::RealDisk> disk;
  std::vector<LogRecord> records;
};

TEST(UsageSeal, keeps_every_record_and_says_what_they_come_to) {
  Rig rig("whole");
  const auto made = seal_log(*rig.disk, key);
  ASSERT_TRUE(made) << to_text(made.error());
  ASSERT_EQ(made->size(), 1u);
  EXPECT_EQ(made->front().first, 1u);
  EXPECT_EQ(made->front().last, 2 * requests + 3);
  EXPECT_EQ(made->front().settled, requests);
  const metering::SealedSum sum{
      {7, 1}, {7, 2}, metering::Meter::input_tokens, Wide{10 * requests}};
  EXPECT_EQ(made->front().sums, std::vector<metering::SealedSum>{sum});
  EXPECT_EQ(made->front().name, "00000000000000000001.sealed");
  EXPECT_TRUE(made->front().sha256);
  EXPECT_EQ(rig.sealed(), rig.records);
  EXPECT_GT(rig.raw_files(), 2u);
  ASSERT_TRUE(drop_raw_log(*rig.disk, key));
  EXPECT_EQ(rig.raw_files(), 0u);
  EXPECT_EQ(rig.sealed(), rig.records);
}

TEST(UsageSeal, drops_what_a_backup_reads_after_it) {
  Rig rig("held");
  const auto engine = engine::Engine::open(*rig.disk, {}).value();
  const auto loop = real::Loop::open().value();
  const real::RealClock clock;
  auto backup = engine::hold_bytes(*rig.disk).value();
  bool stated = false;
  engine->watch([&](const factory::Fact&) { stated = true; });
  UsageSealer sealer(*engine, *rig.disk, clock, *loop);
  sealer.seal(key);
  while (!stated) loop->run_once(seconds(5));
  ASSERT_TRUE(engine->commit_now());
  loop->run_once(seconds(5));  // it is told that the bytes are held
  EXPECT_GT(rig.raw_files(), 2u);
  backup.reset();
  for (int i = 0; i < 10 && rig.raw_files() > 0; ++i) loop->run_once(seconds(1));
  EXPECT_EQ(rig.raw_files(), 0u);
  EXPECT_EQ(rig.sealed(), rig.records);
}

// What the journal would hold of the rig's log.
metering::UsageRecorded charged(Wide quantity) {
  metering::Posting posting;
  posting.line.tenant = {7, 1};
  posting.line.project = {7, 2};
  posting.line.meter = metering::Meter::input_tokens;
  posting.quantity = quantity;
  return {metering::stream_of(key.first, key.second), 2 * requests + 3, {posting}};
}

TEST(UsageSeal, is_audited_against_what_was_stated_and_what_was_charged) {
  Rig rig("audit");
  const auto made = seal_log(*rig.disk, key);
  ASSERT_TRUE(made) << to_text(made.error());
  const auto said = [&](const metering::SealedSegment& stated, Wide quantity) -> std::string {
    SealAudit audit(*rig.disk);
    EXPECT_TRUE(audit.take(metering::Event(charged(quantity))));
    const auto done = audit.take(metering::Event(metering::UsageSegmentSealed{stated}));
    EXPECT_EQ(audit.stretches(), done ? 1u : audit.stretches());
    return done ? "" : to_text(done.error());
  };
  const metering::SealedSegment& stated = made->front();
  EXPECT_EQ(said(stated, Wide{10 * requests}), "");
  EXPECT_NE(said(stated, Wide{10 * requests - 1}).find("than was charged"), std::string::npos);
  auto other = stated;
  other.sha256.bytes[0] ^= 1;
  EXPECT_NE(said(other, Wide{10 * requests}), "");
  other = stated;
  other.sums.front().quantity += 1;
  EXPECT_NE(said(other, Wide{10 * requests}).find("than the journal states"), std::string::npos);
  other = stated;
  other.settled -= 1;
  EXPECT_NE(said(other, Wide{10 * requests}).find("than the journal states"), std::string::npos);
  // The file is another by now.
  const std::string path = journal::usage_directory(key.first, key.second) + "/" + stated.name;
  std::string bytes = world::read_file(*rig.disk, path, 1 << 24).value();
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  ASSERT_TRUE(world::replace_file(*rig.disk, path, bytes));
  EXPECT_NE(said(stated, Wide{10 * requests}).find(stated.name), std::string::npos);
}

TEST(UsageSeal, goes_on_after_a_crash_at_any_step) {
  Rig rig("again");
  const auto first = seal_log(*rig.disk, key);  // and the daemon is killed
  const auto again = seal_log(*rig.disk, key);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(first->front().sha256, again->front().sha256);
  // Killed while segments are removed: the intake is still there, so the next start goes on.
  const std::string directory = journal::usage_directory(key.first, key.second);
  const auto names = rig.disk->list(directory).value();
  for (const auto& name : names) {
    if (name.find(".seg") == std::string::npos) continue;
    ASSERT_TRUE(rig.disk->remove(directory + "/" + name));
    break;
  }
  EXPECT_EQ(stored_logs(*rig.disk).value(), std::vector<lease::EpochKey>{key});
  ASSERT_TRUE(seal_log(*rig.disk, key));
  ASSERT_TRUE(drop_raw_log(*rig.disk, key));
  EXPECT_TRUE(stored_logs(*rig.disk).value().empty());
  ASSERT_TRUE(drop_raw_log(*rig.disk, key)) << "once more";
  EXPECT_EQ(rig.sealed(), rig.records);
}

TEST(UsageSeal, refuses_what_is_not_whole) {
  Rig rig("damaged");
  const std::string path = intake_path(key);
  const std::string good = world::read_file(*rig.disk, path, 1 << 24).value();
  // A range that was stored and never counted ends a file: without it the log is not closed.
  ASSERT_TRUE(world::replace_file(*rig.disk, path, good.substr(0, good.size() - 5)));
  EXPECT_EQ(seal_log(*rig.disk, key).error().code, Code::invalid);
  std::string bad = good;
  bad[good.size() / 2] = static_cast<char>(bad[good.size() / 2] ^ 1);
  ASSERT_TRUE(world::replace_file(*rig.disk, path, bad));
  EXPECT_FALSE(seal_log(*rig.disk, key));
  // Another content under the name of a sealed stretch is not written over.
  ASSERT_TRUE(world::replace_file(*rig.disk, path, good));
  const std::string sealed =
      journal::usage_directory(key.first, key.second) + "/00000000000000000001.sealed";
  ASSERT_TRUE(world::replace_file(*rig.disk, sealed, "something"));
  EXPECT_EQ(seal_log(*rig.disk, key).error().code, Code::conflict);
  EXPECT_GT(rig.raw_files(), 2u) << "nothing was removed";
  EXPECT_EQ(seal_log(*rig.disk, {GatewayId{5, 5}, 9}).error().code, Code::not_found);
}

}  // namespace
}  // namespace bessemer::daemon
