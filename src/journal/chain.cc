// Walks the chain of batches: the difference between a torn end and a damaged middle is made here.
#include "journal/chain.h"

#include <algorithm>

namespace bessemer::journal {

Error Chain::corrupt(std::string_view why) const {
  return internal("the journal is damaged: " + segment_->path() + " at offset " +
                  std::to_string(segment_->offset()) + ": " + std::string(why))
      .because("journal_corrupt")
      .fix("nothing was changed; restore a backup into a new directory");
}

Result<Chain> Chain::seek(world::Disk& disk, std::string directory, Sequence from) {
  TRY_ASSIGN(const auto segments, list_segments(disk, directory));
  if (segments.empty()) return not_found("there is no journal in " + directory);
  if (from == 0) return not_found("records count from 1");
  const auto after = std::upper_bound(segments.begin(), segments.end(), from);
  if (after == segments.begin()) {
    return internal("the journal is damaged: " + directory + " begins at record " +
                    std::to_string(segments.front()))
        .because("journal_corrupt")
        .fix("put the missing segments back, or restore a backup into a new directory");
  }
  Chain chain(disk, std::move(directory));
  TRY(chain.enter(*std::prev(after)));
  Batch batch;
  while (chain.head_.sequence + 1 < from) {
    TRY_ASSIGN(const Parsed parsed, chain.segment_->parse());
    if (parsed.verdict == Verdict::whole && parsed.batch.last() >= from) break;
    TRY_ASSIGN(const bool more, chain.next(batch));
    if (!more) {
      return not_found("the journal ends at record " + std::to_string(chain.head_.sequence) +
                       ", before record " + std::to_string(from));
    }
  }
  return chain;
}

Result<void> Chain::enter(Sequence first) {
  TRY_ASSIGN(SegmentReader opened, SegmentReader::open(*disk_, directory_, first));
  const bool begins = segment_ == nullptr;
  const SegmentHeader header = opened.header();
  segment_ = std::make_unique<SegmentReader>(std::move(opened));
  if (begins) {
    mark_ = header.mark;
    head_ = {first - 1, header.previous};
    if (first == 1 && header.previous) return corrupt("a first segment that follows another");
    return {};
  }
  if (header.mark != *mark_) return corrupt("a segment of another journal");
  if (header.previous != head_.chain) return corrupt("the segment does not follow the one before");
  return {};
}

Result<bool> Chain::next(Batch& into) {
  while (true) {
    TRY_ASSIGN(const Parsed parsed, segment_->parse());
    if (parsed.verdict == Verdict::whole) {
      TRY(accept(parsed, into));
      return true;
    }
    TRY_ASSIGN(const bool moved, judge_end(parsed));
    if (!moved) return false;
  }
}

Result<void> Chain::accept(const Parsed& parsed, Batch& into) {
  const Batch& batch = parsed.batch;
  if (batch.first != head_.sequence + 1) {
    return corrupt("record " + std::to_string(batch.first) + " where " +
                   std::to_string(head_.sequence + 1) + " is due");
  }
  if (batch.previous != head_.chain) return corrupt("the batch does not follow the one before");
  into = batch;
  head_ = batch.head();
  segment_->skip(parsed);
  return {};
}

Result<bool> Chain::judge_end(const Parsed& parsed) {
  if (parsed.verdict == Verdict::wrong) return corrupt("a whole batch whose records do not add up");
  if (parsed.verdict == Verdict::newer) {
    return invalid("the journal is from a newer version: " + segment_->path() + " at offset " +
                   std::to_string(segment_->offset()))
        .because("journal_newer")
        .fix("start it with the version of bessemer that wrote it, or a later one");
  }
  TRY_ASSIGN(const std::string rest, segment_->rest());
  const bool goes_on_here =
      parse_batch(rest, checksum_seed(segment_->header().mark)).verdict == Verdict::whole;
  auto moved = goes_on_here ? Result<bool>(false) : judge_rest(rest);
  if (!goes_on_here && moved && (*moved || clean_)) return moved;
  // The owner may be writing while we read: what looks like an end or like damage is looked at
  // again for as long as it changes.
  TRY_ASSIGN(const std::string now, segment_->rest());
  if (!goes_on_here && now == rest) return moved;
  segment_->forget();
  return true;
}

Result<bool> Chain::judge_rest(std::string_view rest) {
  clean_ = all_zero(rest);
  const Sequence first = head_.sequence + 1;
  const bool goes_on = first != segment_->header().first &&
                       (disk_->exists(segment_path(directory_, first)) ||
                        disk_->exists(compressed_path(directory_, first)));
  if (goes_on) {
    // The next segment was begun, so everything in this one was synced.
    if (!clean_) return corrupt("a damaged batch, and a segment that follows");
    TRY(enter(first));
    return true;
  }
  TRY_ASSIGN(const auto segments, list_segments(*disk_, directory_));
  if (!segments.empty() && segments.back() > head_.sequence + 1) {
    return corrupt("the next segment begins at record " + std::to_string(segments.back()) +
                   "; records from " + std::to_string(first) + " are missing");
  }
  if (!clean_ && holds_batch(rest.substr(1), checksum_seed(segment_->header().mark))) {
    return corrupt("a damaged batch, and a whole one after it");
  }
  return false;
}

}  // namespace bessemer::journal
