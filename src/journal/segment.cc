// Segment files on any world::Disk.
#include "journal/segment.h"

#include <zstd.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/text.h"

namespace bessemer::journal {

namespace {

constexpr std::size_t read_ahead = 1u << 20;
constexpr std::size_t max_segment_bytes = 1u << 30;  // of a compressed segment, once unpacked
constexpr int compression_level = 6;
constexpr std::string_view raw_end = ".seg";
constexpr std::string_view compressed_end = ".seg.zst";

std::string digits(Sequence first) {
  std::string text = std::to_string(first);
  return std::string(20 - text.size(), '0') + text;
}

std::optional<Sequence> first_of(std::string_view name) {
  for (const std::string_view end : {compressed_end, raw_end}) {
    if (name.size() == 20 + end.size() && name.ends_with(end)) {
      return parse_unsigned(name.substr(0, 20));
    }
  }
  return std::nullopt;
}

Result<std::string> unpack(std::string_view packed, const std::string& path) {
  const auto size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > max_segment_bytes) {
    return internal(path + " is damaged").because("journal_corrupt");
  }
  std::string out(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) != 0 || got != out.size()) {
    return internal(path + " is damaged").because("journal_corrupt");
  }
  return out;
}

}  // namespace

std::string path_in(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : std::string(directory) + "/" + std::string(name);
}
std::string segment_path(std::string_view directory, Sequence first) {
  return path_in(directory, digits(first) + std::string(raw_end));
}
std::string compressed_path(std::string_view directory, Sequence first) {
  return path_in(directory, digits(first) + std::string(compressed_end));
}

Result<std::vector<Sequence>> list_segments(const world::Disk& disk, std::string_view directory) {
  if (!disk.exists(directory)) return std::vector<Sequence>{};
  TRY_ASSIGN(const auto names, disk.list(directory));
  std::set<Sequence> found;  // a segment may lie there both ways after a crash
  for (const auto& name : names) {
    if (const auto first = first_of(name)) found.insert(*first);
  }
  return std::vector<Sequence>(found.begin(), found.end());
}

Result<void> make_durable_directory(world::Disk& disk, std::string_view directory) {
  if (directory.empty()) return {};
  TRY(disk.make_directories(directory));
  TRY(disk.sync_directory(""));
  for (std::size_t at = directory.find('/'); at != std::string_view::npos;
       at = directory.find('/', at + 1)) {
    TRY(disk.sync_directory(directory.substr(0, at)));
  }
  return {};
}

Result<void> make_zeros(world::Disk& disk, const std::string& path, std::uint64_t bytes) {
  const std::string fresh = path + ".new";
  if (disk.exists(fresh)) TRY(disk.remove(fresh));
  const auto fill = [&]() -> Result<void> {
    TRY_ASSIGN(const auto file, disk.open(fresh, world::OpenMode::create));
    const std::string zeros(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, 1u << 20)),
                            '\0');
    for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
      const auto part = std::min<std::uint64_t>(bytes - at, zeros.size());
      TRY(file->write_at(at, std::string_view(zeros).substr(0, part)));
    }
    TRY(file->sync());
    return disk.rename(fresh, path);
  };
  auto filled = fill();
  if (filled) return {};
  if (disk.exists(fresh)) (void)disk.remove(fresh).has_value();
  return std::move(filled).error();
}

Result<SegmentReader> SegmentReader::open(world::Disk& disk, std::string_view directory,
                                          Sequence first) {
  SegmentReader reader;
  reader.path_ = segment_path(directory, first);
  auto plain = disk.open(reader.path_, world::OpenMode::read);
  if (plain) {
    reader.file_ = std::move(*plain);
  } else if (plain.error().code == Code::not_found) {
    reader.path_ = compressed_path(directory, first);
    TRY_ASSIGN(const std::string packed,
               world::read_file(disk, reader.path_, max_segment_bytes));
    TRY_ASSIGN(reader.buffer_, unpack(packed, reader.path_));
  } else {
    return std::move(plain).error();
  }
  reader.offset_ = 0;
  TRY_ASSIGN(const std::string_view head, reader.window(segment_header_bytes));
  auto header = decode_segment_header(head);
  if (header && header->first != first) {
    return internal(reader.path_ + " says that it begins at " + std::to_string(header->first))
        .because("journal_corrupt");
  }
  if (!header) return std::move(header).error().during("reading " + reader.path_);
  reader.header_ = *header;
  reader.seed_ = checksum_seed(header->mark);
  reader.offset_ = segment_header_bytes;
  return reader;
}

