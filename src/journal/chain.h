// Walks the chain of batches over all segments: the one reader that everything else is made of.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "journal/journal.h"
#include "journal/segment.h"
#include "world/world.h"

namespace bessemer::journal {

// Reads batch after batch, checking form, order and chain, from segment to segment.
class Chain final {
 public:
  // Begins at the last batch boundary at or before `from`; with head() the batch before it, as
  // far as the first segment read can tell. Errors: not_found (no journal there, or `from` is 0 or
  // lies more than one beyond the end), and as next().
  static Result<Chain> seek(world::Disk& disk, std::string directory, Sequence from);

  // The next batch; false where no whole batch follows. Errors: internal "journal_corrupt", invalid
  // "journal_newer".
  Result<bool> next(Batch& into);

  const Head& head() const { return head_; }
  SegmentReader& segment() { return *segment_; }
  // The bytes after the last whole batch are zeros, not a torn batch. Known once next() was false.
  bool clean() const { return clean_; }
  // Others have written since: reads again what lies beyond the head.
  void forget() { segment_->forget(); }

 private:
  Chain(world::Disk& disk, std::string directory)
      : disk_(&disk), directory_(std::move(directory)) {}
  Result<void> enter(Sequence first);
  // What lies at the head when no whole batch does. True: it went on to the next segment.
  Result<bool> judge_end(const Parsed& parsed);
  Result<bool> judge_rest(std::string_view rest);
  Result<void> accept(const Parsed& parsed, Batch& into);
  Error corrupt(std::string_view why) const;

  world::Disk* disk_;
  std::string directory_;
  std::unique_ptr<SegmentReader> segment_;
  std::optional<Mark> mark_;
  Head head_;
  bool clean_ = false;
};

}  // namespace bessemer::journal
