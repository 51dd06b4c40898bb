// The contract of every journal: facts in order, durable, hash-chained.
//
// One thread owns a journal and calls append() and take_staged(). commit() runs on that thread or
// on one other; read() and durable() on any. A commit that failed is fatal for ever: every later
// call is refused and the owner exits, for after a failed sync nobody knows what the disk holds.
//
//   owner:  append(...) append(...) staged = take_staged()            release what waited <= head
//   sync :                                               commit(staged) -> head
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"

namespace bessemer::journal {

// The place of a record: 1, 2, 3 … without a gap. 0 stands for "before the first".
using Sequence = std::uint64_t;

// Bytes of one record, and of one group with 6 bytes for each of its records.
constexpr std::size_t max_group_bytes = 4u << 20;
// Bytes that may be staged and not yet committed: the owner commits before it stages more.
constexpr std::size_t max_staged_bytes = 6u << 20;

// One fact: its type's number and its encoded bytes, which the journal never looks into.
struct Record {
  std::uint16_t type = 0;
  std::string_view bytes;
};

// A full disk refuses what begins something and still takes what ends it.
enum class Purpose : std::uint8_t {
  ordinary,
  closing,  // settles, voids, releases, reports the end of something
};

// The last durable record and the SHA-256 of the batch that ends with it.
struct Head {
  Sequence sequence = 0;
  Digest chain;  // of no batch: all zero
  friend bool operator==(const Head&, const Head&) = default;
};

// Records that wait for a commit, encoded. Made by append(), moved to the committing thread.
struct Staged {
  // After each group: the bytes of `body` and the records up to there. A group is never divided.
  struct End {
    std::uint32_t bytes = 0;
    std::uint32_t records = 0;
  };
  Sequence first = 0;
  std::string body;
  std::vector<End> groups;
  bool empty() const { return groups.empty(); }
};

// What one commit wrote, as a reader meets it. The views live until the cursor moves.
struct Batch {
  Sequence first = 0;
  std::uint32_t count = 0;  // records; at least 1
  Sequence synced_through = 0;  // known durable when this batch was written
  Digest previous;  // SHA-256 of the batch before; all zero for the first
  Digest digest;    // SHA-256 of this one
  std::string_view body;
  std::string_view raw;  // header and body as they stand on disk
  Sequence last() const { return first + count - 1; }
  Head head() const { return {last(), digest}; }
};

// Walks the records of a batch's body.
class Records {
 public:
  explicit Records(std::string_view body) : rest_(body) {}
  // False at the end. Requires: the body of a batch that a cursor gave.
  bool next(Record& into);

 private:
  std::string_view rest_;
};

// Batches one after the other, each checked: checksum, order, chain.
struct Cursor {
  virtual ~Cursor() = default;
  // False at the end. Errors: internal "journal_corrupt", naming segment and offset; invalid
  // "journal_newer".
  virtual Result<bool> next(Batch& into) = 0;
};

struct Journal {
  virtual ~Journal() = default;

  // Stages a group that becomes durable whole or not at all; no disk is touched. Returns the
  // sequence of its last record; the first is that minus size plus one.
  // Errors: exhausted (disk full, or too much staged: see full()), invalid (group too large),
  // internal (the journal has failed). Requires: group not empty.
  virtual Result<Sequence> append(std::span<const Record> group, Purpose purpose) = 0;
  // Everything staged so far, for one commit(); empty when there is nothing.
  virtual Staged take_staged() = 0;
  // Writes and syncs. Returns once everything in `staged` is durable. Commits come in the order
  // in which their records were taken. Errors: internal, fatal for ever.
  virtual Result<Head> commit(Staged staged) = 0;

  // The last sequence that append() gave out.
  virtual Sequence appended() const = 0;
  // The last durable one. From any thread.
  virtual Sequence durable() const = 0;
  // Only closing groups are taken: the disk is full. From any thread.
  virtual bool full() const = 0;
  virtual bool failed() const = 0;

  // Batches from the one that holds `from` to the last that is durable; when next() was false it
  // can be asked again once more is. From any thread, while others commit. `from` may be the next
  // record to come. Errors: not_found (`from` is 0 or beyond that), as next(). The cursor must not
  // outlive the journal.
  virtual Result<std::unique_ptr<Cursor>> read(Sequence from) const = 0;

  // The slow work that nobody should wait for: prepares the next segment, compresses sealed ones.
  // Call it after start and then about once a second, on any one thread. Returns true when it did
  // something and there may be more. Errors: those of the disk; the journal goes on without.
  virtual Result<bool> maintain() = 0;
};

// Stages a group and commits everything staged; for tests and single-threaded owners.
Result<Head> append_now(Journal& journal, std::span<const Record> group,
                        Purpose purpose = Purpose::ordinary);

}  // namespace bessemer::journal
