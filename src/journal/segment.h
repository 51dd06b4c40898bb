// Segment files: their names, making them, reading them front to back, compressing them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/format.h"
#include "world/world.h"

namespace bessemer::journal {

constexpr std::string_view spare_name = "spare";  // full of zeros but for a header, perhaps

// "<directory>/<20 digits>.seg", and ".seg.zst" once compressed.
std::string segment_path(std::string_view directory, Sequence first);
std::string compressed_path(std::string_view directory, Sequence first);
// "<directory>/<name>"; the name alone in the root.
std::string path_in(std::string_view directory, std::string_view name);

// The first sequences of the segments there, rising; none when there is no such directory.
// Errors: those of the disk.
Result<std::vector<Sequence>> list_segments(const world::Disk& disk, std::string_view directory);

// Makes the directory and makes that durable, parents too.
Result<void> make_durable_directory(world::Disk& disk, std::string_view directory);

// Makes a file of `bytes` zeros, synced: what is written into it later needs no new blocks, so a
// sync is quicker and a full disk does not matter. On an error nothing is left behind.
Result<void> make_zeros(world::Disk& disk, const std::string& path, std::uint64_t bytes);

// Reads one segment, compressed or not, through a window that moves forward.
class SegmentReader {
 public:
  // Errors: not_found, invalid "journal_newer", internal "journal_corrupt" (names the file).
  static Result<SegmentReader> open(world::Disk& disk, std::string_view directory, Sequence first);

  const SegmentHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  // Where the next batch begins.
  std::uint64_t offset() const { return offset_; }
  // The batch at offset(); the views live until the next call. Errors: those of the disk.
  Result<Parsed> parse();
  // Moves past the batch that parse() gave.
  void skip(const Parsed& parsed) { offset_ += parsed.bytes; }
  // Drops what was read ahead, which others may have written over since.
  void forget();
  // Everything before offset(), the header included.
  Result<std::string> valid();
  // Everything from offset() to the end of the file.
  Result<std::string> rest();

 private:
  SegmentReader() = default;
  // Makes at least `bytes` at offset() readable if the file has them.
  Result<std::string_view> window(std::size_t bytes);
  Result<std::string> read(std::uint64_t from, std::uint64_t to);

  std::string path_;
  std::unique_ptr<world::File> file_;  // none: the whole segment is in buffer_
  std::string buffer_;
  std::uint64_t buffer_at_ = 0;  // offset of buffer_ in the segment
  SegmentHeader header_;
  std::uint32_t seed_ = 0;
  std::uint64_t offset_ = segment_header_bytes;
};

// Header and batches of a sealed segment as its compressed form holds them.
std::string pack(std::string_view used);

// Replaces a sealed segment by its compressed form, never leaving less than one whole copy.
// Errors: those of the disk; internal when the segment cannot be read back whole.
Result<void> compress_segment(world::Disk& disk, std::string_view directory, Sequence first);

}  // namespace bessemer::journal
