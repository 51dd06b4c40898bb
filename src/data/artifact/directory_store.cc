// Uploads and blobs of the artifact store on a directory.
#include "data/artifact/directory_store.h"

#include <algorithm>

#include "base/check.h"
#include "base/codec.h"
#include "base/text.h"
#include "data/artifact/layout.h"
#include "data/artifact/state_of_store.h"

namespace bessemer::artifact {

namespace {

constexpr std::size_t kept_open = 64;      // files of uploads
constexpr std::size_t about_bytes = 4096;  // of an upload's description

Error no_upload() {
  return not_found("no such upload is under way").at("upload").fix("begin it again");
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

// Calls take(piece) for all bytes of a file in order.
template <class Take>
Result<void> for_each_piece(const world::File& file, Take&& take) {
  std::string piece(layout::piece, '\0');
  for (std::uint64_t at = 0;;) {
    TRY_ASSIGN(const std::size_t got, file.read_at(at, piece));
    if (got == 0) return {};
    TRY(take(std::string_view(piece).substr(0, got)));
    at += got;
  }
}

Result<Blob> measure(const world::File& file) {
  Sha256 running;
  Blob blob;
  TRY(for_each_piece(file, [&](std::string_view piece) -> Result<void> {
    running.add(piece);
    blob.bytes += piece.size();
    return {};
  }));
  blob.digest = running.finish();
  return blob;
}

}  // namespace

DirectoryStore::DirectoryStore(world::Disk& disk, world::Tree& tree) : disk_(disk), tree_(tree) {}
DirectoryStore::~DirectoryStore() = default;

Result<std::unique_ptr<DirectoryStore>> DirectoryStore::open(world::Disk& disk,
                                                             world::Tree& tree) {
  std::unique_ptr<DirectoryStore> store(new DirectoryStore(disk, tree));
  TRY(store->remove_leftovers());
  return store;
}

// What a crash left half-made has no name that anyone knows.
Result<void> DirectoryStore::remove_leftovers() {
  TRY_ASSIGN(const std::vector<OrgId> all, tenants());
  for (const OrgId tenant : all) {
    if (disk_.exists(layout::fresh(tenant))) {
      TRY_ASSIGN(const auto names, disk_.list(layout::fresh(tenant)));
      for (const std::string& name : names) {
        TRY(disk_.remove(layout::fresh(tenant) + "/" + name));
      }
    }
    TRY(find_uploads(tenant));
    if (!disk_.exists(layout::laid(tenant))) continue;
    TRY_ASSIGN(const auto names, disk_.list(layout::laid(tenant)));
    for (const std::string& name : names) {
      if (name.starts_with(layout::making)) TRY(remove_all(layout::laid(tenant) + "/" + name));
    }
  }
  return {};
}

Result<std::vector<OrgId>> DirectoryStore::tenants() const {
  TRY_ASSIGN(const auto names, disk_.list(""));
  std::vector<OrgId> found;
  for (const std::string& name : names) {
    const auto id = from_text(std::type_identity<OrgId>{}, name);
    if (id && *id) found.push_back(*id);
  }
  return found;
}

// Makes the directory and its parents so that they survive a crash.
Result<void> DirectoryStore::ensure_directory(const std::string& path) {
  if (path.empty() || disk_.exists(path)) return {};
  const std::string parent = parent_of(path);
  TRY(ensure_directory(parent));
  TRY(disk_.make_directories(path));
  return disk_.sync_directory(parent);
}

// A path for something being made; nothing else has it.
Result<std::string> DirectoryStore::new_name(OrgId tenant) {
  if (!tenant) return invalid("is required").at("tenant");
  TRY(ensure_directory(layout::fresh(tenant)));
  while (true) {
    const std::string path = layout::fresh(tenant) + "/" + std::to_string(++drawn_);
    if (!disk_.exists(path)) return path;
  }
}

// Something that was in doubt is wanted again.
void DirectoryStore::trust(OrgId tenant, const Digest& digest) {
  const auto doubtful = doubtful_.find(tenant);
  if (doubtful == doubtful_.end()) return;
  doubtful->second.blobs.erase(digest);
  doubtful->second.trees.erase(digest);
}

// Gives the synced file `made` its name as a blob, durably.
Result<void> DirectoryStore::name_blob(OrgId tenant, const std::string& made,
                                       const Digest& digest) {
  trust(tenant, digest);
  if (has_blob(tenant, digest)) return disk_.remove(made);
  TRY(tree_.set_mode(made, layout::file_mode));
  TRY(ensure_directory(layout::shelf(tenant, digest)));
  TRY(disk_.rename(made, layout::blob(tenant, digest)));
  return disk_.sync_directory(layout::shelf(tenant, digest));
}

// ---- uploads

// One without a description was being begun or removed at a crash: it is nobody's.
Result<void> DirectoryStore::find_uploads(OrgId tenant) {
  if (!disk_.exists(layout::uploads(tenant))) return {};
  TRY_ASSIGN(const auto names, disk_.list(layout::uploads(tenant)));
  for (const std::string& name : names) {
    const auto id = from_text(std::type_identity<UploadId>{}, name);
    const std::string about = layout::uploads(tenant) + "/" + name + "/about";
    if (!id || !*id || !disk_.exists(about)) continue;
    TRY_ASSIGN(const std::string text, world::read_file(disk_, about, about_bytes));
    TRY_ASSIGN(const Upload upload, codec::decode<Upload>(text));
    const bool bytes = disk_.exists(layout::upload(tenant, *id) + "/bytes");
    // A crash came between the blob's name and the record of it: to be begun again.
    if (!upload.committed && !bytes) {
      TRY(forget_upload(tenant, *id));
      continue;
    }
    if (upload.tenant == tenant) uploads_.emplace(*id, upload);
  }
  return {};
}

std::vector<Upload> DirectoryStore::uploads() const {
  std::vector<Upload> all;
  for (const auto& [_, upload] : uploads_) all.push_back(upload);
  return all;
}

Result<void> DirectoryStore::forget_upload(OrgId tenant, UploadId upload) {
  open_.erase(upload);
  uploads_.erase(upload);
  return remove_all(layout::upload(tenant, upload));
}

Result<void> DirectoryStore::settle(OrgId tenant, OrgId project, const std::set<Digest>& blobs) {
  std::vector<UploadId> served;
  for (const auto& [id, upload] : uploads_) {
    if (upload.committed && upload.tenant == tenant && upload.project == project &&
        blobs.contains(upload.digest)) {
      served.push_back(id);
    }
  }
  for (const UploadId id : served) TRY(forget_upload(tenant, id));
  return {};
}

Result<DirectoryStore::Open*> DirectoryStore::find_upload(OrgId tenant, UploadId upload) {
  if (!upload) return no_upload();
  if (const auto at = open_.find(upload); at != open_.end()) {
    if (at->second.about.tenant != tenant) return no_upload();
    return &at->second;
  }
  const std::string folder = layout::upload(tenant, upload);
  if (!disk_.exists(folder + "/about") || !disk_.exists(folder + "/bytes")) return no_upload();
  TRY_ASSIGN(const std::string text, world::read_file(disk_, folder + "/about", about_bytes));
  Open open;
  TRY_ASSIGN(open.about, codec::decode<Upload>(text));
  TRY_ASSIGN(open.file, disk_.open(folder + "/bytes", world::OpenMode::read_write));
  TRY_ASSIGN(open.arrived, open.file->size());
  // Descriptors are few; an upload that is forgotten here is found on disk again.
  if (open_.size() >= kept_open) open_.erase(open_.begin());
  return &open_.emplace(upload, std::move(open)).first->second;
}

Result<void> DirectoryStore::begin(const Upload& upload) {
  if (!upload.id) return invalid("is required").at("id");
  if (!upload.tenant) return invalid("is required").at("tenant");
  if (upload.bytes > max_upload_bytes) return invalid("must be at most 16 TiB").at("bytes");
  if (const auto known = uploads_.find(upload.id); known != uploads_.end()) {
    const Upload& same = known->second;
    if (same.bytes == upload.bytes && same.tenant == upload.tenant) return {};
    return conflict("the upload was begun with another size").at("id");
  }
  TRY(ensure_directory(layout::uploads(upload.tenant)));
  const auto under_way = std::ranges::count_if(uploads_, [&](const auto& one) {
    return one.second.tenant == upload.tenant && !one.second.committed;
  });
  if (static_cast<std::size_t>(under_way) >= max_open_uploads) {
    return exhausted("at most 256 uploads may be under way").fix("finish or abandon some");
  }
  const std::string folder = layout::upload(upload.tenant, upload.id);
  TRY(ensure_directory(folder));
  // The bytes first: what has a description is whole.
  if (!disk_.exists(folder + "/bytes")) {
    TRY_ASSIGN(const auto file, disk_.open(folder + "/bytes", world::OpenMode::create));
  }
  TRY(world::replace_file(disk_, folder + "/about", codec::encode(upload)));
  uploads_.emplace(upload.id, upload);
  return {};
}

Result<std::uint64_t> DirectoryStore::arrived(OrgId tenant, UploadId upload) {
  const auto known = uploads_.find(upload);
  if (known != uploads_.end() && known->second.committed && known->second.tenant == tenant) {
    return known->second.bytes;
  }
  TRY_ASSIGN(const Open* open, find_upload(tenant, upload));
  return open->arrived;
}

Result<std::uint64_t> DirectoryStore::append(OrgId tenant, UploadId upload, std::uint64_t offset,
                                             std::string_view piece) {
  TRY_ASSIGN(Open* open, find_upload(tenant, upload));
  if (piece.size() > max_piece) return invalid("a piece may be at most 8 MiB");
  if (offset != open->arrived) {
    return conflict("the next byte is " + std::to_string(open->arrived) + ", not " +
                    std::to_string(offset))
        .at("offset");
  }
  if (piece.size() > open->about.bytes - open->arrived) {
    return invalid("more bytes than the " + std::to_string(open->about.bytes) + " announced");
  }
  if (auto written = open->file->write_at(offset, piece); !written) {
    TRY(abandon(tenant, upload));
    return std::move(written).error().during("storing an upload");
  }
  if (open->hashed == open->arrived) {
    open->running.add(piece);
    open->hashed += piece.size();
  }
  open->arrived += piece.size();
  return open->arrived;
}

Result<Blob> DirectoryStore::commit(OrgId tenant, UploadId upload, const Digest& expected) {
  const auto known = uploads_.find(upload);
  if (known != uploads_.end() && known->second.committed && known->second.tenant == tenant &&
      known->second.digest == expected) {
    return Blob{expected, known->second.bytes};  // the answer may have been lost on its way
  }
  TRY_ASSIGN(Open* const found, find_upload(tenant, upload));
  Open& open = *found;
  if (open.arrived != open.about.bytes) {
    return conflict("only " + std::to_string(open.arrived) + " of " +
                    std::to_string(open.about.bytes) + " bytes have arrived")
        .fix("go on where it stopped, or abandon it");
  }
  Blob blob{open.running.finish(), open.arrived};
  if (open.hashed != open.arrived) {
    TRY_ASSIGN(blob, measure(*open.file));
  }
  open.hashed = 0;  // `running` starts again from nothing
  if (blob.digest != expected || blob.bytes != open.about.bytes) {
    TRY(abandon(tenant, upload));
    return invalid("the bytes that arrived have the digest " + to_text(blob.digest))
        .at("digest")
        .fix("upload them again");
  }
  if (auto synced = open.file->sync(); !synced) {
    TRY(abandon(tenant, upload));
    return std::move(synced).error().during("storing an upload");
  }
  const std::string folder = layout::upload(tenant, upload);
  Upload ended = open.about;
  ended.digest = blob.digest;
  ended.committed = true;
  open_.erase(upload);
  TRY(name_blob(tenant, folder + "/bytes", blob.digest));
  TRY(world::replace_file(disk_, folder + "/about", codec::encode(ended)));
  uploads_[upload] = ended;
  return blob;
}

Result<void> DirectoryStore::abandon(OrgId tenant, UploadId upload) {
  TRY(find_upload(tenant, upload));
  return forget_upload(tenant, upload);
}

// ---- blobs

Result<Blob> DirectoryStore::put(OrgId tenant, std::string_view bytes) {
  Blob blob{sha256(bytes), bytes.size()};
  if (tenant && has_blob(tenant, blob.digest)) {
    trust(tenant, blob.digest);
    return blob;
  }
  TRY_ASSIGN(const std::string made, new_name(tenant));
  TRY_ASSIGN(const auto file, disk_.open(made, world::OpenMode::create));
  Result<void> done = file->write_at(0, bytes);
  if (done) done = file->sync();
  if (done) done = name_blob(tenant, made, blob.digest);
  if (done) return blob;
  if (disk_.exists(made)) static_cast<void>(disk_.remove(made));  // else removed at the next open
  return std::move(done).error().during("storing a blob");
}

Result<Blob> DirectoryStore::put(OrgId tenant, const world::File& from, std::uint64_t limit) {
  TRY_ASSIGN(const std::string made, new_name(tenant));
  TRY_ASSIGN(const auto file, disk_.open(made, world::OpenMode::create));
  Sha256 running;
  Blob blob;
  Result<void> done = for_each_piece(from, [&](std::string_view piece) -> Result<void> {
    if (piece.size() > limit - blob.bytes) {
      return exhausted("is larger than " + std::to_string(limit) + " bytes");
    }
    running.add(piece);
    TRY(file->write_at(blob.bytes, piece));
    blob.bytes += piece.size();
    return {};
  });
  blob.digest = running.finish();
  if (done) done = file->sync();
  if (done) done = name_blob(tenant, made, blob.digest);
  if (done) return blob;
  if (disk_.exists(made)) static_cast<void>(disk_.remove(made));  // else removed at the next open
  return std::move(done).error().during("storing a blob");
}

bool DirectoryStore::has_blob(OrgId tenant, const Digest& blob) const {
  return tenant && blob && disk_.exists(layout::blob(tenant, blob));
}

Result<std::uint64_t> DirectoryStore::blob_bytes(OrgId tenant, const Digest& blob) const {
  if (!has_blob(tenant, blob)) return not_found("no such bytes: " + to_text(blob)).at("digest");
  TRY_ASSIGN(const auto file, disk_.open(layout::blob(tenant, blob), world::OpenMode::read));
  return file->size();
}

Result<std::size_t> DirectoryStore::read(OrgId tenant, const Digest& blob, std::uint64_t offset,
                                         std::span<char> into) const {
  if (!has_blob(tenant, blob)) return not_found("no such bytes: " + to_text(blob)).at("digest");
  TRY_ASSIGN(const auto file, disk_.open(layout::blob(tenant, blob), world::OpenMode::read));
  return file->read_at(offset, into);
}

Result<void> DirectoryStore::verify(OrgId tenant, const Digest& blob) {
  if (!has_blob(tenant, blob)) return not_found("no such bytes: " + to_text(blob)).at("digest");
  const std::string path = layout::blob(tenant, blob);
  TRY_ASSIGN(const auto file, disk_.open(path, world::OpenMode::read));
  TRY_ASSIGN(const Blob measured, measure(*file));
  if (measured.digest == blob) return {};
  TRY(disk_.remove(path));
  TRY(disk_.sync_directory(layout::shelf(tenant, blob)));
  return internal("the stored bytes of " + to_text(blob) + " are damaged")
      .at("digest")
      .fix("upload them again");
}

}  // namespace bessemer::artifact
