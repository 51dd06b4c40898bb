// Trees of the artifact store on a directory: named, read back, laid out for tasks.
#include <set>

#include "base/check.h"
#include "data/artifact/directory_store.h"
#include "data/artifact/layout.h"
#include "data/artifact/state_of_store.h"

namespace bessemer::artifact {

Result<std::vector<Digest>> DirectoryStore::missing(OrgId tenant,
                                                    const Manifest& manifest) const {
  std::set<Digest> wanted;
  for (const Entry& entry : manifest.entries) wanted.insert(entry.digest);
  std::vector<Digest> absent;
  for (const Digest& digest : wanted) {
    if (!has_blob(tenant, digest)) absent.push_back(digest);
  }
  return absent;
}

Result<Digest> DirectoryStore::publish(OrgId tenant, const Manifest& manifest) {
  if (!tenant) return invalid("is required").at("tenant");
  TRY_ASSIGN(const Manifest checked, make_manifest(manifest.entries));
  for (const Entry& entry : checked.entries) {
    trust(tenant, entry.digest);
    auto bytes = blob_bytes(tenant, entry.digest);
    if (!bytes && bytes.error().code == Code::not_found) {
      return conflict("its bytes have not been uploaded").at(entry.path);
    }
    if (!bytes) return std::move(bytes).error().within(entry.path);
    if (*bytes != entry.bytes) {
      return invalid("is announced with " + std::to_string(entry.bytes) + " bytes and has " +
                     std::to_string(*bytes))
          .at(entry.path);
    }
  }
  const std::string text = to_text(checked);
  const Digest digest = sha256(text);
  trust(tenant, digest);
  if (has_tree(tenant, digest)) return digest;
  TRY(ensure_directory(layout::trees(tenant)));
  TRY_ASSIGN(const std::string made, new_name(tenant));
  TRY_ASSIGN(const auto file, disk_.open(made, world::OpenMode::create));
  TRY(file->write_at(0, text));
  TRY(file->sync());
  TRY(disk_.rename(made, layout::tree(tenant, digest)));
  TRY(disk_.sync_directory(layout::trees(tenant)));
  return digest;
}

bool DirectoryStore::has_tree(OrgId tenant, const Digest& tree) const {
  return tenant && tree && disk_.exists(layout::tree(tenant, tree));
}

Result<Manifest> DirectoryStore::tree(OrgId tenant, const Digest& tree) const {
  if (!has_tree(tenant, tree)) return not_found("no such tree: " + to_text(tree)).at("digest");
  TRY_ASSIGN(const std::string text,
             world::read_file(disk_, layout::tree(tenant, tree), max_manifest_bytes));
  if (sha256(text) != tree) {
    return internal("the stored manifest of " + to_text(tree) + " is damaged").at("digest");
  }
  return parse_manifest(text);
}

// A copy with a mode of its own, for what cannot share the blob's.
Result<void> DirectoryStore::copy_out(const std::string& blob, const std::string& to,
                                      unsigned mode) {
  TRY_ASSIGN(const auto from, disk_.open(blob, world::OpenMode::read));
  TRY_ASSIGN(const auto into, disk_.open(to, world::OpenMode::create));
  std::string piece(layout::piece, '\0');
  for (std::uint64_t at = 0;;) {
    TRY_ASSIGN(const std::size_t got, from->read_at(at, piece));
    if (got == 0) break;
    TRY(into->write_at(at, std::string_view(piece).substr(0, got)));
    at += got;
  }
  TRY(tree_.set_mode(to, mode));
  return into->sync();
}

Result<void> DirectoryStore::lay_entry(OrgId tenant, const std::string& folder,
                                       const Entry& entry) {
  TRY(verify(tenant, entry.digest));
  const std::string blob = layout::blob(tenant, entry.digest);
  const std::string to = folder + "/" + entry.path;
  if (const std::size_t slash = to.rfind('/'); !disk_.exists(to.substr(0, slash))) {
    TRY(disk_.make_directories(to.substr(0, slash)));
  }
  if (entry.executable) return copy_out(blob, to, layout::program_mode);
  TRY(tree_.set_mode(blob, layout::file_mode));  // a crash may have kept the name, not the mode
  auto linked = tree_.link(blob, to);
  if (!linked && linked.error().code == Code::exhausted) {
    return copy_out(blob, to, layout::file_mode);
  }
  return linked;
}

// Makes the names below `folder` durable and its directories read-only, deepest first.
Result<void> DirectoryStore::seal(const std::string& folder) {
  TRY_ASSIGN(const auto names, tree_.list(folder, max_tree_files));
  for (const std::string& name : names) {
    const std::string path = folder + "/" + name;
    TRY_ASSIGN(const world::EntryStatus about, tree_.status(path));
    if (about.kind == world::EntryKind::directory) TRY(seal(path));
  }
  TRY(disk_.sync_directory(folder));
  return tree_.set_mode(folder, layout::folder_mode);
}

Result<std::string> DirectoryStore::lay_out(OrgId tenant, const Digest& digest) {
  const std::string place = layout::laid(tenant, digest);
  if (has_tree(tenant, digest) && disk_.exists(place)) return place;
  TRY_ASSIGN(const Manifest manifest, tree(tenant, digest));
  TRY(ensure_directory(layout::laid(tenant)));
  const std::string made = layout::laid(tenant) + "/" + std::string(layout::making) +
                           std::to_string(++drawn_);
  if (disk_.exists(made)) TRY(remove_all(made));
  TRY(disk_.make_directories(made));
  Result<void> done;
  for (const Entry& entry : manifest.entries) {
    done = lay_entry(tenant, made, entry);
    if (!done) {
      done = std::move(done).error().within(entry.path);
      break;
    }
  }
  if (done) done = seal(made);
  if (done) done = disk_.rename(made, place);
  if (done) done = disk_.sync_directory(layout::laid(tenant));
  if (done) return place;
  if (disk_.exists(made)) static_cast<void>(remove_all(made));  // else removed at the next open
  return std::move(done).error().during("laying out a tree");
}

}  // namespace bessemer::artifact
