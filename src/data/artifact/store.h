// Where bytes live: blobs and trees by SHA-256, each tenant's apart from every other's.
#pragma once
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"
#include "data/artifact/manifest.h"
#include "world/world.h"

namespace bessemer::artifact {

constexpr std::size_t max_piece = std::size_t{8} << 20;      // bytes of one append
constexpr std::size_t max_open_uploads = 256;                // of one tenant
constexpr std::uint64_t max_upload_bytes = max_file_bytes;

// An upload that is under way, or that has ended and is in no published tree of its project yet;
// kept across restarts.
struct Upload {
  UploadId id;
  OrgId tenant;
  std::uint64_t bytes = 0;  // how many will come
  Instant started_at;
  OrgId project;            // whose trees may name the blob
  Digest digest;            // what the bytes are to be
  bool committed = false;   // they are: the blob is there
  friend bool operator==(const Upload&, const Upload&) = default;
};
DESCRIBE(Upload, id, tenant, bytes, started_at, project, digest, committed)

// A blob as it was stored.
struct Blob {
  Digest digest;
  std::uint64_t bytes = 0;
  friend bool operator==(const Blob&, const Blob&) = default;
};
DESCRIBE(Blob, digest, bytes)

// What a collection did.
struct Collected {
  std::uint64_t blobs = 0, trees = 0, uploads = 0, bytes = 0;
  friend bool operator==(const Collected&, const Collected&) = default;
};
DESCRIBE(Collected, blobs, trees, uploads, bytes)

// The contract of the artifact store; a directory first (directory_store.h).
//
// Everything is by tenant: what one tenant holds tells another nothing, and is kept again for
// each. What `commit`, `put` and `publish` answer is durable when they return. Const members may
// be called by several threads at once, beside one that calls the others.
struct Store {
  virtual ~Store() = default;

  // ---- upload, in pieces, resumable

  // Opens an upload; the same again answers as before. Errors: invalid (too large), exhausted
  // (too many open), conflict (the id is used for something else).
  virtual Result<void> begin(const Upload& upload) = 0;
  // How many bytes have arrived: where to go on. Errors: not_found.
  virtual Result<std::uint64_t> arrived(OrgId tenant, UploadId upload) = 0;
  // Appends at `offset`, which must be arrived(); answers the new offset. After a failed write the
  // upload is gone. Errors: not_found, conflict (another offset), invalid (more than announced,
  // piece too large), exhausted (disk).
  virtual Result<std::uint64_t> append(OrgId tenant, UploadId upload, std::uint64_t offset,
                                       std::string_view piece) = 0;
  // Publishes the blob if its bytes are `expected`; other bytes are refused and dropped.
  // Repeated after success it succeeds, until the upload is settled or too old. Errors: not_found,
  // conflict (incomplete), invalid (the digest differs).
  virtual Result<Blob> commit(OrgId tenant, UploadId upload, const Digest& expected) = 0;
  virtual Result<void> abandon(OrgId tenant, UploadId upload) = 0;
  // Every upload that is kept, of all tenants, in order of id.
  virtual std::vector<Upload> uploads() const = 0;
  // The project has published a tree: its ended uploads of these blobs have served.
  virtual Result<void> settle(OrgId tenant, OrgId project, const std::set<Digest>& blobs) = 0;
  // Publishes bytes at hand.
  virtual Result<Blob> put(OrgId tenant, std::string_view bytes) = 0;
  // Publishes the content of an open file of at most `limit` bytes. Errors: exhausted (larger).
  virtual Result<Blob> put(OrgId tenant, const world::File& file, std::uint64_t limit) = 0;

  // ---- blobs

  virtual bool has_blob(OrgId tenant, const Digest& blob) const = 0;
  // Errors: not_found.
  virtual Result<std::uint64_t> blob_bytes(OrgId tenant, const Digest& blob) const = 0;
  // Up to into.size() bytes from `offset`; fewer only at the end. Errors: not_found.
  virtual Result<std::size_t> read(OrgId tenant, const Digest& blob, std::uint64_t offset,
                                   std::span<char> into) const = 0;
  // Reads all of it and compares. A blob that is not what its name says is removed, so that it
  // can be uploaded again. Errors: not_found, internal (damaged).
  virtual Result<void> verify(OrgId tenant, const Digest& blob) = 0;

  // ---- trees

  // Which of the manifest's blobs the tenant must still upload, each once, in order of digest.
  virtual Result<std::vector<Digest>> missing(OrgId tenant, const Manifest& manifest) const = 0;
  // Names the tree once every blob is there with the announced size. Errors: conflict (a blob is
  // missing), invalid (a size is not the blob's).
  virtual Result<Digest> publish(OrgId tenant, const Manifest& manifest) = 0;
  virtual bool has_tree(OrgId tenant, const Digest& tree) const = 0;
  // Errors: not_found, internal (damaged).
  virtual Result<Manifest> tree(OrgId tenant, const Digest& tree) const = 0;
  // A directory that holds the tree's files, read-only, laid out once and shared by every task
  // that asks; each blob is verified on the way. The path is relative to the store's root and
  // lives until the tree is collected. Errors: not_found, internal (damaged), exhausted.
  virtual Result<std::string> lay_out(OrgId tenant, const Digest& tree) = 0;

  // ---- garbage

  // Removes what no tree or blob named in `roots` reaches, if it was unreachable at the former
  // collection of this tenant too and not stored again since; and uploads begun before `before`,
  // ended or not. Blobs of ended uploads are kept as long as these.
  // Requires: two collections lie further apart than it takes a publication to become a fact.
  virtual Result<Collected> collect(OrgId tenant, const std::set<Digest>& roots,
                                    Instant before) = 0;
  // The tenants that hold something, in order.
  virtual Result<std::vector<OrgId>> tenants() const = 0;
};

}  // namespace bessemer::artifact
