// Recovery: read and replay first, then change the disk, then let others act.
#include "journal/recover.h"

#include "journal/chain.h"
#include "journal/segment.h"

namespace bessemer::journal {

namespace {

Error not_this_journal(const Head& known, const Head& found) {
  return internal("the snapshot at record " + std::to_string(known.sequence) +
                  " is not of this journal, which has a batch that ends at record " +
                  std::to_string(found.sequence))
      .because("journal_corrupt")
      .fix("restore journal and snapshots from the same backup into a new directory");
}

// Left behind by a crash: files that never got their name, a spare of another size.
Result<void> clear_leftovers(world::Disk& disk, const Options& options) {
  TRY_ASSIGN(const auto names, disk.list(options.directory));
  for (const auto& name : names) {
    const std::string path = path_in(options.directory, name);
    bool left_over = name.ends_with(".new") || name.starts_with("spare.");
    if (name == spare_name) {
      TRY_ASSIGN(const auto file, disk.open(path, world::OpenMode::read));
      TRY_ASSIGN(const std::uint64_t size, file->size());
      left_over = size != options.segment_bytes;
    }
    if (left_over) TRY(disk.remove(path));
  }
  return {};
}

// On a full disk: writes the tail over itself and zeros behind it. That needs no new blocks, and a
// crash half-way leaves the same valid bytes.
Result<Tail> rewrite_in_place(world::Disk& disk, const Options& options,
                              const SegmentHeader& header, std::string_view valid) {
  Tail tail;
  TRY_ASSIGN(tail.file, disk.open(segment_path(options.directory, header.first),
                                  world::OpenMode::read_write));
  TRY_ASSIGN(tail.capacity, tail.file->size());
  tail.offset = segment_header_bytes + valid.size();
  std::string all = encode(header) + std::string(valid);
  all.resize(static_cast<std::size_t>(tail.capacity), '\0');
  TRY(tail.file->write_at(0, all));
  TRY(tail.file->sync());
  TRY(disk.sync_directory(options.directory));
  tail.mark = header.mark;
  tail.segment_first = header.first;
  return tail;
}

}  // namespace

Result<Tail> recover(world::Disk& disk, const Options& options, const Replay& replay) {
  TRY(make_durable_directory(disk, options.directory));
  TRY_ASSIGN(const auto segments, list_segments(disk, options.directory));
  if (segments.empty()) {
    if (options.known.sequence != 0) return not_this_journal(options.known, {});
    TRY(clear_leftovers(disk, options));
    return begin_segment(disk, options, {options.mark, 1, {}}, {});
  }
  auto sought = Chain::seek(disk, options.directory, options.known.sequence + 1);
  if (!sought && sought.error().code == Code::not_found) {
    return internal(sought.error().what).because("journal_corrupt")
        .fix("restore journal and snapshots from the same backup into a new directory");
  }
  TRY_ASSIGN(Chain chain, std::move(sought));
  if (options.known.sequence != 0 && chain.head() != options.known) {
    return not_this_journal(options.known, chain.head());
  }
  Batch batch;
  while (true) {
    TRY_ASSIGN(const bool more, chain.next(batch));
    if (!more) break;
    if (replay) TRY(replay(batch));
  }
  // What was read may live in the kernel's cache alone: a crash may have come between write and
  // sync. It is written again, and only what is known to be on the disk is acted on.
  SegmentReader& last = chain.segment();
  TRY_ASSIGN(const std::string whole, last.valid());
  const std::string_view valid = std::string_view(whole).substr(segment_header_bytes);
#ifdef BESSEMER_PLANT_TORN_TAIL_KEPT  // see cmake/programs/simulate.cmake
  std::string kept = whole + *last.rest();
  kept.erase(kept.find_last_not_of('\0') + 1);
  const std::string_view all = kept.size() > whole.size() ? kept : whole;
  TRY(clear_leftovers(disk, options));
  auto planted = begin_segment(disk, options, last.header(), all.substr(segment_header_bytes));
  if (planted) planted->head = chain.head();
  return planted;
#endif
  TRY(clear_leftovers(disk, options));
  auto tail = begin_segment(disk, options, last.header(), valid);
  if (!tail && tail.error().code == Code::exhausted) {
    tail = rewrite_in_place(disk, options, last.header(), valid);
  }
  if (!tail) return std::move(tail).error();
  tail->head = chain.head();
  return std::move(*tail);
}

}  // namespace bessemer::journal
