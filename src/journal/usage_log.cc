// The files of a gateway's usage log: a journal under a lock, ranges of it, sealed stretches.
//
// sealed file = magic 8, u16 version, 6 zero, codec of SealedUsage, u32 CRC-32C of all before.
#include "journal/usage_log.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/codec.h"
#include "base/text.h"
#include "journal/format.h"
#include "journal/segment.h"

namespace bessemer::journal {

DESCRIBE(SealedUsage, first, last, chain, sums, columns)

namespace {

constexpr std::string_view sealed_magic = "BSMRSEAL";
constexpr std::uint16_t sealed_version = 1;
constexpr std::size_t sealed_header_bytes = 16;
constexpr std::size_t max_sealed_bytes = 1u << 30;
constexpr std::string_view ending = ".sealed";

std::string digits(std::uint64_t number, std::size_t width) {
  const std::string text = std::to_string(number);
  return std::string(width - std::min(width, text.size()), '0') + text;
}

std::string gateway_directory(GatewayId gateway) { return "usage/" + to_text(gateway); }

Options options_for(const std::string& directory, const Mark& mark, std::uint64_t segment_bytes) {
  Options options;
  options.directory = directory;
  options.segment_bytes = segment_bytes;
  options.mark = mark;
  options.compress = false;  // sealing packs them better, and drops them
  return options;
}

Error damaged(const std::string& path) {
  return invalid(path + " is damaged").because("usage_corrupt")
      .fix("restore it from a backup: the journal states its digest");
}

}  // namespace

std::string usage_directory(GatewayId gateway, std::uint64_t epoch) {
  return gateway_directory(gateway) + "/" + digits(epoch, 10);
}

Result<UsageLog> begin_usage_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch,
                                 const Mark& mark, std::uint64_t segment_bytes) {
  const std::string directory = usage_directory(gateway, epoch);
  TRY(make_durable_directory(disk, directory));
  UsageLog log;
  TRY_ASSIGN(log.lock, disk.lock(directory));
  TRY_ASSIGN(const auto segments, list_segments(disk, directory));
  if (!segments.empty()) {
    return conflict("epoch " + std::to_string(epoch) + " of " + to_text(gateway) +
                    " has a usage log already")
        .fix("recover that log and ask for a new epoch");
  }
  TRY_ASSIGN(log.journal, open_journal(disk, options_for(directory, mark, segment_bytes), {}));
  log.mark = mark;
  return log;
}

namespace {
// The end of the last sealed stretch. Errors: not_found.
Result<Head> sealed_through(world::Disk& disk, std::string_view directory) {
  TRY_ASSIGN(const auto sealed, list_sealed_usage(disk, directory));
  if (sealed.empty()) return not_found(std::string(directory) + " lacks its first segments");
  TRY_ASSIGN(const auto last, read_sealed_usage(disk, directory, sealed.back(), {}));
  return Head{last.last, last.chain};
}
}  // namespace

Result<UsageLog> recover_usage_log(world::Disk& disk, GatewayId gateway, std::uint64_t epoch,
                                   const Replay& replay, std::uint64_t segment_bytes) {
  const std::string directory = usage_directory(gateway, epoch);
  if (!disk.exists(directory)) return not_found(directory + " holds no usage log");
  UsageLog log;
  TRY_ASSIGN(log.lock, disk.lock(directory));
  TRY_ASSIGN(const auto segments, list_segments(disk, directory));
  if (segments.empty()) return not_found(directory + " holds no usage log");
  Options options = options_for(directory, {}, segment_bytes);
  if (segments.front() > 1) {
    TRY_ASSIGN(options.known, sealed_through(disk, directory));
  }
  TRY_ASSIGN(const auto last, SegmentReader::open(disk, directory, segments.back()));
  log.mark = last.header().mark;
  TRY_ASSIGN(log.journal, open_journal(disk, options, replay));
  return log;
}

Result<std::vector<std::uint64_t>> list_usage_epochs(const world::Disk& disk, GatewayId gateway) {
  std::vector<std::uint64_t> epochs;
  const std::string directory = gateway_directory(gateway);
  if (!disk.exists(directory)) return epochs;
  TRY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    if (const auto epoch = parse_unsigned(name)) epochs.push_back(*epoch);
  }
  std::sort(epochs.begin(), epochs.end());
  return epochs;
}

Result<std::vector<GatewayId>> list_usage_gateways(const world::Disk& disk) {
  std::vector<GatewayId> gateways;
  if (!disk.exists("usage")) return gateways;
  TRY_ASSIGN(const auto names, disk.list("usage"));
  for (const auto& name : names) {
    auto id = from_text(std::type_identity<GatewayId>{}, name);
    if (!id) return std::move(id).error().during("listing usage/" + name);
    gateways.push_back(*id);
  }
  return gateways;
}

