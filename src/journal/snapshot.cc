// Snapshot files: a checked header, then the state's bytes.
//
// header (136 bytes) = magic 8, u16 version, 6 zero, u64 sequence, chain 32, schema 32,
// u64 length, SHA-256 of the bytes 32, 4 zero, u32 CRC-32C of all before.
#include "journal/snapshot.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/codec.h"
#include "base/text.h"
#include "journal/segment.h"

namespace bessemer::journal {

namespace {

constexpr std::string_view magic = "BSMRSNAP";
constexpr std::uint16_t version = 1;
constexpr std::size_t header_bytes = 136;
constexpr std::size_t max_bytes = std::size_t{16} << 30;
constexpr std::string_view ending = ".snap";

template <class... T>
std::string fields(const T&... value) {
  std::string out;
  codec::Writer to{out};
  (codec::put(to, value), ...);
  return out;
}

std::string encode_header(const Snapshot& snapshot) {
  std::string out(magic);
  out += fields(version);
  out.append(6, '\0');
  out += fields(snapshot.at.sequence, snapshot.at.chain, snapshot.schema,
                std::uint64_t{snapshot.bytes.size()}, sha256(snapshot.bytes));
  out.append(4, '\0');
  out += fields(crc32c(out));
  check(out.size() == header_bytes);
  return out;
}

Error damaged(const std::string& path) {
  return invalid("the snapshot " + path + " is damaged")
      .because("snapshot_corrupt")
      .fix("remove it: the journal holds everything that it held");
}

Result<Snapshot> decode(std::string bytes, const std::string& path) {
  if (bytes.size() < header_bytes || !bytes.starts_with(magic)) return damaged(path);
  codec::Reader from{std::string_view(bytes).substr(magic.size(), header_bytes - magic.size())};
  std::uint16_t found = 0;
  check(codec::get(from, found));
  if (found > version) {
    return invalid("the snapshot " + path + " is from a newer version").because("snapshot_newer");
  }
  from.in.remove_prefix(6);
  Snapshot snapshot;
  std::uint64_t length = 0;
  std::uint32_t padding = 0, crc = 0;
  Digest digest;
  check(codec::get(from, snapshot.at.sequence) && codec::get(from, snapshot.at.chain) &&
        codec::get(from, snapshot.schema) && codec::get(from, length) &&
        codec::get(from, digest) && codec::get(from, padding) && codec::get(from, crc));
  if (found != version || crc != crc32c(std::string_view(bytes).substr(0, header_bytes - 4)) ||
      length != bytes.size() - header_bytes) {
    return damaged(path);
  }
  bytes.erase(0, header_bytes);
  if (sha256(bytes) != digest) return damaged(path);
  snapshot.bytes = std::move(bytes);
  return snapshot;
}

}  // namespace

std::string snapshot_name(Sequence at) {
  const std::string text = std::to_string(at);
  return std::string(20 - text.size(), '0') + text + std::string(ending);
}

std::string encode(const Snapshot& snapshot) { return encode_header(snapshot) + snapshot.bytes; }

Result<void> save_snapshot(world::Disk& disk, std::string_view directory,
                           const Snapshot& snapshot) {
  check(snapshot.bytes.size() <= max_bytes, "a state larger than a snapshot may be");
  TRY(make_durable_directory(disk, directory));
  return world::replace_file(disk, path_in(directory, snapshot_name(snapshot.at.sequence)),
                             encode(snapshot));
}

Result<std::vector<Sequence>> list_snapshots(const world::Disk& disk,
                                             std::string_view directory) {
  std::vector<Sequence> found;
  if (!disk.exists(directory)) return found;
  TRY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    if (name.size() != 20 + ending.size() || !name.ends_with(ending)) continue;
    if (const auto at = parse_unsigned(std::string_view(name).substr(0, 20))) found.push_back(*at);
  }
  std::sort(found.begin(), found.end());
  return found;
}

Result<Snapshot> read_snapshot(world::Disk& disk, std::string_view directory, Sequence at) {
  const std::string path = path_in(directory, snapshot_name(at));
  TRY_ASSIGN(std::string bytes, world::read_file(disk, path, max_bytes));
  TRY_ASSIGN(Snapshot snapshot, decode(std::move(bytes), path));
  if (snapshot.at.sequence != at) return damaged(path);
  return snapshot;
}

Result<std::optional<Snapshot>> load_snapshot(world::Disk& disk, std::string_view directory,
                                              const Digest& schema) {
  TRY_ASSIGN(const auto found, list_snapshots(disk, directory));
  for (auto at = found.rbegin(); at != found.rend(); ++at) {
    auto snapshot = read_snapshot(disk, directory, *at);
    if (!snapshot && snapshot.error().code != Code::invalid) return std::move(snapshot).error();
    if (snapshot && snapshot->schema == schema) return std::optional(std::move(*snapshot));
  }
  return std::optional<Snapshot>{};
}

Result<void> prune_snapshots(world::Disk& disk, std::string_view directory, std::size_t keep) {
  check(keep > 0, "at least one snapshot is kept");
  TRY_ASSIGN(const auto found, list_snapshots(disk, directory));
  for (std::size_t at = 0; at + keep < found.size(); ++at) {
    TRY(disk.remove(path_in(directory, snapshot_name(found[at]))));
  }
  TRY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    if (name.ends_with(".snap.new")) TRY(disk.remove(path_in(directory, name)));
  }
  return disk.sync_directory(directory);
}

}  // namespace bessemer::journal
