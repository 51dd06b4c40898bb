// The bytes of segments and batches: encoding, decoding, and telling whole from torn.
//
// segment = 80-byte header, then batches, then zeros.
// batch   = 72-byte header, then records: { u16 type, u32 length, bytes } each.
// All integers little-endian; docs/formats.md draws the headers. Nothing here touches a disk.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "journal/file_journal.h"
#include "journal/journal.h"

namespace bessemer::journal {

constexpr std::uint16_t format_version = 1;
constexpr std::size_t segment_header_bytes = 80;
constexpr std::size_t batch_header_bytes = 72;
constexpr std::size_t record_header_bytes = 6;

struct SegmentHeader {
  Mark mark{};
  Sequence first = 0;  // of the first batch
  Digest previous;     // SHA-256 of the last batch before this segment; all zero for the first
};

std::string encode(const SegmentHeader& header);
// Errors: invalid "journal_newer"; internal "journal_corrupt" (no header, or a damaged one).
Result<SegmentHeader> decode_segment_header(std::string_view bytes);

// Every checksum of a journal starts from its mark, so that bytes which somebody put into a record
// never pass for a batch, nor a batch of another journal for one of this.
std::uint32_t checksum_seed(const Mark& mark);

// Replaces `out` by the batch. `batch.body` holds `batch.count` records; digest and raw are set.
void encode_batch(std::string& out, std::uint32_t seed, Batch& batch);

// Appends one record to a body. Requires: bytes.size() <= max_group_bytes.
void encode_record(std::string& body, const Record& record);

enum class Verdict : std::uint8_t {
  whole,
  end,    // zeros: nothing was written here
  torn,   // not whole: cut short by a crash, or damaged since
  wrong,  // whole by its checksum, and yet its records do not add up
  newer,  // whole, of a format that this program does not know
};

struct Parsed {
  Verdict verdict = Verdict::torn;
  Batch batch;            // when whole; views into the bytes given
  std::size_t bytes = 0;  // of header and body, as far as the header can be believed
};

// Reads the batch at the front of `bytes`, which reach to the end of the segment or at least to the
// end of that batch. Order and chain are the caller's to check.
Parsed parse_batch(std::string_view bytes, std::uint32_t seed);

// How many bytes parse_batch needs to see, told by the first batch_header_bytes of a batch.
std::size_t batch_bytes(std::string_view header, std::uint32_t seed);

// True when a whole batch begins anywhere in `bytes`.
bool holds_batch(std::string_view bytes, std::uint32_t seed);

bool all_zero(std::string_view bytes);

}  // namespace bessemer::journal
