// The bytes of segments and batches.
#include "journal/format.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace bessemer::journal {

namespace {

constexpr std::string_view segment_magic = "BSMRJRNL";
constexpr std::string_view batch_magic = "BTCH";

template <class T>
void put(char* at, T value) {
  std::memcpy(at, &value, sizeof value);
}
template <class T>
T get(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
Digest get_digest(std::string_view bytes, std::size_t at) {
  Digest digest;
  std::memcpy(digest.bytes.data(), bytes.data() + at, digest.bytes.size());
  return digest;
}

Error damaged_header() {
  return internal("the segment's header is damaged").because("journal_corrupt");
}

// Whether `body` is exactly `count` records.
bool adds_up(std::string_view body, std::uint32_t count) {
  for (; count > 0; --count) {
    if (body.size() < record_header_bytes) return false;
    const auto length = get<std::uint32_t>(body, 2);
    if (body.size() - record_header_bytes < length) return false;
    body.remove_prefix(record_header_bytes + length);
  }
  return body.empty();
}

bool header_is_whole(std::string_view header, std::uint32_t seed) {
  return header.size() >= batch_header_bytes && header.starts_with(batch_magic) &&
         crc32c(header.substr(0, 68), seed) == get<std::uint32_t>(header, 68);
}

}  // namespace

std::string encode(const SegmentHeader& header) {
  std::string out(segment_header_bytes, '\0');
  std::memcpy(out.data(), segment_magic.data(), segment_magic.size());
  put(out.data() + 8, format_version);
  std::memcpy(out.data() + 16, header.mark.data(), header.mark.size());
  put(out.data() + 32, header.first);
  std::memcpy(out.data() + 40, header.previous.bytes.data(), header.previous.bytes.size());
  put(out.data() + 76, crc32c(std::string_view(out).substr(0, 76)));
  return out;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < segment_header_bytes || !bytes.starts_with(segment_magic)) {
    return damaged_header();
  }
  bytes = bytes.substr(0, segment_header_bytes);
  // Magic and version stay where they are in every version; the rest may not.
  if (get<std::uint16_t>(bytes, 8) > format_version) {
    return invalid("the journal is from a newer version")
        .because("journal_newer")
        .fix("start it with the version of bessemer that wrote it, or a later one");
  }
  if (crc32c(bytes.substr(0, 76)) != get<std::uint32_t>(bytes, 76)) return damaged_header();
  SegmentHeader header;
  std::memcpy(header.mark.data(), bytes.data() + 16, header.mark.size());
  header.first = get<std::uint64_t>(bytes, 32);
  header.previous = get_digest(bytes, 40);
  if (header.first == 0 || get<std::uint16_t>(bytes, 8) == 0) return damaged_header();
  return header;
}

std::uint32_t checksum_seed(const Mark& mark) {
  return crc32c({reinterpret_cast<const char*>(mark.data()), mark.size()});
}

void encode_batch(std::string& out, std::uint32_t seed, Batch& batch) {
  check(batch.count > 0 && batch.first > 0, "an empty batch");
  out.resize(batch_header_bytes);
  char* const at = out.data();
  std::memset(at, 0, batch_header_bytes);
  std::memcpy(at, batch_magic.data(), batch_magic.size());
  put(at + 4, format_version);
  put(at + 8, batch.first);
  put(at + 16, batch.synced_through);
  put(at + 24, batch.count);
  put(at + 28, static_cast<std::uint32_t>(batch.body.size()));
  std::memcpy(at + 32, batch.previous.bytes.data(), batch.previous.bytes.size());
  put(at + 64, crc32c(batch.body, seed));
  put(at + 68, crc32c({at, 68}, seed));
  out.append(batch.body);
  batch.raw = out;
  batch.digest = sha256(out);
}

void encode_record(std::string& body, const Record& record) {
  char header[record_header_bytes];
  put(header, record.type);
  put(header + 2, static_cast<std::uint32_t>(record.bytes.size()));
  body.append(header, sizeof header);
  body.append(record.bytes);
}

bool Records::next(Record& into) {
  if (rest_.empty()) return false;
  const auto length = get<std::uint32_t>(rest_, 2);
  into.type = get<std::uint16_t>(rest_, 0);
  into.bytes = rest_.substr(record_header_bytes, length);
  rest_.remove_prefix(record_header_bytes + length);
  return true;
}

std::size_t batch_bytes(std::string_view header, std::uint32_t seed) {
  if (!header_is_whole(header, seed)) return batch_header_bytes;
  return batch_header_bytes + std::min<std::size_t>(get<std::uint32_t>(header, 28),
                                                    max_staged_bytes);
}

Parsed parse_batch(std::string_view bytes, std::uint32_t seed) {
  Parsed parsed;
  const std::string_view header = bytes.substr(0, batch_header_bytes);
  if (all_zero(header)) {
    parsed.verdict = Verdict::end;
    return parsed;
  }
  if (!header_is_whole(header, seed)) return parsed;
  const std::size_t size = get<std::uint32_t>(header, 28);
  if (get<std::uint16_t>(header, 4) != format_version || get<std::uint16_t>(header, 6) != 0) {
    parsed.verdict = Verdict::newer;
    return parsed;
  }
  if (size > bytes.size() - batch_header_bytes) return parsed;
  Batch& batch = parsed.batch;
  batch.body = bytes.substr(batch_header_bytes, size);
  if (crc32c(batch.body, seed) != get<std::uint32_t>(header, 64)) return parsed;
  batch.raw = bytes.substr(0, batch_header_bytes + size);
  batch.first = get<std::uint64_t>(header, 8);
  batch.synced_through = get<std::uint64_t>(header, 16);
  batch.count = get<std::uint32_t>(header, 24);
  batch.previous = get_digest(header, 32);
  parsed.bytes = batch.raw.size();
  const bool sound = batch.first > 0 && batch.count > 0 && batch.synced_through < batch.first &&
                     batch.first + batch.count > batch.first && adds_up(batch.body, batch.count);
  parsed.verdict = sound ? Verdict::whole : Verdict::wrong;
  if (sound) batch.digest = sha256(batch.raw);
  return parsed;
}

bool holds_batch(std::string_view bytes, std::uint32_t seed) {
  for (auto at = bytes.find(batch_magic); at != std::string_view::npos;
       at = bytes.find(batch_magic, at + 1)) {
    const Verdict verdict = parse_batch(bytes.substr(at), seed).verdict;
    if (verdict != Verdict::torn && verdict != Verdict::end) return true;
  }
  return false;
}

bool all_zero(std::string_view bytes) {
  if (bytes.empty()) return true;
  // The first byte is zero and each equals the one before it.
  return bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace bessemer::journal
