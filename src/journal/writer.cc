// Puts batches into segment files.
#include "journal/writer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "journal/segment.h"

namespace bessemer::journal {

namespace {
constexpr std::string_view spare_being_made = "spare.made";    // by maintain()
constexpr std::string_view spare_made_inline = "spare.inline";  // by a commit that could not wait
}  // namespace

Result<Tail> begin_segment(world::Disk& disk, const Options& options, const SegmentHeader& header,
                           std::string_view valid) {
  const std::string path = segment_path(options.directory, header.first);
  const std::uint64_t used = segment_header_bytes + valid.size();
  const std::string fresh = path + ".new";
  const std::string spare = path_in(options.directory, spare_name);
  if (disk.exists(fresh)) TRY(disk.remove(fresh));
  if (disk.exists(spare) && used <= options.segment_bytes) {
    TRY(disk.rename(spare, fresh));
    // Were the name `spare` to come back after a crash, it would come back holding batches.
    if (!valid.empty()) TRY(disk.sync_directory(options.directory));
  } else {
    TRY(make_zeros(disk, fresh, std::max(options.segment_bytes, used)));
  }
  Tail tail;
  TRY_ASSIGN(tail.file, disk.open(fresh, world::OpenMode::read_write));
  TRY_ASSIGN(tail.capacity, tail.file->size());
  TRY(tail.file->write_at(0, encode(header) + std::string(valid)));
  TRY(tail.file->sync());
  TRY(disk.rename(fresh, path));
  TRY(disk.sync_directory(options.directory));
  tail.mark = header.mark;
  tail.segment_first = header.first;
  tail.offset = used;
  tail.head = {header.first - 1, header.previous};
  return tail;
}

Writer::Writer(world::Disk& disk, Options options, Tail tail)
    : disk_(disk), options_(std::move(options)), tail_(std::move(tail)),
      seed_(checksum_seed(tail_.mark)) {
  spare_ready_ = disk_.exists(path_in(options_.directory, spare_name));
  durable_ = tail_.head.sequence;
  segment_first_ = tail_.segment_first;
  left_ = tail_.capacity - tail_.offset;
  publish_room();
}

// A spare counts alone, though the open segment may have room left: groups are not divided, so
// that what fits there is not known in advance. Requires: spare_ held, or nobody else yet.
void Writer::publish_room() {
  room_.store(spare_ready_ ? options_.segment_bytes - segment_header_bytes : left_,
              std::memory_order_release);
}

Result<Head> Writer::write(const Staged& staged) {
  if (failed()) return internal("the journal has failed; restart to recover it");
  if (staged.empty()) return tail_.head;
  check(staged.first == tail_.head.sequence + 1, "commits out of order");
  if (auto done = write_all(staged); !done) {
    failed_.store(true, std::memory_order_release);
    return std::move(done).error().during("committing to the journal");
  }
  return tail_.head;
}

Result<void> Writer::write_all(const Staged& staged) {
  std::size_t from = 0;
  std::uint64_t begun = 0;  // bytes of body before group `from`
  while (from < staged.groups.size()) {
    const std::uint64_t left = tail_.capacity - tail_.offset;
    std::size_t to = from;
    while (to < staged.groups.size() && charge(staged.groups[to].bytes - begun) <= left) ++to;
    if (to == from) {
      check(tail_.offset > segment_header_bytes || tail_.capacity < options_.segment_bytes,
            "a group larger than a segment");
      TRY(roll());
      continue;
    }
    TRY(write_batch(staged, from, to));
    begun = staged.groups[to - 1].bytes;
    from = to;
  }
  // No spare and little room: better wait for one now than meet a full disk without any.
  if (tail_.capacity - tail_.offset < tail_.capacity / 2) {
    auto made = prepare_spare(spare_made_inline);
    if (!made && made.error().code != Code::exhausted) return std::move(made).error();
  }
  std::lock_guard hold(spare_);
  left_ = tail_.capacity - tail_.offset;
  publish_room();
  // After room_ fell: who reads written() first and room() then never counts room twice.
  std::uint64_t charged = 0, before = 0;
  for (const auto& group : staged.groups) {
    charged += charge(group.bytes - std::exchange(before, group.bytes));
  }
  written_.fetch_add(charged, std::memory_order_release);
  return {};
}

Result<void> Writer::write_batch(const Staged& staged, std::size_t from, std::size_t to) {
  const Staged::End begin = from == 0 ? Staged::End{} : staged.groups[from - 1];
  const Staged::End end = staged.groups[to - 1];
  Batch batch;
  batch.first = staged.first + begin.records;
  batch.count = end.records - begin.records;
  batch.synced_through = tail_.head.sequence;
  batch.previous = tail_.head.chain;
  batch.body = std::string_view(staged.body).substr(begin.bytes, end.bytes - begin.bytes);
  check(batch.first == tail_.head.sequence + 1, "a gap between batches");
  encode_batch(buffer_, seed_, batch);
  TRY(tail_.file->write_at(tail_.offset, buffer_));
  TRY(tail_.file->sync());
  tail_.offset += buffer_.size();
  tail_.head = batch.head();
  durable_.store(tail_.head.sequence, std::memory_order_release);
  return {};
}

Result<void> Writer::roll() {
  std::lock_guard hold(spare_);
  const SegmentHeader header{tail_.mark, tail_.head.sequence + 1, tail_.head.chain};
  TRY_ASSIGN(tail_, begin_segment(disk_, options_, header, {}));
  spare_ready_ = false;
  segment_first_.store(tail_.segment_first, std::memory_order_release);
  return {};
}

Result<bool> Writer::prepare_spare(std::string_view name) {
  {
    std::lock_guard hold(spare_);
    if (spare_ready_) return false;
  }
  const std::string made = path_in(options_.directory, name);
  // Without the lock: a commit does not wait for these zeros.
  if (auto zeros = make_zeros(disk_, made, options_.segment_bytes); !zeros) {
    if (zeros.error().code == Code::exhausted) full_.store(true, std::memory_order_release);
    return std::move(zeros).error();
  }
  std::lock_guard hold(spare_);
  if (spare_ready_) {
    TRY(disk_.remove(made));
    return false;
  }
  TRY(disk_.rename(made, path_in(options_.directory, spare_name)));
  TRY(disk_.sync_directory(options_.directory));
  spare_ready_ = true;
  full_.store(false, std::memory_order_release);
  publish_room();
  return true;
}

Result<bool> Writer::maintain() {
  if (failed()) return internal("the journal has failed; restart to recover it");
  TRY_ASSIGN(const bool made, prepare_spare(spare_being_made));
  if (made) return true;
  if (!options_.compress) return false;
  TRY_ASSIGN(const auto segments, list_segments(disk_, options_.directory));
  for (const Sequence first : segments) {
    if (first >= segment_first_.load(std::memory_order_acquire)) break;
    if (!disk_.exists(segment_path(options_.directory, first))) continue;
    TRY(compress_segment(disk_, options_.directory, first));
    return true;
  }
  return false;
}

}  // namespace bessemer::journal
