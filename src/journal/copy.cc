// Copies a journal segment by segment.
#include "journal/copy.h"

#include "journal/chain.h"

namespace bessemer::journal {
namespace {

std::string name_of(const SegmentHeader& header, bool compressed) {
  return compressed ? compressed_path("", header.first) : segment_path("", header.first);
}

}  // namespace

Result<Head> copy_journal(world::Disk& disk, std::string_view directory, const Replay& visit,
                          const TakeSegment& take) {
  TRY_ASSIGN(const auto segments, list_segments(disk, directory));
  const Sequence first = segments.empty() ? 1 : segments.front();
  TRY_ASSIGN(Chain chain, Chain::seek(disk, std::string(directory), first));
  SegmentHeader header = chain.segment().header();
  std::string bytes = encode(header);
  Batch batch;
  while (true) {
    TRY_ASSIGN(const bool more, chain.next(batch));
    if (chain.segment().header().first != header.first) {
      TRY(take(name_of(header, true), pack(bytes)));
      header = chain.segment().header();
      bytes = encode(header);
    }
    if (!more) break;
    bytes += batch.raw;
    if (visit) TRY(visit(batch));
  }
  // The owner may have written the last batch and not synced it yet.
  const std::string last = segment_path(directory, header.first);
  if (disk.exists(last)) {
    TRY_ASSIGN(const auto file, disk.open(last, world::OpenMode::read));
    TRY(file->sync());
  }
  TRY(take(name_of(header, false), bytes));
  return chain.head();
}

}  // namespace bessemer::journal
