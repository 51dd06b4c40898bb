// Collection of what nothing needs in the artifact store on a directory.
#include "base/codec.h"
#include "data/artifact/directory_store.h"
#include "data/artifact/layout.h"
#include "data/artifact/state_of_store.h"

namespace bessemer::artifact {

namespace {

// Entries of a directory that may be absent.
Result<std::vector<std::string>> names_in(const world::Disk& disk, const std::string& folder) {
  if (!disk.exists(folder)) return std::vector<std::string>{};
  return disk.list(folder);
}

// The digest that a name says; nothing for names that are none of ours.
Digest digest_named(const std::string& name) {
  const auto digest = from_text(std::type_identity<Digest>{}, name);
  return digest ? *digest : Digest{};
}

}  // namespace

Result<void> DirectoryStore::remove_all(const std::string& path) {
  TRY_ASSIGN(const world::EntryStatus about, tree_.status(path));
  if (about.kind == world::EntryKind::directory) {
    TRY(tree_.set_mode(path, layout::writable_folder_mode));
    TRY_ASSIGN(const auto names, disk_.list(path));
    for (const std::string& name : names) TRY(remove_all(path + "/" + name));
  }
  return disk_.remove(path);
}

// Out of sight at once, then removed: a crash in between leaves nothing that looks whole.
Result<void> DirectoryStore::discard_laid(OrgId tenant, const std::string& name) {
  const std::string hidden = layout::laid(tenant) + "/" + std::string(layout::making) +
                             std::to_string(++drawn_);
  if (disk_.exists(hidden)) TRY(remove_all(hidden));
  TRY(disk_.rename(layout::laid(tenant) + "/" + name, hidden));
  TRY(disk_.sync_directory(layout::laid(tenant)));
  return remove_all(hidden);
}

Result<void> DirectoryStore::collect_trees(OrgId tenant, const std::set<Digest>& roots,
                                           Collected& done) {
  Doubtful& doubtful = doubtful_[tenant];
  std::set<Digest> still;
  TRY_ASSIGN(const auto names, names_in(disk_, layout::trees(tenant)));
  for (const std::string& name : names) {
    const Digest digest = digest_named(name);
    if (!digest || roots.contains(digest)) continue;
    if (!doubtful.trees.contains(digest)) {
      still.insert(digest);
      continue;
    }
    TRY(disk_.remove(layout::tree(tenant, digest)));
    ++done.trees;
  }
  doubtful.trees = std::move(still);
  if (done.trees > 0) TRY(disk_.sync_directory(layout::trees(tenant)));
  TRY_ASSIGN(const auto laid, names_in(disk_, layout::laid(tenant)));
  for (const std::string& name : laid) {
    const Digest digest = digest_named(name);
    if (digest && !has_tree(tenant, digest)) TRY(discard_laid(tenant, name));
  }
  return {};
}

// Blobs of every tree that still has a name are kept, wanted or not, so that no tree ever names
// bytes that are gone. A manifest that cannot be read stops the collection: better too much.
Result<void> DirectoryStore::collect_blobs(OrgId tenant, const std::set<Digest>& roots,
                                           Collected& done) {
  std::set<Digest> wanted = roots;
  for (const auto& [_, upload] : uploads_) {
    if (upload.committed && upload.tenant == tenant) wanted.insert(upload.digest);
  }
  TRY_ASSIGN(const auto trees, names_in(disk_, layout::trees(tenant)));
  for (const std::string& name : trees) {
    const Digest digest = digest_named(name);
    if (!digest) continue;
    TRY_ASSIGN(const Manifest manifest, tree(tenant, digest));
    for (const Entry& entry : manifest.entries) wanted.insert(entry.digest);
  }
  Doubtful& doubtful = doubtful_[tenant];
  std::set<Digest> still;
  TRY_ASSIGN(const auto shelves, names_in(disk_, layout::blobs(tenant)));
  for (const std::string& shelf : shelves) {
    TRY_ASSIGN(const auto names, disk_.list(layout::blobs(tenant) + "/" + shelf));
    for (const std::string& name : names) {
      const Digest digest = digest_named(shelf + name);
      if (!digest || wanted.contains(digest)) continue;
      if (!doubtful.blobs.contains(digest)) {
        still.insert(digest);
        continue;
      }
      TRY_ASSIGN(const std::uint64_t bytes, blob_bytes(tenant, digest));
      TRY(disk_.remove(layout::blob(tenant, digest)));
      ++done.blobs;
      done.bytes += bytes;
    }
  }
  doubtful.blobs = std::move(still);
  return {};
}

Result<void> DirectoryStore::collect_uploads(OrgId tenant, Instant before, Collected& done) {
  TRY_ASSIGN(const auto names, names_in(disk_, layout::uploads(tenant)));
  for (const std::string& name : names) {
    const auto id = from_text(std::type_identity<UploadId>{}, name);
    if (!id || !*id) continue;
    // Half-begun or half-removed ones have no description and are nobody's.
    const auto known = uploads_.find(*id);
    if (known != uploads_.end() && known->second.started_at >= before) continue;
    TRY(forget_upload(tenant, *id));
    ++done.uploads;
  }
  return {};
}

Result<Collected> DirectoryStore::collect(OrgId tenant, const std::set<Digest>& roots,
                                          Instant before) {
  Collected done;
  TRY(collect_uploads(tenant, before, done));
  TRY(collect_trees(tenant, roots, done));
  TRY(collect_blobs(tenant, roots, done));
  return done;
}

}  // namespace bessemer::artifact
