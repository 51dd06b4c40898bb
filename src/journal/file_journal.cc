// The journal in files: staging here, the disk in Writer, reading in Chain.
#include "journal/file_journal.h"

#include <optional>

#include "base/check.h"
#include "journal/chain.h"
#include "journal/recover.h"
#include "journal/segment.h"
#include "journal/writer.h"

namespace bessemer::journal {

namespace {

// Batches up to what is durable; at the end it can be asked again later.
class LiveCursor final : public Cursor {
 public:
  LiveCursor(Chain chain, const Writer& writer) : chain_(std::move(chain)), writer_(writer) {}

  Result<bool> next(Batch& into) override {
    if (chain_.head().sequence >= limit_) {
      const Sequence durable = writer_.durable();
      if (durable == limit_) return false;
      limit_ = durable;
      chain_.forget();
    }
    if (chain_.head().sequence >= limit_) return false;
    TRY_ASSIGN(const bool more, chain_.next(into));
    if (more) return true;
    return internal("the journal is damaged: durable records cannot be read back")
        .because("journal_corrupt");
  }

 private:
  Chain chain_;
  const Writer& writer_;
  Sequence limit_ = 0;
};

// Batches to the last whole one, of a journal at rest.
class RestCursor final : public Cursor {
 public:
  explicit RestCursor(Chain chain) : chain_(std::move(chain)) {}
  Result<bool> next(Batch& into) override { return chain_.next(into); }

 private:
  Chain chain_;
};

// One batch behind a RestCursor: what has a successor was synced before it.
class CertainCursor final : public Cursor {
 public:
  explicit CertainCursor(Chain chain) : chain_(std::move(chain)) {}

  Result<bool> next(Batch& into) override {
    if (held_.raw.empty()) {
      TRY_ASSIGN(const bool any, take());
      if (!any) return false;
    }
    given_ = held_;
    std::swap(given_bytes_, held_bytes_);
    TRY_ASSIGN(const bool more, take());
    if (!more) return false;
    into = given_;
    into.raw = given_bytes_;
    into.body = into.raw.substr(batch_header_bytes);
    return true;
  }

 private:
  Result<bool> take() {
    TRY_ASSIGN(const bool more, chain_.next(held_));
    if (more) held_bytes_ = held_.raw;
    return more;
  }

  Chain chain_;
  Batch held_, given_;  // whose views are stale: the bytes are in the strings
  std::string held_bytes_, given_bytes_;
};

class FileJournal final : public Journal {
 public:
  FileJournal(world::Disk& disk, const Options& options, Tail tail)
      : disk_(disk), options_(options), next_(tail.head.sequence + 1),
        writer_(disk, options, std::move(tail)) {}

  Result<Sequence> append(std::span<const Record> group, Purpose purpose) override {
    check(!group.empty(), "an empty group");
    if (writer_.failed()) return internal("the journal has failed; restart to recover it");
    std::uint64_t bytes = 0;
    for (const Record& record : group) bytes += record_header_bytes + record.bytes.size();
    const std::uint64_t largest =
        std::min<std::uint64_t>(max_group_bytes, options_.segment_bytes - segment_header_bytes -
                                                     batch_header_bytes);
    if (bytes > largest) {
      return invalid("one change must be at most " + std::to_string(largest) + " bytes, not " +
                     std::to_string(bytes))
          .fix("divide it");
    }
    if (purpose == Purpose::ordinary && writer_.full()) return disk_is_full();
    // written() before room(): see Writer.
    const std::uint64_t pending = charged_ - writer_.written() + charge(bytes);
    if (pending > std::min<std::uint64_t>(writer_.room(), max_staged_bytes)) {
      return writer_.full() ? disk_is_full()
                            : exhausted("too much waits to be written to the journal")
                                  .because("journal_backlog")
                                  .retried(Retry::now);
    }
    charged_ += charge(bytes);
    if (staged_.empty()) staged_.first = next_;
    for (const Record& record : group) encode_record(staged_.body, record);
    next_ += group.size();
    staged_.groups.push_back({static_cast<std::uint32_t>(staged_.body.size()),
                              static_cast<std::uint32_t>(next_ - staged_.first)});
    return next_ - 1;
  }

  Staged take_staged() override { return std::exchange(staged_, Staged{}); }
  Result<Head> commit(Staged staged) override { return writer_.write(staged); }
  Sequence appended() const override { return next_ - 1; }
  Sequence durable() const override { return writer_.durable(); }
  bool full() const override { return writer_.full(); }
  bool failed() const override { return writer_.failed(); }
  Result<bool> maintain() override { return writer_.maintain(); }

  Result<std::unique_ptr<Cursor>> read(Sequence from) const override {
    if (from == 0 || from > durable() + 1) {
      return not_found("the journal has records 1 to " + std::to_string(durable()) + ", not " +
                       std::to_string(from));
    }
    TRY_ASSIGN(Chain chain, Chain::seek(disk_, options_.directory, from));
    return std::unique_ptr<Cursor>(std::make_unique<LiveCursor>(std::move(chain), writer_));
  }

 private:
  static Error disk_is_full() {
    return exhausted("the disk of the journal is full: only what ends something is taken")
        .because("disk_full")
        .fix("free space on the disk that holds the state directory")
        .retried(Retry::later);
  }

  world::Disk& disk_;
  const Options options_;
  Sequence next_;
  Staged staged_;
  std::uint64_t charged_ = 0;  // of every group staged so far
  Writer writer_;
};

}  // namespace

Result<std::unique_ptr<Journal>> open_journal(world::Disk& disk, const Options& options,
                                              const Replay& replay) {
  check(options.segment_bytes >= min_segment_bytes, "segments that small hold nothing");
  TRY_ASSIGN(Tail tail, recover(disk, options, replay));
  return std::unique_ptr<Journal>(std::make_unique<FileJournal>(disk, options, std::move(tail)));
}

Result<std::unique_ptr<Cursor>> read_journal(world::Disk& disk, std::string_view directory,
                                             Sequence from, Extent extent) {
  TRY_ASSIGN(Chain chain, Chain::seek(disk, std::string(directory), from));
  if (extent == Extent::certain) {
    return std::unique_ptr<Cursor>(std::make_unique<CertainCursor>(std::move(chain)));
  }
  return std::unique_ptr<Cursor>(std::make_unique<RestCursor>(std::move(chain)));
}

Result<Audit> audit_journal(world::Disk& disk, std::string_view directory) {
  Audit audit;
  const auto finding = [](const Error& error) {
    return error.reason == "journal_corrupt" || error.reason == "journal_newer";
  };
  auto sought = Chain::seek(disk, std::string(directory), 1);
  if (!sought) {
    if (!finding(sought.error())) return std::move(sought).error();
    audit.fault = sought.error().what;
    return audit;
  }
  Batch batch;
  while (true) {
    auto more = sought->next(batch);
    audit.head = sought->head();
    if (!more) {
      if (!finding(more.error())) return std::move(more).error();
      audit.fault = more.error().what;
    }
    if (!more || !*more) return audit;
    ++audit.batches;
  }
}

Result<Head> append_now(Journal& journal, std::span<const Record> group, Purpose purpose) {
  TRY(journal.append(group, purpose));
  return journal.commit(journal.take_staged());
}

}  // namespace bessemer::journal
