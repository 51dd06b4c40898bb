// Damaged journals, ranges and snapshots: no crash, and never a record that was not written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "journal/file_journal.h"
#include "journal/segment.h"
#include "journal/snapshot.h"
#include "journal/usage_log.h"
#include "world/simulated/disk.h"

namespace {

using namespace bessemer;
using journal::Batch;
using journal::Record;
using simulated::SimulatedDisk;

journal::Options small() {
  journal::Options options;
  options.segment_bytes = 4096;
  options.mark.fill(5);
  return options;
}

// The good journal that everything is damaged from: 12 batches of two records in one segment.
const std::string& good() {
  static const std::string bytes = [] {
    SimulatedDisk disk(1);
    const auto journal = std::move(*journal::open_journal(disk, small(), {}));
    for (std::size_t i = 0; i < 12; ++i) {
      const std::string text(i * 7, 'x');
      const Record group[] = {{1, text}, {2, "end"}};
      check(journal::append_now(*journal, group).has_value());
    }
    return disk.files().at(journal::segment_path("journal", 1));
  }();
  return bytes;
}

// Opens what lies on the disk; says how many records it replayed. Nothing: refused.
std::optional<std::uint64_t> replay(SimulatedDisk& disk) {
  std::uint64_t records = 0;
  const auto before = disk.files();
  auto opened = journal::open_journal(disk, small(), [&](const Batch& batch) -> Result<void> {
    Record record;
    for (journal::Records each(batch.body); each.next(record);) ++records;
    check(records == batch.last(), "a gap in what was replayed");
    return {};
  });
  if (!opened) {
    const Error& error = opened.error();
    check(error.reason == "journal_corrupt" || error.reason == "journal_newer", "another refusal");
    check(disk.files() == before, "a refused journal was changed");
    return std::nullopt;
  }
  check((*opened)->durable() == records);
  const Record after{3, "after"};
  check(journal::append_now(**opened, {&after, 1}).has_value());
  return records;
}

void open_raw(std::string_view input) {
  SimulatedDisk disk(1);
  disk.put(journal::segment_path("journal", 1), std::string(input));
  replay(disk);
}

// Overwrites bytes of the good journal: {u16 place, u8 value} each.
void open_damaged(std::string_view input) {
  std::string bytes = good();
  for (; input.size() >= 3; input.remove_prefix(3)) {
    const auto low = static_cast<std::uint8_t>(input[0]), high = static_cast<std::uint8_t>(input[1]);
    bytes[(high * 256u + low) % bytes.size()] = input[2];
  }
  SimulatedDisk disk(1);
  disk.put(journal::segment_path("journal", 1), bytes);
  const auto first = replay(disk);
  if (!first) return;
  check(*first <= 24 && *first % 2 == 0, "records that nobody wrote, or half a group");
  check(replay(disk) == *first + 1, "what was appended after recovery is not there");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 1 << 16) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  SimulatedDisk disk(1);
  switch (data[0] % 6) {
    case 0: open_raw(input); break;
    case 1: open_raw(good().substr(0, journal::segment_header_bytes) + std::string(input)); break;
    case 2: open_damaged(input); break;
    case 3: (void)journal::walk_range(input, {}, {}).has_value(); break;
    case 4:
      disk.put("s/00000000000000000007.snap", std::string(input));
      (void)journal::read_snapshot(disk, "s", 7).has_value();
      break;
    case 5:
      disk.put("u/00000000000000000001.sealed", std::string(input));
      (void)journal::read_sealed_usage(disk, "u", 1, {}).has_value();
      break;
  }
  return 0;
}