Result<std::string_view> SegmentReader::window(std::size_t bytes) {
  const std::size_t skip = static_cast<std::size_t>(offset_ - buffer_at_);
  const std::size_t have = buffer_.size() - std::min(skip, buffer_.size());
  if (have < bytes && file_ != nullptr) {
    buffer_.erase(0, skip);
    buffer_at_ = offset_;
    TRY_ASSIGN(const std::uint64_t size, file_->size());
    const std::uint64_t left = size - std::min(size, offset_);
    buffer_.resize(std::max<std::size_t>(bytes, std::min<std::uint64_t>(left, read_ahead)));
    TRY_ASSIGN(const std::size_t got,
               file_->read_at(offset_ + have, std::span(buffer_).subspan(have)));
    buffer_.resize(have + got);
  }
  const std::size_t from = static_cast<std::size_t>(offset_ - buffer_at_);
  return std::string_view(buffer_).substr(std::min(from, buffer_.size()));
}

Result<Parsed> SegmentReader::parse() {
  TRY_ASSIGN(std::string_view bytes, window(batch_header_bytes));
  const std::size_t needed = batch_bytes(bytes, seed_);
  if (bytes.size() < needed) {
    TRY_ASSIGN(bytes, window(needed));
  }
  return parse_batch(bytes, seed_);
}

void SegmentReader::forget() {
  if (file_ == nullptr) return;
  buffer_.clear();
  buffer_at_ = offset_;
}

Result<std::string> SegmentReader::read(std::uint64_t from, std::uint64_t to) {
  std::string out(static_cast<std::size_t>(to - from), '\0');
  if (file_ == nullptr) {
    out.resize(buffer_.copy(out.data(), out.size(), static_cast<std::size_t>(from)));
    return out;
  }
  TRY_ASSIGN(const std::size_t got, file_->read_at(from, out));
  out.resize(got);
  return out;
}

Result<std::string> SegmentReader::valid() { return read(0, offset_); }

Result<std::string> SegmentReader::rest() {
  std::uint64_t size = buffer_.size();
  if (file_ != nullptr) {
    TRY_ASSIGN(size, file_->size());
  }
  return read(offset_, std::max(size, offset_));
}

namespace {
// Where the batches of a sealed segment end and its zeros begin.
Result<std::uint64_t> bytes_used(world::Disk& disk, std::string_view directory, Sequence first) {
  TRY_ASSIGN(SegmentReader reader, SegmentReader::open(disk, directory, first));
  while (true) {
    TRY_ASSIGN(const Parsed parsed, reader.parse());
    if (parsed.verdict == Verdict::end) return reader.offset();
    if (parsed.verdict != Verdict::whole) {
      return internal(reader.path() + " is damaged at offset " + std::to_string(reader.offset()))
          .because("journal_corrupt");
    }
    reader.skip(parsed);
  }
}
}  // namespace

std::string pack(std::string_view used) {
  std::string packed(ZSTD_compressBound(used.size()), '\0');
  const std::size_t size = ZSTD_compress(packed.data(), packed.size(), used.data(), used.size(),
                                         compression_level);
  check(ZSTD_isError(size) == 0, "zstd refuses a buffer that it sized itself");
  packed.resize(size);
  return packed;
}

Result<void> compress_segment(world::Disk& disk, std::string_view directory, Sequence first) {
  const std::string raw = segment_path(directory, first);
  const std::string packed_path = compressed_path(directory, first);
  TRY_ASSIGN(const std::uint64_t size_used, bytes_used(disk, directory, first));
  TRY_ASSIGN(const std::string all, world::read_file(disk, raw, max_segment_bytes));
  const std::string_view used = std::string_view(all).substr(0, size_used);
  TRY(world::replace_file(disk, packed_path, pack(used)));
  TRY_ASSIGN(const std::string written, world::read_file(disk, packed_path, max_segment_bytes));
  TRY_ASSIGN(const std::string back, unpack(written, packed_path));
  if (back != used) return internal(packed_path + " does not read back as it was written");
  TRY(disk.remove(raw));
  return disk.sync_directory(directory);
}

}  // namespace bessemer::journal