Result<Shipper> Shipper::from(const UsageLog& log, Sequence from) {
  TRY_ASSIGN(auto cursor, log.journal->read(from));
  return Shipper(log.mark, std::move(cursor));
}

Result<std::string> Shipper::take(std::size_t limit) {
  std::string range(reinterpret_cast<const char*>(mark_.data()), mark_.size());
  Batch batch;
  while (range.size() < limit + mark_.size()) {
    TRY_ASSIGN(const bool more, cursor_->next(batch));
    if (!more) break;
    range += batch.raw;
  }
  if (range.size() == mark_.size()) range.clear();
  return range;
}

Result<Head> walk_range(std::string_view range, const Head& after, const Replay& visit) {
  Mark mark;
  if (range.empty()) return after;
  if (range.size() < mark.size()) return invalid("a shipped range is cut short");
  std::memcpy(mark.data(), range.data(), mark.size());
  std::string_view raw = range.substr(mark.size());
  const std::uint32_t seed = checksum_seed(mark);
  Head head = after;
  while (!raw.empty()) {
    const Parsed parsed = parse_batch(raw, seed);
    if (parsed.verdict != Verdict::whole) {
      return invalid("a shipped range is damaged after record " + std::to_string(head.sequence));
    }
    raw.remove_prefix(parsed.bytes);
    const Batch& batch = parsed.batch;
    if (batch.last() <= after.sequence) continue;
    if (batch.first != head.sequence + 1 || batch.previous != head.chain) {
      return invalid("a shipped range does not go on after record " +
                     std::to_string(head.sequence));
    }
    if (visit) TRY(visit(batch));
    head = batch.head();
  }
  return head;
}

Result<Digest> seal_usage(world::Disk& disk, std::string_view directory,
                          const SealedUsage& sealed) {
  check(sealed.first > 0 && sealed.last >= sealed.first, "an empty stretch");
  std::string bytes(sealed_magic);
  codec::Writer to{bytes};
  codec::put(to, sealed_version);
  bytes.append(6, '\0');
  codec::encode(bytes, sealed);
  codec::put(to, crc32c(bytes));
  const Digest digest = sha256(bytes);
  const std::string path = path_in(directory, digits(sealed.first, 20) + std::string(ending));
  if (disk.exists(path)) {
    TRY_ASSIGN(const std::string there, world::read_file(disk, path, max_sealed_bytes));
    if (there == bytes) return digest;
    return conflict(path + " is sealed already, with other content");
  }
  TRY(make_durable_directory(disk, directory));
  TRY(world::replace_file(disk, path, bytes));
  return digest;
}

Result<SealedUsage> read_sealed_usage(world::Disk& disk, std::string_view directory,
                                      Sequence first, const Digest& expected) {
  const std::string path = path_in(directory, digits(first, 20) + std::string(ending));
  TRY_ASSIGN(const std::string bytes, world::read_file(disk, path, max_sealed_bytes));
  std::string_view rest = bytes;
  if (rest.size() < sealed_header_bytes + 4 || !rest.starts_with(sealed_magic)) {
    return damaged(path);
  }
  codec::Reader tail{rest.substr(rest.size() - 4)};
  std::uint32_t crc = 0;
  check(codec::get(tail, crc));
  rest.remove_suffix(4);
  if (crc32c(rest) != crc || (expected && sha256(bytes) != expected)) return damaged(path);
  codec::Reader head{rest.substr(sealed_magic.size(), 2)};
  std::uint16_t version = 0;
  check(codec::get(head, version));
  if (version != sealed_version) {
    return invalid(path + " is from a newer version").because("usage_newer");
  }
  auto sealed = codec::decode<SealedUsage>(rest.substr(sealed_header_bytes));
  if (!sealed || sealed->first != first) return damaged(path);
  return sealed;
}

Result<void> drop_sealed_segments(world::Disk& disk, std::string_view directory) {
  TRY_ASSIGN(const auto segments, list_segments(disk, directory));
  TRY_ASSIGN(const Head sealed, sealed_through(disk, directory));
  for (std::size_t at = 0; at + 1 < segments.size() && segments[at + 1] <= sealed.sequence + 1;
       ++at) {
    TRY(disk.remove(segment_path(directory, segments[at])));
  }
  return disk.sync_directory(directory);
}

Result<std::vector<Sequence>> list_sealed_usage(const world::Disk& disk,
                                                std::string_view directory) {
  std::vector<Sequence> found;
  if (!disk.exists(directory)) return found;
  TRY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    if (name.size() != 20 + ending.size() || !name.ends_with(ending)) continue;
    const auto first = parse_unsigned(std::string_view(name).substr(0, 20));
    if (first) found.push_back(*first);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace bessemer::journal
