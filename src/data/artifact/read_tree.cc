// Every byte of a tree, front to back, verified on the way.
#include "data/artifact/read_tree.h"

#include <string>

namespace bessemer::artifact {

namespace {

constexpr std::size_t piece_bytes = std::size_t{1} << 20;

Result<void> read_file(const Store& store, OrgId tenant, const Entry& entry, std::string& piece,
                       TreeReader& reader) {
  Sha256 running;
  reader.begin_file(entry.path);
  std::uint64_t at = 0;
  while (at < entry.bytes) {
    if (!reader.goes_on()) return unavailable("was given up");
    TRY_ASSIGN(const std::size_t got, store.read(tenant, entry.digest, at, piece));
    if (got == 0) break;
    const std::string_view bytes = std::string_view(piece).substr(0, got);
    running.add(bytes);
    reader.add(bytes);
    at += got;
  }
  reader.end_file();
  if (running.finish() != entry.digest) return internal("the stored bytes are damaged");
  return {};
}

}  // namespace

Result<void> read_tree(const Store& store, OrgId tenant, const Digest& tree, TreeReader& reader) {
  TRY_ASSIGN(const Manifest manifest, store.tree(tenant, tree));
  std::string piece(piece_bytes, '\0');
  for (const Entry& entry : manifest.entries) {
    auto done = read_file(store, tenant, entry, piece, reader);
    if (!done) return std::move(done).error().within(entry.path);
  }
  return {};
}

}  // namespace bessemer::artifact
