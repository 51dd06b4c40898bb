// Puts batches into segment files: the half of a journal that touches the disk.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "journal/file_journal.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "world/world.h"

namespace bessemer::journal {

// Where appending goes on: a segment that is whole and durable up to `offset`, zeros after it.
struct Tail {
  std::unique_ptr<world::File> file;
  Mark mark{};
  Sequence segment_first = 1;
  std::uint64_t offset = segment_header_bytes;
  std::uint64_t capacity = 0;  // bytes of the segment
  Head head;
};

// Makes the file of a segment that begins after `header.previous`, from the spare when there is
// one; `valid` are the batches that it already holds. Replaces a segment of that name. Durable
// when it returns.
Result<Tail> begin_segment(world::Disk& disk, const Options& options, const SegmentHeader& header,
                           std::string_view valid);

// write() and maintain() may run on two threads; room(), full(), durable() on any.
class Writer {
 public:
  Writer(world::Disk& disk, Options options, Tail tail);

  // Writes and syncs; a failure is for ever.
  Result<Head> write(const Staged& staged);
  Result<bool> maintain();

  // Bytes that surely fit, whatever the disk does: batch headers count.
  std::uint64_t room() const { return room_.load(std::memory_order_acquire); }
  // Bytes of groups written so far, as charge() counts them.
  std::uint64_t written() const { return written_.load(std::memory_order_acquire); }
  bool full() const { return full_.load(std::memory_order_acquire); }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  Sequence durable() const { return durable_.load(std::memory_order_acquire); }

 private:
  Result<void> write_all(const Staged& staged);
  Result<void> write_batch(const Staged& staged, std::size_t from, std::size_t to);
  Result<void> roll();
  // Makes a spare segment if there is none. True if it made one.
  Result<bool> prepare_spare(std::string_view name);
  void publish_room();

  world::Disk& disk_;
  const Options options_;
  Tail tail_;
  const std::uint32_t seed_;
  std::string buffer_;
  std::mutex spare_;  // guards the file `spare` and the next two
  bool spare_ready_ = false;
  std::uint64_t left_ = 0;  // bytes of the open segment after the last commit
  std::atomic<bool> full_ = false, failed_ = false;
  std::atomic<std::uint64_t> room_ = 0, written_ = 0;
  std::atomic<Sequence> durable_ = 0, segment_first_ = 1;
};

// What a group of `bytes` may take of room(): each may come to lie in a batch of its own.
constexpr std::uint64_t charge(std::uint64_t bytes) { return bytes + batch_header_bytes; }

}  // namespace bessemer::journal
